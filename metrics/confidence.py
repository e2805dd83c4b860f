"""Selective prediction and calibration: accuracy by coverage, reliability, expected calibration error.

right: bool (N,), one per input. confidence: float (N,), the probability that the answer is right, 0 to 1; or -inf for
an input without an answer, such as a number that was not found, which is never kept. Other values are a ValueError.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


def _checked(right: ArrayLike, confidence: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    right, confidence = np.asarray(right, bool), np.asarray(confidence, float)
    if right.shape != confidence.shape:
        raise ValueError(f"one confidence per answer is needed, got {right.shape} and {confidence.shape}")
    if not ((confidence == -np.inf) | ((confidence >= 0) & (confidence <= 1))).all():
        raise ValueError("a confidence is neither within 0 and 1 nor -inf")
    return right, confidence


def accuracy_coverage(right: ArrayLike, confidence: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coverage and accuracy at every threshold that keeps anything, from high to low, each float64 (K,).

    An input is kept if its confidence reaches the threshold; so ties are kept or dropped together. Coverage is the
    share of inputs that are kept, accuracy the share of kept ones that are right.

    >>> [v.tolist() for v in accuracy_coverage([True, True, False, False], [0.9, 0.5, 0.5, -np.inf])]
    [[0.25, 0.75], [1.0, 0.6666666666666666], [0.9, 0.5]]
    """
    right, confidence = _checked(right, confidence)
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)] & np.isfinite(ordered)
    kept = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(right[order]) / kept
    return kept[last] / max(1, len(order)), accuracy[last], ordered[last]


def coverage_at_accuracy(right: ArrayLike, confidence: ArrayLike, accuracy: float = 0.98) -> tuple[float, float]:
    """The largest coverage at which the accuracy of kept inputs is at least `accuracy`, and its threshold.

    Goodfellow et al. 2013 report it at 98 %. If no threshold reaches the accuracy, coverage is 0 and the threshold inf;
    without inputs, coverage is nan. The threshold is chosen on these same data; see `kept_at` for a given one.

    >>> coverage_at_accuracy([True, True, False, True], [0.9, 0.8, 0.7, 0.6], 0.75)
    (1.0, 0.6)
    >>> coverage_at_accuracy([True, True, False, True], [0.9, 0.8, 0.7, 0.6], 0.98)
    (0.5, 0.8)
    """
    if not np.size(right):
        return float("nan"), float("inf")
    coverage, accuracies, thresholds = accuracy_coverage(right, confidence)
    enough = np.flatnonzero(accuracies >= accuracy)
    return (float(coverage[enough[-1]]), float(thresholds[enough[-1]])) if len(enough) else (0.0, float("inf"))


def kept_at(right: ArrayLike, confidence: ArrayLike, threshold: float) -> tuple[float, float]:
    """Coverage and accuracy at a threshold chosen elsewhere; accuracy is nan if nothing is kept.

    >>> kept_at([True, False, False], [0.9, 0.8, -np.inf], 0.8)
    (0.6666666666666666, 0.5)
    """
    right, confidence = _checked(right, confidence)
    kept = (confidence >= threshold) & np.isfinite(confidence)
    coverage = float(kept.mean()) if len(kept) else float("nan")
    return coverage, float(right[kept].mean()) if kept.any() else float("nan")


class Reliability(NamedTuple):
    """Answers in bins of confidence: counts int64 (K,); mean confidence and accuracy float64 (K,), nan if empty."""

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(right: ArrayLike, confidence: ArrayLike, bins: int = 15) -> Reliability:
    """The reliability diagram of Guo et al. 2017: `bins` of equal width, (0, 1/K], (1/K, 2/K], …; 0 is in the first.

    >>> diagram = reliability([True, False], [0.9, 0.2], bins=2)
    >>> diagram.counts.tolist(), diagram.accuracy.tolist()
    ([1, 1], [0.0, 1.0])
    """
    hits, values = _checked(right, confidence)
    answered = np.isfinite(values)
    hits, values = hits[answered], values[answered]
    index = np.maximum(np.ceil(values * bins).astype(int) - 1, 0)
    counts = np.bincount(index, minlength=bins)
    sums = [np.bincount(index, weights, minlength=bins) for weights in (values, hits)]
    means = [np.divide(total, counts, out=np.full(bins, np.nan), where=counts > 0) for total in sums]
    return Reliability(counts, *means)


def expected_calibration_error(right: ArrayLike, confidence: ArrayLike, bins: int = 15) -> float:
    """The mean difference of confidence and accuracy over the bins of `reliability`, weighted by their counts.

    >>> round(expected_calibration_error([True, True, True, False], [0.9, 0.9, 0.9, 0.9]), 6)
    0.15
    """
    counts, confidences, accuracies = reliability(right, confidence, bins)
    if not counts.sum():
        return float("nan")
    return float(np.nansum(counts * np.abs(confidences - accuracies)) / counts.sum())
