"""Contact sheets: many samples in one picture, with their boxes and texts."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
from PIL import Image, ImageDraw, ImageFont

from digits.core.boxes import enclosing
from digits.core.drawing import (
    BLACK,
    GREEN,
    LEGIBLE,
    PINK,
    SKY,
    VERMILLION,
    YELLOW,
    Label,
    grown,
    outline,
    with_labels,
)
from digits.datasets.items import Sample

CAPTION = 16  # pixels under a tile
_COLOURS = (YELLOW, SKY, VERMILLION, GREEN, PINK)  # one for each number, in turn
_WIDE = 1600  # width of a sheet, pixels
_MIN_DIGIT = 12  # pixels on the sheet; for smaller digits, the whole number has one box and label


def tile(sample: Sample, height: int, widest: int = _WIDE) -> Image.Image:
    """One sample scaled to `height`, but not wider than `widest`, with boxes and labels, and its numbers beneath.

    Digits have a box and a label each; where they are too small, their number has. Labels lie beside the boxes, and are
    left out where there is no room.
    """
    scale = scale_to_fit(sample.image.shape, height, widest)
    size = tuple(max(1, round(side * scale)) for side in sample.image.shape[1::-1])
    pixels = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    picture = Image.fromarray(pixels)
    labels = []
    for text, box, colour in _marks(sample, scale):
        outline(picture, box, 1, colour)
        labels.append((Label(text, LEGIBLE, colour, BLACK), grown(box, 2)))
    with_labels(picture, labels, (), strip=False)
    text = " ".join(sample.numbers) or ("digits " + "".join(map(str, sample.labels)) if len(sample.labels) else "none")
    font = ImageFont.load_default(CAPTION - 4)
    framed = Image.new("RGB", (max(size[0], round(font.getlength(text)) + 4), height + CAPTION), (24, 24, 24))
    framed.paste(picture, (0, 0))
    ImageDraw.Draw(framed).text((2, height), text, fill=(235, 235, 235), font=font)
    return framed


def scale_to_fit(shape: tuple[int, ...], height: int, widest: int) -> float:
    """The scale at which a picture (H, W, …) is `height` pixels high, or less if it would be wider than `widest`."""
    return min(height / shape[0], widest / shape[1])


def _marks(sample: Sample, scale: float) -> Iterable[tuple[str, list[float], tuple]]:
    """Text, box on the sheet and colour of each digit, or of the whole number where its digits are small."""
    groups = sample.number_boxes() or [sample.boxes[i : i + 1] for i in range(len(sample.boxes))]
    first = 0
    for number, boxes in enumerate(groups):
        colour, boxes = _COLOURS[number % len(_COLOURS)], boxes * scale
        labels = sample.labels[first : first + len(boxes)].astype(str)
        first += len(boxes)
        if (boxes[:, 2:] - boxes[:, :2]).min() >= _MIN_DIGIT:
            yield from ((label, box.tolist(), colour) for label, box in zip(labels, boxes, strict=True))
        else:
            yield "".join(labels), enclosing(boxes).tolist(), colour


def contact_sheet(samples: Iterable[Sample], height: int = 160, width: int = _WIDE) -> Image.Image:
    """Samples side by side in rows, each drawn by `tile`: see `arrange`."""
    return arrange((tile(sample, height, width) for sample in samples), height + CAPTION, width)


def arrange(tiles: Iterable[Image.Image], height: int, width: int) -> Image.Image:
    """Pictures `height` high side by side in rows: an RGB picture `width` wide, at which wider ones are cut."""
    rows: list[list[Image.Image]] = [[]]
    for image in tiles:
        if rows[-1] and sum(t.width + 4 for t in rows[-1]) + image.width > width:
            rows.append([])
        rows[-1].append(image)
    sheet = Image.new("RGB", (width, max(1, len(rows)) * (height + 4)), (90, 90, 90))
    for r, row in enumerate(rows):
        x = 0
        for image in row:
            sheet.paste(image, (x, r * (height + 4)))
            x += image.width + 4
    return sheet
