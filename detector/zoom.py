"""Zoom crops: windows around groups of small digits, enlarged so that the network sees them at its best.

Pure functions over arrays. Boxes are `[x1, y1, x2, y2]` in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from digits.detector.views import Window

BEST_HEIGHT = 36.0  # pixels: digits of this height are what the network finds most surely
_MEMBER = 0.10  # detections from this score on make a group …
_SEED = 0.15  # … if one of them has this
_MOST = 8  # zoom crops of a photograph in one pass
_REACH = 0.35  # of its height, by which a box is widened on every side: groups are of boxes that meet then
_LIKE = 1.7  # largest ratio of the heights of two boxes of a group
_ASIDE, _ABOVE = 1.0, 0.7  # room around a group, of its digits' height: for digits that were not found yet
_RIM = 0.1  # of the digits' height: along a cut edge half a digit passes for another one
_ENLARGED = 4.0  # more than this shows nothing new …
_CLOSER = 1.2  # … nor does less than this, beside the view in which they were found
_LONGEST = 640  # pixels of a scaled window, which bounds time and memory


@dataclass(frozen=True)
class ZoomCrop:
    """A window of a photograph in which digits about `height` pixels high are expected.

    window: (x1, y1, x2, y2), whole pixels, inside the photograph. inner: the part of it in which the middle of a digit
    may lie. scale: by what factor the window is enlarged.
    """

    window: Window
    inner: tuple[float, float, float, float]
    height: float
    scale: float

    def holds(self, boxes: np.ndarray) -> np.ndarray:
        """Which boxes (N, 4) of the photograph have their middle inside this crop, bool (N,)."""
        x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
        x1, y1, x2, y2 = self.inner
        return (x > x1) & (x < x2) & (y > y1) & (y < y2)

    def covers(self, boxes: np.ndarray) -> np.ndarray:
        """Which boxes (N, 4) of the photograph are inside this crop and about as high as expected, bool (N,)."""
        height = boxes[:, 3] - boxes[:, 1]
        return self.holds(boxes) & (height > 0.5 * self.height) & (height < 1.9 * self.height)


def find_zoom_crops(boxes: np.ndarray, scores: np.ndarray, width: int, height: int, scale: float) -> list[ZoomCrop]:
    """The zoom crops of a photograph of this size that may show more than was found, most promising first.

    boxes: float (N, 4); scores: (N,), of any number of overlapping detections. scale: at which they were found; a crop
    that would not enlarge them is left out.

    >>> [crop] = find_zoom_crops(np.array([[40, 40, 50, 58], [52, 40, 62, 58]]), np.array([0.9, 0.2]), 200, 100, 1.0)
    >>> crop.window, crop.scale
    ((22, 27, 80, 71), 2.0)
    """
    members = np.flatnonzero((scores >= _MEMBER) & (boxes[:, 2:] > boxes[:, :2]).all(1))
    boxes, scores = boxes[members].astype(np.float64), scores[members]
    groups = [group for group in _groups(boxes) if scores[group].max() >= _SEED]
    groups.sort(key=lambda group: -scores[group].max())
    crops = (_around(boxes[group], scores[group], width, height) for group in groups)
    return list(islice((crop for crop in crops if crop and crop.scale >= _CLOSER * scale), _MOST))


def zoom_crop(window: Sequence[float] | np.ndarray, digit_height: float, width: int, height: int) -> ZoomCrop | None:
    """A window, xyxy, of a photograph of this size, enlarged or reduced for digits of a height in pixels.

    Such digits are shown `BEST_HEIGHT` pixels high, but the window no more than four times enlarged, nor longer than
    640 pixels. None if nothing of the window is inside the photograph.
    """
    x1, y1 = (max(0, int(v)) for v in window[:2])
    x2, y2 = min(width, int(np.ceil(window[2]))), min(height, int(np.ceil(window[3])))
    if x1 >= x2 or y1 >= y2:
        return None
    rim = _RIM * digit_height
    inner = (
        x1 + rim if x1 > 0 else -np.inf,
        y1 + rim if y1 > 0 else -np.inf,
        x2 - rim if x2 < width else np.inf,
        y2 - rim if y2 < height else np.inf,
    )
    scale = min(BEST_HEIGHT / digit_height, _ENLARGED, _LONGEST / max(x2 - x1, y2 - y1))
    return ZoomCrop((x1, y1, x2, y2), inner, digit_height, scale)


def _groups(boxes: np.ndarray) -> list[np.ndarray]:
    """Indices of the boxes (N, 4) that are connected with each other."""
    heights = boxes[:, 3] - boxes[:, 1]
    reach = _REACH * heights[:, None]
    wide = np.concatenate([boxes[:, :2] - reach, boxes[:, 2:] + reach], 1)
    meet = (np.maximum(wide[:, None, :2], wide[None, :, :2]) < np.minimum(wide[:, None, 2:], wide[None, :, 2:])).all(2)
    meet &= np.maximum(heights[:, None], heights) <= _LIKE * np.minimum(heights[:, None], heights)
    names = np.arange(len(boxes))
    while True:  # every box takes the least name among those it meets, until nothing changes
        least = np.where(meet, names, len(boxes)).min(1, initial=len(boxes))
        if (least == names).all():
            return [np.flatnonzero(names == name) for name in np.unique(names)]
        names = least


def _around(boxes: np.ndarray, scores: np.ndarray, width: int, height: int) -> ZoomCrop | None:
    """The zoom crop of a group of boxes (N, 4)."""
    digit_height = float(np.average(boxes[:, 3] - boxes[:, 1], weights=scores))
    room = digit_height * np.array([_ASIDE, _ABOVE])
    return zoom_crop([*(boxes[:, :2].min(0) - room), *(boxes[:, 2:].max(0) + room)], digit_height, width, height)
