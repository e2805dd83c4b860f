"""Tiles: overlapping windows of a photograph, in which digits are found that are too small in the whole.

Pure functions. All lengths are shares of the longer side of the photograph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from digits.detector.views import Window

SMALL = 1 / 30  # digits higher than this are found in the whole as well
_SHARED = 1 / 16  # that neighbouring tiles have in common: more than a small digit takes
_RIM = 1 / 250  # along a cut edge: what reaches into it may be a piece of a digit


@dataclass(frozen=True)
class Tile:
    """A tile of a photograph.

    window: (x1, y1, x2, y2), whole pixels, inside the photograph. inner: what a digit that is whole in it stays within.
    small: height in pixels from which on digits are found in the whole photograph as well. scale: by what factor the
    window is enlarged.
    """

    window: Window
    inner: tuple[float, float, float, float]
    small: float
    scale: float

    def holds(self, boxes: np.ndarray) -> np.ndarray:
        """Which boxes (N, 4) of the photograph are whole in this tile, bool (N,)."""
        x1, y1, x2, y2 = self.inner
        return np.all(boxes[:, :2] > (x1, y1), axis=1) & np.all(boxes[:, 2:] < (x2, y2), axis=1)

    def covers(self, boxes: np.ndarray) -> np.ndarray:
        """Which boxes (N, 4) of the photograph are whole in this tile and small, bool (N,)."""
        return self.holds(boxes) & (boxes[:, 3] - boxes[:, 1] < self.small)


def find_tiles(width: int, height: int, scale_of: Callable[[int, int], float]) -> list[Tile]:
    """Overlapping halves, or quarters, that cover a photograph of this size, all at one scale.

    scale_of: the scale at which a picture of some width and height is looked at; the least of the tiles' is taken.

    >>> [tile.window for tile in find_tiles(4000, 1000, lambda width, height: 0.3)]
    [(0, 0, 2125, 1000), (1875, 0, 4000, 1000)]
    """
    longer = max(width, height)
    rim = _RIM * longer

    def along(side: int) -> list[tuple[tuple[int, int], tuple[float, float]]]:
        if 2 * side <= longer:
            return [((0, side), (-np.inf, np.inf))]
        shared = int(longer * _SHARED / 2)
        end, start = (side + 1) // 2 + shared, side // 2 - shared
        return [((0, end), (-np.inf, end - rim)), ((start, side), (start + rim, np.inf))]

    edges = [(rows, columns) for rows in along(height) for columns in along(width)]
    scale = min(scale_of(x2 - x1, y2 - y1) for ((y1, y2), _), ((x1, x2), _) in edges)
    small = SMALL * longer
    return [
        Tile((x1, y1, x2, y2), (left, top, right, bottom), small, scale)
        for ((y1, y2), (top, bottom)), ((x1, x2), (left, right)) in edges
    ]
