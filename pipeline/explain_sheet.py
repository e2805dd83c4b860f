"""Draws explanations of a photograph: one picture of what both networks looked at."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.core.resampling import resize
from digits.pipeline.explain import Explanation
from digits.pipeline.merge import NumberRegion
from digits.pipeline.results import shown

# The picture, in pixels: room for the photograph, a tile and how many stand in a row, lines of text, gaps.
_PHOTO, _TILE, _ACROSS, _LINE, _GAP = (480, 640), (256, 128), 3, 22, 12
_PAPER, _INK = (252, 251, 248), (30, 30, 30)
_COLOURS = {"read": (0, 130, 45), "unsure": (200, 95, 0), "none": (90, 90, 90)}


def render(image: np.ndarray, explanations: list[Explanation]) -> Image.Image:
    """One picture of it all: the photograph, RGB uint8 (H, W, 3), and beside it a block of tiles an explanation.

    Tiles are what the detector saw, what the recogniser saw, and what in that spoke for the length and for each digit.
    Without explanations it is the photograph alone.
    """
    if not explanations:
        return Image.fromarray(image)
    photograph = _photograph(image, explanations)
    blocks = [_block(image, explanation) for explanation in explanations]
    high = max(photograph.height, sum(block.height for block in blocks) + _GAP * (len(blocks) - 1))
    sheet = Image.new("RGB", (photograph.width + blocks[0].width + 3 * _GAP, high + 2 * _GAP), _PAPER)
    sheet.paste(photograph, (_GAP, _GAP))
    y = _GAP
    for block in blocks:
        sheet.paste(block, (photograph.width + 2 * _GAP, y))
        y += block.height + _GAP
    return sheet


def _photograph(image: np.ndarray, explanations: list[Explanation]) -> Image.Image:
    """The photograph under the heat of all that is explained, every number boxed."""
    scale = min(side / full for side, full in zip(_PHOTO, image.shape[1::-1], strict=True))
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    heat = np.max([cv2.resize(each.detector_map, size) for each in explanations], axis=0)
    picture = Image.fromarray(_glowing(resize(image, size), heat))
    draw = ImageDraw.Draw(picture)
    for each in explanations:
        draw.rectangle([float(v) * scale for v in each.region.box], outline=_COLOURS[each.status], width=2)
    return picture


def _block(image: np.ndarray, explanation: Explanation) -> Image.Image:
    """What is read, with which doubt, and the tiles of one explanation, each above its caption."""
    seen, text, crop = explanation.seen, explanation.text, explanation.crop
    tiles = [
        (_close_up(image, explanation), _named("detector", explanation.region)),
        (crop, f"recogniser alone: {seen.text or 'no number'} {shown(seen.confidence)}"),
        (_glowing(crop, explanation.length_map), _weighed("length", len(text), seen.length)),
    ]
    for i, (char, heat) in enumerate(zip(text, explanation.position_maps, strict=True)):
        tiles.append((_glowing(crop, heat), _weighed(f"digit {i + 1}", int(char), seen.positions[i])))
    wide, high = _TILE[0] + _GAP, _TILE[1] + _LINE + _GAP
    rows = -(-len(tiles) // _ACROSS)
    block = Image.new("RGB", (_ACROSS * wide - _GAP, 2 * _LINE + _GAP + rows * high), _PAPER)
    draw = ImageDraw.Draw(block)
    _write(draw, (0, 0), explanation.sentence, block.width, 19, _COLOURS[explanation.status])
    others = ", ".join(f"{other or 'no number'} ({count})" for other, count in explanation.doubt.others)
    doubt = f"other passes read: {others}" if others else "with dropout, every pass reads the same"
    _write(draw, (0, _LINE + 2), doubt, block.width, 15)
    for i, (tile, caption) in enumerate(tiles):
        x, y = i % _ACROSS * wide, 2 * _LINE + _GAP + i // _ACROSS * high
        block.paste(Image.fromarray(cv2.resize(tile, _TILE, interpolation=cv2.INTER_CUBIC)), (x, y))
        _write(draw, (x, y + _TILE[1] + 2), caption, _TILE[0], 15)
    return block


def _close_up(image: np.ndarray, explanation: Explanation) -> np.ndarray:
    """The surroundings of a number, uint8, as wide and high as a tile, under the detector's heat, the digits boxed."""
    x1, y1, x2, y2 = (float(v) for v in explanation.region.box)
    across = round(max(2, x2 - x1, (y2 - y1) * _TILE[0] / _TILE[1]) * 1.5)
    down = across * _TILE[1] // _TILE[0]
    corner = round((x1 + x2 - across) / 2), round((y1 + y2 - down) / 2)

    def cut(source: np.ndarray) -> np.ndarray:
        """The same window of the photograph and of its map, which is of another size; black beyond the edges."""
        scale = source.shape[1] / image.shape[1]
        window = [round(v * scale) for v in (*corner, corner[0] + across, corner[1] + down)]
        return np.asarray(Image.fromarray(source).crop(window).resize(_TILE, Image.Resampling.BILINEAR))

    picture = Image.fromarray(_glowing(cut(image), cut(explanation.detector_map)))
    draw = ImageDraw.Draw(picture)
    for box in explanation.region.digit_boxes:
        draw.rectangle(
            [float(v - corner[i % 2]) * _TILE[0] / across for i, v in enumerate(box)], outline=(120, 190, 255)
        )
    return np.asarray(picture)


def _glowing(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """An image in grey, uint8 (h, w, 3), its hot places in colour."""
    grey = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    heat = heat.clip(0, 1)
    colour = cv2.cvtColor(cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    alpha = 0.7 * np.sqrt(heat)[..., None]
    return (grey * (1 - alpha) + colour * alpha).astype(np.uint8)


def _named(what: str, region: NumberRegion) -> str:
    """The label and score of every digit that the detector saw."""
    each = zip(region.evidence.argmax(1), region.evidence.max(1), strict=True)
    return f"{what}: " + ", ".join(f"{label} {shown(float(score))}" for label, score in each)


def _weighed(what: str, value: int, log_probabilities: np.ndarray) -> str:
    """A value's probability, and that of the most probable other one if it is worth mentioning."""
    probabilities = np.exp(log_probabilities)
    caption = f"{what}: {value} {shown(float(probabilities[value]))}"
    other = int(np.where(np.arange(len(probabilities)) == value, -1, probabilities).argmax())
    return f"{caption}, else {other} {shown(float(probabilities[other]))}" if probabilities[other] >= 0.01 else caption


def _write(draw: ImageDraw.ImageDraw, place: tuple, text: str, width: int, size: int, colour: tuple = _INK) -> None:
    """Text in a type as large as `size`, or smaller if it would be wider than `width`."""
    size = int(min(size, size * width / max(1.0, ImageFont.load_default(size).getlength(text))))
    draw.text(place, text, fill=colour, font=ImageFont.load_default(size))
