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
from digits.pipeline.fuse import Fusion, confidence, features, fuse
from digits.pipeline.merge import NumberRegion, merge
from digits.recognizer import Recognizer, Transcription
from digits.recognizer.crops import cut_number

_DIGIT_WEIGHTS = (0.0, 0.15, 0.3, 0.5, 0.8)
_LENGTH_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class _Case:
    """A region of a validation picture, what the recogniser said of it, and what stands there, "" for nothing."""

    region: NumberRegion
    seen: Transcription
    truth: str


def _truth_of(box: np.ndarray, numbers: list[tuple[str, np.ndarray]]) -> str:
    """The number whose box meets IoU 0.5 with `box`; "" if there is none."""
    if not numbers:
        return ""
    overlaps = box_iou(torch.from_numpy(box[None]), torch.from_numpy(np.stack([other for _, other in numbers])))[0]
    best = int(overlaps.argmax())
    return numbers[best][0] if overlaps[best] >= 0.5 else ""


def _numbers(sample: Sample) -> list[tuple[str, np.ndarray]]:
    """The numbers of a sample and the box (4,) around each."""
    return [(text, enclosing(boxes)) for text, boxes in zip(sample.numbers, sample.number_boxes(), strict=True)]


def _cases(detector, recognizer, image: np.ndarray, numbers) -> list[_Case]:
    found = detector.predict([image])[0]
    regions = merge(found.boxes, found.scores, found.labels)
    seen = recognizer.predict([cut_number(image, r.digit_boxes) for r in regions])
    return [_Case(r, s, _truth_of(r.box, numbers)) for r, s in zip(regions, seen, strict=True)]


def _logistic(rows: np.ndarray, right: np.ndarray, ridge: float = 1e-2) -> np.ndarray:
    """Weights (K,) of a logistic regression, by Newton's method."""
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(rows @ weights).clip(-30, 30)))
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows + ridge * np.eye(len(weights))
        weights += np.linalg.solve(hessian, rows.T @ (right - p) - ridge * weights)
    return weights


def _outcomes(cases: list[_Case], fusion: Fusion) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, 4) of the cases in which a text is read, and whether it is right, float (N,)."""
    rows, right = [], []
    for case in cases:
        heads = fuse(case.seen.length, case.seen.positions, case.region.evidence, fusion)
        fused = Transcription.from_log_probabilities(*heads)
        if fused.text:
            rows.append(features(fused.confidence, case.region.score, len(case.region.digit_boxes)))
            right.append(fused.text == case.truth)
    return np.array(rows).reshape(-1, 4), np.array(right, float)


def _fitted(cases: list[_Case], digit_weight: float, length_weight: float) -> tuple[float, Fusion]:
    """The calibration for these weights, and how good they are: right texts, then the likelihood."""
    fusion = Fusion(digit_weight=digit_weight, length_weight=length_weight)
    rows, right = _outcomes(cases, fusion)
    slope, detection_slope, lone_digit, offset = _logistic(rows, right).tolist()
    fusion = replace(fusion, slope=slope, detection_slope=detection_slope, lone_digit=lone_digit, offset=offset)
    p = confidence(rows, fusion).clip(1e-6, 1 - 1e-6)
    likelihood = right @ np.log(p) + (1 - right) @ np.log(1 - p)
    return float(right.sum() + 0.05 * likelihood), fusion


def calibrate(
    detector: Detector,
    recognizer: Recognizer,
    scenes: Synthesizer,
    precision: float,
    composed: int = 300,
) -> tuple[Fusion, dict[str, float]]:
    """Fit a Fusion on validation pictures: `composed` scenes drawn by `scenes`, and the real ones of its sources.

    The threshold is the lowest at which the share `precision` of the readings above it is right; a number read where
    none is annotated counts as wrong. Returns the fusion and what it does on those pictures.
    """
    numbered = [(s.image, _numbers(s)) for s in map(scenes.composed, range(composed))]
    numbered += [(s.image, _numbers(s)) for s in scenes.sources.scenes if s.numbers]
    empty = [*scenes.sources.backgrounds, *scenes.sources.words_in_scenes]
    todo = [*numbered, *((image, []) for image in empty)]
    watched = shown(todo, "reading validation pictures", len(todo))
    found = [_cases(detector, recognizer, image, numbers) for image, numbers in watched]
    cases = [case for of_picture in found for case in of_picture]
    grid = product(_DIGIT_WEIGHTS, _LENGTH_WEIGHTS)
    _, fusion = max((_fitted(cases, *weights) for weights in grid), key=lambda scored: scored[0])

    rows, right = _outcomes(cases, fusion)
    p = confidence(rows, fusion)
    order = np.argsort(-p)
    enough = np.flatnonzero(np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= precision)
    # rounded down, lest the last reading that is sure enough falls below it
    threshold = float(np.floor(p[order][enough[-1]] * 1e4) / 1e4) if len(enough) else 1.0
    fusion = replace(fusion, threshold=threshold)
    kept = p >= threshold
    total = sum(len(numbers) for _, numbers in numbered)
    alarms = sum(
        bool((confidence(_outcomes(of_picture, fusion)[0], fusion) >= threshold).any())
        for of_picture in found[len(numbered) :]
    )
    return fusion, {
        "pictures with numbers": len(numbered),
        "numbers": total,
        "texts right": int(right.sum()),
        "read": int(kept.sum()),
        "read and right": int(right[kept].sum()),
        "pictures without numbers": len(empty),
        "with one read": alarms,
    }
