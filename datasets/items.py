"""The one item every source of examples yields, and the split of items into parts."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sample:
    """An image with its digits.

    image: RGB uint8 (H, W, 3). boxes: float32 (N, 4), `[x1, y1, x2, y2]` in pixels. labels: int64 (N,), the digits
    0 to 9. numbers: one string a number, in the order of their digits in `boxes`. image_id: stable under shuffling.
    A negative has N = 0 and no numbers.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    numbers: tuple[str, ...]
    image_id: str

    def __post_init__(self):
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"{self.image_id}: image must be uint8 (H, W, 3)")
        if self.boxes.shape != (len(self.labels), 4):
            raise ValueError(f"{self.image_id}: boxes {self.boxes.shape} for {len(self.labels)} labels")


def part_of(image_id: str) -> str:
    """The part an image belongs to: "train" (80 %), "validation" (10 %) or "test" (10 %).

    Decided by its id alone, so that adding data moves nothing.

    >>> part_of("facade_0000.jpg"), part_of("facade_0002.jpg"), part_of("facade_0001.jpg")
    ('train', 'validation', 'test')
    """
    place = zlib.crc32(image_id.encode()) % 100
    return "test" if place < 10 else "validation" if place < 20 else "train"


def empty_boxes() -> np.ndarray:
    return np.zeros((0, 4), np.float32)
