"""Digits found in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """Digits found in one image.

    boxes: float32 (N, 4), xyxy in pixels of the image. scores: float32 (N,), 0 to 1. labels: int64 (N,), digits 0 to 9.
    One digit may appear several times under different labels: suppression is per class, as COCO AP wants it.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes.shape != (count, 4) or self.scores.shape != (count,) or self.labels.shape != (count,):
            shapes = self.boxes.shape, self.scores.shape, self.labels.shape
            raise ValueError(f"boxes (N, 4), scores (N,), labels (N,) expected, got {shapes}")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, which: np.ndarray) -> Detections:
        """Some of them: a mask, bool (N,), or indices."""
        return Detections(self.boxes[which], self.scores[which], self.labels[which])

    @classmethod
    def joined(cls, several: Sequence[Detections]) -> Detections:
        """Those of several views of one image, best first; there is one view at least."""
        found = cls(
            *(np.concatenate([getattr(each, key) for each in several]) for key in ("boxes", "scores", "labels"))
        )
        return found[np.argsort(-found.scores, kind="stable")]

    @property
    def heights(self) -> np.ndarray:
        """Of the boxes, float32 (N,)."""
        return self.boxes[:, 3] - self.boxes[:, 1]

    def to_dict(self) -> dict:
        """Plain lists of numbers."""
        return {
            "boxes": self.boxes.tolist(),
            "scores": self.scores.tolist(),
            "labels": self.labels.tolist(),
        }
