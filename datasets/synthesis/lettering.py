"""Sets digits and words into a line or a stack: where each glyph goes, and the mask of all of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from digits.core.alphabet import CHARACTERS, OTHER
from digits.datasets.synthesis.fonts import GLYPH_HEIGHT, Glyph, Typeface
from digits.datasets.synthesis.layout import Layout, at_level, draw_from

CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # without I and O, which look like 1 and 0
WORDS = (
    *("STREET", "AVENUE", "ROAD", "LANE", "DRIVE", "COURT", "PLACE", "WAY", "RUE", "VIA", "CALLE", "PARK", "HILL"),
    *("OPEN", "CLOSED", "EXIT", "ENTRANCE", "PRIVATE", "PARKING", "NO", "STOP", "PUSH", "PULL", "RING", "BELL"),
    *("HOUSE", "COTTAGE", "DOOR", "POST", "MAIL", "GARDEN", "OAK", "PINE", "CHURCH", "SCHOOL", "OFFICE", "HOTEL"),
    *("CAFE", "BAR", "SHOP", "SALE", "BANK", "TAXI", "BUS", "APT", "SUITE", "UNIT", "FLOOR", "STAIRS", "LIFT"),
    *("THE", "WEST", "EAST", "NORTH", "SOUTH", "MAIN"),
)
_LABELLED_AS = {"–": "-", ":": OTHER, "·": OTHER, ",": OTHER}
_STREETS = ("STREET", "ST", "AVENUE", "AVE", "ROAD", "RD", "LANE", "DRIVE", "COURT", "PLACE", "WAY", "STRASSE")
_TREES = ("OAK", "PINE", "ELM", "MAPLE", "CHURCH", "STATION", "HILL", "LAKE", "MILL", "PARK", "HIGH", "KING", "GARDEN")


def random_number(rng: np.random.Generator, lengths: tuple[float, ...]) -> str:
    """A number whose length (1 to len(lengths)) is drawn by weight; leading zeros are rare but do occur."""
    length = 1 + int(np.searchsorted(np.cumsum(lengths), rng.random() * np.sum(lengths)))
    digits = rng.integers(0, 10, length)
    if length > 1 and digits[0] == 0 and rng.random() < 0.8:
        digits[0] = rng.integers(1, 10)
    if length > 1 and rng.random() < 0.12:  # recognisers miscount repeated digits
        at = int(rng.integers(1, length))
        digits[at] = digits[at - 1]
    return "".join(map(str, digits))


def random_range(rng: np.random.Generator) -> str:
    """Two numbers joined as on doors: 12-14, 12 – 14, 12/3; or by a mark not used on doors."""
    marks: tuple[str, ...]
    first = int(rng.integers(1, 10 ** int(rng.choice([1, 2, 3], p=[0.25, 0.5, 0.25]))))
    if rng.random() < 0.65:
        second, marks = first + int(rng.choice([1, 2, 2, 2, 4, 6])), ("-", "-", "–", "/")
    else:
        second, marks = int(rng.integers(1, 10 ** int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))), ("/", "/", "-")
    if rng.random() < 0.2:
        marks = (".", ":", ",", "·")
    space = " " if rng.random() < 0.25 else ""
    return f"{first}{space}{marks[rng.integers(len(marks))]}{space}{second}"


def random_word(rng: np.random.Generator) -> str:
    if rng.random() < 0.6:
        word = WORDS[rng.integers(len(WORDS))]
        return word if rng.random() < 0.6 else word.capitalize() if rng.random() < 0.7 else word.lower()
    letters = CAPITALS if rng.random() < 0.6 else "abcdefghjkmnpqrstuvwxyz"
    return "".join(letters[i] for i in rng.integers(0, len(letters), rng.integers(1, 8)))


def random_street(rng: np.random.Generator) -> str:
    name = f"{_TREES[rng.integers(len(_TREES))]} {_STREETS[rng.integers(len(_STREETS))]}"
    return name if rng.random() < 0.6 else name.title()


@dataclass
class Lettering:
    """Drawn text with a margin.

    ink: float32 (h, w), 0 to 1. spans: float (N, 4), xyxy, of every glyph. outlines: one float32 (K, 2) for each
    character of `text`: digits, capitals and marks, without the caption. height: of a digit, pixels.
    """

    ink: np.ndarray
    spans: np.ndarray
    outlines: list[np.ndarray]
    text: str
    height: float
    vertical: bool

    @property
    def extent(self) -> np.ndarray:
        """Left, top, right, bottom of all glyphs together."""
        return np.concatenate([self.spans[:, :2].min(0), self.spans[:, 2:].max(0)])


@dataclass(frozen=True)
class Suffix:
    """A letter behind a number. scale: its size relative to the digits. lift: 0 on their base line, 1 level with their
    top. space: before it, in digit heights."""

    char: str
    scale: float = 1.0
    lift: float = 0.0
    space: float = 0.0


@dataclass
class _Placed:
    """A glyph and the rectangle it goes to, in units of a digit's height."""

    char: str
    glyph: Glyph
    x: float
    y: float
    width: float
    height: float


def _set_line(rng, face: Typeface, text: str, stretch: float, gap: float, vertical: bool, staircase: float):
    placed, along = [], 0.0
    for char in text:
        if char == " ":
            along += 0.35
            continue
        glyph = face.glyph(char)
        if glyph is None:
            continue
        h, w = (side / GLYPH_HEIGHT for side in glyph.mask.shape)
        w *= stretch
        dx, dy = rng.normal(0, 0.012, 2)
        if vertical:
            placed.append(_Placed(char, glyph, dx - w / 2 + along * staircase, along, w, h))
            along += h + 0.08 + gap
        else:
            y = glyph.top / GLYPH_HEIGHT + dy + along * staircase
            placed.append(_Placed(_LABELLED_AS.get(char, char), glyph, along + dx, y, w, h))
            along += w + gap
    return placed


def _set_suffix(face: Typeface, suffix: Suffix, placed: list[_Placed], stretch: float, gap: float) -> list[_Placed]:
    """The letter behind a line of digits, on their base line or raised."""
    glyph = face.glyph(suffix.char)
    if glyph is None or not placed:
        return []
    last = placed[-1]
    h, w = (side / GLYPH_HEIGHT * suffix.scale for side in glyph.mask.shape)
    line = last.y - last.glyph.top / GLYPH_HEIGHT  # lines may slope
    base = line + glyph.top / GLYPH_HEIGHT * suffix.scale + 1 - suffix.scale
    top = base - suffix.lift * (1 - suffix.scale)
    return [_Placed(suffix.char, glyph, last.x + last.width + gap + suffix.space, top, w * stretch, h)]


def _set_caption(rng, face: Typeface, caption: str, placed: list[_Placed]) -> list[_Placed]:
    """A smaller line of words beneath the number, or above."""
    scale = rng.uniform(0.25, 0.5)
    small = _set_line(rng, face, caption, 1.0, 0.1, False, 0.0)
    if not small:
        return []
    left, right = min(p.x for p in placed), max(p.x + p.width for p in placed)
    wide = (small[-1].x + small[-1].width) * scale
    x0 = (left + right - wide) / 2
    if rng.random() < 0.35:
        y0 = min(p.y for p in placed) - 0.2 - scale - rng.uniform(0, 0.2)
    else:
        y0 = max(p.y + p.height for p in placed) + rng.uniform(0.15, 0.5)
    return [_Placed("", p.glyph, x0 + p.x * scale, y0 + p.y * scale, p.width * scale, p.height * scale) for p in small]


def _stretch_to_layout(rng, face: Typeface, text: str, layout: Layout) -> float:
    """Factor for the width of a typeface that gives its digits the aspect ratio of a real number."""
    level = rng.random()  # the same for all digits of a number
    ratios = []
    for char in text:
        glyph = face.glyph(char) if char.isdigit() else None
        if glyph is not None:
            own = glyph.mask.shape[1] / glyph.mask.shape[0]
            ratios.append(at_level(layout.aspect[int(char)], level) / own)
    return float(np.clip(np.median(ratios), 0.55, 1.4)) if ratios else 1.0


def set_text(
    rng: np.random.Generator,
    face: Typeface,
    text: str,
    height: float,
    layout: Layout,
    *,
    vertical: bool = False,
    caption: str = "",
    suffix: Suffix | None = None,
    stencil: bool = False,
    room: float = 0.5,
) -> Lettering | None:
    """Set `text` with digits about `height` pixels high; None if the typeface can draw none of it.

    caption: a smaller line of words beneath or above. suffix: a letter behind. Aspect ratio, gaps and slope follow
    `layout`. stencil: strokes have bridges. room: free space on every side, in digit heights.
    """
    stretch = _stretch_to_layout(rng, face, text, layout)
    # annotated boxes are looser than the ink, so the gaps between them are smaller than between glyphs
    gap = max(-0.02, draw_from(rng, layout.gap) + 0.06)
    if rng.random() < 0.04:
        gap += rng.uniform(0.2, 0.6)
    # hung as a staircase; the tilt of the camera is part of `warp`
    staircase = float(np.clip(draw_from(rng, layout.slope), -0.4, 0.4)) if rng.random() < 0.12 else 0.0
    placed = _set_line(rng, face, text, stretch, gap, vertical, staircase)
    if not placed:
        return None
    if suffix:
        placed += _set_suffix(face, suffix, placed, stretch, gap)
    if caption:
        placed += _set_caption(rng, face, caption, placed)
    left, top = min(p.x for p in placed), min(p.y for p in placed)
    right, bottom = max(p.x + p.width for p in placed), max(p.y + p.height for p in placed)
    pad = max(4, round(height * room))
    mask = np.zeros(
        (round((bottom - top) * height) + 2 * pad + 1, round((right - left) * height) + 2 * pad + 1), np.uint8
    )
    crooked = rng.random() < 0.12  # digits screwed on one by one
    outlines, spans = [], []
    for p in placed:
        turn = float(rng.normal(0, 0.07)) if crooked else 0.0
        source, outline = p.glyph.mask, p.glyph.outline
        if stencil:
            source = _bridged(source, p.char)
        corner = ((p.x - left) * height + pad, (p.y - top) * height + pad)
        size = (p.width * height, p.height * height)
        matrix = _stamp(mask, source, corner, size, turn)
        outline = outline @ matrix[:, :2].T + matrix[:, 2]
        spans.append([*outline.min(0), *outline.max(0)])
        if p.char and p.char.upper() in CHARACTERS:
            outlines.append(outline.astype(np.float32))
    text = "".join(p.char.upper() for p in placed if p.char.upper() in CHARACTERS)
    return Lettering(mask.astype(np.float32) / 255, np.array(spans), outlines, text, height, vertical)


def _stamp(mask: np.ndarray, source: np.ndarray, corner, size, turn: float) -> np.ndarray:
    """Draw a glyph into `mask` at `corner`, scaled to `size` and turned; returns the affine matrix (2, 3)."""
    h, w = source.shape
    target = (max(1, round(size[0])), max(1, round(size[1])))
    if target[0] < w or target[1] < h:  # shrink first: a warp would sample the mask sparsely
        source = cv2.resize(source, (min(w, target[0]), min(h, target[1])), interpolation=cv2.INTER_AREA)
    if not turn:
        if source.shape[::-1] != target:
            source = cv2.resize(source, target, interpolation=cv2.INTER_LINEAR)
        x, y = round(corner[0]), round(corner[1])
        # a single jittered glyph may reach beyond the margin by a pixel
        x, y = max(0, min(x, mask.shape[1] - target[0])), max(0, min(y, mask.shape[0] - target[1]))
        window = mask[y : y + target[1], x : x + target[0]]
        np.maximum(window, source[: window.shape[0], : window.shape[1]], out=window)
        return np.array([[target[0] / w, 0, x], [0, target[1] / h, y]])
    scale = np.diag([size[0] / w, size[1] / h])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = rotation @ scale
    centre = np.array([corner[0] + size[0] / 2, corner[1] + size[1] / 2])
    matrix = np.column_stack([linear, centre - linear @ np.array([w / 2, h / 2])])
    fx, fy = w / source.shape[1], h / source.shape[0]
    reach = int(np.hypot(*size) / 2) + 2
    x0, y0 = max(0, int(centre[0]) - reach), max(0, int(centre[1]) - reach)
    x1, y1 = min(mask.shape[1], int(centre[0]) + reach), min(mask.shape[0], int(centre[1]) + reach)
    warp = np.column_stack([linear @ np.diag([fx, fy]), matrix[:, 2] - (x0, y0)])
    window = mask[y0:y1, x0:x1]
    np.maximum(window, cv2.warpAffine(source, warp, (x1 - x0, y1 - y0)), out=window)
    return matrix


def _bridged(mask: np.ndarray, char: str) -> np.ndarray:
    """A glyph with a stencil's bridge: vertical through bowls, horizontal through vertical strokes."""
    cut = mask.copy()
    h, w = mask.shape
    half = max(2, round(0.05 * h))
    if char in "147":
        cut[int(0.62 * h) - half : int(0.62 * h) + half] = 0
    else:
        cut[:, w // 2 - half : w // 2 + half] = 0
    return cut
