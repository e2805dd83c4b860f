"""Large photographs in parts: looked at one by one, they show small digits that the whole does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from digits.detector import Detections

LARGE = 1440  # pixels of the longer side from which on parts show more: twice those at which the whole is looked at
# All lengths are shares of the longer side.
_SMALL = 1 / 30  # digits higher than this are seen in the whole as well
_SHARED = 1 / 16  # that neighbouring parts have in common: more than a small digit takes
_RIM = 1 / 250  # along a cut edge: what reaches into it may be a piece of a digit


def parts(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Windows (x1, y1, x2, y2), overlapping, that cover a photograph of this size: halves, or quarters, in pixels.

    >>> parts(4000, 3000)
    [(0, 0, 2125, 1625), (1875, 0, 4000, 1625), (0, 1375, 2125, 3000), (1875, 1375, 4000, 3000)]
    >>> parts(4000, 1000)
    [(0, 0, 2125, 1000), (1875, 0, 4000, 1000)]
    """
    longer = max(width, height)

    def along(side: int) -> list[tuple[int, int]]:
        if 2 * side <= longer:
            return [(0, side)]
        shared = int(longer * _SHARED / 2)
        return [(0, side // 2 + shared), (side // 2 - shared, side)]

    return [(x1, y1, x2, y2) for y1, y2 in along(height) for x1, x2 in along(width)]


def look_closer(
    predict: Callable[[list[np.ndarray]], list[Detections]], image: np.ndarray, found: Detections
) -> Detections:
    """What is in a photograph, RGB uint8 (H, W, 3): its small digits as its parts show them, the others as in `found`.

    predict: that of a detector. found: what it saw in the whole.
    """
    height, width = image.shape[:2]
    longer = max(width, height)
    small = _SMALL * longer
    seen = [found[found.heights >= small]]
    windows = parts(width, height)
    views = [image[y1:y2, x1:x2] for x1, y1, x2, y2 in windows]
    for (x1, y1, x2, y2), each in zip(windows, predict(views), strict=True):
        here = Detections(each.boxes + np.float32([x1, y1, x1, y1]), each.scores, each.labels)
        low = [start + _RIM * longer if start > 0 else -np.inf for start in (x1, y1)]
        high = [end - _RIM * longer if end < side else np.inf for end, side in ((x2, width), (y2, height))]
        whole = (here.boxes[:, :2] > low).all(1) & (here.boxes[:, 2:] < high).all(1)
        seen.append(here[whole & (here.heights < small)])
    return Detections.joined(seen)
