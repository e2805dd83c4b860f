"""Contact sheets: many samples on one picture, with their boxes and texts, to be looked at."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
from PIL import Image, ImageDraw, ImageFont

from digits.core.boxes import enclosing
from digits.datasets.items import Sample

CAPTION = 16  # pixels under a tile
_COLOURS = ((230, 60, 40), (40, 150, 250), (250, 190, 30), (70, 190, 90), (200, 90, 220))  # a number each, in turn


def tile(sample: Sample, height: int) -> Image.Image:
    """One sample scaled to `height`, its digits boxed and labelled, the texts of its numbers beneath."""
    scale = height / sample.image.shape[0]
    width = max(1, round(sample.image.shape[1] * scale))
    shrink = scale < 1
    pixels = cv2.resize(sample.image, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_NEAREST)
    font = ImageFont.load_default(CAPTION - 4)
    text = " ".join(sample.numbers) or ("digits " + "".join(map(str, sample.labels)) if len(sample.labels) else "none")
    framed = Image.new("RGB", (max(width, round(font.getlength(text)) + 4), height + CAPTION), (24, 24, 24))
    framed.paste(Image.fromarray(pixels), (0, 0))
    draw = ImageDraw.Draw(framed)
    draw.text((2, height), text, fill=(235, 235, 235), font=font)
    groups = sample.number_boxes() or [sample.boxes[i : i + 1] for i in range(len(sample.boxes))]
    k = 0
    for number, boxes in enumerate(groups):
        colour = _COLOURS[number % len(_COLOURS)]
        for box in boxes:
            draw.rectangle([float(v) for v in box * scale], outline=colour)
            if (box[3] - box[1]) * scale > 24:
                draw.text((float(box[0] * scale) + 2, float(box[1] * scale)), str(sample.labels[k]), colour, font)
            k += 1
        if len(boxes) > 1 and (boxes[:, 3] - boxes[:, 1]).max() * scale < 12:  # too small for boxes of digits
            x1, y1, x2, y2 = enclosing(boxes) * scale
            draw.rectangle([float(x1 - 3), float(y1 - 3), float(x2 + 3), float(y2 + 3)], outline=colour)
    return framed


def contact_sheet(samples: Iterable[Sample], height: int = 160, width: int = 1600) -> Image.Image:
    """Samples side by side in rows, each drawn by `tile`: see `arrange`."""
    return arrange((tile(sample, height) for sample in samples), height + CAPTION, width)


def arrange(tiles: Iterable[Image.Image], height: int, width: int) -> Image.Image:
    """Pictures `height` high side by side in rows: an RGB picture `width` wide.

    One wider than that is cut at the edge.
    """
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
