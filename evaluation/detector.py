"""Scores a detector: digits, number regions, proposals, and false alarms in negatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from digits.core.alphabet import DIGIT_COUNT, DIGITS
from digits.core.boxes import enclosing
from digits.datasets.pictures import Record
from digits.evaluation.predictions import DetectorAnswer, rows
from digits.evaluation.result import (
    NONE,
    Failure,
    Result,
    Share,
    could_not_open,
    negatives_of,
    share_of,
    subsampled,
    summarised,
)
from digits.metrics import (
    all_digits_right,
    best_overlaps,
    coco_scores,
    false_alarm_curve,
    false_alarms,
    overlaps,
    paired_count,
    precision_recall_f1,
)
from digits.pipeline.merge import MIN_MEMBER, MIN_SEED, NumberRegion, merge
from digits.pipeline.results import format_confidence

_IOU = 0.5
_FOUND, _RIGHT = "digits found, right in class and place", "detected digits that are right in class and place"
_COVERED, _ALARMS = "numbers covered by a region", "pictures without digits in which a number is suspected"
_UNOPENED = "pictures that could not be opened"
_PHRASES = {
    _FOUND: "{} digits are found and told apart",
    _RIGHT: "{} detections are right",
    _COVERED: "{} numbers are covered by a region",
    _ALARMS: "in {} pictures without digits a number is suspected",
    _UNOPENED: "{} pictures could not be opened",
}
_SUMMARY = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR_1", "AR_10", "AR_100")


def usable(record: Record) -> bool:
    """Whether a detector can be evaluated on a record: its digits have boxes, or it has no digits."""
    return len(record.boxes) > 0 or not record.numbers


def regions_of(answer: DetectorAnswer, min_seed: float = MIN_SEED) -> list[NumberRegion]:
    """The number regions of the detections, best first; see `pipeline.merge`."""
    found = rows(answer.boxes).astype(np.float32), np.array(answer.scores, np.float32), np.array(answer.labels, int)
    return merge(*found, min_seed)


def digits_of(regions: Sequence[NumberRegion]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) and labels (N,) of the digits in regions, at each position that with the highest score."""
    boxes = np.concatenate([np.zeros((0, 4)), *(region.digit_boxes for region in regions)])
    labels = np.concatenate([np.zeros(0, int), *(region.evidence.argmax(1) for region in regions)])
    return boxes, labels


def _spelled(region: NumberRegion) -> str:
    return "".join(map(str, region.evidence.argmax(1)))


def seed(region: NumberRegion) -> float:
    """The score of a region's best digit, which must reach `merge.MIN_SEED`."""
    return float(region.evidence.max())


def columns(records: Sequence[Record], answers: Mapping[str, DetectorAnswer]) -> tuple[list, ...]:
    """True boxes, true labels, boxes, scores and labels, an entry per picture: arguments of `metrics.coco_scores`."""
    mine = [answers[record.image_id] for record in records]
    return (
        [record.boxes for record in records],
        [record.labels for record in records],
        [rows(answer.boxes) for answer in mine],
        [answer.scores for answer in mine],
        [answer.labels for answer in mine],
    )


def score(records: Sequence[Record], answers: Mapping[str, DetectorAnswer]) -> Result:
    """The figures of a detector. records: the `usable` ones, each with its answer.

    Pictures with boxes of whole numbers count for number regions only, since the boxes of their digits are estimated.
    Digits and regions are judged at the reader's threshold, `merge.MIN_SEED`.
    """
    regions = {record.image_id: regions_of(answers[record.image_id]) for record in records}
    unopened, negatives = could_not_open(records, answers), negatives_of(records, answers)
    with_digits = [record for record in records if len(record.labels)]
    exact = [record for record in with_digits if not record.shared_out] + negatives
    measures: dict[str, dict] = {
        "pictures": {
            "with digits": len(with_digits),
            "without digits": len(negatives),
            "not opened": len(unopened),
            "boxes known of whole numbers only": sum(record.shared_out for record in with_digits),
        }
    }
    curves = {}
    if any(len(record.labels) for record in exact):
        found = columns(exact, answers)
        digits, places = coco_scores(*found), coco_scores(*found, localisation=True)
        measures["average_precision"] = {
            name: {key: figures[key] for key in _SUMMARY}
            for name, figures in (("digits", digits), ("localisation only", places))
        }
        counts = np.bincount(np.concatenate([record.labels for record in exact]), minlength=DIGIT_COUNT)
        measures["by_class"] = {
            name: {"digits": int(counts[label]), "AP": float(digits["AP_by_class"][label])}
            for label, name in enumerate(DIGITS)
        }
        curves["precision_recall"] = {
            "recall": digits["recall"],
            "digits": digits["precision"],
            "localisation only": places["precision"],
        }
        measures["at_threshold"] = _at_threshold(exact, regions)
    measures["recall"] = _recalls(records, exact, answers, regions)
    # with lower scores, too, to show the effect of a lower threshold
    faint = [regions_of(answers[record.image_id], MIN_MEMBER) for record in negatives]
    alarms = [[seed(region) for region in found] for found in faint]
    a_picture, share = false_alarms(alarms, MIN_SEED)
    measures["false_alarms"] = {
        "threshold": MIN_SEED,
        "number regions a negative": a_picture,
        "negatives with any": Share(share, len(negatives)),
    }
    thresholds, counts, shares = false_alarm_curve(alarms)
    curves["false_alarms"] = subsampled({"threshold": thresholds, "a negative": counts, "negatives with any": shares})
    sentence, summary = summarised(_chief(measures, Share(len(unopened) / len(records), len(records))), _PHRASES)
    return Result(sentence, summary, measures, curves, _failures(records, negatives, regions), unopened)


def _chief(measures: Mapping[str, dict], unopened: Share) -> dict[str, float]:
    found = measures.get("at_threshold", {})
    return {
        _FOUND: found.get("recall", NONE),
        _RIGHT: found.get("precision", NONE),
        _COVERED: measures["recall"][_COVERED],
        _ALARMS: measures["false_alarms"]["negatives with any"],
        "average precision of digits": measures.get("average_precision", {}).get("digits", {}).get("AP", NONE),
        _UNOPENED: unopened or NONE,
    }


def strictly_right(record: Record, regions: Sequence[NumberRegion]) -> bool:
    """Whether exactly the digits of a picture are found, in class and box."""
    return all_digits_right(record.boxes, record.labels, *digits_of(regions), _IOU)


def _at_threshold(records: Sequence[Record], regions: Mapping[str, list[NumberRegion]]) -> dict:
    right = answered = there = strict = 0
    for record in records:
        boxes, labels = digits_of(regions[record.image_id])
        fits = (overlaps(record.boxes, boxes) >= _IOU) & np.equal.outer(record.labels, labels)
        right += paired_count(fits)
        answered += len(labels)
        there += len(record.labels)
        strict += strictly_right(record, regions[record.image_id])
    precision, recall, f1 = precision_recall_f1(right, answered, there)
    return {
        "threshold": MIN_SEED,
        "precision": Share(precision, answered),
        "recall": Share(recall, there),
        "f1": f1,
        "pictures with all digits and boxes right": Share(strict / len(records), len(records)),
    }


def _reached(found: Sequence[ArrayLike]) -> Share:
    return share_of(np.concatenate([np.zeros(0), *found]) >= _IOU)


def _recalls(
    records: Sequence[Record],
    exact: Sequence[Record],
    answers: Mapping[str, DetectorAnswer],
    regions: Mapping[str, list[NumberRegion]],
) -> dict[str, Share | float]:
    recalls: dict[str, Share | float] = {}
    asked = [(record, answers[record.image_id]) for record in exact if len(record.labels)]
    stages: dict[Literal["before_nms", "after_nms"], str] = {"before_nms": "before NMS", "after_nms": "after NMS"}
    for stage, name in stages.items():
        found = [[0.0] * len(r.labels) if answer.error else answer.proposals.get(stage) for r, answer in asked]
        if any(answer.proposals for _, answer in asked):
            known = [values for values in found if values is not None]
            recalls[f"digits covered by proposals {name}"] = _reached(known) if len(known) == len(found) else NONE
    if any(len(record.labels) for record in exact):
        detected = [best_overlaps(r.boxes, rows(answers[r.image_id].boxes)) for r in exact]
        recalls["digits covered by detections of any class and score"] = _reached(detected)
    numbers = [
        best_overlaps([enclosing(boxes) for boxes in r.number_boxes()], [g.box for g in regions[r.image_id]])
        for r in records
        if r.numbers
    ]
    recalls[_COVERED] = _reached(numbers)
    return recalls


def _failures(
    records: Sequence[Record], negatives: Sequence[Record], regions: Mapping[str, list[NumberRegion]]
) -> dict[str, list[Failure]]:
    """False alarms in negatives, highest score first; numbers without a region, the largest first."""
    alarms = [(seed(region), record, region) for record in negatives for region in regions[record.image_id]]
    alarms.sort(key=lambda alarm: -alarm[0])
    missed = []
    for record in records:
        boxes = np.array([region.box for region in regions[record.image_id]]).reshape(-1, 4)
        for text, digits in zip(record.numbers, record.number_boxes(), strict=False):
            box = enclosing(digits)[None]
            if best_overlaps(box, boxes)[0] < _IOU:
                missed.append(((box[0, 3] - box[0, 1]), Failure(record, f"missed {text}", box, boxes)))
    missed.sort(key=lambda pair: -pair[0])
    return {
        "false alarms": [
            Failure(record, f"{_spelled(region)} {format_confidence(score)}", np.zeros((0, 4)), region.box[None])
            for score, record, region in alarms
        ],
        "missed numbers": [failure for _, failure in missed],
    }
