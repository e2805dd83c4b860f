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
from digits.pipeline.reader import Look, Reader
from digits.recognizer import Recognizer

_DIGIT_WEIGHTS = (0.0, 0.15, 0.3, 0.5, 0.8)
_LENGTH_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class _Picture:
    """A validation picture: its size, the numbers that stand there, and what ever closer looks show."""

    size: tuple[int, int]
    numbers: list[tuple[str, np.ndarray]]
    looks: list[Look]

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
    looks = [reader.look_at(image, found) for found in reader.detector.looks(image)]
    return _Picture(image.shape[1::-1], numbers, looks)


def _logistic(rows: np.ndarray, right: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Weights (K,) of a logistic regression, by Newton's method; the ridge keeps rare features modest."""
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(rows @ weights).clip(-30, 30)))
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows + ridge * np.eye(len(weights))
        weights += np.linalg.solve(hessian, rows.T @ (right - p) - ridge * weights)
    return weights


def _outcomes(pictures: list[_Picture], fusion: Fusion) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, K) of the regions in which any look shows a text, and whether it is right, float (N,)."""
    rows, right = [], []
    for picture in pictures:
        for regions, seen in ((look.regions, look.seen) for look in picture.looks):
            fused = [fuse(each.close, region.evidence, fusion) for each, region in zip(seen, regions, strict=True)]
            rows_of = features(fused, seen, regions)
            for row, each, region in zip(rows_of, fused, regions, strict=True):
                if each.text:
                    rows.append(row)
                    right.append(each.text == picture.truth_of(region.box))
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


_Told = list[tuple[float, bool]]  # the readings of a picture: how sure each is, and whether it is right


def _told(reader: Reader, picture: _Picture, look: Look) -> _Told:
    readings = reader.weigh(look.regions, look.seen, *picture.size)
    return [(r.confidence, r.text == picture.truth_of(look.regions[i].box)) for i, r in readings.items()]


def _at(threshold: float, told: list[list[_Told]]) -> list[_Told]:
    """What is told of every picture: what the first look shows that shows anything sure enough, or else the last."""
    return [next((look for look in looks if any(sure >= threshold for sure, _ in look)), looks[-1]) for looks in told]


def _threshold(told: list[list[_Told]], precision: float) -> float:
    """The lowest at which the share `precision` of the readings above it is right; 1 if there is none."""
    # rounded down, lest the last reading that is sure enough falls below it
    for threshold in sorted({np.floor(sure * 1e4) / 1e4 for looks in told for look in looks for sure, _ in look}):
        right = [right for of_picture in _at(threshold, told) for sure, right in of_picture if sure >= threshold]
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

    reader = Reader(detector, recognizer, fusion=fusion)
    by_look = [[_told(reader, picture, look) for look in picture.looks] for picture in pictures]
    threshold = _threshold(by_look, precision)
    told = _at(threshold, by_look)
    right = [right for of_picture in told for _, right in of_picture]
    read = [right for of_picture in told for sure, right in of_picture if sure >= threshold]
    return replace(fusion, threshold=threshold), {
        "pictures with numbers": len(numbered),
        "numbers": sum(len(numbers) for _, numbers in numbered),
        "texts right": sum(right),
        "read": len(read),
        "read and right": sum(read),
        "pictures without numbers": len(empty),
        "with one read": sum(any(sure >= threshold for sure, _ in each) for each in told[len(numbered) :]),
    }
