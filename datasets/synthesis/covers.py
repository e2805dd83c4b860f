"""Occlusion: posts, leaves, glare and wear that hide a part of an outer character."""

from __future__ import annotations

import cv2
import numpy as np

from digits.core.boxes import is_stacked
from digits.datasets.synthesis.patch import random_colour


def cover_end(
    rng: np.random.Generator,
    image: np.ndarray,
    boxes: np.ndarray,
    index: int,
) -> None:
    """Hide an outer character of a number from the outside inwards, in place.

    image: RGB uint8 (H, W, 3). boxes: (N, 4), N >= 2, in reading order. index: 0 or N - 1. 30 to 70 % of its width
    stay visible, in a stack of its height.
    """
    share = float(rng.uniform(0.3, 0.7))
    first, stacked = index == 0, is_stacked(boxes)
    low, high = (boxes[index, 1], boxes[index, 3]) if stacked else (boxes[index, 0], boxes[index, 2])
    edge = high - share * (high - low) if first else low + share * (high - low)
    height = float(boxes[index, 3] - boxes[index, 1])
    thick = height * rng.uniform(0.6, 1.6)  # beyond a narrow post the wall goes on
    span = (edge - thick, edge) if first else (edge, edge + thick)
    length, across = image.shape[:2] if stacked else image.shape[1::-1]
    along = np.arange(length, dtype=np.float32)
    soft = max(0.5, 0.04 * height)
    mask = (1 / (1 + np.exp(-((along - span[0]) / soft).clip(-30, 30)))) * (
        1 / (1 + np.exp(((along - span[1]) / soft).clip(-30, 30)))
    )
    mask = np.repeat(mask[None], across, 0)
    mask = np.ascontiguousarray(mask.T if stacked else mask, np.float32)
    kind = rng.random()
    if kind < 0.4:
        colour = _post(rng, mask.shape, stacked)
    elif kind < 0.65:
        mask, colour = _leaves(rng, mask, height)
    elif kind < 0.82:  # glare
        colour = np.array([255, 253, 246], np.float32) * rng.uniform(0.9, 1.0)
        mask = mask * rng.uniform(0.9, 1.0)
    else:  # worn away or painted over, in the mean colour of the image
        colour = image.reshape(-1, 3)[rng.integers(0, image.shape[0] * image.shape[1], 64)].mean(0)
    image[:] = (image + mask[..., None] * (colour - image)).round().clip(0, 255).astype(np.uint8)


def _post(rng, shape, stacked: bool) -> np.ndarray:
    """A post of one colour, round or flat, float32 (h, w, 3)."""
    colour = np.empty((*shape, 3), np.float32)
    colour[:] = random_colour(rng, rng.uniform(20, 230))
    ramp = np.linspace(-1, 1, shape[0] if stacked else shape[1], dtype=np.float32) * rng.uniform(0, 60)
    return (colour + (ramp[:, None, None] if stacked else ramp[None, :, None])).clip(0, 255)


def _leaves(rng, mask: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Ellipses in a few greens over the mask, and a mask with their ragged edge."""
    h, w = mask.shape
    colour = np.zeros((h, w, 3), np.float32)
    over = np.zeros((h, w), np.float32)
    ys, xs = np.nonzero(mask > 0.5)
    if not len(ys):
        return mask, colour
    green = random_colour(rng, rng.uniform(30, 130)) * np.array([0.8, 1.1, 0.6], np.float32)
    for _ in range(60):
        k = int(rng.integers(len(ys)))
        axes = (max(1, int(height * rng.uniform(0.08, 0.22))), max(1, int(height * rng.uniform(0.04, 0.12))))
        shade = tuple(float(v) for v in (green * rng.uniform(0.6, 1.5)).clip(0, 255))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(colour, (int(xs[k]), int(ys[k])), axes, turn, 0, 360, shade, -1, cv2.LINE_AA)
        cv2.ellipse(over, (int(xs[k]), int(ys[k])), axes, turn, 0, 360, 1.0, -1, cv2.LINE_AA)
    colour[over == 0] = green * 0.5
    return np.maximum(over, mask * 0.9), colour
