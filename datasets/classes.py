"""Which classes of a data set are digits, and whether a picture with boxes of other classes can be trusted."""

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

Digit = tuple[tuple[float, ...], int]  # a box, xyxy, and its digit

_WORDS = ("zero", "o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SAME = 0.75  # two boxes with more than this intersection over the smaller one are of one digit


def digit_classes(names: Mapping[Any, object], path: Path) -> dict[Hashable, int]:
    """The digit of each class named after one, by class id; DatasetError if there is no such class.

    "10" means 0, as in SVHN, unless a class is named "0" or after another number above 9.

    >>> digit_classes({1: "1", 2: "door", 3: "10"}, Path("labels.json"))
    {1: 1, 3: 0}
    """
    spelled = {name: digit for digit, name in enumerate(DIGITS)}
    texts = {key: str(name).strip() for key, name in names.items()}
    if {text for text in texts.values() if is_digits(text)} <= {*DIGITS[1:], "10"}:  # else "10" means ten
        spelled["10"] = 0
    digits = {key: spelled[text] for key, text in texts.items() if text in spelled}
    if not digits:
        raise DatasetError(f"{path}: none of its classes is a digit, one named 0 to 9 is needed")
    return digits


def other_classes(counts: Mapping[str, int]) -> list[Problem]:
    """A problem for each class that is no digit; counts: the number of annotations by class name."""
    return [Problem(name, f"{counted(count)} of a category that is no digit") for name, count in counts.items()]


def counted(count: int) -> str:
    return plural(count, "annotation", "annotations")


def check_others(others: Iterable[str], digits: int) -> None:
    """Raises ValueError if the annotations of a picture cannot be trusted because of classes that are no digits.

    others: the class names. digits: how many annotations are digits. A class such as "digit_7" or "seven" may be a
    missing digit, and a picture with a "number" but no digits is no negative.
    """
    for name in others:
        if any(char.isdigit() for char in name) or name.strip().lower() in _WORDS:
            raise ValueError(f"it has a {name!r}, which may be a digit; name the category 0 to 9")
        if not digits:
            raise ValueError(f"it has a {name!r} but no digit, so it may still show a number")


def without_repeats(digits: Sequence[Digit]) -> list[Digit]:
    """The digits without duplicate boxes, near-duplicates included; ValueError if duplicates have different digits."""
    boxes = np.array([box for box, _ in digits]).reshape(-1, 4)
    once: list[int] = []
    for i, (_, digit) in enumerate(digits):
        with np.errstate(all="ignore"):  # invalid boxes are refused later
            same = intersection_over_smaller(boxes[i], boxes[once]) > _SAME
        if any(digits[k][1] != digit for k in np.array(once)[same]):
            raise ValueError("one box has two different digits")
        once += [i] if not same.any() else []
    return [digits[i] for i in once]


def repeats(count: int) -> list[Problem]:
    """A problem for the number of boxes that `without_repeats` left out; none for 0."""
    return [Problem("a box that is listed twice", counted(count))] if count else []
