"""The digits of lit displays: seven segments, and a matrix of five by seven dots."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from digits.datasets.synthesis.fonts import GLYPH_HEIGHT, Glyph, Typeface, make_glyph

# segments a to g: top, upper right, lower right, bottom, lower left, upper left, middle
_SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abfgcd")
_DOTS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00010 00100 01000 11111",
    "11111 00010 00100 00010 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def _bar(x1: float, y1: float, x2: float, y2: float, half: float) -> np.ndarray:
    """The pointed hexagon of a segment between two corners, int32 (6, 2)."""
    ends = np.array([[x1, y1], [x2, y2]], float)
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    across = np.array([-along[1], along[0]])
    a, b = ends[0] + along * half * 0.25, ends[1] - along * half * 0.25
    inner = [a + (along + across) * half, b + (across - along) * half, b, b - (along + across) * half]
    return np.array([a, *inner, a + (along - across) * half]).round().astype(np.int32)


def _seven_segments(digit: int) -> np.ndarray:
    height, width, half = GLYPH_HEIGHT, round(GLYPH_HEIGHT * 0.56), GLYPH_HEIGHT * 0.07
    left, right, top, bottom, middle = half, width - 1 - half, half, height - 1 - half, (height - 1) / 2
    corners = {
        "a": (left, top, right, top),
        "b": (right, top, right, middle),
        "c": (right, middle, right, bottom),
        "d": (left, bottom, right, bottom),
        "e": (left, middle, left, bottom),
        "f": (left, top, left, middle),
        "g": (left, middle, right, middle),
    }
    mask = np.zeros((height, width), np.uint8)
    for segment in _SEGMENTS[digit]:
        cv2.fillConvexPoly(mask, _bar(*corners[segment], half), 255, cv2.LINE_AA)
    return mask


def _dot_matrix(digit: int) -> np.ndarray:
    step = GLYPH_HEIGHT / 7
    mask = np.zeros((GLYPH_HEIGHT, round(5 * step)), np.uint8)
    for row, line in enumerate(_DOTS[digit].split()):
        for column, lit in enumerate(line):
            if lit == "1":
                centre = (round((column + 0.5) * step), round((row + 0.5) * step))
                cv2.circle(mask, centre, round(step * 0.42), 255, -1, cv2.LINE_AA)
    return mask


class Display(Typeface):
    """A typeface of lit digits; it has no letters."""

    def __init__(self, draw):
        super().__init__(None)
        self._draw = draw

    def glyph(self, char: str) -> Glyph | None:
        if char not in self._glyphs:
            self._glyphs[char] = make_glyph(self._draw(int(char)), 0) if char.isdigit() else None
        return self._glyphs[char]


@cache
def displays() -> tuple[Display, ...]:
    return Display(_seven_segments), Display(_dot_matrix)
