"""The parts of a photograph in which digits are looked for that are too small in the whole.

Pure functions. All lengths are shares of the longer side of the photograph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALL = 1 / 30  # digits higher than this are seen in the whole as well
_SHARED = 1 / 16  # that neighbouring parts have in common: more than a small digit takes
_RIM = 1 / 250  # along a cut edge: what reaches into it may be a piece of a digit


@dataclass(frozen=True)
class Part:
    """A part of a photograph.

    window: (x1, y1, x2, y2), whole pixels, inside the photograph. inner: what a digit that is whole in it stays within.
    """

    window: tuple[int, int, int, int]
    inner: tuple[float, float, float, float]

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The window of an image (H, W, 3), at its own scale."""
        x1, y1, x2, y2 = self.window
        return image[y1:y2, x1:x2]

    def holds(self, boxes: np.ndarray) -> np.ndarray:
        """Which boxes (N, 4) of the photograph are whole in this part, bool (N,)."""
        x1, y1, x2, y2 = self.inner
        return np.all(boxes[:, :2] > (x1, y1), axis=1) & np.all(boxes[:, 2:] < (x2, y2), axis=1)


def find_parts(width: int, height: int) -> list[Part]:
    """Overlapping halves, or quarters, that cover a photograph of this size.

    >>> [part.window for part in find_parts(4000, 1000)]
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

    return [
        Part((x1, y1, x2, y2), (left, top, right, bottom))
        for (y1, y2), (top, bottom) in along(height)
        for (x1, x2), (left, right) in along(width)
    ]
