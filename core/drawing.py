"""Draws boxes and labels: visible on any background, legible at any size, and without covering the boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from PIL import Image, ImageDraw, ImageFont

Box = Sequence[float]
Colour = tuple[int, int, int]

# Distinguishable for colour-blind people, too (Okabe and Ito 2008)
BLUE, ORANGE, GREEN, VERMILLION = (0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0)
SKY, YELLOW, PINK = (86, 180, 233), (240, 228, 66), (204, 121, 167)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)

LEGIBLE = 12  # pixels: the smallest font size


def type_size(size: tuple[int, int]) -> int:
    """The font size of labels, pixels, for a picture (width, height): in proportion to it, at least LEGIBLE."""
    return max(LEGIBLE, round(math.sqrt(size[0] * size[1]) / 35))


def grown(box: Box, by: float) -> tuple[float, ...]:
    """A box enlarged by `by` pixels on every side."""
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def outline(picture: Image.Image, box: Box, width: int, colour: Colour, dashed: bool = False) -> None:
    """Draw a line around a box, xyxy, with a white line around it, visible on a wall of the same colour.

    Both are `width` pixels wide and lie outside the box, as far as the picture reaches. A box outside it is not drawn.
    """
    right, bottom = picture.width - 1, picture.height - 1
    if box[0] > right or box[1] > bottom or box[2] < 0 or box[3] < 0:
        return
    x1, y1, x2, y2 = (math.floor(v) for v in grown(box, 2 * width))
    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(right, x2), min(bottom, y2)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((x1, y1, x2, y2), outline=WHITE, width=2 * width)
    x1, y1 = min(x1 + width, x2), min(y1 + width, y2)
    x2, y2 = max(x2 - width, x1), max(y2 - width, y1)
    if not dashed:
        draw.rectangle((x1, y1, x2, y2), outline=colour, width=width)
        return
    dash, thick = 4 * width, width - 1
    for x in range(x1, x2 + 1, 2 * dash):
        for y in (y1, max(y1, y2 - thick)):
            draw.rectangle((x, y, min(x + dash - 1, x2), min(y + thick, y2)), fill=colour)
    for y in range(y1, y2 + 1, 2 * dash):
        for x in (x1, max(x1, x2 - thick)):
            draw.rectangle((x, y, min(x + thick, x2), min(y + dash - 1, y2)), fill=colour)


class Label:
    """A text on a coloured rectangle. size: its width and height, pixels."""

    def __init__(self, text: str, type_size: int, ground: Colour, ink: Colour):
        self.text, self.ground, self.ink = text, ground, ink
        self.font = ImageFont.load_default(type_size)
        self.pad = max(2, type_size // 6)
        left, top, right, bottom = self.font.getbbox(text)
        self.left, self.top = left, top
        self.size = math.ceil(right - left) + 2 * self.pad, math.ceil(bottom - top) + 2 * self.pad

    def draw(self, picture: Image.Image, x: int, y: int) -> None:
        """Draw it with its upper left corner at (x, y)."""
        draw = ImageDraw.Draw(picture)
        draw.rectangle((x, y, x + self.size[0] - 1, y + self.size[1] - 1), fill=self.ground)
        draw.text((x + self.pad - self.left, y + self.pad - self.top), self.text, fill=self.ink, font=self.font)

    def place(self, box: Box, taken: Sequence[Box], room: tuple[int, int]) -> tuple[int, int] | None:
        """The upper left corner for a label of a box, xyxy: above, below, right or left of it, or a little farther off.

        The label lies within a picture of the size `room` and overlaps none of the boxes `taken`; None if that is
        impossible.
        """
        wide, high = self.size
        if wide > room[0] or high > room[1]:
            return None
        x1, y1, x2, y2 = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]) + 1, math.ceil(box[3]) + 1
        for off in (0, high, 2 * high):
            above_or_below = product((y1 - high - off, y2 + off), (x1, x2 - wide))
            beside = product((x2 + off, x1 - wide - off), (y1, y2 - high))
            for x, y in [*((x, y) for y, x in above_or_below), *beside]:
                x, y = min(max(0, x), room[0] - wide), min(max(0, y), room[1] - high)
                if not any(x <= t[2] and y <= t[3] and x + wide > t[0] and y + high > t[1] for t in taken):
                    return x, y
        return None

    def covers(self, x: int, y: int) -> Box:
        """The box, xyxy, that it covers with its upper left corner at (x, y)."""
        return x, y, x + self.size[0] - 1, y + self.size[1] - 1


def with_labels(
    picture: Image.Image, labels: Sequence[tuple[Label, Box]], taken: Sequence[Box], strip: bool
) -> Image.Image:
    """Draw labels next to their boxes, so that they cover neither these nor `taken`.

    strip: write labels without room into a strip added below the picture; otherwise leave them out. Returns the
    picture: the same one, or a new one with the strip.
    """
    taken, unplaced = [*taken, *(box for _, box in labels)], []
    for label, box in labels:
        corner = label.place(box, taken, picture.size)
        if corner is None:
            unplaced.append(label)
        else:
            label.draw(picture, *corner)
            taken.append(label.covers(*corner))
    if not unplaced or not strip:
        return picture
    size = max(picture.width, *(label.size[0] for label in unplaced)), sum(label.size[1] for label in unplaced)
    longer = Image.new("RGB", (size[0], picture.height + size[1]), WHITE)
    longer.paste(picture, (0, 0))
    y = picture.height
    for label in unplaced:
        label.draw(longer, 0, y)
        y += label.size[1]
    return longer
