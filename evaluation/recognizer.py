"""Scores a recogniser on numbers that are cropped by their true boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from digits.core.alphabet import DIGITS
from digits.core.boxes import enclosing
from digits.datasets.pictures import Record
from digits.evaluation.predictions import RecognizerAnswer
from digits.evaluation.result import (
    NONE,
    THESE_DATA,
    Failure,
    Result,
    Share,
    Threshold,
    could_not_open,
    coverage_table,
    grouped,
    negatives_of,
    subsampled,
    summarised,
)
from digits.metrics import (
    accuracy_coverage,
    character_error_rate,
    class_scores,
    confusion_matrix,
    digit_accuracy,
    exact_accuracy,
    expected_calibration_error,
    length_accuracy,
    reliability,
)
from digits.pipeline.results import format_confidence

_NOWHERE = np.zeros((0, 4))
_EXACT, _KEPT = "numbers read exactly", "numbers that can be kept with 98 % accuracy"
_EMPTY, _UNOPENED = "crops without a number that are left empty", "pictures that could not be opened"
_PHRASES = {
    _EXACT: "{} numbers are read exactly",
    _KEPT: "the surest {} can be kept with 98 % accuracy",
    _EMPTY: "{} crops without a number are left empty",
    _UNOPENED: "{} pictures could not be opened",
}


class Numbers(NamedTuple):
    """All N numbers of the pictures with their readings.

    boxes: of each number (1, 4), or (0, 4) in a crop. confidence: -inf where there is no answer.
    """

    records: list[Record]
    boxes: list[np.ndarray]
    truths: list[str]
    texts: list[str]
    confidence: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """bool (N,)"""
        return np.array([truth == text for truth, text in zip(self.truths, self.texts, strict=True)], bool)


def usable(record: Record) -> bool:
    """Whether a recogniser can be evaluated on a record: its numbers are known, or it has no digits."""
    return bool(record.numbers) or not len(record.boxes)


def numbers_of(records: Sequence[Record], answers: Mapping[str, RecognizerAnswer]) -> Numbers:
    """True texts and readings of the pictures with numbers. A reading "" means no number; it counts as an answer."""
    found = []
    for record in records:
        places = [enclosing(boxes)[None] for boxes in record.number_boxes()] or [_NOWHERE] * len(record.numbers)
        readings = [(reading.text, reading.confidence) for reading in answers[record.image_id].readings]
        readings = readings if answers[record.image_id].error is None else [("", -np.inf)] * len(record.numbers)
        if record.numbers:
            each = zip(places, record.numbers, readings, strict=True)
            found += [(record, place, truth, *reading) for place, truth, reading in each]
    columns = (list(column) for column in zip(*found, strict=True)) if found else ([] for _ in range(5))
    records, boxes, truths, texts, confidence = columns
    return Numbers(records, boxes, truths, texts, np.array(confidence, float))


def score(
    records: Sequence[Record], answers: Mapping[str, RecognizerAnswer], thresholds: Sequence[Threshold]
) -> Result:
    """The figures of a recogniser. records: the `usable` ones, each with its answer. thresholds: chosen elsewhere."""
    numbers = numbers_of(records, answers)
    truths, texts, right = numbers.truths, numbers.texts, numbers.right
    unopened, negatives = could_not_open(records, answers), negatives_of(records, answers)
    confusion = confusion_matrix(truths, texts)
    measures: dict[str, dict] = {
        "numbers": {
            "numbers": len(truths),
            "crops without a number": len(negatives),
            "pictures not opened": len(unopened),
        },
        "accuracy": {
            "exact sequence accuracy": Share(exact_accuracy(truths, texts), len(truths)),
            "length accuracy": Share(length_accuracy(truths, texts), len(truths)),
            "digit accuracy": Share(digit_accuracy(truths, texts), sum(map(len, truths))),
            "character error rate": character_error_rate(truths, texts),
            "expected calibration error": expected_calibration_error(right, numbers.confidence),
        },
        "coverage_at_98_percent": coverage_table(right, numbers.confidence, thresholds),
        "by_length": _by_length(numbers),
        "by_class": _by_class(confusion),
    }
    if negatives:
        texts_read = [reading.text for record in negatives for reading in answers[record.image_id].readings]
        empty = Share(sum(not text for text in texts_read) / len(negatives), len(negatives))
        measures["crops_without_a_number"] = {"left empty": empty}
    coverage, accuracy, threshold = accuracy_coverage(right, numbers.confidence)
    curves = {
        "accuracy_coverage": subsampled({"coverage": coverage, "accuracy": accuracy, "threshold": threshold}),
        "reliability": reliability(right, numbers.confidence)._asdict(),
        "confusion": {name: confusion[:, i] for i, name in enumerate([*DIGITS, "nothing"])},
    }
    sentence, summary = summarised(_chief(measures, Share(len(unopened) / len(records), len(records))), _PHRASES)
    return Result(sentence, summary, measures, curves, _failures(numbers, negatives, answers), unopened)


def _chief(measures: Mapping[str, dict], unopened: Share) -> dict[str, float]:
    accuracy = measures["accuracy"]
    return {
        _EXACT: accuracy["exact sequence accuracy"],
        "digits read": accuracy["digit accuracy"],
        _KEPT: measures["coverage_at_98_percent"][f"threshold chosen on {THESE_DATA}"]["coverage"],
        _EMPTY: measures.get("crops_without_a_number", {}).get("left empty", NONE),
        _UNOPENED: unopened or NONE,
    }


def _by_length(numbers: Numbers) -> dict[str, dict]:
    lengths = [str(len(truth)) for truth in numbers.truths]

    def row(chosen: np.ndarray) -> dict:
        truths, texts = ([column[i] for i in chosen] for column in (numbers.truths, numbers.texts))
        return {
            "numbers": len(chosen),
            "exact": Share(exact_accuracy(truths, texts), len(chosen)),
            "length": Share(length_accuracy(truths, texts), len(chosen)),
            "character error rate": character_error_rate(truths, texts),
        }

    return grouped(sorted(set(lengths), key=int), lengths, row)


def _by_class(confusion: np.ndarray) -> dict[str, dict]:
    scores = class_scores(confusion)
    columns = {"digits": scores.support, "precision": scores.precision, "recall": scores.recall, "f1": scores.f1}
    table = {d: {name: values[label].item() for name, values in columns.items()} for label, d in enumerate(DIGITS)}
    for average in ("macro", "micro", "weighted"):
        row = (int(scores.support.sum()), *getattr(scores, average))
        table[f"{average} average"] = dict(zip(columns, row, strict=True))
    return table


def _failures(
    numbers: Numbers, negatives: Sequence[Record], answers: Mapping[str, RecognizerAnswer]
) -> dict[str, list[Failure]]:
    """Misread numbers, and numbers read where there are none; highest confidence first."""
    wrong = [
        (
            confidence,
            Failure(
                record, f"{truth}, read {text or 'nothing'} {format_confidence(max(confidence, 0))}", box, _NOWHERE
            ),
        )
        for record, box, truth, text, confidence in zip(*numbers, strict=True)
        if truth != text
    ]
    made_up = [
        (
            reading.confidence,
            Failure(record, f"none, read {reading.text} {format_confidence(reading.confidence)}", _NOWHERE, _NOWHERE),
        )
        for record in negatives
        for reading in answers[record.image_id].readings
        if reading.text
    ]
    return {
        name: [failure for _, failure in sorted(found, key=lambda pair: -pair[0])]
        for name, found in (("misread numbers", wrong), ("numbers read where there are none", made_up))
    }
