"""What was seen in a photograph: regions, what the recogniser saw in each, and what is read there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from digits.pipeline.fuse import FEATURES, Fusion, TranscribedRegion, confidence, features, fuse, same_place
from digits.pipeline.merge import NumberRegion
from digits.pipeline.reasons import Evidence, reasons, sharpness
from digits.pipeline.results import Box, Digit, Reading
from digits.recognizer import Transcription
from digits.recognizer.crops import cut_number, letterbox
from digits.recognizer.heads import UNCLEAR


@dataclass(frozen=True, eq=False)
class Observation(TranscribedRegion):
    """A region of a photograph, and what is made of it.

    fused: the transcription of the close crop, weighed against what the detector saw. features: float64 (F,), of
    `fuse.FEATURES`, from which the confidence is calibrated. confidence: that the fused text is right. reading: of this
    region; None if no number is seen here, or if a more confident one is read in the same place.
    """

    fused: Transcription
    features: np.ndarray
    confidence: float
    reading: Reading | None


def weigh(
    seen: Sequence[TranscribedRegion], fusion: Fusion, min_confidence: float, width: int, height: int
) -> list[Observation]:
    """The observations of a photograph of this size.

    Those with a reading come first, most likely house number first; then the others, best detection score first. Of
    regions that overlap, only the most confident has a reading, and it is `unsure` below `min_confidence`.
    """
    fused = [fuse(each.close, each.with_room, each.region.evidence, fusion) for each in seen]
    rows = features(seen, fused)
    confidences = confidence(rows, fusion)
    readings: dict[int, Reading] = {}
    for i in sorted((i for i, each in enumerate(fused) if each.text), key=lambda i: -confidences[i]):
        taken = np.array([seen[k].region.box for k in readings]).reshape(-1, 4)
        if not same_place(seen[i].region.box, taken).any():
            readings[i] = _reading(seen[i].region, fused[i], float(confidences[i]), min_confidence, width, height)
    first = sorted(readings, key=lambda i: _rank(readings[i], height), reverse=True)
    others = sorted(set(range(len(seen))) - set(readings), key=lambda i: -seen[i].region.score)
    return [
        Observation(
            seen[i].region, seen[i].close, seen[i].with_room, fused[i], rows[i], float(confidences[i]), readings.get(i)
        )
        for i in (*first, *others)
    ]


def with_reasons(observation: Observation, image: np.ndarray) -> Observation:
    """The same, where its reading is unsure with the reasons why. image: the photograph, RGB uint8 (H, W, 3)."""
    reading, region = observation.reading, observation.region
    if reading is None or reading.status == "read":
        return observation
    (_, first), *others = observation.fused.distribution.best(2)
    measured = dict(zip(FEATURES, observation.features.tolist(), strict=True))
    close, room = observation.close.flags, observation.with_room.flags
    evidence = Evidence(
        box=reading.box,
        size=image.shape[1::-1],
        digit_height=float(np.median(np.ptp(region.digit_boxes[:, 1::2], axis=1))),
        sharpness=sharpness(letterbox(cut_number(image, region.digit_boxes, stacked=region.stacked))),
        odds=max([measured["rival"] - measured["text"], *(score - first for _, score in others)]),
        beside=measured["beside"] > 0,
        contained=measured["whole"] > 0,
        digits=len(region.digit_boxes),
        unclear=reading.suffix == UNCLEAR,
        flags={name: max(close[name], room[name]) for name in close},
    )
    return replace(observation, reading=replace(reading, reasons=reasons(evidence)))


def readings_of(observations: Sequence[Observation]) -> tuple[Reading, ...]:
    """What is read, most likely house number first."""
    return tuple(each.reading for each in observations if each.reading)


def _reading(
    region: NumberRegion, fused: Transcription, confidence: float, min_confidence: float, width: int, height: int
) -> Reading:
    boxes = _digit_boxes(region, len(fused.digits), width, height)
    return Reading(
        text=fused.text,
        confidence=confidence,
        detection_score=float(min(1.0, region.score)),
        box=_clip(region.box, width, height),
        orientation=region.orientation,
        status="read" if confidence >= min_confidence and fused.suffix != UNCLEAR else "unsure",
        suffix=fused.suffix,
        digits=tuple(Digit(c, min(1.0, p), b) for (c, p), b in zip(fused.digits, boxes, strict=True)),
        distribution=fused.distribution,
    )


def _rank(reading: Reading, height: int) -> tuple[bool, float]:
    """How likely this is the house number: sure readings first, large ones before small ones of like certainty."""
    share = max(d.box[3] - d.box[1] for d in reading.digits) / height
    return reading.status == "read", reading.confidence * (0.02 + share) ** 0.25


def _clip(box: Sequence[float] | np.ndarray, width: int, height: int) -> Box:
    x1, x2 = (float(np.clip(x, 0, width)) for x in (box[0], box[2]))
    y1, y2 = (float(np.clip(y, 0, height)) for y in (box[1], box[3]))
    return x1, y1, x2, y2


def _digit_boxes(region: NumberRegion, count: int, width: int, height: int) -> list[Box]:
    """A box for each character read: the detector's where the counts agree, else the region in equal parts."""
    if count == len(region.digit_boxes):
        return [_clip(box, width, height) for box in region.digit_boxes]
    x1, y1, x2, y2 = _clip(region.box, width, height)
    if region.stacked:
        edges = np.linspace(y1, y2, count + 1)
        return [(x1, float(a), x2, float(b)) for a, b in pairwise(edges)]
    edges = np.linspace(x1, x2, count + 1)
    return [(float(a), y1, float(b), y2) for a, b in pairwise(edges)]
