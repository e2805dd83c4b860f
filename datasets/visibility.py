"""Which digits stay labelled when a picture is cropped: one rule for every window and transform."""

from __future__ import annotations

import numpy as np

MIN_VISIBLE = 0.6  # share of a digit's box inside the frame; digits with less are not labelled
MIN_HEIGHT = 6.0  # pixels; lower digits are not labelled
MIN_WIDTH = 2.0  # pixels; narrower digits are not labelled


def clip_boxes(boxes: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes clipped to the frame, and which of them stay: enough of the digit visible, and large enough.

    boxes: (N, 4) `[x1, y1, x2, y2]` in pixels of the frame; they may reach beyond it. Returns boxes (N, 4) of the same
    dtype and bool (N,).
    """
    clipped = boxes.clip(0, np.array([width, height, width, height], boxes.dtype))
    size, full = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    visible = size.prod(1) / np.maximum(full.prod(1), 1e-6)
    return clipped, (visible >= MIN_VISIBLE) & (size[:, 1] >= MIN_HEIGHT) & (size[:, 0] >= MIN_WIDTH)
