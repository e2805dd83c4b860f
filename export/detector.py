"""The digit detector as an ONNX file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from digits.detector.nn.inference import SingleImageRCNN
from digits.detector.nn.model import build_detector
from digits.export.equalization import cross_layer_equalization
from digits.export.writer import write_onnx
from digits.nn.weights import restore

_FIRST = 3  # first convolutions, up to 16 channels, that stay in floating point: their errors would affect all others


@torch.no_grad()
def export_detector(weights: str | Path, path: str | Path, views: Iterable[np.ndarray] | None = None) -> None:
    """Write the model for `ExportedNetwork` in `detector/exported.py`.

    views: RGB uint8 (h, w, 3), to measure the ranges of 8-bit integers on; by default there is no quantisation. Raises
    WeightsError, or DeviceError if onnx is not installed.
    """
    model, header = restore(weights, "detector", build_detector)
    if views is not None:
        views = list(views)
        cross_layer_equalization(model, views)
    generator = torch.Generator().manual_seed(0)
    example = torch.randint(0, 256, (160, 224, 3), dtype=torch.uint8, generator=generator)
    found = {0: "found"}
    write_onnx(
        path,
        SingleImageRCNN(model),
        example,
        header,
        ("boxes", "scores", "labels"),
        {"image": {0: "height", 1: "width"}, "boxes": found, "scores": found, "labels": found},
        views,
        _FIRST,
    )
