"""Scores the whole chain, from a photograph to its readings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from digits.core.boxes import enclosing, is_stacked
from digits.datasets.pictures import Record
from digits.evaluation.predictions import PhotoReading, PipelineAnswer, rows
from digits.evaluation.result import (
    NONE,
    Failure,
    Result,
    Share,
    Threshold,
    could_not_open,
    coverage_table,
    grouped,
    negatives_of,
    share_of,
    subsampled,
    summarised,
)
from digits.metrics import (
    accuracy_coverage,
    all_digits_right,
    expected_calibration_error,
    false_alarm_curve,
    false_alarms,
    judge,
    precision_recall_f1,
    reliability,
)
from digits.metrics.end_to_end import Judgement
from digits.pipeline.results import format_confidence

_Judgements = Mapping[str, Sequence[Judgement]]  # of every record, by which readings count

_FIRST, _SURE = "first readings right", "first readings called read that are right"
_ALARMS, _UNOPENED = "photographs without a number in which one is read", "photographs that could not be opened"
_MEDIAN = "ms a photograph, median"
_PHRASES = {
    _FIRST: "{} first readings are right",
    _SURE: "{} called read are right",
    _ALARMS: "in {} photographs without a number one is read",
    _UNOPENED: "{} photographs could not be opened",
}
_HEIGHTS = (0.02, 0.05, 0.1, 0.2)  # edges of the groups by a digit's height, as shares of the photograph's
_HEIGHT_NAMES = ("under 2 %", "2 to 5 %", "5 to 10 %", "10 to 20 %", "over 20 %", "unknown")


class Number(NamedTuple):
    """A number of a photograph: its text, the box (4,) around it, whether it is stacked, and its relative height.

    share: height of its digits over that of the photograph; nan if the size of the photograph is unknown.
    """

    text: str
    box: np.ndarray
    stacked: bool
    share: float


def usable(record: Record) -> bool:
    """Whether the chain can be evaluated on a record: its numbers have texts and boxes, or it has no digits."""
    return bool(record.numbers) == bool(len(record.boxes))


def numbers_of(record: Record) -> list[Number]:
    """The numbers of a photograph."""
    return [
        Number(
            text,
            enclosing(boxes),
            is_stacked(boxes),
            float(np.median(boxes[:, 3] - boxes[:, 1])) / record.height if record.height else float("nan"),
        )
        for text, boxes in zip(record.numbers, record.number_boxes(), strict=True)
    ]


def first_right(record: Record, answer: PipelineAnswer) -> bool:
    """Whether the first reading is a number of the photograph."""
    return bool(answer.readings) and answer.readings[0].text in record.numbers


def first_confidence(answer: PipelineAnswer) -> float:
    """Confidence of the first reading, -inf if there is none."""
    return answer.readings[0].confidence if answer.readings else -np.inf


def accepted(answer: PipelineAnswer) -> list[PhotoReading]:
    """The readings of status `read`."""
    return [reading for reading in answer.readings if reading.status == "read"]


def judged(record: Record, readings: Sequence[PhotoReading]) -> Judgement:
    """Judge readings of a photograph, see `metrics.judge`."""
    numbers = numbers_of(record)
    return judge(
        [number.text for number in numbers],
        np.array([number.box for number in numbers]).reshape(-1, 4),
        [reading.text for reading in readings],
        rows(reading.box for reading in readings),
    )


def strictly_right(record: Record, answer: PipelineAnswer) -> bool:
    """Whether the readings of status `read` have exactly the digits of the photograph, in class and box."""
    found = [digit for reading in accepted(answer) for digit in reading.digits]
    return all_digits_right(record.boxes, record.labels, rows(d.box for d in found), [int(d.digit) for d in found])


def score(records: Sequence[Record], answers: Mapping[str, PipelineAnswer], thresholds: Sequence[Threshold]) -> Result:
    """The figures of the whole chain. records: the `usable` ones, each with its answer. thresholds: chosen elsewhere.

    Users get readings of status `read`; the table `end_to_end` has figures of all readings, too.
    """
    numbered = [record for record in records if record.numbers]
    unopened, negatives = could_not_open(records, answers), negatives_of(records, answers)
    firsts = _firsts(numbered, answers)
    readings = [reading for record in records for reading in answers[record.image_id].readings]
    judgements = {
        "read": [judged(record, accepted(answers[record.image_id])) for record in records],
        "read or unsure": [judged(record, answers[record.image_id].readings) for record in records],
    }
    outcomes = [outcome for found in judgements["read or unsure"] for outcome in found.readings]
    right = np.array([outcome == "right" for outcome in outcomes], bool)
    confidence = np.array([reading.confidence for reading in readings], float)
    measures = {
        "photographs": {
            "with numbers": len(numbered),
            "numbers": sum(len(record.numbers) for record in numbered),
            "without numbers": len(negatives),
            "not opened": len(unopened),
        },
        "first_reading": {
            "right": share_of(firsts.right),
            "right and read": share_of(firsts.right & firsts.read),
            "wrong and read": share_of(~firsts.right & firsts.read),
            "precision of those read": share_of(firsts.right[firsts.read]),
        },
        "end_to_end": {name: _end_to_end(found) for name, found in judgements.items()},
        "coverage_at_98_percent": coverage_table(firsts.right, firsts.confidence, thresholds),
        **_by_number(records, judgements, dict(zip((r.image_id for r in numbered), firsts.right, strict=True))),
        "calibration": {
            "readings": len(readings),
            "expected calibration error": expected_calibration_error(right, confidence),
        },
        **_strict([*numbered, *negatives], answers, readings),
        **_false_alarms(negatives, answers),
        **_speed(answers),
    }
    coverage, accuracy, threshold = accuracy_coverage(firsts.right, firsts.confidence)
    alarms = [np.array([r.confidence for r in answers[record.image_id].readings]) for record in negatives]
    cut, counts, shares = false_alarm_curve(alarms)
    curves = {
        "accuracy_coverage": subsampled({"coverage": coverage, "accuracy": accuracy, "threshold": threshold}),
        "reliability": reliability(right, confidence)._asdict(),
        "false_alarms": subsampled({"threshold": cut, "a negative": counts, "negatives with any": shares}),
    }
    sentence, summary = summarised(_chief(measures, Share(len(unopened) / len(records), len(records))), _PHRASES)
    return Result(sentence, summary, measures, curves, _failures(records, answers, judgements), unopened)


def _chief(measures: Mapping[str, dict], unopened: Share) -> dict[str, float]:
    first, read = measures["first_reading"], measures["end_to_end"]["read"]
    return {
        _FIRST: first["right"],
        _SURE: first["precision of those read"],
        "numbers read, right in text and place": read["recall"],
        "readings called read that are right in text and place": read["precision"],
        _ALARMS: measures.get("false_alarms", {}).get("negatives with a number read", NONE),
        _UNOPENED: unopened or NONE,
        _MEDIAN: measures.get("speed", {}).get(_MEDIAN, NONE),
    }


class _Firsts(NamedTuple):
    """The first reading of each photograph with numbers: whether it is right, its confidence, whether it is `read`."""

    right: np.ndarray
    confidence: np.ndarray
    read: np.ndarray


def _firsts(numbered: Sequence[Record], answers: Mapping[str, PipelineAnswer]) -> _Firsts:
    of_numbered = [answers[record.image_id] for record in numbered]
    return _Firsts(
        np.array([first_right(*pair) for pair in zip(numbered, of_numbered, strict=True)], bool),
        np.array([first_confidence(answer) for answer in of_numbered], float),
        np.array([bool(answer.readings) and answer.readings[0].status == "read" for answer in of_numbered], bool),
    )


def _strict(records: Sequence[Record], answers: Mapping[str, PipelineAnswer], readings: Sequence[PhotoReading]) -> dict:
    """The strict criterion, for records and readings with a box for each digit."""
    exact = [record for record in records if not record.shared_out]
    if not any(record.numbers for record in exact) or not all(r.digits for r in readings):
        return {}
    right = [strictly_right(record, answers[record.image_id]) for record in exact]
    return {"strict": {"photographs": len(exact), "all digits and boxes right": share_of(right)}}


def _false_alarms(negatives: Sequence[Record], answers: Mapping[str, PipelineAnswer]) -> dict:
    if not negatives:
        return {}
    confidences = [[reading.confidence for reading in accepted(answers[record.image_id])] for record in negatives]
    a_picture, share = false_alarms(confidences, 0)
    any_read = Share(share, len(negatives))
    return {"false_alarms": {"numbers read a negative": a_picture, "negatives with a number read": any_read}}


def _speed(answers: Mapping[str, PipelineAnswer]) -> dict:
    seconds = [answer.seconds for answer in answers.values() if answer.seconds is not None]
    if not seconds:
        return {}
    median, slow = np.quantile(seconds, [0.5, 0.95]) * 1e3
    return {"speed": {_MEDIAN: float(median), "ms a photograph, 95 %": float(slow)}}


def _end_to_end(judgements: Sequence) -> dict[str, float]:
    numbers = Counter(outcome for found in judgements for outcome in found.numbers)
    readings = Counter(outcome for found in judgements for outcome in found.readings)
    precision, recall, f1 = precision_recall_f1(numbers["right"], readings.total(), numbers.total())
    return {
        "precision": Share(precision, readings.total()),
        "recall": Share(recall, numbers.total()),
        "f1": f1,
        **{outcome: numbers[outcome] for outcome in ("right", "misplaced", "misread", "missed")},
        "invented": readings["invented"],
    }


def _by_number(records: Sequence[Record], judgements: _Judgements, first_of: Mapping[str, bool]) -> dict[str, dict]:
    """Tables by height, orientation and length of the numbers. first_of: whether the first reading is right, by id."""
    each = [
        (number, read, read_or_unsure, first_of[record.image_id])
        for record, *found in zip(records, judgements["read"], judgements["read or unsure"], strict=True)
        for number, read, read_or_unsure in zip(numbers_of(record), *(one.numbers for one in found), strict=True)
    ]

    def row(chosen: np.ndarray) -> dict:
        return {
            "numbers": len(chosen),
            "first reading right": share_of([each[i][3] for i in chosen]),
            "read": share_of([each[i][1] == "right" for i in chosen]),
            "read or unsure": share_of([each[i][2] == "right" for i in chosen]),
        }

    lengths = [str(len(number.text)) for number, *_ in each]
    heights = [
        _HEIGHT_NAMES[-1 if np.isnan(number.share) else int(np.searchsorted(_HEIGHTS, number.share, side="right"))]
        for number, *_ in each
    ]
    ways = ["stacked" if number.stacked else "level" for number, *_ in each]
    return {
        "by_height": grouped(_HEIGHT_NAMES, heights, row),
        "by_orientation": grouped(("level", "stacked"), ways, row),
        "by_length": grouped(sorted(set(lengths), key=int), lengths, row),
    }


def _failures(
    records: Sequence[Record], answers: Mapping[str, PipelineAnswer], judgements: _Judgements
) -> dict[str, list[Failure]]:
    """Wrong readings of status `read`, highest confidence first; numbers that are not read, the largest first."""
    wrong, lost = [], []
    for record, read, read_or_unsure in zip(records, judgements["read"], judgements["read or unsure"], strict=True):
        numbers = numbers_of(record)
        truth_boxes = np.array([number.box for number in numbers]).reshape(-1, 4)
        there = " ".join(record.numbers) or "none"
        for reading, outcome in zip(accepted(answers[record.image_id]), read.readings, strict=True):
            if outcome in ("misread", "invented"):
                caption = f"{there}, {outcome} {reading.text} {format_confidence(reading.confidence)}"
                wrong.append((reading.confidence, Failure(record, caption, truth_boxes, rows([reading.box]))))
        readings = answers[record.image_id].readings
        for number, outcome, best in zip(numbers, read.numbers, read_or_unsure.numbers, strict=True):
            if outcome == "missed":
                at = "unsure" if best == "right" else best
                texts = " ".join(reading.text for reading in readings[:3])
                caption = f"{number.text}, {at}" + (f": {texts}" if texts and best != "right" else "")
                boxes = rows(reading.box for reading in readings[:3])
                lost.append((number.share, Failure(record, caption, number.box[None], boxes)))
    return {
        name: [failure for _, failure in sorted(found, key=lambda pair: -np.nan_to_num(pair[0]))]
        for name, found in (("wrong readings", wrong), ("numbers not read", lost))
    }
