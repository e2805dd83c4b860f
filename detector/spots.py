"""Where a second, closer look pays: groups of detections, and the part of a photograph around each.

Pure functions over arrays. Boxes are `[x1, y1, x2, y2]` in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

TALL = 36.0  # pixels: digits of this height are what the network finds most surely
_HEARD = 0.10  # detections from this score on make a group …
_SEED = 0.15  # … if one of them has this
_MOST = 8  # groups of a photograph that are looked at again
_REACH = 0.35  # of its height, by which a box is widened on every side: groups are of boxes that meet then
_LIKE = 1.7  # largest ratio of the heights of two boxes of a group
_ASIDE, _ABOVE = 1.0, 0.7  # room around a group, of its digits' height: for digits that were not found yet
_RIM = 0.1  # of the digits' height: along a cut edge half a digit passes for another one
_ENLARGED = 4.0  # more than this shows nothing new …
_CLOSER = 1.2  # … nor does less than this, beside the look in which they were seen
_LONGEST = 640  # pixels of a view: a long line of text is none that matters


@dataclass(frozen=True)
class Spot:
    """A part of a photograph that holds digits about `tall` pixels high.

    window: (x1, y1, x2, y2), whole pixels, inside the photograph. inner: the part of it that a look at the window
    answers for. scale: that of the view.
    """

    window: tuple[int, int, int, int]
    inner: tuple[float, float, float, float]
    tall: float
    scale: float

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The window of an image (H, W, 3), at its own scale."""
        x1, y1, x2, y2 = self.window
        return image[y1:y2, x1:x2]

    def covers(self, boxes: np.ndarray) -> np.ndarray:
        """Which boxes (N, 4) of the photograph a look at this spot answers for, bool (N,)."""
        x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
        height = boxes[:, 3] - boxes[:, 1]
        x1, y1, x2, y2 = self.inner
        return (x > x1) & (x < x2) & (y > y1) & (y < y2) & (height > 0.5 * self.tall) & (height < 1.9 * self.tall)


def find_spots(boxes: np.ndarray, scores: np.ndarray, width: int, height: int, scale: float) -> list[Spot]:
    """The spots of a photograph of this size that are worth another look, most promising first.

    boxes: float (N, 4); scores: (N,), of any number of overlapping detections. scale: at which the photograph was
    looked at; what a closer look would not enlarge is not worth one.

    >>> [spot] = find_spots(np.array([[40, 40, 50, 58], [52, 40, 62, 58]]), np.array([0.9, 0.2]), 200, 100, 1.0)
    >>> spot.window, spot.scale
    ((22, 27, 80, 71), 2.0)
    """
    heard = np.flatnonzero((scores >= _HEARD) & (boxes[:, 2:] > boxes[:, :2]).all(1))
    boxes, scores = boxes[heard].astype(np.float64), scores[heard]
    groups = [group for group in _groups(boxes) if scores[group].max() >= _SEED]
    groups.sort(key=lambda group: -scores[group].max())
    spots = (_spot(boxes[group], scores[group], width, height) for group in groups)
    return list(islice((spot for spot in spots if spot.scale >= _CLOSER * scale), _MOST))


def _groups(boxes: np.ndarray) -> list[np.ndarray]:
    """Indices of the boxes (N, 4) that are connected with each other."""
    tall = boxes[:, 3] - boxes[:, 1]
    wide = np.concatenate([boxes[:, :2] - _REACH * tall[:, None], boxes[:, 2:] + _REACH * tall[:, None]], 1)
    meet = (np.maximum(wide[:, None, :2], wide[None, :, :2]) < np.minimum(wide[:, None, 2:], wide[None, :, 2:])).all(2)
    meet &= np.maximum(tall[:, None], tall) <= _LIKE * np.minimum(tall[:, None], tall)
    names = np.arange(len(boxes))
    while True:  # every box takes the least name among those it meets, until nothing changes
        least = np.where(meet, names, len(boxes)).min(1, initial=len(boxes))
        if (least == names).all():
            return [np.flatnonzero(names == name) for name in np.unique(names)]
        names = least


def _spot(boxes: np.ndarray, scores: np.ndarray, width: int, height: int) -> Spot:
    tall = float(np.average(boxes[:, 3] - boxes[:, 1], weights=scores))
    low = boxes[:, :2].min(0) - tall * np.array([_ASIDE, _ABOVE])
    high = boxes[:, 2:].max(0) + tall * np.array([_ASIDE, _ABOVE])
    x1, y1 = (max(0, int(v)) for v in low)
    x2, y2 = min(width, int(np.ceil(high[0]))), min(height, int(np.ceil(high[1])))
    rim = _RIM * tall
    inner = (
        x1 + rim if x1 > 0 else -np.inf,
        y1 + rim if y1 > 0 else -np.inf,
        x2 - rim if x2 < width else np.inf,
        y2 - rim if y2 < height else np.inf,
    )
    return Spot((x1, y1, x2, y2), inner, tall, min(TALL / tall, _ENLARGED, _LONGEST / max(x2 - x1, y2 - y1)))
