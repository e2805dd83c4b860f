"""Digit detections to numbers: pure functions over arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from digits.core.alphabet import DIGIT_COUNT, MAX_DIGITS
from digits.core.boxes import intersection_over_smaller

MIN_SEED = 0.30  # a number needs one digit of at least this score
MIN_MEMBER = 0.12  # its other digits may be fainter
STRICT_MEMBERS = (MIN_MEMBER, 0.3, 0.5)  # or must not, if what is faint is a frame or a letter beside the number
SAME = 0.45  # overlap at which two boxes are one digit

# All lengths are shares of the mean height of the two digits compared.
_LIKE_HEIGHT = 1.5  # largest ratio of the heights of neighbours
_RISE = 0.7  # a neighbour's centre stands at most this much higher or lower …
_SLANT = 1.0  # … and no higher than the line runs on: 45 degrees
_GAP = 1.0  # from edge to edge along a line
_STACK_GAP = 1.25  # from edge to edge down a stack
_STACK_SHIFT = 0.35  # sideways between centres in a stack
_STACK_HANDICAP = 0.75  # what a stack's score is worth beside that of a line
_WIDE = 2.0  # a gap so many times the usual one parts two numbers, where together they are too long


@dataclass(frozen=True)
class NumberRegion:
    """Digits that form one number, in reading order.

    box: float32 (4,), their union. digit_boxes: float32 (N, 4). evidence: float32 (N, 10), for each place the best
    score of every digit seen there. score: mean of the digits' best scores. orientation: horizontal, or vertical for a
    stack.
    """

    box: np.ndarray
    digit_boxes: np.ndarray
    evidence: np.ndarray
    score: float
    orientation: str

    @property
    def digit_height(self) -> float:
        """The median, pixels."""
        return float(np.median(self.digit_boxes[:, 3] - self.digit_boxes[:, 1]))

    @property
    def stacked(self) -> bool:
        """Whether the digits stand one above the other."""
        return self.orientation == "vertical"


def overlap_of(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How far each box (N, 4) is the same as `box`: IoU, or 0.9 of the covered share of the smaller one if larger.

    A digit found once whole and once in part has a small IoU, yet is one digit.
    """
    area, areas = (box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(1)
    covered = intersection_over_smaller(box, boxes)
    shared = covered * np.minimum(area, areas)
    iou = shared / np.maximum(area + areas - shared, 1e-9)
    return np.maximum(iou, np.where(covered > 0.75, 0.9 * covered, 0.0))


def suppress(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class-agnostic non-maximum suppression that keeps the scores of what is suppressed.

    boxes: float (N, 4); scores: (N,); labels: (N,), 0 to 9. Returns indices (K,) of the boxes kept, best first, and
    evidence float32 (K, 10): the best score of each label among the boxes each kept one stands for.

    >>> boxes = np.array([[0, 0, 10, 20], [1, 0, 10, 20], [30, 0, 40, 20]], float)
    >>> kept, evidence = suppress(boxes, np.array([0.9, 0.6, 0.8]), np.array([1, 7, 4]))
    >>> kept.tolist(), [round(float(e), 2) for e in evidence[0, [1, 7]]]
    ([0, 2], [0.9, 0.6])
    """
    left = list(np.argsort(-scores, kind="stable"))
    kept, evidence = [], []
    while left:
        best = left[0]
        same = overlap_of(boxes[best], boxes[left]) >= SAME
        same[0] = True
        class_scores = np.zeros(10, np.float32)
        for i, is_same in zip(left, same, strict=True):
            if is_same:
                class_scores[labels[i]] = max(class_scores[labels[i]], scores[i])
        kept.append(best)
        evidence.append(class_scores)
        left = [i for i, is_same in zip(left, same, strict=True) if not is_same]
    return np.array(kept, np.int64), np.array(evidence, np.float32).reshape(-1, DIGIT_COUNT)


def _links(boxes: np.ndarray, vertical: bool) -> np.ndarray:
    """Cost (N, N) of digit j following digit i on a line, or below it in a stack; inf where it cannot."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    height = boxes[:, 3] - boxes[:, 1]
    mean = (height[:, None] + height[None]) / 2
    like = np.maximum(height[:, None], height[None]) <= _LIKE_HEIGHT * np.minimum(height[:, None], height[None])
    run, rise = (centre[None, :, axis] - centre[:, None, axis] for axis in (0, 1))
    if vertical:
        gap = (boxes[None, :, 1] - boxes[:, None, 3]) / mean
        fits = (rise > 0) & (gap > -0.3) & (gap < _STACK_GAP) & (np.abs(run) < _STACK_SHIFT * mean)
        cost = gap + np.abs(run) / mean
    else:
        gap = (boxes[None, :, 0] - boxes[:, None, 2]) / mean
        fits = (run > 0) & (gap > -0.35) & (gap < _GAP) & (np.abs(rise) < _RISE * mean)
        fits &= (np.abs(rise) < 0.25 * mean) | (np.abs(rise) < _SLANT * run)
        cost = gap + 1.5 * np.abs(rise) / mean
    return np.where(fits & like, cost, np.inf)


def _chains(cost: np.ndarray) -> list[list[int]]:
    """Rows of two or more digits, each the cheapest follower of the one before, and that one its cheapest leader."""
    follower = {}
    for i, j in enumerate(cost.argmin(1) if len(cost) else []):
        if np.isfinite(cost[i, j]) and cost[:, j].argmin() == i:
            follower[i] = int(j)
    chains = []
    for head in sorted(set(follower) - set(follower.values())):
        chain = [head]
        while chain[-1] in follower:
            chain.append(follower[chain[-1]])
        chains.append(chain)
    return chains


def _rows(boxes: np.ndarray, scores: np.ndarray) -> list[tuple[list[int], bool]]:
    """Every digit's row, surest rows first, and whether it is a stack.

    Sure is the mean of the scores. A stack must be clearly surer than the lines it would break up, and no shorter.
    """
    costs = {vertical: _links(boxes, vertical) for vertical in (False, True)}
    free = np.ones(len(boxes), bool)
    rows: list[tuple[list[int], bool]] = []
    while True:
        lines, stacks = (_chains(np.where(free[:, None] & free, costs[vertical], np.inf)) for vertical in (False, True))
        stacks = [s for s in stacks if all(len(line) <= len(s) for line in lines if set(line) & set(s))]
        candidates = [(float(scores[chain].mean()), chain, False) for chain in lines]
        candidates += [(float(scores[chain].mean()) * _STACK_HANDICAP, chain, True) for chain in stacks]
        if not candidates:
            return rows + [([int(i)], False) for i in np.flatnonzero(free)]
        _, chain, vertical = max(candidates, key=lambda candidate: candidate[0])
        rows.append((chain, vertical))
        free[chain] = False


def _shortened(chain: list[int], boxes: np.ndarray, scores: np.ndarray, vertical: bool) -> list[list[int]]:
    """What is left of a row that is too long for a number: faint ends go, then it is parted at a wide gap.

    A row that is still too long (a telephone number, a date) leaves nothing.
    """
    while len(chain) > MAX_DIGITS and min(scores[chain[0]], scores[chain[-1]]) < MIN_SEED:
        chain = chain[1:] if scores[chain[0]] <= scores[chain[-1]] else chain[:-1]
    if len(chain) <= MAX_DIGITS:
        return [chain]
    axis = 1 if vertical else 0
    gaps = boxes[chain[1:], axis] - boxes[chain[:-1], axis + 2]
    height = float(np.median(boxes[chain, 3] - boxes[chain, 1]))
    widest = int(gaps.argmax())
    if gaps[widest] < _WIDE * max(float(np.median(gaps)), 0.1 * height):
        return []
    parts = chain[: widest + 1], chain[widest + 1 :]
    return [short for part in parts for short in _shortened(part, boxes, scores, vertical)]


def candidates(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> list[NumberRegion]:
    """What `merge` makes of digit detections, from faint digits on and without them, each region once, best first.

    The regions overlap: whether a faint digit belongs to the number is for the recogniser to say.
    """
    found: dict[bytes, NumberRegion] = {}
    for least in STRICT_MEMBERS:
        for region in merge(boxes, scores, labels, min_member=least):
            found.setdefault(region.digit_boxes.tobytes(), region)
    return sorted(found.values(), key=lambda region: -region.score)


def merge(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    min_seed: float = MIN_SEED,
    min_member: float = MIN_MEMBER,
) -> list[NumberRegion]:
    """Group digit detections into numbers, best first.

    boxes: float (N, 4), xyxy; scores: (N,); labels: (N,), 0 to 9; any N, any order. Detections of one digit are
    merged whatever their class; then neighbours of like height are joined into lines, level or slanted up to 45
    degrees, and into stacks, the surest first; what is left are numbers of one digit.
    min_seed: the score that one digit of a number must have; min_member: every other one.
    """
    keep = (scores >= min_member) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
    kept, evidence = suppress(boxes, scores, labels)
    boxes, scores = boxes[kept], scores[kept]
    regions = []
    rows = [
        (members, vertical)
        for row, vertical in _rows(boxes, scores)
        for members in _shortened(row, boxes, scores, vertical)
        if scores[members].max() >= min_seed
    ]
    for members, vertical in rows:
        digit_boxes = boxes[members].astype(np.float32)
        box = np.concatenate([digit_boxes[:, :2].min(0), digit_boxes[:, 2:].max(0)])
        orientation = "vertical" if vertical else "horizontal"
        regions.append(NumberRegion(box, digit_boxes, evidence[members], float(scores[members].mean()), orientation))
    return sorted(regions, key=lambda region: -region.score)
