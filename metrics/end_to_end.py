"""From photograph to text: which numbers are read, misread or missed, and which readings are made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from digits.metrics.detection import overlaps

TOUCH = 0.1  # from this IoU on, a wrong text is a misreading of that number rather than made up


class Judgement(NamedTuple):
    """What became of each number and each reading of a photograph.

    numbers: of each number, "right"; "misplaced", its text is read but the box does not meet the IoU; "misread"; or
    "missed". readings: of each reading, "right", "misplaced", "misread" or "invented".
    """

    numbers: tuple[str, ...]
    readings: tuple[str, ...]


def judge(
    truths: Sequence[str], truth_boxes: ArrayLike, texts: Sequence[str], boxes: ArrayLike, iou: float = 0.5
) -> Judgement:
    """Pairs readings with numbers, one to one, and says what became of each.

    truths, texts: strings. truth_boxes (N, 4), boxes (M, 4): around the whole number. A number is right if a reading
    has exactly its text and a box of at least `iou` with its own. What is then left is paired where the text is the
    same and the boxes overlap at all, then where boxes overlap by `TOUCH`; larger overlaps first.

    >>> door, sign = [0, 0, 40, 20], [100, 0, 140, 20]
    >>> judge(["1428", "7"], [door, sign], ["1423", "99"], [door, [300, 0, 340, 20]])
    Judgement(numbers=('misread', 'missed'), readings=('misread', 'invented'))
    """
    found = overlaps(truth_boxes, boxes).reshape(len(truths), len(texts))
    same = np.array([[truth == text for text in texts] for truth in truths], bool).reshape(found.shape)
    numbers, readings = ["missed"] * len(truths), ["invented"] * len(texts)
    for outcome, fits in (
        ("right", same & (found >= iou)),
        ("misplaced", same & (found > 0)),
        ("misread", ~same & (found >= TOUCH)),
    ):
        for place in np.argsort(-found, axis=None, kind="stable"):
            i, j = np.unravel_index(place, found.shape)
            if fits[i, j] and numbers[i] == "missed" and readings[j] == "invented":
                numbers[i] = readings[j] = outcome
    return Judgement(tuple(numbers), tuple(readings))


def precision_recall_f1(right: int, answered: int, there: int) -> tuple[float, float, float]:
    """Of `answered` readings and `there` numbers, `right` of each; nan where it is nothing over nothing.

    >>> precision_recall_f1(3, 4, 6)
    (0.75, 0.5, 0.6)
    """
    ratios = [(right, answered), (right, there), (2 * right, answered + there)]
    precision, recall, f1 = (part / whole if whole else float("nan") for part, whole in ratios)
    return precision, recall, f1


def all_digits_right(
    truth_boxes: ArrayLike, truth_labels: ArrayLike, boxes: ArrayLike, labels: ArrayLike, iou: float = 0.5
) -> bool:
    """The strict count of the SVHN detection assignments: as many digits as there are, each of the right class and box.

    Boxes are those of digits, each to be met by one of its own with at least `iou`. A picture without digits is right
    if none is found.

    >>> all_digits_right([[0, 0, 10, 20]], [1], [[0, 0, 10, 19]], [1])
    True
    >>> all_digits_right([[0, 0, 10, 20]], [1], [[0, 0, 10, 19], [30, 0, 40, 20]], [1, 1])
    False
    """
    there, found = np.asarray(truth_labels), np.asarray(labels)
    if len(there) != len(found):
        return False
    fits = (overlaps(truth_boxes, boxes) >= iou) & np.equal.outer(there, found)
    return paired_count(fits) == len(there)


def paired_count(fits: np.ndarray) -> int:
    """How many rows and columns, bool (N, M), can be paired one to one where `fits`: augmenting paths (Kuhn 1955).

    >>> paired_count(np.array([[True, True], [True, False]])), paired_count(np.array([[True, True], [False, False]]))
    (2, 1)
    """
    partner = [-1] * fits.shape[1]

    def place(row: int, tried: set[int]) -> bool:
        for column in np.flatnonzero(fits[row]).tolist():
            if column not in tried:
                tried.add(column)
                if partner[column] < 0 or place(partner[column], tried):
                    partner[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(fits)))
