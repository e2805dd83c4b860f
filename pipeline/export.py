"""Both networks as ONNX files, and the proof that they read as PyTorch does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.core.errors import WeightsError
from digits.core.images import Source, source_name
from digits.core.resources import shipped
from digits.detector import Detector
from digits.detector.export import export_detector
from digits.pipeline.reader import Reader
from digits.recognizer import Recognizer
from digits.recognizer.export import export_recognizer

# How far apart the two may be: they add up in different orders. Texts and their number must be the same.
BOX_TOLERANCE = 0.5  # pixels
CONFIDENCE_TOLERANCE = 0.005


@dataclass(frozen=True)
class Agreement:
    """How far two backends agree: on how many photographs and readings; the largest distance of a box's sides, in
    pixels, and of a confidence."""

    photographs: int
    readings: int
    box: float
    confidence: float


def export_onnx(out: Path, detector: str | Path | None = None, recognizer: str | Path | None = None) -> list[Path]:
    """Write detector.onnx and recognizer.onnx into a folder, of .safetensors files or of those that ship.

    Raises WeightsError, or DeviceError if the package onnx is not installed.
    """
    paths = []
    for kind, weights, export in (
        ("detector", detector, export_detector),
        ("recognizer", recognizer, export_recognizer),
    ):
        paths.append(out / f"{kind}.onnx")
        export(weights or shipped(f"digits.{kind}.weights", f"{kind}.safetensors"), paths[-1])
    return paths


def reader_of(detector: str | Path | None, recognizer: str | Path | None, backend: str) -> Reader:
    """A reader on the processor, of these weights or those that ship."""
    return Reader(Detector(detector, "cpu", backend=backend), Recognizer(recognizer, "cpu", backend=backend))


def compare(one: Reader, other: Reader, photographs: Iterable[Source]) -> Agreement:
    """Raises WeightsError on the first photograph that the two do not read alike, within the tolerances."""
    count = readings = 0
    box = sure = 0.0
    for photograph in photographs:
        a, b = one.read(photograph).readings, other.read(photograph).readings
        name = source_name(photograph)
        if [(r.text, r.status) for r in a] != [(r.text, r.status) for r in b]:
            said = " and ".join(", ".join(f"{r.text} {r.confidence:.3f}" for r in each) or "nothing" for each in (a, b))
            raise WeightsError(f"{name}: the backends differ: {said}")
        for r, s in zip(a, b, strict=True):
            box = max(box, float(np.abs(np.subtract(r.box, s.box)).max()))
            sure = max(sure, abs(r.confidence - s.confidence))
        if box > BOX_TOLERANCE or sure > CONFIDENCE_TOLERANCE:
            raise WeightsError(f"{name}: the backends differ by {box:.2f} pixels and {sure:.4f} in confidence")
        count, readings = count + 1, readings + len(a)
    return Agreement(count, readings, box, sure)
