"""What was seen in a photograph: regions, what the recogniser saw in each, and what is read there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from digits.core.alphabet import is_house_number
from digits.core.boxes import enclosing
from digits.pipeline.fuse import (
    FEATURES,
    Fusion,
    TranscribedRegion,
    confidence,
    features,
    fuse,
    same_place,
    standing_alone,
)
from digits.pipeline.merge import NumberRegion
from digits.pipeline.ranges import Pair, pairs
from digits.pipeline.reasons import FLAGGED, REASONS, Evidence, cut_at, reasons, sharpness
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
    regions that overlap, only the most confident has a reading, and it is `unsure` below `min_confidence`, or if the
    picture's edge may cut it off. A range is read before all others, at its first member.
    """
    fused = [fuse(each.close, each.with_room, each.region.evidence, fusion) for each in seen]
    rows = features(seen, fused)
    confidences = confidence(rows, fusion)
    readings: dict[int, Reading] = {}

    def read(i: int, box: np.ndarray, text: str, probability: float) -> None:
        taken = np.array([reading.box for reading in readings.values()]).reshape(-1, 4)
        if not same_place(box, taken).any():
            region = seen[i].region
            cut = cut_at(box, (width, height), region.digit_height, region.stacked)
            lettered = seen[i].flags.get("letters", 0.0) >= FLAGGED  # a letter that is no suffix stands beside it
            sure = probability >= min_confidence and not cut and not lettered
            readings[i] = _reading(region, fused[i], text, box, float(probability), sure, width, height)

    for probability, text, pair in sorted(_ranges(seen, fused, rows, fusion, width), reverse=True):
        both = np.stack([seen[k].region.box for k in (pair.first, pair.second)])
        read(pair.first, enclosing(both), text, probability)
    for i in sorted((i for i, each in enumerate(fused) if each.text), key=lambda i: -confidences[i]):
        if i not in readings:
            read(i, seen[i].region.box, fused[i].text, confidences[i])
    first = sorted(readings, key=lambda i: _rank(readings[i], height), reverse=True)
    others = sorted(set(range(len(seen))) - set(readings), key=lambda i: -seen[i].region.score)
    return [
        Observation(
            seen[i].region,
            seen[i].close,
            seen[i].with_room,
            fused[i],
            rows[i],
            float(confidences[i]),
            readings.get(i),
            parted_at=seen[i].parted_at,
        )
        for i in (*first, *others)
    ]


def _ranges(
    seen: Sequence[TranscribedRegion], fused: Sequence[Transcription], rows: np.ndarray, fusion: Fusion, width: int
) -> list[tuple[float, str, Pair]]:
    """Ranges and fractions: their confidence, that of members and mark together, their text, and where they are."""
    found = []
    for pair in pairs(seen, width):
        members = [pair.first, pair.second]
        text = pair.mark.join(fused[k].text for k in members)
        if is_house_number(text) and all(fused[k].suffix != UNCLEAR for k in members):
            of_members = confidence(standing_alone(rows[members]), fusion)
            found.append((float(of_members.prod() * pair.probability), text, pair))
    return found


def with_reasons(observation: Observation, image: np.ndarray) -> Observation:
    """The same, where its reading is unsure with the reasons why. image: the photograph, RGB uint8 (H, W, 3)."""
    reading, region = observation.reading, observation.region
    if reading is None or reading.status == "read":
        return observation
    (_, first), *others = observation.fused.distribution.best(2)
    measured = dict(zip(FEATURES, observation.features.tolist(), strict=True))
    evidence = Evidence(
        box=reading.box,
        size=image.shape[1::-1],
        digit_height=region.digit_height,
        stacked=region.stacked,
        sharpness=sharpness(letterbox(cut_number(image, region.digit_boxes, stacked=region.stacked))),
        odds=max([measured["rival"] - measured["text"], *(score - first for _, score in others)]),
        beside=measured["beside"] > 0,
        contained=measured["whole"] > 0,
        digits=len(region.digit_boxes),
        unclear=reading.suffix == UNCLEAR,
        flags=observation.flags,
    )
    return replace(observation, reading=replace(reading, reasons=reasons(evidence)))


# Which edge of a photograph an edge is after so many quarter turns to the left.
_EDGES_BACK = {
    1: {"cut_top": "cut_right", "cut_left": "cut_top", "cut_bottom": "cut_left", "cut_right": "cut_bottom"},
    3: {"cut_top": "cut_left", "cut_left": "cut_bottom", "cut_bottom": "cut_right", "cut_right": "cut_top"},
}


def turned_back(observation: Observation, quarters: int, width: int, height: int) -> Observation:
    """What was seen in an image after 1 or 3 quarter turns to the left, in the image, of this size, as it was.

    Its reading is unsure: such a photograph lost its orientation, or what was read is none.
    """
    region, reading = observation.region, observation.reading
    boxes = _turned_back(region.digit_boxes, quarters, width, height)
    back = replace(region, box=_turned_back(region.box[None], quarters, width, height)[0], digit_boxes=boxes)
    if reading is not None:
        corners = np.array([reading.box, *(digit.box for digit in reading.digits)])
        box, *each = (_clip(box, width, height) for box in _turned_back(corners, quarters, width, height))
        digits = tuple(replace(digit, box=box) for digit, box in zip(reading.digits, each, strict=True))
        given = {_EDGES_BACK[quarters].get(name, name) for name in reading.reasons} | {"turned"}
        why = tuple(name for name in REASONS if name in given)
        reading = replace(reading, box=box, digits=digits, status="unsure", reasons=why)
    return replace(observation, region=back, reading=reading)


def _turned_back(boxes: np.ndarray, quarters: int, width: int, height: int) -> np.ndarray:
    """Boxes (N, 4) on an image that `np.rot90` turned 1 or 3 times, on the image of this size."""
    x1, y1, x2, y2 = boxes.T
    if quarters == 1:
        return np.stack([width - y2, x1, width - y1, x2], 1)
    return np.stack([y1, height - x2, y2, height - x1], 1)


def readings_of(observations: Sequence[Observation]) -> tuple[Reading, ...]:
    """What is read, most likely house number first."""
    return tuple(each.reading for each in observations if each.reading)


def _reading(
    region: NumberRegion,
    fused: Transcription,
    text: str,
    box: np.ndarray,
    confidence: float,
    sure: bool,
    width: int,
    height: int,
) -> Reading:
    boxes = _digit_boxes(region, len(fused.digits), width, height)
    return Reading(
        text=text,
        confidence=confidence,
        detection_score=float(min(1.0, region.score)),
        box=_clip(box, width, height),
        orientation=region.orientation,
        status="read" if sure and fused.suffix != UNCLEAR else "unsure",
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
