"""Fits, on validation data, how detector and recogniser are weighed and when to be unsure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torchvision.ops import box_iou

from digits.core.boxes import enclosing
from digits.core.progress import shown
from digits.datasets.items import Sample
from digits.datasets.synthesis import Synthesizer
from digits.detector import Detector
from digits.pipeline.fuse import FEATURES, Fusion, confidence, features, fuse
from digits.pipeline.observations import Observation, weigh
from digits.pipeline.reader import Reader
from digits.recognizer import Recognizer

_DIGIT_WEIGHTS = (0.0, 0.15, 0.3, 0.5, 0.8)
_LENGTH_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class _Picture:
    """A validation picture: its size, the numbers that stand there, and what is seen in each of the passes."""

    size: tuple[int, int]
    numbers: list[tuple[str, np.ndarray]]
    passes: list[list[Observation]]

    def truth_of(self, box: np.ndarray) -> str:
        """The number whose box meets IoU 0.5 with `box`; "" if there is none."""
        if not self.numbers:
            return ""
        others = torch.from_numpy(np.stack([other for _, other in self.numbers])).float()
        overlaps = box_iou(torch.from_numpy(box[None]).float(), others)[0]
        best = int(overlaps.argmax())
        return self.numbers[best][0] if overlaps[best] >= 0.5 else ""


def _numbers(sample: Sample) -> list[tuple[str, np.ndarray]]:
    """The numbers of a sample and the box (4,) around each."""
    return [(text, enclosing(boxes)) for text, boxes in zip(sample.numbers, sample.number_boxes(), strict=True)]


def _looked_at(reader: Reader, image: np.ndarray, numbers: list[tuple[str, np.ndarray]]) -> _Picture:
    passes = [reader.observe_pass(image, found) for found in reader.detector.passes(image, reader.effort)]
    return _Picture(image.shape[1::-1], numbers, passes)


def _logistic(rows: np.ndarray, right: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Weights (K,) of a logistic regression, by Newton's method; the ridge keeps rare features modest."""
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(rows @ weights).clip(-30, 30)))
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows + ridge * np.eye(len(weights))
        weights += np.linalg.solve(hessian, rows.T @ (right - p) - ridge * weights)
    return weights


def _outcomes(pictures: list[_Picture], fusion: Fusion) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, K) of the regions in which any pass shows a text, and whether it is right, float (N,)."""
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
    """The calibration for these weights, and how good they are: right texts, then the likelihood."""
    fusion = Fusion(digit_weight=digit_weight, length_weight=length_weight)
    rows, right = _outcomes(pictures, fusion)
    weights = _logistic(rows, right).tolist()
    fusion = replace(fusion, weights=dict(zip(FEATURES, weights, strict=True)))
    p = confidence(rows, fusion).clip(1e-6, 1 - 1e-6)
    likelihood = right @ np.log(p) + (1 - right) @ np.log(1 - p)
    return float(right.sum() + 0.05 * likelihood), fusion


_Outcomes = list[tuple[float, bool]]  # of the readings of a picture: the confidence of each, and whether it is right


def _read(picture: _Picture, seen: list[Observation], fusion: Fusion) -> _Outcomes:
    """What is read of a pass with this calibration."""
    weighed = weigh(seen, fusion, fusion.threshold, *picture.size)
    return [(o.confidence, o.fused.text == picture.truth_of(o.region.box)) for o in weighed if o.reading]


def _at(threshold: float, outcomes: list[list[_Outcomes]]) -> list[_Outcomes]:
    """Of every picture those of the first pass in which any is confident enough, or else of the last."""
    return [
        next((each for each in passes if any(confidence >= threshold for confidence, _ in each)), passes[-1])
        for passes in outcomes
    ]


def _threshold(outcomes: list[list[_Outcomes]], precision: float) -> float:
    """The lowest at which the share `precision` of the readings above it is right; 1 if there is none."""
    # rounded down, lest the last reading that is confident enough falls below it
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
    precision: float,
    composed: int = 400,
) -> tuple[Fusion, dict[str, float]]:
    """Fit a Fusion on validation pictures: `composed` scenes drawn by `scenes`, and the real ones of its sources.

    The threshold is the lowest at which the share `precision` of the readings above it is right; a number read where
    none is annotated counts as wrong. Returns the fusion and what it does on those pictures.
    """
    numbered = [(s.image, _numbers(s)) for s in map(scenes.composed, range(composed))]
    numbered += [(s.image, _numbers(s)) for s in scenes.sources.scenes if s.numbers]
    empty = [*scenes.sources.backgrounds, *scenes.sources.words_in_scenes]
    todo = [*numbered, *((image, []) for image in empty)]
    reader = Reader(detector, recognizer, fusion=Fusion())
    watched = shown(todo, "reading validation pictures", len(todo))
    pictures = [_looked_at(reader, image, numbers) for image, numbers in watched]
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
