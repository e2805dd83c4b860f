"""The number recogniser as an ONNX file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from digits.export.writer import write_onnx
from digits.nn.weights import restore
from digits.recognizer.crops import HEIGHT, WIDTH
from digits.recognizer.nn.model import NumberNet, normalise

_FIRST = 1  # first convolutions that stay in floating point: quantised, they lose much accuracy for little speed


class _WithInput(nn.Module):
    """A recogniser with its normalisation.

    Crops, RGB uint8 (B, HEIGHT, WIDTH, 3), to the logits of all its heads.
    """

    def __init__(self, model: NumberNet):
        super().__init__()
        self.model = model

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        return self.model(normalise(crops))


@torch.no_grad()
def export_recognizer(weights: str | Path, path: str | Path, crops: Iterable[np.ndarray] | None = None) -> None:
    """Write the model for `ExportedNetwork` in `recognizer/exported.py`.

    crops: batches, RGB uint8 (B, HEIGHT, WIDTH, 3), to measure the ranges of 8-bit integers on; by default there is no
    quantisation. Raises WeightsError, or DeviceError if onnx is not installed.
    """
    model, header = restore(weights, "recognizer", NumberNet)
    example = torch.zeros(2, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    batch = {0: "crops"}
    outputs = ("length", "digits", "suffix", "mark", "flags")[: 5 if model.letters else 2]
    write_onnx(
        path,
        _WithInput(model),
        example,
        header,
        outputs,
        dict.fromkeys(("image", *outputs), batch),
        crops,
        _FIRST,
    )
