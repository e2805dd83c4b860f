"""The number recogniser's network in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digits.core.onnx import Network


class ExportedNetwork:
    """path: an .onnx file. threads: that it computes with, by default one a core."""

    def __init__(self, path: str | Path, threads: int | None = None):
        self._network = Network(path, "recognizer", threads)
        self.header = self._network.header

    def heads(self, crops: np.ndarray) -> Sequence[np.ndarray]:
        """Logits, float32, of the lengths (B, 7) and digits (B, 6, 10) of crops, RGB uint8 (B, HEIGHT, WIDTH, 3).

        With heads for letters, also of the suffixes (B, 28), of marks (B, 25), and of the flags (B, 5), see `heads`.
        """
        return self._network.run(crops)
