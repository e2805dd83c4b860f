"""Whether boxes were drawn on a photograph as it is stored, or as its EXIF orientation turns it upright.

Some tools pass over the orientation, others follow it, and some state the one size and give boxes on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from digits.datasets.pictures import SIDEWAYS

UPRIGHT, STORED = "upright", "stored"
_ACROSS, _DOWN = (2, 3, 6, 7), (3, 4, 7, 8)  # orientations that mirror so, after exchanging the sides
_CARELESS = 0.01  # of the longer side: boxes are drawn over the edge by that much
_LYING = 1.2  # width over height; of numbers that stand upright, the median digit is half as wide as high

Box = tuple[float, ...]  # x1, y1, x2, y2


class Photograph(NamedTuple):
    """Size as stored, (width, height), and the EXIF orientation, 1 to 8."""

    stored: tuple[int, int]
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        return self.stored[::-1] if self.orientation in SIDEWAYS else self.stored

    @property
    def widest(self) -> tuple[int, int]:
        """The most that boxes may reach, however they were drawn."""
        (width, height), (other_width, other_height) = self.stored, self.upright
        return max(width, other_width), max(height, other_height)

    def of_size(self, stated: tuple[int, int]) -> set[str]:
        """UPRIGHT or STORED, or both, whichever has the size that is stated; ValueError if none. (0, 0) fits both."""
        fits = {name for name, size in self._sizes().items() if stated in (size, (0, 0))}
        if not fits:
            raise ValueError("is {}x{}, annotated as {}x{}".format(*self.upright, *stated))
        return fits

    def evidence(self, by_size: set[str], boxes: Sequence[Box]) -> Evidence:
        """What its size says, and its boxes: these nothing if their digits would lie, for then one is wrong."""
        by_boxes = self._holding(boxes)
        wrong = len(by_boxes) == 1 and by_boxes != by_size and _lie(self.turned(boxes, by_boxes))
        stand = len(boxes) > 0 and not _lie(self.turned(boxes, by_size))
        return Evidence(by_size, set() if wrong else by_boxes, by_size != {STORED} or stand)

    def _holding(self, boxes: Sequence[Box]) -> set[str]:
        """UPRIGHT or STORED, or both, whichever no box reaches out of; both if the boxes reach out of either."""
        right, low = (max((box[side] for box in boxes), default=0) for side in (2, 3))
        over = 1 + _CARELESS * max(self.stored)
        return {n for n, (w, h) in self._sizes().items() if right <= w + over and low <= h + over} or set(self._sizes())

    def turned(self, boxes: Sequence[Box], drawn: set[str]) -> Sequence[Box]:
        """Boxes on the upright picture, if they were drawn so."""
        return [self._turn(box) for box in boxes] if drawn == {STORED} else boxes

    def _turn(self, box: Box) -> Box:
        x1, y1, x2, y2 = box
        if self.orientation in SIDEWAYS:
            x1, y1, x2, y2 = y1, x1, y2, x2
        width, height = self.upright
        if self.orientation in _ACROSS:
            x1, x2 = width - x2, width - x1
        if self.orientation in _DOWN:
            y1, y2 = height - y2, height - y1
        return x1, y1, x2, y2

    def _sizes(self) -> dict[str, tuple[int, int]]:
        return {UPRIGHT: self.upright} | ({STORED: self.stored} if self.orientation != 1 else {})


class Evidence(NamedTuple):
    """What the size that is stated says of a photograph, what its boxes say; each UPRIGHT, STORED or both.

    by_boxes: none where a box is wrong. sure: whether its size says something of others, too; that as stored does so
    only if digits stand upright then, for some tools state it and draw boxes on what they turn.
    """

    by_size: set[str]
    by_boxes: set[str]
    sure: bool


class Habit:
    """How the boxes of a file were drawn, by all of its photographs that are turned.

    known: UPRIGHT where the file says so itself.
    """

    def __init__(self, seen: Sequence[Evidence], known: str | None = None):
        # a box that fits one way only says more than a size, which may be that of the other way
        self._sizes_lie = any(each.by_boxes and not each.by_size & each.by_boxes for each in seen)
        by_boxes = {name for each in seen if len(each.by_boxes) == 1 for name in each.by_boxes}
        by_size = {name for each in seen if len(each.by_size) == 1 and each.sure for name in each.by_size}
        self._usual = {known} if known else by_boxes or by_size

    def upright(self, photograph: Photograph, boxes: Sequence[Box], evidence: Evidence) -> Sequence[Box]:
        """The boxes on the upright photograph; ValueError if nothing says how they were drawn."""
        if photograph.orientation == 1 or not boxes:
            return boxes
        ways = evidence.by_boxes if self._sizes_lie else evidence.by_size & evidence.by_boxes
        ways = ways if len(ways) == 1 else ways & self._usual
        turned = photograph.turned(boxes, ways)
        if len(ways) != 1 or ({*ways, *evidence.by_size} != {UPRIGHT} and _lie(turned)):
            raise ValueError(
                "its EXIF turns it, and it is not certain whether its boxes were drawn before or after that"
            )
        return turned


def _lie(boxes: Sequence[Box]) -> bool:
    """Whether most digits would be wider than high."""
    return 2 * sum(x2 - x1 > _LYING * (y2 - y1) for x1, y1, x2, y2 in boxes) > len(boxes)
