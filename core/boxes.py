"""Geometry of the digit boxes of a number. Boxes are (N, 4), `[x1, y1, x2, y2]` in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def is_stacked(boxes: np.ndarray) -> bool:
    """Whether digits stand one above the other rather than side by side.

    A steeply climbing row is not a stack: neighbours in a stack hardly overlap in height.

    >>> is_stacked(np.array([[0, 0, 5, 10], [0, 12, 5, 22]]))
    True
    >>> is_stacked(np.array([[0, 6, 4, 16], [4, 0, 8, 10]]))
    False
    """
    if len(boxes) < 2:
        return False
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    across, down = np.ptp(centres, axis=0)
    if down <= 1.2 * across:
        return False
    order = np.argsort(centres[:, 1], kind="stable")
    overlap = boxes[order[:-1], 3] - boxes[order[1:], 1]
    return bool((overlap <= 0.3 * np.median(boxes[:, 3] - boxes[:, 1])).all())


def reading_order(boxes: np.ndarray) -> np.ndarray:
    """Indices (N,) that sort the digits of a number: left to right, or in a stack top to bottom.

    >>> reading_order(np.array([[20, 0, 25, 10], [10, 0, 15, 10]])).tolist()
    [1, 0]
    """
    centres = boxes[:, :2] + boxes[:, 2:]
    return np.argsort(centres[:, 1 if is_stacked(boxes) else 0], kind="stable")


def enclosing(boxes: np.ndarray) -> np.ndarray:
    """The smallest box (4,) around boxes (N, 4), N >= 1."""
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def cut_region(image: np.ndarray, box: Sequence[float] | np.ndarray) -> np.ndarray:
    """The part of `image` inside `box` (xyxy), clipped to the image; at least one pixel."""
    height, width = image.shape[:2]
    x1, y1 = min(max(0, int(np.floor(box[0]))), width - 1), min(max(0, int(np.floor(box[1]))), height - 1)
    x2, y2 = max(x1 + 1, min(width, int(np.ceil(box[2])))), max(y1 + 1, min(height, int(np.ceil(box[3]))))
    return image[y1:y2, x1:x2]


def intersection_over_smaller(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection of `box` with each of `boxes` (N, 4), over the area of the smaller of the two, float (N,).

    >>> others = np.array([[5, 0, 25, 10], [20, 0, 30, 10], [2, 2, 4, 4]])
    >>> intersection_over_smaller(np.array([0, 0, 10, 10]), others).tolist()
    [0.5, 0.0, 1.0]
    """
    intersection = (np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])).clip(0).prod(1)
    smaller = np.minimum((box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(1))
    return intersection / np.maximum(smaller, 1e-9)
