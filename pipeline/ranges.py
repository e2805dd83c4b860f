"""Ranges and fractions: two numbers with a mark between them, such as 12-14 and 12/3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np

from digits.core.boxes import enclosing
from digits.pipeline.fuse import Mark, TranscribedRegion, same_place
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


def _mark_in(seen: Transcription, boxes: np.ndarray, width: int, *, room: bool) -> Mark:
    """The likelier of a hyphen and a slash in a crop; its probability is 0 of a recogniser without flags."""
    name = max(MARKS, key=lambda name: seen.flags.get(name, 0.0))
    return Mark(_SIGNS[name], seen.flags.get(name, 0.0), position_in_image(boxes, seen.mark, width, room))


def parted(seen: TranscribedRegion, width: int) -> tuple[Mark, tuple[NumberRegion, NumberRegion]] | None:
    """The mark between the digits of a region, as its close crop shows it, and the two numbers beside it; None if none.

    width: of the image, pixels. A slash that the detector took for a digit belongs to neither.
    """
    region, boxes = seen.region, seen.region.digit_boxes
    mark = _mark_in(seen.close, boxes, width, room=False)
    if region.stacked or mark.probability < _LIKELY:
        return None
    inset = _WITHIN * (boxes[:, 2] - boxes[:, 0])
    centre = (boxes[:, 0] + boxes[:, 2]) / 2
    is_mark = (boxes[:, 0] + inset < mark.x) & (mark.x < boxes[:, 2] - inset)
    left, right = (np.flatnonzero(~is_mark & side) for side in (centre < mark.x, centre > mark.x))
    if (is_mark.any() and mark.sign != "/") or not len(left) or not len(right):  # or marks on both sides of a digit
        return None
    return mark, (_part(region, left), _part(region, right))


def _part(region: NumberRegion, which: np.ndarray) -> NumberRegion:
    boxes, evidence = region.digit_boxes[which], region.evidence[which]
    return NumberRegion(enclosing(boxes), boxes, evidence, float(evidence.max(1).mean()), region.orientation)


def pairs(seen: Sequence[TranscribedRegion], width: int) -> list[Pair]:
    """Numbers beside each other that the same mark joins: it parted them, or is in their crops with room.

    A number with a mark on both sides is in none: three numbers in a row are no range.
    """
    marks = {i: _mark_beside(each, width) for i, each in enumerate(seen) if not parted(each, width)}
    marked = [i for i, mark in marks.items() if mark.probability > _LIKELY**2]  # else the mean is below it
    found = [pair for i, j in permutations(marked, 2) if (pair := _joined(seen, i, j, marks))]
    heads, tails = _boxes(seen, [each.first for each in found]), _boxes(seen, [each.second for each in found])
    middle = np.array([box for box in tails if same_place(box, heads).any()]).reshape(-1, 4)
    ends = [_boxes(seen, [each.first, each.second]) for each in found]
    apart = [not any(same_place(box, middle).any() for box in both) for both in ends]
    return [pair for pair, is_apart in zip(found, apart, strict=True) if is_apart]


def _joined(seen: Sequence[TranscribedRegion], i: int, j: int, marks: Mapping[int, Mark]) -> Pair | None:
    left, right, one, other = seen[i].region, seen[j].region, marks[i], marks[j]
    if not _beside(left, right):
        return None
    slack = _OVERLAP * left.digit_height
    between = left.box[2] - slack <= min(one.x, other.x) and max(one.x, other.x) <= right.box[0] + slack
    same = one.sign == other.sign and abs(one.x - other.x) <= _APART * left.digit_height
    probability = (one.probability * other.probability) ** 0.5
    return Pair(i, j, one.sign, probability) if same and between and probability >= _LIKELY else None


def _mark_beside(seen: TranscribedRegion, width: int) -> Mark:
    """The likelier of the mark that parted a region and the one in its crop with room."""
    in_room = _mark_in(seen.with_room, seen.region.digit_boxes, width, room=True)
    return max(filter(None, (seen.parted_at, in_room)), key=lambda mark: mark.probability)


def _boxes(seen: Sequence[TranscribedRegion], which: Sequence[int]) -> np.ndarray:
    return np.array([seen[k].region.box for k in which]).reshape(-1, 4)


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
