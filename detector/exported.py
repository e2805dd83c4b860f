"""The digit detector's network in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from digits.core.onnx import Network


class ExportedNetwork:
    """path: an .onnx file. threads: that it computes with, by default one a core."""

    def __init__(self, path: str | Path, threads: int | None = None):
        self._network = Network(path, "detector", threads)
        self.header = self._network.header

    def find(self, views: Iterable[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What is in each of some views, RGB uint8 (h, w, 3): boxes float32 (N, 4), scores (N,), digits int64 (N,)."""
        found = self._network.run_each(np.ascontiguousarray(view) for view in views)
        return [(boxes, scores, labels - 1) for boxes, scores, labels in found]
