"""End-to-end scoring: which numbers are read, misread or missed, and which readings are invented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from digits.metrics.detection import overlaps

TOUCH = 0.1  # IoU from which a wrong text counts as a misreading of that number; below it, as invented


class Judgement(NamedTuple):
    """The outcome of each number and each reading of a photograph.

    numbers: "right", "misplaced" (its text is read, but with too small an IoU), "misread" or "missed". readings:
    "right", "misplaced", "misread" or "invented".
    """

    numbers: tuple[str, ...]
    readings: tuple[str, ...]


def judge(
    truths: Sequence[str], truth_boxes: ArrayLike, texts: Sequence[str], boxes: ArrayLike, iou: float = 0.5
) -> Judgement:
    """Match readings with numbers, one to one, and judge each.

    truths, texts: strings. truth_boxes (N, 4), boxes (M, 4): around whole numbers. A number is right if a reading has
    exactly its text and an IoU of at least `iou`. Of the others, those with equal texts and overlapping boxes are
    matched, then those with an IoU of at least `TOUCH`; larger overlaps first.

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
    """Precision, recall and F1, if `right` of `answered` readings and of `there` numbers are right; nan for 0 / 0.

    >>> precision_recall_f1(3, 4, 6)
    (0.75, 0.5, 0.6)
    """
    ratios = [(right, answered), (right, there), (2 * right, answered + there)]
    precision, recall, f1 = (part / whole if whole else float("nan") for part, whole in ratios)
    return precision, recall, f1


def all_digits_right(
    truth_boxes: ArrayLike, truth_labels: ArrayLike, boxes: ArrayLike, labels: ArrayLike, iou: float = 0.5
) -> bool:
    """The strict criterion of SVHN detection assignments: exactly the true digits are found, in class and box.

    Boxes are those of digits; each true one needs a found one of its own with an IoU of at least `iou`. A picture
    without digits is right if none is found.

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
    """The size of a maximum matching of rows and columns where `fits`, bool (N, M), holds.

    >>> paired_count(np.array([[True, True], [True, False]])), paired_count(np.array([[True, True], [False, False]]))
    (2, 1)
    """
    return int(fits[linear_sum_assignment(fits, maximize=True)].sum())
