"""Exports both networks to ONNX, and compares their readings with those of PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.core.backend import SUFFIXES
from digits.core.errors import WeightsError
from digits.core.images import ImageSource, load_image, source_name
from digits.core.resources import shipped
from digits.detector import Detector
from digits.export.detector import export_detector
from digits.export.recognizer import export_recognizer
from digits.pipeline.reader import Reader
from digits.recognizer import Recognizer
from digits.recognizer.crops import cut_both, letterbox

# Tolerances, since the backends sum in different orders. The number of readings and their texts must be the same.
BOX_TOLERANCE = 0.5  # pixels
CONFIDENCE_TOLERANCE = 0.005


@dataclass(frozen=True)
class Agreement:
    """Agreement of two backends: numbers of photographs and readings; the largest differences of a box coordinate, in
    pixels, and of a confidence."""

    photographs: int
    readings: int
    box: float
    confidence: float


def export_onnx(
    out: Path,
    detector: str | Path | None = None,
    recognizer: str | Path | None = None,
    photographs: Sequence[ImageSource] | None = None,
) -> list[Path]:
    """Write detector.onnx and recognizer.onnx into a folder, from .safetensors files, by default the shipped ones.

    photographs: if given, the convolutions are quantised to 8-bit integers, with ranges measured on these, and the
    files are detector.int8.onnx and recognizer.int8.onnx. Raises WeightsError, ImageError, or DeviceError if the
    package onnx is not installed.
    """
    views = crops = None
    if photographs is not None:
        finder = Detector(detector, "cpu", backend="torch")
        reader = Reader(finder, Recognizer(recognizer, "cpu", backend="torch"))
        images = [load_image(photograph) for photograph in photographs]
        views = [finder.view(image, 0)[0] for image in images]
        cut = (
            [
                letterbox(crop)
                for region in reader.find(image)
                for crop in cut_both(image, region.digit_boxes, region.stacked)
            ]
            for image in images
        )
        crops = [np.stack(each) for each in cut if each]
    suffix = SUFFIXES["onnx" if photographs is None else "int8"]
    paths = [out / f"{kind}{suffix}" for kind in ("detector", "recognizer")]
    export_detector(detector or shipped("digits.detector.weights", "detector.safetensors"), paths[0], views)
    export_recognizer(recognizer or shipped("digits.recognizer.weights", "recognizer.safetensors"), paths[1], crops)
    return paths


def reader_of(detector: str | Path | None, recognizer: str | Path | None, backend: str) -> Reader:
    """A reader on the CPU with these weights, by default the shipped ones."""
    return Reader(Detector(detector, "cpu", backend=backend), Recognizer(recognizer, "cpu", backend=backend))


def compare(one: Reader, other: Reader, photographs: Iterable[ImageSource]) -> Agreement:
    """Compare two readers; WeightsError at the first photograph whose readings differ beyond the tolerances."""
    count = readings = 0
    box = confidence = 0.0
    for photograph in photographs:
        a, b = one.read(photograph).readings, other.read(photograph).readings
        name = source_name(photograph)
        if [(r.text, r.status) for r in a] != [(r.text, r.status) for r in b]:
            texts = (", ".join(f"{r.text} {r.confidence:.3f}" for r in each) or "nothing" for each in (a, b))
            raise WeightsError(f"{name}: the backends differ: {' and '.join(texts)}")
        for r, s in zip(a, b, strict=True):
            box = max(box, float(np.abs(np.subtract(r.box, s.box)).max()))
            confidence = max(confidence, abs(r.confidence - s.confidence))
        if box > BOX_TOLERANCE or confidence > CONFIDENCE_TOLERANCE:
            raise WeightsError(f"{name}: the backends differ by {box:.2f} pixels and {confidence:.4f} in confidence")
        count, readings = count + 1, readings + len(a)
    return Agreement(count, readings, box, confidence)


def agreement(one: Reader, other: Reader, photographs: Iterable[ImageSource]) -> tuple[int, int]:
    """The number of photographs in which both have the same readings of status `read`, and the number of all."""
    count = same = 0
    for photograph in photographs:
        a, b = ([r.text for r in each.read(photograph).readings if r.status == "read"] for each in (one, other))
        count, same = count + 1, same + (sorted(a) == sorted(b))
    return same, count
