"""The characters that house numbers are made of, and how they are put together.

A label, in annotations and in networks, is a place in `CHARACTERS`: 0 to 9 are the digits themselves.
"""

from __future__ import annotations

import re

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARKS = "-/"  # between the members of a range or a fraction
OTHER = "."  # stands for every other mark: points, colons
CHARACTERS = DIGITS + LETTERS + MARKS + OTHER
MAX_DIGITS = 6

_MEMBER = rf"[0-9]{{1,{MAX_DIGITS}}}[A-Z]?"
_NUMBER = re.compile(rf"{_MEMBER}(?:[-/]{_MEMBER})?")


def is_house_number(text: str) -> bool:
    """Whether a text can be one: one to six digits and at most a letter, or two such members joined by - or /.

    >>> [is_house_number(text) for text in ("1428", "12B", "12-14", "12/3", "B12", "1234567", "12--14", "")]
    [True, True, True, True, False, False, False, False]
    """
    return _NUMBER.fullmatch(text) is not None
