"""Targets of the recogniser: the text in a crop, its suffix, and flags (cut off, turned, marks, letters)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from digits.core.alphabet import DIGITS, MARKS, MAX_DIGITS, OTHER
from digits.core.boxes import is_stacked
from digits.datasets.transforms import detector_jitter
from digits.recognizer.crops import cut_number, into_letterbox, letterbox, level
from digits.recognizer.heads import FLAGS, SUFFIXES, UNCLEAR

IGNORED = -1
NO_MARK = 2.0
_SEEN, _WHOLE, _UNSEEN = 0.5, 0.85, 0.08  # thresholds of the share of a character's width inside the crop
_PLAIN = re.compile(rf"([0-9]{{1,{MAX_DIGITS}}})([A-Z]?)")
_WORD = re.compile("[A-Z]{2,}")
_ROOMY = 0.35  # of the crops have room at both ends, where the letter behind a number is read
_ROOMY_MARKED = 0.6  # of those of numbers with a mark, which is seen beside a member there
_TURNS_INTO = dict(zip("01689", "01986", strict=True))  # by 180 degrees


@dataclass(frozen=True)
class Target:
    """The targets of the heads for a crop; IGNORED, or NaN in `flags`, if a target is unknown.

    length: number of digits, 0 for no number. digits: of each position, (6,). suffix: an index into SUFFIXES. flags:
    float (5,), 0 or 1, of each of FLAGS. mark: where the only hyphen stands, as a share of the letterbox's width, of a
    slash that plus 1; NO_MARK if there is neither.
    """

    length: int
    digits: tuple[int, ...]
    suffix: int
    flags: tuple[float, ...]
    mark: float


_NOTHING = (IGNORED,) * MAX_DIGITS


def negative() -> Target:
    return Target(0, _NOTHING, IGNORED, (np.nan,) * len(FLAGS), NO_MARK)


def turned() -> Target:
    flags = [1.0 if name == "turned" else np.nan for name in FLAGS]
    return Target(IGNORED, _NOTHING, IGNORED, tuple(flags), np.nan)


def target_of(
    text: str,
    visible: np.ndarray,
    blurred: int | None = None,
    *,
    plain: bool = False,
    positions: np.ndarray | None = None,
) -> Target:
    """The target of a crop that shows a number, or a part of it.

    text: the N characters of the whole number. visible: the share of each character's width in the crop, (N,).
    blurred: the index of a partly hidden character. plain: letters and marks beside the digits are not annotated, so
    their targets are unknown. positions: where the characters stand, (N,), shares of the letterbox's width; unknown if
    they are not side by side.
    """
    mark = np.nan if plain else _mark(text, visible, positions)
    seen = np.flatnonzero(visible >= _SEEN)
    if not len(seen):
        return Target(IGNORED, _NOTHING, IGNORED, (np.nan,) * len(FLAGS), mark)
    first, last = int(seen[0]), int(seen[-1])
    left, right = _goes_on(text, visible, first, last, blurred)
    shown = text[first : last + 1]
    core = shown.strip(MARKS + OTHER)
    beside = [float(OTHER in shown), float(core[:1].isalpha())]
    if _WORD.search(text):  # it is no prefix; whether a part of one is, no crop tells
        core, beside[-1] = _WORD.sub("", core), 0.0 if _WORD.search(shown) else np.nan
    flags = (left, right, 0.0, *(np.nan if plain else each for each in beside))
    found = _PLAIN.fullmatch(re.sub("^[A-Z]+", "", core))
    if not found:
        return Target(IGNORED, _NOTHING, IGNORED, flags, mark)
    number, suffix = found.groups()
    digits = [int(char) for char in number] + [IGNORED] * (MAX_DIGITS - len(number))
    start = first + shown.index(number)
    if blurred is not None and start <= blurred < start + len(number):
        digits[blurred - start] = IGNORED  # a digit that cannot be recognised
    behind = start + len(number)
    if suffix and _WORD.search(text):
        letter = IGNORED  # the first letter of a word
    elif suffix and (blurred == behind or visible[behind] < _WHOLE):
        letter = SUFFIXES.index(UNCLEAR) if blurred == behind else IGNORED
    elif not suffix and text[behind : behind + 1].isalpha() and _UNSEEN < visible[behind] < _WHOLE:
        letter = IGNORED  # a sliver of it is there
    else:
        letter = SUFFIXES.index(suffix)
    return Target(len(number), tuple(digits), letter, flags, mark)


def _mark(text: str, visible: np.ndarray, positions: np.ndarray | None) -> float:
    """The target of the mark, see `Target`; NaN for two, one that is cut, or one whose place is unknown."""
    marks = [i for i, char in enumerate(text) if char in MARKS and visible[i] > _UNSEEN]
    if not marks:
        return NO_MARK
    if len(marks) > 1 or visible[marks[0]] < _WHOLE or positions is None:
        return np.nan
    return float(positions[marks[0]]) + MARKS.index(text[marks[0]])


def _goes_on(text: str, visible: np.ndarray, first: int, last: int, blurred: int | None) -> tuple[float, float]:
    """Whether a number continues beyond its outermost visible characters; NaN where the crop does not show it."""
    start, stop = 0, len(text)
    if _WORD.search(text):  # the number ends where a word begins
        start, stop = next(found.span() for found in re.finditer("[0-9]+", text))
        first, last = max(first, start), min(last, stop - 1)

    def at(outer: int, beyond: int) -> float:
        if visible[outer] < _WHOLE or blurred == outer:
            return 1.0
        if not start <= beyond < stop:
            return 0.0
        return 1.0 if visible[beyond] > _UNSEEN else np.nan

    return at(first, first - 1), at(last, last + 1)


def chosen_run(text: str, rng: np.random.Generator) -> slice:
    """The characters of a number that a detector might find: usually all, or only digits, or only some of these."""
    kind, count = rng.random(), len(text)
    digits = [i for i, char in enumerate(text) if char in DIGITS]
    if not digits or (kind < 0.5 and not _WORD.search(text)):
        return slice(0, count)
    runs = [found.span() for found in re.finditer("[0-9]+", text)]
    run = slice(*runs[int(rng.integers(len(runs)))])
    if kind < 0.82:  # the digits of a member
        return run
    length = run.stop - run.start
    if length < 2:
        return run
    lost = int(rng.integers(1, min(length - 1, 2) + 1))
    return slice(run.start + lost, run.stop) if rng.random() < 0.5 else slice(run.start, run.stop - lost)


def cut_with_target(
    image: np.ndarray,
    boxes: np.ndarray,
    text: str,
    covered: int | None,
    rng: np.random.Generator,
    *,
    plain: bool = False,
) -> tuple[np.ndarray, Target]:
    """A number cropped as by a detector (loosely, tightly, with room, whole or in part), and its target.

    image: RGB uint8 (H, W, 3). boxes: (N, 4), of the characters of `text`, N >= 1. Returns uint8 (HEIGHT, WIDTH, 3).
    """
    boxes = np.asarray(boxes, np.float64)
    digits = np.array([char in DIGITS for char in text])
    stacked = is_stacked(boxes[digits])
    if not stacked:
        image, boxes = level(image, boxes, digits)
    run = chosen_run(text, rng)
    jittered, margins = detector_jitter(boxes[run], rng)
    if rng.random() < (_ROOMY if text.isalnum() else _ROOMY_MARKED):  # as `crops.cut_with_room` does
        margins = np.array([0.9, 0.2, 0.9, 0.2]) if not stacked else np.array([0.2, 0.9, 0.2, 0.9])
    crop = cut_number(image, jittered, margins)
    axis = 1 if stacked else 0
    low, high = _ends(image, jittered, margins, axis)
    visible = _visible(boxes, low, high, axis)
    along = ((boxes[:, 0] + boxes[:, 2]) / 2 - low) / (high - low)
    positions = None if stacked else np.array([into_letterbox(position, crop) for position in along])
    return letterbox(crop), target_of(text, visible, covered, plain=plain, positions=positions)


def _ends(image: np.ndarray, cut: np.ndarray, margins: np.ndarray, axis: int) -> tuple[float, float]:
    """Where the crop around the boxes `cut` (N, 4) begins and ends, along x (axis 0) or y (axis 1)."""
    height = float(np.median(cut[:, 3] - cut[:, 1]))
    low = max(0.0, cut[:, axis].min() - margins[axis] * height)
    return low, min(float(image.shape[1 - axis]), cut[:, axis + 2].max() + margins[axis + 2] * height)


def _visible(boxes: np.ndarray, low: float, high: float, axis: int) -> np.ndarray:
    """The share of each box (N, 4) that lies between two ends."""
    inside = np.minimum(boxes[:, axis + 2], high) - np.maximum(boxes[:, axis], low)
    return (inside / np.maximum(boxes[:, axis + 2] - boxes[:, axis], 1e-6)).clip(0, 1)


def turn_number(
    image: np.ndarray, boxes: np.ndarray, text: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """A number turned by 90 or 180 degrees, or mirrored, as image and boxes; None if it could still be a number.

    Turned by 180 degrees, 69 stays a number and 16 becomes 91; mirrored, 0 and 8 do not change, and 1 hardly.
    """
    kind = int(rng.choice(4, p=[0.4, 0.15, 0.15, 0.3]))
    digits = set(text)
    if (kind == 0 and digits <= set(_TURNS_INTO)) or (kind == 3 and digits <= set("018")):
        return None
    h, w = image.shape[:2]
    x1, y1, x2, y2 = boxes.T
    if kind == 0:
        image, boxes = image[::-1, ::-1], np.stack([w - x2, h - y2, w - x1, h - y1], 1)
    elif kind == 1:  # to the right
        image, boxes = np.rot90(image, -1), np.stack([h - y2, x1, h - y1, x2], 1)
    elif kind == 2:
        image, boxes = np.rot90(image), np.stack([y1, w - x2, y2, w - x1], 1)
    elif rng.random() < 0.7:
        image, boxes = image[:, ::-1], np.stack([w - x2, y1, w - x1, y2], 1)
    else:
        image, boxes = image[::-1], np.stack([x1, h - y2, x2, h - y1], 1)
    return np.ascontiguousarray(image), boxes
