"""Typefaces to draw numbers with: found on the system or in a folder, refused when they cannot draw digits."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.core.errors import DatasetError

DIGITS = "0123456789"
GLYPH_HEIGHT = 80  # pixels of a digit 0 in the cached masks: larger than nearly every digit drawn from them
_SUFFIXES = (".ttf", ".otf", ".ttc")
_THUMB = (12, 18)  # width, height of the thumbnails by which typefaces are compared


@dataclass(frozen=True)
class Glyph:
    """One character: mask uint8 (h, w), tight; `top`, its first row relative to that of a digit 0.

    outline: the corners of its convex hull, float32 (K, 2), in pixels of the mask.
    """

    mask: np.ndarray
    top: int
    outline: np.ndarray


def make_glyph(mask: np.ndarray, top: int) -> Glyph | None:
    """A glyph from a mask with a margin, whose first row is `top`; None if nothing is drawn there."""
    rows, columns = np.flatnonzero(mask.max(1) > 40), np.flatnonzero(mask.max(0) > 40)
    if not len(rows):
        return None
    tight = np.ascontiguousarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    hull = cv2.convexHull(cv2.findNonZero((tight > 40).astype(np.uint8))).reshape(-1, 2).astype(np.float32)
    # a hull of pixel centres leaves half a pixel out on every side
    middle = hull.mean(0)
    return Glyph(tight, top + int(rows[0]), hull + 0.5 + 0.5 * np.sign(hull - middle))


@dataclass
class Typeface:
    """A scalable font whose characters are rendered once, at digit height GLYPH_HEIGHT, and kept."""

    path: str | None  # None: the typeface built into Pillow
    _glyphs: dict[str, Glyph | None] = field(default_factory=dict, repr=False)
    _font: ImageFont.FreeTypeFont | None = field(default=None, repr=False)

    def _open(self, size: int) -> ImageFont.FreeTypeFont:
        if self.path is None:  # with a size, Pillow returns a scalable font
            return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
        return ImageFont.truetype(self.path, size)

    def glyph(self, char: str) -> Glyph | None:
        """The character's mask, or None where the font draws nothing for it."""
        if char not in self._glyphs:
            if self._font is None:
                left, top, right, bottom = self._open(100).getbbox("0")
                if bottom - top < 20 or right - left < 5:
                    self._glyphs[char] = None
                    return None
                self._font = self._open(max(8, round(100 * GLYPH_HEIGHT / (bottom - top))))
            self._glyphs[char] = self._render(char, self._font)
        return self._glyphs[char]

    def _render(self, char: str, font: ImageFont.FreeTypeFont) -> Glyph | None:
        left, top, right, bottom = (int(v) for v in font.getbbox(char))
        if not (0 < right - left < 6 * GLYPH_HEIGHT and 0 < bottom - top < 3 * GLYPH_HEIGHT):
            return None
        canvas = Image.new("L", (right - left + 8, bottom - top + 8))
        ImageDraw.Draw(canvas).text((4 - left, 4 - top), char, fill=255, font=font)
        zero_top = int(font.getbbox("0")[1])
        return make_glyph(np.asarray(canvas), top - 4 - zero_top)

    def thumbnails(self) -> np.ndarray | None:
        """The ten digits as zero-mean unit vectors, float32 (10, 216); None if one is missing or ill-shaped."""
        rows = []
        for char in DIGITS:
            glyph = self.glyph(char)
            if glyph is None:
                return None
            height, width = glyph.mask.shape
            if not (0.5 < height / GLYPH_HEIGHT < 1.7 and 0.08 < width / height < 1.8):
                return None
            # 1 stays narrow; every other digit fills the frame
            span = max(width, height // 3)
            framed = np.zeros((height, span), np.uint8)
            framed[:, (span - width) // 2 : (span - width) // 2 + width] = glyph.mask
            small = cv2.resize(framed, _THUMB, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
            small -= small.mean()
            norm = float(np.linalg.norm(small))
            if norm < 1e-3:
                return None
            rows.append(small / norm)
        return np.stack(rows)


def font_files(folder: str | Path | None = None) -> list[str]:
    """Paths of scalable fonts below `folder`, or those fontconfig knows; sorted, so that indices are stable.

    Raises DatasetError if the folder is missing, has no font, or fontconfig is not installed.
    """
    if folder is not None:
        if not Path(folder).is_dir():
            raise DatasetError(f"{folder}: no such font folder")
        found = sorted(str(p) for p in Path(folder).rglob("*") if p.suffix.lower() in _SUFFIXES)
        if not found:
            raise DatasetError(f"{folder}: holds no .ttf, .otf or .ttc font")
        return found
    if shutil.which("fc-list") is None:
        raise DatasetError("fontconfig (fc-list) is not installed; name a folder of fonts instead")
    listed = subprocess.run(["fc-list", "--format", "%{file}\n"], capture_output=True, text=True, check=True)
    return sorted({line for line in listed.stdout.splitlines() if line.lower().endswith(_SUFFIXES)})


def load_typefaces(folder: str | Path | None = None) -> list[Typeface]:
    """Typefaces whose ten digits look like digits.

    A font is refused when a digit is missing or when three or more of its digits resemble the typical shape of
    another digit more than that of their own: symbol, dingbat and puzzle fonts claim to have digits too.
    """
    usable: list[tuple[Typeface, np.ndarray]] = []
    for path in font_files(folder):
        face = Typeface(path)
        try:
            thumbs = face.thumbnails()
        except (OSError, ValueError, OverflowError):  # FreeType cannot open or scale it
            continue
        if thumbs is not None:
            usable.append((face, thumbs))
    if not usable:
        raise DatasetError(f"{folder or 'fontconfig'}: no font there can draw the ten digits")
    typical = np.median(np.stack([t for _, t in usable]), axis=0)
    typical /= np.linalg.norm(typical, axis=1, keepdims=True)
    kept = []
    for face, thumbs in usable:
        likeness = thumbs @ typical.T
        wrong = int((likeness.argmax(1) != np.arange(10)).sum())
        if wrong < 3 and float(np.diag(likeness).mean()) > 0.35:
            kept.append(face)
    return kept or [face for face, _ in usable]


def builtin_typefaces() -> list[Typeface]:
    """Pillow's own typeface, for use where no others are installed."""
    return [Typeface(None)]
