"""The characters of house numbers and how they are combined.

A label, in annotations and in networks, is an index into `CHARACTERS`: 0 to 9 are the digits themselves.
"""

from __future__ import annotations

import re

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARKS = "-/"  # between the two parts of a range or a fraction
OTHER = "."  # any other mark: points, colons
CHARACTERS = DIGITS + LETTERS + MARKS + OTHER
MAX_DIGITS = 6

DIGIT_COUNT = len(DIGITS)

_MEMBER = rf"[0-9]{{1,{MAX_DIGITS}}}[A-Z]?"
_NUMBER = re.compile(rf"{_MEMBER}(?:[{MARKS}]{_MEMBER})?")


def is_digits(text: str) -> bool:
    """Whether a text consists of one or more ASCII digits.

    >>> [is_digits(text) for text in ("007", "12B", "²", "")]
    [True, False, False, False]
    """
    return text != "" and set(text) <= set(DIGITS)


def digits_of(text: str) -> str:
    """The digits of a text, without all other characters.

    >>> digits_of("12-14"), digits_of("ROOM 5B")
    ('1214', '5')
    """
    return "".join(char for char in text if char in DIGITS)


def split_suffix(text: str) -> tuple[str, str]:
    """The digits of a number and the letter behind them, "" if there is none.

    >>> split_suffix("502C"), split_suffix("502"), split_suffix("")
    (('502', 'C'), ('502', ''), ('', ''))
    """
    return (text[:-1], text[-1]) if text[-1:] in LETTERS and text else (text, "")


def members_of(text: str) -> tuple[str, ...]:
    """Both members of a range or a fraction, or the number by itself.

    >>> members_of("12-14"), members_of("12B/3"), members_of("668")
    (('12', '14'), ('12B', '3'), ('668',))
    """
    return tuple(re.split(f"[{MARKS}]", text))


def is_house_number(text: str) -> bool:
    """Whether a text is a house number: one to six digits and at most one letter, or two of these joined by - or /.

    >>> [is_house_number(text) for text in ("1428", "12B", "12-14", "12/3", "B12", "1234567", "12--14", "")]
    [True, True, True, True, False, False, False, False]
    """
    return _NUMBER.fullmatch(text) is not None
