"""Fits, on validation data, how detector and recogniser are weighed and when to be unsure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from rich.progress import track

from digits.datasets.synthesis import Synthesizer
from digits.detector import Detector
from digits.pipeline.fuse import Fusion, fuse, logit
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
    for text, other in numbers:
        low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
        shared = (high - low).clip(0).prod()
        if shared >= 0.5 * ((box[2:] - box[:2]).prod() + (other[2:] - other[:2]).prod() - shared):
            return text
    return ""


def _numbers(sample) -> list[tuple[str, np.ndarray]]:
    found, start = [], 0
    for text in sample.numbers:
        boxes = sample.boxes[start : start + len(text)]
        start += len(text)
        found.append((text, np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])))
    return found


def _cases(detector, recognizer, image: np.ndarray, numbers) -> list[_Case]:
    found = detector.predict([image])[0]
    regions = merge(found.boxes, found.scores, found.labels)
    seen = recognizer.predict([cut_number(image, r.digit_boxes) for r in regions])
    return [_Case(r, s, _truth_of(r.box, numbers)) for r, s in zip(regions, seen, strict=True)]


def _logistic(features: np.ndarray, right: np.ndarray, ridge: float = 1e-2) -> np.ndarray:
    """Weights (K,) of a logistic regression, by Newton's method."""
    weights = np.zeros(features.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(features @ weights).clip(-30, 30)))
        hessian = (features * (p * (1 - p))[:, None]).T @ features + ridge * np.eye(len(weights))
        weights += np.linalg.solve(hessian, features.T @ (right - p) - ridge * weights)
    return weights


def _outcomes(cases: list[_Case], fusion: Fusion) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features (N, 3) for the calibration, whether each text is right (N,), and the texts; empty texts left out."""
    rows, right, texts = [], [], []
    for case in cases:
        fused = Transcription.from_log_probabilities(
            *fuse(case.seen.length, case.seen.positions, case.region.evidence, fusion)
        )
        if fused.text:
            rows.append((logit(fused.confidence), logit(case.region.score), 1.0))
            right.append(fused.text == case.truth)
            texts.append(fused.text)
    return np.array(rows).reshape(-1, 3), np.array(right, float), texts


def calibrate(
    detector: Detector,
    recognizer: Recognizer,
    scenes: Synthesizer,
    precision: float,
    composed: int = 300,
) -> tuple[Fusion, dict[str, float]]:
    """Fit a Fusion on validation pictures: `composed` scenes drawn by `scenes`, and the real ones of its sources.

    Weights are chosen by the number of right texts, then by likelihood; the threshold is the lowest at which the
    share `precision` of the readings above it is right, invented numbers in pictures without any counted as wrong.
    """
    pictures = [scenes.composed(i) for i in range(composed)]
    real = [s for s in scenes.sources.scenes if s.numbers]
    todo = [(s.image, _numbers(s)) for s in pictures + list(real)]
    todo += [(image, []) for image in (*scenes.sources.backgrounds, *scenes.sources.words_in_scenes)]
    cases = [c for item in track(todo, "reading validation pictures") for c in _cases(detector, recognizer, *item)]

    best: tuple[tuple, Fusion] | None = None
    for digit_weight, length_weight in product(_DIGIT_WEIGHTS, _LENGTH_WEIGHTS):
        fusion = Fusion(digit_weight=digit_weight, length_weight=length_weight)
        features, right, _ = _outcomes(cases, fusion)
        slope, detection_slope, offset = _logistic(features, right).tolist()
        fusion = replace(fusion, slope=slope, detection_slope=detection_slope, offset=offset)
        p = np.array([confidence_of(row, fusion) for row in features]).clip(1e-6, 1 - 1e-6)
        likelihood = float((right * np.log(p) + (1 - right) * np.log(1 - p)).mean())
        score = (right.sum() + 20 * likelihood,)
        if best is None or score > best[0]:
            best = (score, fusion)
    fusion = best[1]
    features, right, _ = _outcomes(cases, fusion)
    p = np.array([confidence_of(row, fusion) for row in features])
    order = np.argsort(-p)
    running = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(running >= precision)
    threshold = float(p[order][enough[-1]]) if len(enough) else 1.0
    fusion = replace(fusion, threshold=round(threshold, 4))
    kept = p >= fusion.threshold
    numbers = sum(len(found) for _, found in todo)
    report = {
        "pictures": len(todo),
        "numbers": numbers,
        "regions": len(cases),
        "right_texts": int(right.sum()),
        "read": int(kept.sum()),
        "read_precision": round(float(right[kept].mean()), 4) if kept.any() else 0.0,
        "read_recall": round(float(right[kept].sum()) / numbers, 4),
    }
    return fusion, report


def confidence_of(row: np.ndarray, fusion: Fusion) -> float:
    """The calibrated confidence from a row of features (logit of text probability, logit of detection score, 1)."""
    z = row @ np.array([fusion.slope, fusion.detection_slope, fusion.offset])
    return float(1 / (1 + np.exp(-z)))
