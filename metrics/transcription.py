"""Transcription metrics. Truths and texts are sequences of house numbers, one string each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from digits.core.alphabet import digits_of

NOTHING = 10  # row of invented digits and column of missing ones in a confusion matrix


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _shares(truths: Sequence[str], texts: Sequence[str], same: Callable[[str, str], bool]) -> float:
    return _mean([same(truth, text) for truth, text in zip(truths, texts, strict=True)])


def exact_accuracy(truths: Sequence[str], texts: Sequence[str]) -> float:
    """Share of the numbers that are read exactly, leading zeros included.

    >>> exact_accuracy(["12", "07"], ["12", "7"])
    0.5
    """
    return _shares(truths, texts, lambda truth, text: truth == text)


def length_accuracy(truths: Sequence[str], texts: Sequence[str]) -> float:
    """Share of the numbers that are read with the right number of digits.

    >>> length_accuracy(["12", "07"], ["15", "7"])
    0.5
    """
    return _shares(truths, texts, lambda truth, text: len(truth) == len(text))


def digit_accuracy(truths: Sequence[str], texts: Sequence[str]) -> float:
    """Share of the true digits that are read at their position.

    >>> digit_accuracy(["123", "4"], ["12", "4"])
    0.75
    """
    pairs = list(zip(truths, texts, strict=True))
    right = sum(a == b for truth, text in pairs for a, b in zip(truth, text, strict=False))
    total = sum(map(len, truths))
    return right / total if total else float("nan")


def _distances(truth: str, text: str) -> np.ndarray:
    """Levenshtein distances, int64; at [i, j] that of the first i characters of `truth` and the first j of `text`."""
    table = np.add.outer(np.arange(len(truth) + 1), np.arange(len(text) + 1)).tolist()
    for i, a in enumerate(truth, start=1):
        for j, b in enumerate(text, start=1):
            table[i][j] = min(table[i - 1][j - 1] + (a != b), table[i - 1][j] + 1, table[i][j - 1] + 1)
    return np.array(table)


def edit_distance(truth: str, text: str) -> int:
    """Minimum number of substitutions, insertions and deletions from one to the other (Levenshtein 1966).

    >>> edit_distance("1428", "148"), edit_distance("", "7"), edit_distance("12", "21")
    (1, 1, 2)
    """
    return int(_distances(truth, text)[-1, -1])


def character_error_rate(truths: Sequence[str], texts: Sequence[str]) -> float:
    """Edit distance over the number of true digits; it may exceed 1.

    >>> character_error_rate(["1428", "7"], ["142", "7"])
    0.2
    """
    edits = sum(edit_distance(truth, text) for truth, text in zip(truths, texts, strict=True))
    total = sum(map(len, truths))
    return edits / total if total else float("nan")


def _aligned(truth: str, text: str) -> list[tuple[int, int]]:
    """Aligned pairs of digits, by the fewest edits; NOTHING for a gap. Substitutions go before deletions, these before
    insertions."""
    table = _distances(truth, text)
    i, j, pairs = len(truth), len(text), []
    while i or j:
        if i and j and table[i, j] == table[i - 1, j - 1] + (truth[i - 1] != text[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((int(truth[i]), int(text[j])))
        elif i and table[i, j] == table[i - 1, j] + 1:
            i -= 1
            pairs.append((int(truth[i]), NOTHING))
        else:
            j -= 1
            pairs.append((NOTHING, int(text[j])))
    return pairs


def confusion_matrix(truths: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """How often each digit (row) was read as which (column), int64 (11, 11).

    Digits are aligned by the fewest edits, so that an inserted digit does not shift those behind it. The last row
    counts inserted digits, the last column missing ones. Other characters, letters and marks, are passed over.

    >>> table = confusion_matrix(["17", "5"], ["117", "6"])
    >>> int(table[1, 1]), int(table[7, 7]), int(table[NOTHING, 1]), int(table[5, 6])
    (1, 1, 1, 1)
    """
    table = np.zeros((11, 11), np.int64)
    for truth, text in zip(truths, texts, strict=True):
        for pair in _aligned(digits_of(truth), digits_of(text)):
            table[pair] += 1
    return table


class ClassScores(NamedTuple):
    """Precision, recall and F1 of each digit, float64 (10,); support int64 (10,), how often it is a true digit.

    macro, micro, weighted: precision, recall and F1 over all digits: their mean, from summed counts, and their mean
    weighted by support. As in scikit-learn by default, digits that are neither true nor read are left out and nan; for
    the others 0 / 0, such as the recall of a digit that is only inserted, is 0.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    macro: tuple[float, float, float]
    micro: tuple[float, float, float]
    weighted: tuple[float, float, float]


def _ratio(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)


def class_scores(confusion: np.ndarray) -> ClassScores:
    """Scores of each digit from a `confusion_matrix` (11, 11).

    >>> scores = class_scores(confusion_matrix(["17", "7"], ["11", "7"]))
    >>> scores.precision[1].item(), scores.recall[7].item(), scores.micro[2]
    (0.5, 0.5, 0.6666666666666666)
    """
    right = np.diag(confusion)[:NOTHING].astype(float)
    read, there = confusion.sum(0)[:NOTHING], confusion.sum(1)[:NOTHING]
    each = np.stack([_ratio(right, read), _ratio(right, there), _ratio(2 * right, read + there)])
    occurs = read + there > 0
    micro = [_ratio(*pair) for pair in ((right.sum(), read.sum()), (right.sum(), there.sum()))]
    micro.append(_ratio(2 * right.sum(), read.sum() + there.sum()))
    weighted = _ratio(each @ there, np.full(3, there.sum()))
    macro = each[:, occurs].mean(1) if occurs.any() else np.zeros(3)
    precision, recall, f1 = np.where(occurs, each, np.nan)
    return ClassScores(precision, recall, f1, there, _means(macro), _means(micro), _means(weighted))


def _means(values: Iterable) -> tuple[float, float, float]:
    precision, recall, f1 = map(float, values)
    return precision, recall, f1
