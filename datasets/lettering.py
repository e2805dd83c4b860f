"""Draws one number (or word) as it is mounted on a house: a transparent patch with the outline of every digit.

A patch is premultiplied: `colour + background * (1 - alpha)` puts it on a wall. Everything is drawn at a height
near the one wanted, so that a small number costs little, and warped into place later.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from digits.datasets.fonts import GLYPH_HEIGHT, Typeface

CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # without I and O, which alone are not to be told from 1 and 0
WORDS = (
    *("STREET", "AVENUE", "ROAD", "LANE", "DRIVE", "COURT", "PLACE", "WAY", "RUE", "VIA", "CALLE", "PARK", "HILL"),
    *("OPEN", "CLOSED", "EXIT", "ENTRANCE", "PRIVATE", "PARKING", "NO", "STOP", "PUSH", "PULL", "RING", "BELL"),
    *("HOUSE", "COTTAGE", "DOOR", "POST", "MAIL", "GARDEN", "OAK", "PINE", "CHURCH", "SCHOOL", "OFFICE", "HOTEL"),
    *("CAFE", "BAR", "SHOP", "SALE", "BANK", "TAXI", "BUS", "APT", "SUITE", "UNIT", "FLOOR", "STAIRS", "LIFT"),
    *("THE", "WEST", "EAST", "NORTH", "SOUTH", "MAIN"),
)


@dataclass
class Patch:
    """colour: float32 (h, w, 3), premultiplied, 0 to 255; alpha: float32 (h, w), 0 to 1.

    outlines: one float32 (K, 2) array of points a digit, its convex hull; digits: the string; vertical: stacked.
    """

    colour: np.ndarray
    alpha: np.ndarray
    outlines: list[np.ndarray]
    digits: str
    vertical: bool


def random_number(rng: np.random.Generator, lengths: tuple[float, ...]) -> str:
    """A number whose length (1 to len(lengths)) is drawn by weight; leading zeros are rare but do occur."""
    length = 1 + int(rng.choice(len(lengths), p=np.asarray(lengths) / np.sum(lengths)))
    digits = rng.integers(0, 10, length)
    if length > 1 and digits[0] == 0 and rng.random() < 0.8:
        digits[0] = rng.integers(1, 10)
    if length > 1 and rng.random() < 0.12:  # repeats are where readers lose count
        at = int(rng.integers(1, length))
        digits[at] = digits[at - 1]
    return "".join(map(str, digits))


def random_word(rng: np.random.Generator) -> str:
    if rng.random() < 0.6:
        word = WORDS[rng.integers(len(WORDS))]
        return word if rng.random() < 0.6 else word.capitalize() if rng.random() < 0.7 else word.lower()
    letters = CAPITALS if rng.random() < 0.6 else "abcdefghjkmnpqrstuvwxyz"
    return "".join(letters[i] for i in rng.integers(0, len(letters), rng.integers(1, 8)))


def random_colour(rng: np.random.Generator, luma: float) -> np.ndarray:
    """RGB float32 (3,) of about the given brightness: grey, or tinted."""
    tint = rng.normal(0, 1, 3) * (4 if rng.random() < 0.55 else 55)
    tint -= tint @ np.array([0.299, 0.587, 0.114])
    return np.clip(luma + tint, 0, 255).astype(np.float32)


def ink_against(rng: np.random.Generator, under: float) -> float:
    """A brightness that can be told from `under`; now and then only just."""
    low, high = (14, 40) if rng.random() < 0.15 else (40, 230)
    room = {-1: under, 1: 255 - under}
    sign = 1 if rng.random() < (room[1] + 40) / 335 else -1
    if room[sign] < low:
        sign = -sign
    return float(under + sign * min(rng.uniform(low, high), room[sign]))


class _Canvas:
    """Layers put over one another, premultiplied."""

    def __init__(self, height: int, width: int):
        self.colour = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)

    def over(self, mask: np.ndarray, colour: np.ndarray) -> None:
        """Lay `colour` ((3,) or (h, w, 3)) over what is there, where `mask` (h, w), 0 to 1, is set."""
        keep = (1 - mask)[..., None]
        self.colour *= keep
        self.colour += mask[..., None] * colour
        self.alpha *= keep[..., 0]
        self.alpha += mask

    def shade(self, mask: np.ndarray, gain: np.ndarray) -> None:
        """Brighten or darken what is there by `gain` (h, w) grey levels where `mask` is set."""
        self.colour += (mask * gain)[..., None]
        np.clip(self.colour, 0, 255 * self.alpha[..., None], out=self.colour)


def _shift(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    matrix = np.float32([[1, 0, dx], [0, 1, dy]])
    return cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]))


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.3 else image


def _set_line(rng, face: Typeface, text: str, vertical: bool, tracking: float, slope: float):
    """Where each glyph goes: list of (char, glyph, x, y), in glyph pixels, before any offset."""
    placed, along = [], 0.0
    for char in text:
        if char == " ":
            along += 0.35 * GLYPH_HEIGHT
            continue
        glyph = face.glyph(char)
        if glyph is None:
            continue
        height, width = glyph.mask.shape
        wobble = rng.normal(0, 0.012, 2) * GLYPH_HEIGHT
        if vertical:
            placed.append((char, glyph, -width / 2 + wobble[0] + along * slope, along))
            along += height + (0.12 + tracking) * GLYPH_HEIGHT
        else:
            placed.append((char, glyph, along + wobble[0], glyph.top + wobble[1] + along * slope))
            along += width + (0.06 + tracking) * GLYPH_HEIGHT
    return placed


def draw(
    rng: np.random.Generator,
    face: Typeface,
    text: str,
    height: float,
    surface: float,
    *,
    vertical: bool = False,
    caption: str = "",
) -> Patch:
    """Draw `text` with digits about `height` pixels high, for a wall of mean brightness `surface`.

    Letters and spaces in `text` are drawn but not reported; `caption` is a smaller line of words beneath.
    """
    tracking = float(np.clip(rng.normal(0.07, 0.11), -0.04, 0.6))
    if rng.random() < 0.06:
        tracking += rng.uniform(0.2, 0.7)
    slope = float(rng.normal(0, 0.12)) if rng.random() < 0.12 else 0.0
    placed = _set_line(rng, face, text, vertical, tracking, slope)
    if caption and placed:
        scale = rng.uniform(0.25, 0.5)
        right = max(x + g.mask.shape[1] for _, g, x, _ in placed)
        left = min(x for _, _, x, _ in placed)
        bottom = max(y + g.mask.shape[0] for _, g, _, y in placed)
        small = _set_line(rng, face, caption, False, 0.05, 0)
        if small:
            wide = (small[-1][2] + small[-1][1].mask.shape[1]) * scale
            x0 = (left + right - wide) / 2
            y0 = bottom + rng.uniform(0.15, 0.5) * GLYPH_HEIGHT
            above = rng.random() < 0.35
            if above:
                y0 = min(y for *_, y in placed) - (0.2 + scale) * GLYPH_HEIGHT - rng.uniform(0, 0.2) * GLYPH_HEIGHT
            placed += [("", _Scaled(g, scale), x0 + x * scale, y0 + y * scale) for _, g, x, y in small]
    return _paint(rng, placed, height, surface, vertical)


class _Scaled:
    """A glyph at another size: the mask is all that painting needs."""

    def __init__(self, glyph, scale: float):
        size = max(2, round(glyph.mask.shape[1] * scale)), max(2, round(glyph.mask.shape[0] * scale))
        self.mask = cv2.resize(glyph.mask, size, interpolation=cv2.INTER_AREA)


def _paint(rng, placed, height: float, surface: float, vertical: bool) -> Patch:
    if not placed:
        return Patch(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.float32), [], "", vertical)
    scale = height / GLYPH_HEIGHT
    pad = max(4, round(height * 0.5))
    left = min(x for _, _, x, _ in placed)
    top = min(y for *_, y in placed)
    right = max(x + g.mask.shape[1] for _, g, x, _ in placed)
    bottom = max(y + g.mask.shape[0] for _, g, _, y in placed)
    w, h = round((right - left) * scale) + 2 * pad + 1, round((bottom - top) * scale) + 2 * pad + 1
    mask = np.zeros((h, w), np.uint8)
    outlines, digits, spans = [], "", []
    # a sign maker stretches, squeezes and turns single digits a little
    lean = float(rng.normal(0, 0.06)) if rng.random() < 0.3 else 0.0
    for char, glyph, x, y in placed:
        gh, gw = glyph.mask.shape
        matrix = np.float32([[scale, -lean * scale, (x - left) * scale + pad + lean * scale * gh / 2],
                             [lean * scale, scale, (y - top) * scale + pad - lean * scale * gw / 2]])  # fmt: skip
        source = glyph.mask
        if scale < 0.6:  # anti-alias before the warp samples the mask sparsely
            small = (
                cv2.resize(source, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                if min(gh, gw) * scale >= 2
                else source
            )
            fx, fy = small.shape[1] / gw, small.shape[0] / gh
            source, warp = small, matrix @ np.diag([1 / fx, 1 / fy, 1]).astype(np.float32)
        else:
            warp = matrix
        x0, y0 = (
            int(matrix[0, 2]) - 2 - int(abs(lean) * gh * scale),
            int(matrix[1, 2]) - 2 - int(abs(lean) * gw * scale),
        )
        x0, y0 = max(0, x0), max(0, y0)
        x1 = min(w, x0 + round(gw * scale) + 6 + int(3 * abs(lean) * gh * scale))
        y1 = min(h, y0 + round(gh * scale) + 6 + int(3 * abs(lean) * gw * scale))
        warp = warp.copy()
        warp[:, 2] -= (x0, y0)
        window = mask[y0:y1, x0:x1]
        np.maximum(window, cv2.warpAffine(source, warp, (x1 - x0, y1 - y0)), out=window)
        corners = np.float32([[0, 0], [gw, 0], [gw, gh], [0, gh]]) @ matrix[:, :2].T + matrix[:, 2]
        spans.append((*corners.min(0), *corners.max(0)))
        if char.isdigit():
            digits += char
            hull = cv2.convexHull(cv2.findNonZero((glyph.mask > 90).astype(np.uint8))).reshape(-1, 2)
            outlines.append((hull.astype(np.float32) + 0.5) @ matrix[:, :2].T + matrix[:, 2])
    ink = mask.astype(np.float32) / 255
    canvas = _Canvas(h, w)
    light = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(light), np.sin(light)])
    ground = _backing(rng, canvas, spans, height, surface, direction)
    _letters(rng, canvas, ink, height, ground, direction)
    return Patch(canvas.colour, canvas.alpha, outlines, digits, vertical)


def _texture(rng, shape: tuple[int, int], strength: float) -> np.ndarray:
    """Smooth random light and grain, float32 (h, w) around 0."""
    coarse = rng.normal(0, strength, (int(rng.integers(2, 6)), int(rng.integers(2, 6)))).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _backing(rng, canvas: _Canvas, spans, height: float, surface: float, direction) -> float:
    """Draw what the digits are mounted on, if anything; returns the brightness they are seen against."""
    h, w = canvas.alpha.shape
    kind = rng.choice(["none", "plaque", "oval", "tiles", "band"], p=[0.42, 0.38, 0.07, 0.08, 0.05])
    if kind == "none":
        return surface
    luma = float(rng.uniform(10, 245))
    colour = random_colour(rng, luma)
    shape = np.zeros((h, w), np.uint8)
    left, top = (min(s[i] for s in spans) for i in (0, 1))
    right, bottom = (max(s[i] for s in spans) for i in (2, 3))
    room = min(left, top) * 0.9
    margin = np.minimum(rng.uniform(0.08, 0.48, 2) * height, room)
    rim = None
    if kind == "tiles":
        for x1, y1, x2, y2 in spans:
            gap = 0.04 * height
            cv2.rectangle(shape, (round(x1 - margin[0] * 0.3 + gap), round(y1 - margin[1] * 0.5)),
                          (round(x2 + margin[0] * 0.3 - gap), round(y2 + margin[1] * 0.5)), 255, -1)  # fmt: skip
    elif kind == "oval":
        centre = (round((left + right) / 2), round((top + bottom) / 2))
        axes = (
            min(round((right - left) * 0.62 + 0.1 * height), centre[0] - 1),
            min(round((bottom - top) * 0.8), centre[1] - 1),
        )
        cv2.ellipse(shape, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
        rim = ("oval", centre, axes)
    else:
        x1, y1, x2, y2 = left - margin[0], top - margin[1], right + margin[0], bottom + margin[1]
        if kind == "band":
            x1, x2 = 0, w
        cv2.rectangle(shape, (round(x1), round(y1)), (round(x2), round(y2)), 255, -1)
        if rng.random() < 0.4:  # rounded corners
            radius = max(1, round(rng.uniform(0.05, 0.3) * height))
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
            shape = cv2.morphologyEx(
                cv2.copyMakeBorder(shape, radius, radius, radius, radius, cv2.BORDER_CONSTANT),
                cv2.MORPH_OPEN,
                kernel,
            )[radius:-radius, radius:-radius]
        rim = ("rect", (round(x1), round(y1)), (round(x2), round(y2)))
    alpha = shape.astype(np.float32) / 255
    if rng.random() < 0.6:
        shadow = _blur(_shift(alpha, *(direction * height * rng.uniform(0.02, 0.12))), height * rng.uniform(0.01, 0.08))
        canvas.over(shadow * rng.uniform(0.2, 0.7), np.float32([8, 8, 8]))
    face = colour + _texture(rng, (h, w), rng.uniform(0, 16))[..., None]
    canvas.over(alpha, np.clip(face, 0, 255))
    if rim and rng.random() < 0.45:
        thick = max(1, round(height * rng.uniform(0.02, 0.08)))
        inset = round(height * rng.uniform(0.0, 0.08))
        line = np.zeros((h, w), np.uint8)
        if rim[0] == "rect":
            (x1, y1), (x2, y2) = rim[1:]
            cv2.rectangle(line, (x1 + inset, y1 + inset), (x2 - inset, y2 - inset), 255, thick, cv2.LINE_AA)
        else:
            cv2.ellipse(
                line,
                rim[1],
                (max(1, rim[2][0] - inset), max(1, rim[2][1] - inset)),
                0,
                0,
                360,
                255,
                thick,
                cv2.LINE_AA,
            )
        canvas.over(line.astype(np.float32) / 255 * alpha, random_colour(rng, ink_against(rng, luma)))
    if rim and rng.random() < 0.3:  # screws: round, bright or dark, and no digits
        holes = np.zeros((h, w), np.uint8)
        radius = max(1, round(height * rng.uniform(0.03, 0.08)))
        (cx, cy) = ((left + right) / 2, (top + bottom) / 2)
        reach = ((right - left) / 2 + margin[0] * 0.55, (bottom - top) / 2 + margin[1] * 0.55)
        spots = [(-1, 0), (1, 0)] if rng.random() < 0.5 else [(-1, -1), (1, -1), (-1, 1), (1, 1)]
        for sx, sy in spots:
            cv2.circle(holes, (round(cx + sx * reach[0]), round(cy + sy * reach[1])), radius, 255, -1, cv2.LINE_AA)
        canvas.over(holes.astype(np.float32) / 255, random_colour(rng, float(rng.uniform(0, 255))))
    return luma


def _letters(rng, canvas: _Canvas, ink: np.ndarray, height: float, ground: float, direction) -> None:
    """Paint the glyphs: flat, shaded metal, outlined, engraved or glowing."""
    h, w = ink.shape
    luma = ink_against(rng, ground)
    colour = random_colour(rng, luma)
    style = rng.choice(["flat", "metal", "outline", "engraved", "glow", "worn"], p=[0.44, 0.24, 0.1, 0.06, 0.06, 0.1])
    if rng.random() < 0.15 and height > 12:  # heavier or lighter strokes than the font has
        size = max(2, round(height * 0.04))
        kernel = np.ones((size, size), np.uint8)
        ink = cv2.dilate(ink, kernel) if rng.random() < 0.7 else cv2.GaussianBlur(ink, (0, 0), size * 0.5)
    if style == "engraved":
        slope = _shift(_blur(ink, height * 0.02), *(direction * height * 0.025)) - _shift(
            _blur(ink, height * 0.02), *(-direction * height * 0.025)
        )
        canvas.over(ink * rng.uniform(0.3, 0.8), colour)
        depth = rng.uniform(30, 110)
        canvas.over(np.clip(slope, 0, 1) * 0.7, np.float32([1, 1, 1]) * np.clip(ground + depth, 0, 255))
        canvas.over(np.clip(-slope, 0, 1) * 0.7, np.float32([1, 1, 1]) * np.clip(ground - depth, 0, 255))
        return
    if style == "glow":
        halo = _blur(ink, height * rng.uniform(0.08, 0.25))
        canvas.over(np.clip(halo * rng.uniform(0.4, 1.0), 0, 1), random_colour(rng, min(255.0, luma * 0.6 + 60)))
    elif rng.random() < (0.75 if style == "metal" else 0.25):  # cast shadow of raised digits
        shadow = _blur(_shift(ink, *(direction * height * rng.uniform(0.03, 0.16))), height * rng.uniform(0.005, 0.05))
        canvas.over(shadow * rng.uniform(0.25, 0.85), np.float32([10, 10, 12]))
    if style == "outline":
        size = max(2, round(height * rng.uniform(0.04, 0.1)))
        edge = cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size + 1, size + 1)))
        canvas.over(edge, random_colour(rng, ink_against(rng, luma)))
    paint = colour + _texture(rng, (h, w), rng.uniform(0, 22))[..., None]
    if style == "worn":
        wear = _texture(rng, (h, w), 1.0) + cv2.resize(
            rng.normal(0, 1.0, (max(2, h // 3), max(2, w // 3))).astype(np.float32), (w, h)
        )
        ink = ink * np.clip(1.3 - 0.55 * np.clip(wear, 0, None), 0.15, 1)
    canvas.over(ink, np.clip(paint, 0, 255))
    if style == "metal":
        soft = _blur(ink, height * rng.uniform(0.012, 0.04))
        bevel = _shift(soft, *(direction * height * 0.03)) - _shift(soft, *(-direction * height * 0.03))
        canvas.shade(ink, bevel * rng.uniform(40, 150))
