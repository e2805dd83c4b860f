"""Both networks as ONNX files, whole or in 8-bit integers, and how far they read as PyTorch does."""

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


def export_onnx(
    out: Path,
    detector: str | Path | None = None,
    recognizer: str | Path | None = None,
    photographs: Sequence[ImageSource] | None = None,
) -> list[Path]:
    """Write both networks into a folder, of .safetensors files or of those that ship: detector.onnx, recognizer.onnx.

    photographs: if given, the convolutions are in 8-bit integers, whose ranges are measured on these, and the files
    are called detector.int8.onnx and recognizer.int8.onnx. Raises WeightsError, ImageError, or DeviceError if the
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
    """A reader on the processor, of these weights or those that ship."""
    return Reader(Detector(detector, "cpu", backend=backend), Recognizer(recognizer, "cpu", backend=backend))


def compare(one: Reader, other: Reader, photographs: Iterable[ImageSource]) -> Agreement:
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


def agreement(one: Reader, other: Reader, photographs: Iterable[ImageSource]) -> tuple[int, int]:
    """On how many photographs both are sure of the same texts, and how many there are."""
    count = same = 0
    for photograph in photographs:
        a, b = ([r.text for r in each.read(photograph).readings if r.status == "read"] for each in (one, other))
        count, same = count + 1, same + (sorted(a) == sorted(b))
    return same, count
