"""Fits the fusion of detector and recogniser, and the threshold of `unsure`, on validation data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torchvision.ops import box_iou

from digits.core.alphabet import DIGITS, is_house_number
from digits.core.boxes import enclosing
from digits.core.progress import progress
from digits.datasets.items import Sample
from digits.datasets.synthesis import Synthesizer
from digits.datasets.synthesis.synthesizer import PlacedNumber
from digits.detector import Detector
from digits.pipeline.fuse import FEATURES, Fusion, confidence, features, fuse, same_place
from digits.pipeline.observations import Observation, readings_of, weigh
from digits.pipeline.reader import Reader
from digits.recognizer import Recognizer

_WORDS = re.compile("[A-Z]{2,}")  # beside a number; no letter of them is a suffix
_DIGIT_WEIGHTS = (0.0, 0.15, 0.3, 0.5, 0.8)
_LENGTH_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class _Picture:
    """A validation picture: its size, its true numbers with their boxes, and the observations of each pass.

    The text of a number that no reading is right of, since it is turned or of a kind that is not read, is "".
    """

    size: tuple[int, int]
    numbers: list[tuple[str, np.ndarray]]
    passes: list[list[Observation]]

    def truth_of(self, box: np.ndarray) -> str:
        """The number that overlaps `box` most, in the same place at least; "" if there is none."""
        if not self.numbers:
            return ""
        others = np.stack([other for _, other in self.numbers])
        best = int(box_iou(*(torch.from_numpy(each).float() for each in (box[None], others)))[0].argmax())
        return self.numbers[best][0] if same_place(box, others)[best] else ""


def _numbers(sample: Sample) -> list[tuple[str, np.ndarray]]:
    """The numbers of a sample and the box (4,) around each, that of the picture if there is none."""
    if not len(sample.boxes):
        height, width = sample.image.shape[:2]
        return [(text, np.array([0.0, 0.0, width, height])) for text in sample.numbers]
    return [(text, enclosing(boxes)) for text, boxes in zip(sample.numbers, sample.number_boxes(), strict=True)]


def _drawn_numbers(placed: Sequence[PlacedNumber]) -> list[tuple[str, np.ndarray]]:
    """The same of a drawn photograph; the boxes are around the digits, as the detector's are."""
    numbers = []
    for each in placed:
        digits = np.array([char in DIGITS for char in each.text])
        if digits.any():
            text = _WORDS.sub("", each.text)
            known = each.upright and is_house_number(text)
            numbers.append((text if known else "", enclosing(each.boxes[digits])))
    return numbers


def _observed(reader: Reader, image: np.ndarray, numbers: list[tuple[str, np.ndarray]]) -> _Picture:
    passes = [reader.observe_pass(image, found) for found in reader.detector.passes(image, reader.effort)]
    return _Picture(image.shape[1::-1], numbers, passes)


def _logistic(rows: np.ndarray, right: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Weights (K,) of a logistic regression, by Newton's method; the ridge limits the weights of rare features."""
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(rows @ weights).clip(-30, 30)))
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows + ridge * np.eye(len(weights))
        weights += np.linalg.solve(hessian, rows.T @ (right - p) - ridge * weights)
    return weights


def _outcomes(pictures: list[_Picture], fusion: Fusion) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, K) of all regions with a text, over all passes, and whether it is right, float (N,)."""
    rows, right = [], []
    for picture in pictures:
        for seen in picture.passes:
            fused = [fuse(each.close, each.with_room, each.region.evidence, fusion) for each in seen]
            for row, each, read in zip(features(seen, fused), seen, fused, strict=True):
                if read.text:
                    rows.append(row)
                    right.append(read.text == picture.truth_of(each.region.box))
    return np.array(rows).reshape(-1, len(FEATURES)), np.array(right, float)


def _fitted(pictures: list[_Picture], digit_weight: float, length_weight: float) -> tuple[float, Fusion]:
    """The score of these weights (right texts, then likelihood), and the calibration fitted for them."""
    fusion = Fusion(digit_weight=digit_weight, length_weight=length_weight)
    rows, right = _outcomes(pictures, fusion)
    weights = _logistic(rows, right).tolist()
    fusion = replace(fusion, weights=dict(zip(FEATURES, weights, strict=True)))
    p = confidence(rows, fusion).clip(1e-6, 1 - 1e-6)
    likelihood = right @ np.log(p) + (1 - right) @ np.log(1 - p)
    return float(right.sum() + 0.05 * likelihood), fusion


_Outcomes = list[tuple[float, bool]]  # confidence of each reading of a picture, and whether it is right


def _read(picture: _Picture, seen: list[Observation], fusion: Fusion) -> _Outcomes:
    """The outcomes of the readings of a pass with this calibration; 0 is the confidence of what is never sure."""
    readings = readings_of(weigh(seen, fusion, 0.0, *picture.size))
    return [
        (each.confidence * (each.status == "read"), each.text == picture.truth_of(np.array(each.box)))
        for each in readings
    ]


def _at(threshold: float, outcomes: list[list[_Outcomes]]) -> list[_Outcomes]:
    """For each picture the outcomes of the first pass with a confident enough reading, else of the last pass."""
    return [
        next((each for each in passes if any(confidence >= threshold for confidence, _ in each)), passes[-1])
        for passes in outcomes
    ]


def _threshold(outcomes: list[list[_Outcomes]], precision: float) -> float:
    """The lowest threshold with this precision of the readings above it; 1 if there is none."""
    # rounded down, so that the reading it was taken from stays above it
    values = {np.floor(confidence * 1e4) / 1e4 for passes in outcomes for each in passes for confidence, _ in each}
    for threshold in sorted(values):
        right = [right for each in _at(threshold, outcomes) for confidence, right in each if confidence >= threshold]
        if right and np.mean(right) >= precision:
            return float(threshold)
    return 1.0


def calibrate(
    detector: Detector,
    recognizer: Recognizer,
    scenes: Synthesizer,
    real: Sequence[Sample],
    precision: float,
    drawn: int = 800,
) -> tuple[Fusion, dict[str, float]]:
    """Fit a Fusion on validation pictures: `drawn` ones of `scenes`, the real ones, and the empty ones of its sources.

    The threshold is the lowest with this precision of the readings above it; a reading where no number is annotated
    counts as wrong. Returns the fusion and its figures on these pictures.
    """
    photographs = map(scenes.photograph, range(drawn))
    numbered = [(image, _drawn_numbers(placed)) for image, placed in photographs]
    numbered += [(s.image, _numbers(s)) for s in real if s.numbers]
    empty = [*scenes.sources.backgrounds, *scenes.sources.words_in_scenes]
    todo = [*numbered, *((image, []) for image in empty)]
    reader = Reader(detector, recognizer, fusion=Fusion())
    items = progress(todo, "reading validation pictures", len(todo))
    pictures = [_observed(reader, image, numbers) for image, numbers in items]
    grid = product(_DIGIT_WEIGHTS, _LENGTH_WEIGHTS)
    _, fusion = max((_fitted(pictures, *weights) for weights in grid), key=lambda scored: scored[0])

    by_pass = [[_read(picture, seen, fusion) for seen in picture.passes] for picture in pictures]
    threshold = _threshold(by_pass, precision)
    outcomes = _at(threshold, by_pass)
    right = [right for each in outcomes for _, right in each]
    read = [right for each in outcomes for confidence, right in each if confidence >= threshold]
    alarms = [any(confidence >= threshold for confidence, _ in each) for each in outcomes[len(numbered) :]]
    return replace(fusion, threshold=threshold), {
        "pictures with numbers": len(numbered),
        "numbers": sum(len(numbers) for _, numbers in numbered),
        "texts right": sum(right),
        "read": len(read),
        "read and right": sum(read),
        "pictures without numbers": len(empty),
        "with one read": sum(alarms),
    }
