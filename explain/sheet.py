"""Draws the explanations of a photograph as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.core.drawing import outline
from digits.core.resampling import resize
from digits.explain.explain import Explanation
from digits.pipeline.merge import NumberRegion
from digits.pipeline.results import COLOURS, format_confidence

# In pixels, but for _ACROSS: maximum size of the photograph, tile, tiles per row, colour scale, font size, gap
_PHOTO, _TILE, _ACROSS, _SCALE, _TYPE, _GAP = (480, 640), (256, 128), 3, (256, 16), 15, 12
_PAPER, _INK = (252, 251, 248), (30, 30, 30)
_COLOURS = {**COLOURS, "none": (90, 90, 90)}
_LEGEND = (
    "Photograph, detector: where the detector looked, and its scores, 0 to 1. Boxes: digits thin, numbers that are "
    "read whole, others dashed.",
    "recogniser alone: its input, 96 by 48 pixels, and what it reads by itself. length, digit: what in that spoke for "
    "each. In brackets the probability, after “else” the runner-up's.",
    "confidence: calibrated probability of the whole number. dropout: mean ± standard deviation of its probability "
    "over passes with parts of the recogniser left out.",
)
_NOTHING = "no number found: the detector saw no digit, so there is nothing to explain"


def render(image: np.ndarray, explanations: list[Explanation]) -> Image.Image:
    """One picture: the photograph, RGB uint8 (H, W, 3), a block of tiles for each explanation, and a legend.

    Tiles show the detector's heat map, the recogniser's input, and its heat maps for the length and for each digit.
    Without explanations it is the photograph with a caption.
    """
    photograph = _photograph(image, explanations)
    if explanations:
        blocks = _above([_block(image, explanation) for explanation in explanations], 2 * _GAP)
        body = _beside([photograph, blocks])
        sheet = _above([body, _legend(body.width)], 2 * _GAP)
    else:
        sheet = _above([photograph, _written(_NOTHING, max(photograph.width, _TILE[0]))])
    framed = Image.new("RGB", (sheet.width + 2 * _GAP, sheet.height + 2 * _GAP), _PAPER)
    framed.paste(sheet, (_GAP, _GAP))
    return framed


def _photograph(image: np.ndarray, explanations: list[Explanation]) -> Image.Image:
    """The photograph with the detector's heat maps and a box around each number."""
    scale = min(side / full for side, full in zip(_PHOTO, image.shape[1::-1], strict=True))
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    picture = Image.fromarray(resize(image, size))
    if explanations:
        heat = np.max([cv2.resize(each.detector_map, size) for each in explanations], axis=0)
        picture = Image.fromarray(_glowing(np.asarray(picture), heat))
    for each in explanations:
        outline(picture, each.region.box * scale, 2, _COLOURS[each.status], dashed=each.status != "read")
    return picture


def _block(image: np.ndarray, explanation: Explanation) -> Image.Image:
    """One explanation: its sentence, its doubt, and tiles with captions."""
    seen, text, crop = explanation.seen, explanation.text, explanation.crop
    tiles = [
        (_close_up(image, explanation), _named("detector", explanation.region)),
        (crop, f"recogniser alone: {seen.text or 'no number'} ({format_confidence(seen.confidence)})"),
        (_glowing(crop, explanation.length_map), _weighed("length", len(text), seen.distribution.length)),
    ]
    for i, (char, heat) in enumerate(zip(text, explanation.position_maps, strict=True)):
        tiles.append((_glowing(crop, heat), _weighed(f"digit {i + 1}", int(char), seen.distribution.positions[i])))
    shown_tiles = [
        _above(
            [Image.fromarray(cv2.resize(tile, _TILE, interpolation=cv2.INTER_CUBIC)), _written(caption, _TILE[0])], 2
        )
        for tile, caption in tiles
    ]
    others = ", ".join(f"{other or 'no number'} ({count})" for other, count in explanation.doubt.others)
    doubt = f"other passes read: {others}" if others else "with dropout, every pass reads the same"
    wide = _ACROSS * (_TILE[0] + _GAP) - _GAP
    heading = _written(explanation.sentence, wide, 19)
    rows = [_beside(shown_tiles[i : i + _ACROSS]) for i in range(0, len(shown_tiles), _ACROSS)]
    return _above([_above([heading, _written(doubt, wide)], 2), *rows])


def _legend(width: int) -> Image.Image:
    """What the colours mean and what each tile shows."""
    grey = np.full((_SCALE[1], _SCALE[0], 3), 128, np.uint8)
    scale = Image.fromarray(_glowing(grey, np.tile(np.linspace(0, 1, _SCALE[0], dtype=np.float32), (_SCALE[1], 1))))
    low, high = "0: says nothing", "1: says most for what the caption names; each map by its own maximum"
    key = _beside([_written(low, 105), scale, _written(high, width - _SCALE[0] - 105 - 2 * _GAP)])
    return _above([key, *(_written(line, width) for line in _LEGEND)], 4)


def _above(parts: Sequence[Image.Image], gap: int = _GAP) -> Image.Image:
    """Pictures one below the other."""
    size = max(part.width for part in parts), sum(part.height for part in parts) + gap * (len(parts) - 1)
    picture, y = Image.new("RGB", size, _PAPER), 0
    for part in parts:
        picture.paste(part, (0, y))
        y += part.height + gap
    return picture


def _beside(parts: Sequence[Image.Image], gap: int = _GAP) -> Image.Image:
    """Pictures side by side."""
    size = sum(part.width for part in parts) + gap * (len(parts) - 1), max(part.height for part in parts)
    picture, x = Image.new("RGB", size, _PAPER), 0
    for part in parts:
        picture.paste(part, (x, 0))
        x += part.width + gap
    return picture


def _written(text: str, width: int, size: int = _TYPE) -> Image.Image:
    """A text as a picture of this width, in several lines if necessary; no-break spaces stay within a line."""
    font = ImageFont.load_default(size)
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    high = round(1.3 * size)
    picture = Image.new("RGB", (width, high * len(lines)), _PAPER)
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        draw.text((0, i * high), line.replace("\xa0", " "), fill=_INK, font=font)
    return picture


def _close_up(image: np.ndarray, explanation: Explanation) -> np.ndarray:
    """A number with its surroundings, uint8, at the size of a tile, with the detector's heat map and digit boxes."""
    x1, y1, x2, y2 = (float(v) for v in explanation.region.box)
    across = round(max(2, x2 - x1, (y2 - y1) * _TILE[0] / _TILE[1]) * 1.5)
    down = across * _TILE[1] // _TILE[0]
    corner = round((x1 + x2 - across) / 2), round((y1 + y2 - down) / 2)

    def cut(source: np.ndarray) -> np.ndarray:
        """The same window of the photograph, or of its map at another scale; black beyond the edges."""
        scale = source.shape[1] / image.shape[1]
        x1, y1, x2, y2 = (round(v * scale) for v in (*corner, corner[0] + across, corner[1] + down))
        left, top = max(0, x1), max(0, y1)
        part = Image.fromarray(source[top:y2, left:x2])  # not all of it: that takes more memory than reading
        window = part.crop((x1 - left, y1 - top, x2 - left, y2 - top))
        return np.asarray(window.resize(_TILE, Image.Resampling.BILINEAR))

    picture = Image.fromarray(_glowing(cut(image), cut(explanation.detector_map)))
    draw = ImageDraw.Draw(picture)
    for box in explanation.region.digit_boxes:
        draw.rectangle(
            [float(v - corner[i % 2]) * _TILE[0] / across for i, v in enumerate(box)], outline=(120, 190, 255)
        )
    return np.asarray(picture)


def _glowing(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """An image in grey, uint8 (h, w, 3), with a heat map in colour."""
    grey = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    heat = heat.clip(0, 1)
    colour = cv2.cvtColor(cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    alpha = 0.7 * np.sqrt(heat)[..., None]
    return (grey * (1 - alpha) + colour * alpha).astype(np.uint8)


def _named(what: str, region: NumberRegion) -> str:
    """The label and score of every digit of the detector."""
    each = zip(region.evidence.argmax(1), region.evidence.max(1), strict=True)
    return f"{what}: " + ", ".join(f"{label}\xa0({format_confidence(float(score))})" for label, score in each)


def _weighed(what: str, value: int, log_probabilities: np.ndarray) -> str:
    """A value's probability, and that of the most probable other value if it is at least 0.01."""
    probabilities = np.exp(log_probabilities)
    caption = f"{what}: {value} ({format_confidence(float(probabilities[value]))})"
    other = int(np.where(np.arange(len(probabilities)) == value, -1, probabilities).argmax())
    if probabilities[other] < 0.01:
        return caption
    return f"{caption}, else {other} ({format_confidence(float(probabilities[other]))})"
