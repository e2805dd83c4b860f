"""From digit boxes to the picture the recogniser sees. Training and reading cut by these same functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from digits.core.boxes import cut_region, is_stacked
from digits.core.resampling import resize, turn

HEIGHT, WIDTH = 48, 96  # pixels of the recogniser's input
MARGIN = 0.15  # of the digits' height, on every side
_ROOM = (0.9, 0.2)  # likewise, along the number and across it: a digit more would be seen at either end
_LARGEST = 4_000_000  # pixels around a slanted line; of more, a smaller picture is made first
_LEVEL = np.deg2rad(7)  # lines steeper than this are turned level first


def cut_number(
    image: np.ndarray,
    boxes: np.ndarray,
    margins: Sequence[float] | np.ndarray = (MARGIN,) * 4,
    stacked: bool | None = None,
) -> np.ndarray:
    """Cut one number out of an image, laid out as a line.

    image: RGB uint8 (H, W, 3). boxes: digit boxes (N, 4), N >= 1, in reading order. margins: left, top, right,
    bottom, as shares of the digits' height; negative ones cut into the digits. A stacked number is set side by side,
    a slanted line turned level. stacked: whether it is one; by default the boxes tell. Returns RGB uint8 (h, w, 3), a
    view where nothing had to be turned.
    """
    boxes = np.asarray(boxes, np.float64)
    if _is_stacked(boxes, stacked):
        return _side_by_side(image, boxes, margins)
    image, boxes = _levelled(image, boxes)
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    x1, y1 = boxes[:, :2].min(0)
    x2, y2 = boxes[:, 2:].max(0)
    left, top, right, bottom = (m * height for m in margins)
    return cut_region(image, (x1 - left, y1 - top, x2 + right, y2 + bottom))


def cut_with_room(image: np.ndarray, boxes: np.ndarray, stacked: bool | None = None) -> np.ndarray:
    """The same number, cut so widely that a digit before it or after it would be seen too; see `cut_number`."""
    along, across = _ROOM
    stacked = _is_stacked(np.asarray(boxes), stacked)
    return cut_number(image, boxes, (across, along) * 2 if stacked else (along, across) * 2, stacked)


def cut_both(image: np.ndarray, boxes: np.ndarray, stacked: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A number as `cut_number` and as `cut_with_room` cut it; a slanted line is turned once for both."""
    boxes = np.asarray(boxes, np.float64)
    stacked = _is_stacked(boxes, stacked)
    if not stacked:
        image, boxes = _levelled(image, boxes)
    return cut_number(image, boxes, stacked=stacked), cut_with_room(image, boxes, stacked)


def position_in_image(boxes: np.ndarray, position: float, width: int, room: bool = False) -> float:
    """The x in an image of this width of a position along a number's crop, close or with room; a share of its width.

    boxes: (N, 4), of its digits, which are not stacked.
    """
    margin = (_ROOM[0] if room else MARGIN) * float(np.median(boxes[:, 3] - boxes[:, 1]))
    low, high = max(0.0, boxes[:, 0].min() - margin), min(width, boxes[:, 2].max() + margin)
    return float(low + position * (high - low))


def _is_stacked(boxes: np.ndarray, given: bool | None) -> bool:
    return is_stacked(boxes) if given is None else given


def _side_by_side(image: np.ndarray, boxes: np.ndarray, margins: Sequence[float] | np.ndarray) -> np.ndarray:
    """The digits of a stack, top to bottom, as a line from left to right."""
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    left, top, right, bottom = (m * height for m in margins)
    half = float(np.median(boxes[:, 2] - boxes[:, 0])) / 2
    centre = (boxes[:, 0] + boxes[:, 2]) / 2
    # no tile reaches beyond the middle of the gap to its neighbour, lest a digit be seen twice
    middles = (boxes[1:, 1] + boxes[:-1, 3]) / 2
    above, below = np.concatenate([[-np.inf], middles]), np.concatenate([middles, [np.inf]])
    tiles = []
    for box, x, low, high in zip(boxes, centre, above, below, strict=True):
        reach = max(half, (box[2] - box[0]) / 2)
        y1 = max(low, box[1] - max(top, 0.04 * height))
        y2 = max(y1 + 2, min(high, box[3] + max(bottom, 0.04 * height)))
        tile = cut_region(image, (x - reach - max(left, 0) * 0.6, y1, x + reach + max(right, 0) * 0.6, y2))
        width = max(2, round(tile.shape[1] * HEIGHT / tile.shape[0]))
        tiles.append(resize(tile, (width, HEIGHT)))
    return np.concatenate(tiles, axis=1)


def _levelled(image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surroundings of a slanted line, turned level, and its boxes there; of a level one, what was given."""
    return level(image, boxes, np.ones(len(boxes), bool))


def level(image: np.ndarray, boxes: np.ndarray, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surroundings of a line of characters turned so that its digits stand level, and the boxes there.

    image: RGB uint8 (H, W, 3). boxes: (N, 4). digits: which of them are digits, bool (N,); small or raised letters say
    nothing of the slope. What is level already is returned as it is; very large surroundings are made smaller.
    """
    line = boxes[digits]
    run, rise = (line[-1, :2] + line[-1, 2:] - line[0, :2] - line[0, 2:]) / 2
    angle = float(np.arctan2(rise, run))
    if not _LEVEL < abs(angle) < np.deg2rad(60):
        return image, boxes
    pad = float(np.median(boxes[:, 3] - boxes[:, 1]))
    window = (
        boxes[:, 0].min() - pad,
        boxes[:, 1].min() - pad,
        boxes[:, 2].max() + pad,
        boxes[:, 3].max() + pad,
    )
    part = cut_region(image, window)
    boxes = boxes - np.tile(np.maximum(0, np.floor(window[:2])), 2)
    if part.shape[0] * part.shape[1] > _LARGEST:  # more than a crop shows, and turning takes a multiple of it
        size = tuple(max(2, round(side * (_LARGEST / part[..., 0].size) ** 0.5)) for side in part.shape[1::-1])
        boxes = boxes * np.tile(np.divide(size, part.shape[1::-1]), 2)
        part = resize(part, size)
    middle = np.array(part.shape[1::-1]) / 2
    across, up = np.cos(angle), np.sin(angle)
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 - middle) @ np.array([[across, -up], [up, across]]) + middle
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    return turn(part, float(np.degrees(angle))), np.concatenate([centres - half, centres + half], 1)


def letterbox(crop: np.ndarray) -> np.ndarray:
    """Fit a crop of any size into RGB uint8 (HEIGHT, WIDTH, 3), centred on its mean colour.

    The aspect ratio is kept up to a line too wide for the frame, which is squeezed: how wide a crop is says how
    many digits to expect.
    """
    left, w = _placed(crop)
    small = resize(crop, (w, HEIGHT))
    if w == WIDTH:
        return small
    framed = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    framed[:] = small.reshape(-1, 3).mean(0)
    framed[:, left : left + w] = small
    return framed


def _placed(crop: np.ndarray) -> tuple[int, int]:
    """Where `letterbox` puts a crop: the left end and the width, pixels."""
    height, width = crop.shape[:2]
    w = max(1, min(WIDTH, round(width * HEIGHT / height)))
    return (WIDTH - w) // 2, w


def into_letterbox(position: float, crop: np.ndarray) -> float:
    """A position along a crop in its letterbox; both are shares of the width."""
    left, width = _placed(crop)
    return (left + position * width) / WIDTH


def out_of_letterbox(position: float, crop: np.ndarray) -> float:
    """The inverse of `into_letterbox`; within 0 and 1, even if the position is beside the crop."""
    left, width = _placed(crop)
    return min(1.0, max(0.0, (position * WIDTH - left) / width))
