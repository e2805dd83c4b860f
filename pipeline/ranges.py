"""Ranges and fractions: two numbers with a mark between them, such as 12-14 and 12/3."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np

from digits.core.boxes import enclosing
from digits.pipeline.fuse import TranscribedRegion, same_place
from digits.pipeline.merge import NumberRegion
from digits.recognizer import Transcription
from digits.recognizer.crops import position_in_image
from digits.recognizer.heads import MARKS

_SIGNS = dict(zip(MARKS, "-/", strict=True))
_LIKELY = 0.5  # probability of a mark, from which on a number is taken for two
_WITHIN = 0.2  # of a box's width, from either side: a mark that stands further inside was taken for a digit
# Of the height of the two numbers' digits:
_FARTHEST = 2.2  # from the end of one number to the beginning of the other
_OVERLAP = 0.3  # the mark's place is not exact …
_APART = 0.5  # … and is seen twice
_SHIFT = 0.6  # one may stand so much higher
_LIKE = 1.4  # and be so many times as high


class Pair(NamedTuple):
    """Two numbers, by their places among all regions, the mark that joins them, and its probability."""

    first: int
    second: int
    mark: str
    probability: float


def mark_of(seen: Transcription) -> tuple[str, float]:
    """The likelier of a hyphen and a slash in a crop, and its probability; 0 of a recogniser without flags."""
    mark = max(MARKS, key=lambda name: seen.flags.get(name, 0.0))
    return _SIGNS[mark], seen.flags.get(mark, 0.0)


def split_at_mark(region: NumberRegion, close: Transcription, width: int) -> list[NumberRegion]:
    """The two numbers of a region in whose close crop a mark stands between digits; else none.

    width: of the image, pixels. A slash that the detector took for a digit belongs to neither.
    """
    mark, probability = mark_of(close)
    if region.stacked or probability < _LIKELY:
        return []
    boxes = region.digit_boxes
    x = position_in_image(boxes, close.mark, width)
    inset = _WITHIN * (boxes[:, 2] - boxes[:, 0])
    centre = (boxes[:, 0] + boxes[:, 2]) / 2
    is_mark = (boxes[:, 0] + inset < x) & (x < boxes[:, 2] - inset)
    if is_mark.any() and mark != "/":  # marks on both sides of it
        return []
    sides = [np.flatnonzero(~is_mark & side) for side in (centre < x, centre > x)]
    return [_part(region, side) for side in sides] if all(map(len, sides)) else []


def _part(region: NumberRegion, which: np.ndarray) -> NumberRegion:
    boxes, evidence = region.digit_boxes[which], region.evidence[which]
    return NumberRegion(enclosing(boxes), boxes, evidence, float(evidence.max(1).mean()), region.orientation)


def pairs(seen: Sequence[TranscribedRegion], width: int) -> list[Pair]:
    """Numbers beside each other in whose crops with room the same mark is seen, in the gap between them.

    A number with a mark on both sides is in none: three numbers in a row are no range.
    """
    whole = [i for i, each in enumerate(seen) if not split_at_mark(each.region, each.close, width)]
    found = [pair for i, j in permutations(whole, 2) if (pair := _joined(seen, i, j, width))]
    heads, tails = (_boxes(seen, [each[k] for each in found]) for k in (0, 1))
    middle = np.array([box for box in tails if same_place(box, heads).any()]).reshape(-1, 4)
    ends = [_boxes(seen, each[:2]) for each in found]
    return [
        pair for pair, both in zip(found, ends, strict=True) if not any(same_place(box, middle).any() for box in both)
    ]


def _boxes(seen: Sequence[TranscribedRegion], which: Sequence[int]) -> np.ndarray:
    return np.array([seen[k].region.box for k in which]).reshape(-1, 4)


def _joined(seen: Sequence[TranscribedRegion], i: int, j: int, width: int) -> Pair | None:
    left, right = seen[i].region, seen[j].region
    if not _beside(left, right):
        return None
    (mark, first), (other, second) = (mark_of(seen[k].with_room) for k in (i, j))
    slack = _OVERLAP * left.digit_height
    x, again = (position_in_image(seen[k].region.digit_boxes, seen[k].with_room.mark, width, room=True) for k in (i, j))
    between = left.box[2] - slack <= min(x, again) and max(x, again) <= right.box[0] + slack
    same = mark == other and abs(x - again) <= _APART * left.digit_height
    if not (same and between) or min(first, second) < _LIKELY:
        return None
    return Pair(i, j, mark, (first * second) ** 0.5)


def _beside(left: NumberRegion, right: NumberRegion) -> bool:
    """Whether a number begins where another ends, in the same line."""
    if left.stacked or right.stacked:
        return False
    heights = left.digit_height, right.digit_height
    mean = sum(heights) / 2
    last, first = left.digit_boxes[-1], right.digit_boxes[0]
    rise = abs(first[1] + first[3] - last[1] - last[3]) / 2
    gap = first[0] - last[2]
    return bool(-0.1 * mean < gap < _FARTHEST * mean and rise < _SHIFT * mean and max(heights) < _LIKE * min(heights))
