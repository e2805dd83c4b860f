"""Which classes of a data set are digits, and what boxes of other classes say of a picture."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digits.core.alphabet import DIGITS, is_digits
from digits.core.boxes import intersection_over_smaller
from digits.core.errors import DatasetError
from digits.core.text import plural
from digits.datasets.pictures import Problem

Digit = tuple[tuple[float, ...], int]  # a box, xyxy, and what it shows

_WORDS = ("zero", "o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SAME = 0.75  # intersection over the smaller of two boxes: so much hardly any two digits of a number share


def digit_classes(names: Mapping[Any, object], path: Path) -> dict[Hashable, int]:
    """The digit of every class that is named after one, by class id; DatasetError if there is none.

    The name "10" is a 0 where no class is called "0", nor another number, as SVHN has it.

    >>> digit_classes({1: "1", 2: "door", 3: "10"}, Path("labels.json"))
    {1: 1, 3: 0}
    """
    spelled = {name: digit for digit, name in enumerate(DIGITS)}
    texts = {key: str(name).strip() for key, name in names.items()}
    if {text for text in texts.values() if is_digits(text)} <= {*DIGITS[1:], "10"}:  # else it is a whole number
        spelled["10"] = 0
    digits = {key: spelled[text] for key, text in texts.items() if text in spelled}
    if not digits:
        raise DatasetError(f"{path}: none of its classes is a digit, one named 0 to 9 is needed")
    return digits


def other_classes(counts: Mapping[str, int]) -> list[Problem]:
    """A problem a class that is no digit, from the number of its annotations by its name."""
    return [Problem(name, f"{counted(count)} of a category that is no digit") for name, count in counts.items()]


def counted(count: int) -> str:
    return plural(count, "annotation", "annotations")


def check_others(others: Iterable[str], digits: int) -> None:
    """Raises ValueError if a picture with annotations of these classes beside so many digits cannot be trusted.

    A class such as "digit_7" or "seven" may be a digit that is missing then, and what has no digit but a "number" is no
    negative.
    """
    for name in others:
        if any(char.isdigit() for char in name) or name.strip().lower() in _WORDS:
            raise ValueError(f"it has a {name!r}, which may be a digit; name the category 0 to 9")
        if not digits:
            raise ValueError(f"it has a {name!r} but no digit, which does not say that it shows no number")


def without_repeats(digits: Sequence[Digit]) -> list[Digit]:
    """Each box once, also if another hand drew it a second time; ValueError if one is of two different digits."""
    boxes = np.array([box for box, _ in digits]).reshape(-1, 4)
    once: list[int] = []
    for i, (_, digit) in enumerate(digits):
        with np.errstate(all="ignore"):  # what is no box is refused later
            same = intersection_over_smaller(boxes[i], boxes[once]) > _SAME
        if any(digits[k][1] != digit for k in np.array(once)[same]):
            raise ValueError("one box is that of two different digits")
        once += [i] if not same.any() else []
    return [digits[i] for i in once]


def repeats(count: int) -> list[Problem]:
    """A problem, if there are any, for so many boxes that were left out by `without_repeats`."""
    return [Problem("a box that is listed twice", counted(count))] if count else []
