"""The result of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from digits.datasets.pictures import Record
from digits.evaluation.predictions import Answer
from digits.metrics import coverage_at_accuracy, kept_at

ACCURACY = 0.98  # at which coverage is reported, as Goodfellow et al. 2013 do
THESE_DATA = "these data"
NONE = float("nan")  # an undefined figure
_FEW = 200  # from this count on, percentages have a decimal


class Threshold(NamedTuple):
    """A confidence from which answers are kept, and the data on which it was chosen."""

    value: float
    chosen_on: str


class Share(float):
    """A share of `of` items, as a float that prints with its counts; nan if `of` is 0.

    >>> str(Share(88 / 99, 99)), str(Share(0.984, 2000)), str(Share(float("nan"), 0))
    ('88 of 99 (89 %)', '1968 of 2000 (98.4 %)', '–')
    """

    of: int

    def __new__(cls, value: float, of: int) -> Share:
        share = super().__new__(cls, value)
        share.of = of
        return share

    def __str__(self) -> str:
        if not self.of or math.isnan(self):
            return "–"
        return f"{round(self * self.of)} of {self.of} ({self:.{0 if self.of < _FEW else 1}%})".replace("%", " %")


def share_of(values: Sequence[bool] | np.ndarray) -> Share:
    """The share of true values."""
    return Share(float(np.mean(values)) if len(values) else NONE, len(values))


def summarised(rows: Mapping[str, float], phrases: Mapping[str, str]) -> tuple[str, dict[str, float]]:
    """A sentence, and the defined ones of the main figures. phrases: parts of the sentence, by figure."""
    known = {name: value for name, value in rows.items() if not math.isnan(value)}
    words = "; ".join(phrase.format(known[name]) for name, phrase in phrases.items() if name in known)
    return words[:1].upper() + words[1:] + ".", known


class Failure(NamedTuple):
    """A failure: the picture, a caption, and the boxes (N, 4) of truth and answers."""

    record: Record
    caption: str
    truths: np.ndarray
    answers: np.ndarray


@dataclass(frozen=True)
class Result:
    """Figures, curves and failures of an evaluation.

    sentence: a short summary. summary: the main figures by name, all of which are among the measures. measures: by
    section, figures by name, or a table: rows of figures by name. Undefined figures are nan. curves: by name, columns
    of equal length. failures: by kind, the worst first. unopened: a message for each picture that could not be opened.
    """

    sentence: str
    summary: dict[str, float | int]
    measures: dict[str, dict]
    curves: dict[str, dict[str, np.ndarray]]
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    unopened: list[str] = field(default_factory=list)


def could_not_open(records: Sequence[Record], answers: Mapping[str, Answer]) -> list[str]:
    """The error messages of pictures that could not be read. Their numbers count as missed."""
    errors = (answers[record.image_id].error for record in records)
    return [error for error in errors if error is not None]


def negatives_of(records: Sequence[Record], answers: Mapping[str, Answer]) -> list[Record]:
    """Pictures without numbers, except those that could not be opened: these do not count as correctly rejected."""
    return [record for record in records if record.negative and answers[record.image_id].error is None]


def coverage_table(right: np.ndarray, confidence: np.ndarray, others: Sequence[Threshold]) -> dict[str, dict]:
    """Coverage and accuracy with the threshold that reaches `ACCURACY` on these data, and with each of the others.

    right, confidence: as in `metrics.confidence`.
    """
    _, own = coverage_at_accuracy(right, confidence, ACCURACY)
    table = {}
    for threshold in (Threshold(own, THESE_DATA), *others):
        coverage, accuracy = kept_at(right, confidence, threshold.value)
        kept = Share(coverage, len(right))
        right_of_kept = Share(accuracy, 0 if math.isnan(coverage) else round(coverage * len(right)))
        row = {"threshold": threshold.value, "coverage": kept, "accuracy": right_of_kept}
        table[f"threshold chosen on {threshold.chosen_on}"] = row
    return table


def grouped(names: Sequence[str], keys: Sequence[str], row: Callable[[np.ndarray], dict]) -> dict[str, dict]:
    """A table with a row for each of `names`, made from the indices with this key; names without any are left out."""
    places = np.asarray(keys, object)
    chosen = {name: np.flatnonzero(places == name) for name in names}
    return {name: row(indices) for name, indices in chosen.items() if len(indices)}


def subsampled(columns: dict[str, np.ndarray], most: int = 500) -> dict[str, np.ndarray]:
    """The columns of a curve, subsampled evenly to `most` rows, with the first and the last."""
    count = len(next(iter(columns.values())))
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.zeros(0, int)
    return {name: np.asarray(values)[chosen] for name, values in columns.items()}
