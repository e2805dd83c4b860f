"""Contact sheets of failures: the region of the picture with truth in green and answers in red, dashed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.core.boxes import cut_region, enclosing
from digits.core.drawing import GREEN, VERMILLION, outline
from digits.core.errors import DatasetError
from digits.core.resampling import resize
from digits.datasets.contact import CAPTION, arrange, scale_to_fit
from digits.evaluation.result import Failure

_AROUND = 1.0  # margin on every side, relative to the size of the boxes
_LEAST = 48  # minimum side of the region, pixels
_WIDEST = 3  # maximum aspect ratio of the region


def _window(failure: Failure, shape: tuple[int, int]) -> np.ndarray:
    """The region of the picture to show, xyxy: around the true boxes, else the first answer, else the whole picture."""
    boxes = failure.truths if len(failure.truths) else failure.answers[:1]
    if not len(boxes):
        return np.array([0, 0, shape[1], shape[0]], float)
    x1, y1, x2, y2 = enclosing(boxes)
    half = np.maximum(np.array([x2 - x1, y2 - y1]) * (0.5 + _AROUND), _LEAST / 2)
    half = np.maximum(half, half[::-1] / _WIDEST)  # no slivers
    centre = np.array([x1 + x2, y1 + y2]) / 2
    return np.concatenate([centre - half, centre + half])


def _tile(failure: Failure, height: int, widest: int) -> Image.Image | None:
    """A tile of `height` + CAPTION pixels, None if the picture cannot be opened."""
    try:
        image = failure.record.open().image
    except DatasetError:
        return None
    window = _window(failure, image.shape[:2])
    region = cut_region(image, window)
    scale = scale_to_fit(region.shape, height, widest)
    size = tuple(max(1, round(side * scale)) for side in region.shape[1::-1])
    font = ImageFont.load_default(CAPTION - 4)
    picture = Image.fromarray(resize(region, size))
    origin = np.maximum(np.floor(window[:2]), 0)
    # the truth a little larger, so that neither is hidden
    for boxes, colour, grown, dashed in ((failure.truths, GREEN, 4, False), (failure.answers, VERMILLION, 0, True)):
        for box in boxes:
            outline(picture, (box - [*origin, *origin]) * scale + [-grown, -grown, grown, grown], 2, colour, dashed)
    wide = max(size[0], round(font.getlength(failure.caption)) + 4)
    framed = Image.new("RGB", (wide, height + CAPTION), (24, 24, 24))
    framed.paste(picture, (0, 0))
    ImageDraw.Draw(framed).text((2, height), failure.caption, fill=(235, 235, 235), font=font)
    return framed


def failure_sheet(failures: Sequence[Failure], height: int = 150, width: int = 920) -> Image.Image | None:
    """Failures side by side, in the given order; None if none of their pictures can be opened."""
    tiles = [tile for tile in (_tile(failure, height, width) for failure in failures) if tile is not None]
    return arrange(tiles, height + CAPTION, width) if tiles else None
