"""Composed scenes and number crops: drawn or real digits put into photographs that had none.

The same seed and index give the same sample on any number of workers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
from torch.utils.data import Dataset

from digits.core.alphabet import LETTERS, members_of
from digits.core.boxes import enclosing
from digits.datasets.degrade import degrade, for_crops, for_scenes
from digits.datasets.items import Sample, empty_boxes
from digits.datasets.lighting import reflection
from digits.datasets.pictures import Problem
from digits.datasets.synthesis.covers import cover_end
from digits.datasets.synthesis.fonts import Typeface
from digits.datasets.synthesis.layout import Layout, draw_from, svhn_layout
from digits.datasets.synthesis.lettering import WORDS, Suffix, random_number, random_range, random_street, random_word
from digits.datasets.synthesis.patch import Patch, turned
from digits.datasets.synthesis.placing import Backdrop, find_spot, paste, warp
from digits.datasets.synthesis.signs import draw
from digits.datasets.transforms import detector_jitter
from digits.datasets.visibility import clip_boxes

# Shares of numbers of 1, 2, … digits in the suburbs of North America. SVHN's streets are mostly of two and three; half
# of the numbers drawn have the lengths of the layout table, half of them these.
SUBURBS = (0.10, 0.14, 0.26, 0.34, 0.14, 0.02)
SMALLEST = 8.0  # pixels: the lowest digits that are drawn
_CLOSE = 36.0  # pixels: height of the digits in a close look, as `detector.zoom` scales them
_ENLARGED = 4.0  # and how much of a small number they may be an enlargement
_GREY = 127  # what a detector sees between and around the pictures of a batch
_STACKED = 0.18  # of the numbers of two and more digits
_LETTERED = 0.2  # of the others, with a letter behind: far more than there are, since C, D and B pass for digits
_LETTERED_CROPS = 0.45  # likewise where a recogniser learns to tell 26 letters
_RANGES = 0.06  # likewise, ranges and fractions
_RANGES_CROPS = 0.12
_WORDED = 0.04  # and with a word beside them, of which no letter is a suffix
_PREFIXED = 0.03  # and with a letter before
# letters behind numbers: A and B are everywhere, C to F common
_SUFFIXES = dict(zip("ABCDEFGH", (0.22, 0.17, 0.12, 0.09, 0.06, 0.06, 0.04, 0.04), strict=True))
# Shares as they may be met in the street, of the numbers of `photograph`:
_SPOILT, _LETTERED_THERE, _RANGES_THERE = 0.04, 0.08, 0.03
_TURNS_INTO_DIGITS = set("01689")  # by 180 degrees
_SYMMETRIC = set("018")  # mirrored or turned, these hardly change
_COVERED = 0.06  # of the numbers of two and more digits, with an outer one partly hidden
_SMALL = 14.0  # pixels: digits lower than this are degraded as gently as scenes are


@dataclass
class Sources:
    """What samples are made of; every list may be empty but the first two.

    typefaces: drawn from; backgrounds: pictures without digits; scenes: whole pictures with digits boxed;
    plates: tight crops of real numbers; words: pictures of text without digits; words_in_scenes: likewise, whole;
    false_alarms: crops that a detector took for numbers and are none; letters: pictures of single capitals, and which;
    layout: what real numbers measure; problems: what was left out when all of this was loaded.
    """

    typefaces: Sequence[Typeface]
    backgrounds: Sequence[np.ndarray]
    scenes: Sequence[Sample] = field(default_factory=list)
    plates: Sequence[Sample] = field(default_factory=list)
    words: Sequence[np.ndarray] = field(default_factory=list)
    words_in_scenes: Sequence[np.ndarray] = field(default_factory=list)
    false_alarms: Sequence[np.ndarray] = field(default_factory=list)
    letters: Sequence[tuple[str, np.ndarray]] = field(default_factory=list)
    layout: Layout = field(default_factory=svhn_layout)
    problems: Sequence[Problem] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        if not self.typefaces or not self.backgrounds:
            raise ValueError("there must be a typeface and a background at least")
        for plate in self.plates:
            if len(plate.numbers) != 1 or not len(plate.boxes):
                raise ValueError(f"{plate.image_id}: a plate must show one number, its digits boxed")

    @property
    def lengths(self) -> tuple[float, ...]:
        """Shares of the numbers of 1, 2, … digits."""
        total = sum(self.layout.lengths)
        return tuple(0.5 * n / total + 0.5 * share for n, share in zip(self.layout.lengths, SUBURBS, strict=True))


def _pick(rng: np.random.Generator, items: Sequence):
    return items[int(rng.integers(len(items)))]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(max(low, high)))))


def _boxes(outlines: list[np.ndarray], x: float, y: float) -> np.ndarray:
    """Digit boxes from outlines, a little looser than the ink, as people annotate."""
    if not outlines:
        return empty_boxes()
    low, high = np.stack([o.min(0) for o in outlines]), np.stack([o.max(0) for o in outlines])
    slack = 0.03 * (high[:, 1:] - low[:, 1:])
    return np.concatenate([low - slack + (x, y), high + slack + (x, y)], 1).astype(np.float32)


@dataclass(frozen=True)
class PlacedNumber:
    """A number in a composed picture.

    text: all its characters, see `core.alphabet`, also those that are hidden or beyond the edge. boxes: float32 (N, 4),
    clipped to the picture. labelled: bool (N,), which are seen well enough to be looked for. upright: whether it is
    neither turned nor mirrored.
    """

    text: str
    boxes: np.ndarray
    labelled: np.ndarray
    upright: bool


@dataclass(frozen=True)
class NumberPicture:
    """A number in its surroundings, or none.

    image: RGB uint8 (H, W, 3). boxes: float32 (N, 4), of its characters. text: the N characters, see `core.alphabet`;
    "" for a negative. covered: the index of an outer digit of which a part is hidden, or None. plain: whether letters
    and marks that may stand beside the digits are not annotated.
    """

    image: np.ndarray
    boxes: np.ndarray
    text: str
    covered: int | None = None
    plain: bool = False

    @property
    def digits(self) -> tuple[np.ndarray, str]:
        """Boxes of the digits alone, and the digits."""
        return _digits_of(self.boxes, self.text)


def _digits_of(boxes: np.ndarray, text: str) -> tuple[np.ndarray, str]:
    keep = np.array([char.isdigit() for char in text], bool)
    return boxes[keep], _joined(text, keep)


def _suffix(rng) -> Suffix:
    """As they are painted: as high as the digits, as small capitals, in lower case, raised, apart."""
    rest = [char for char in LETTERS if char not in _SUFFIXES and char not in "IO"]  # nobody tells these from 1 and 0
    chances = [*_SUFFIXES.values(), *[(1 - sum(_SUFFIXES.values())) / len(rest)] * len(rest)]
    char = [*_SUFFIXES, *rest][int(rng.choice(len(chances), p=chances))]
    space = rng.uniform(0.1, 0.5) if rng.random() < 0.35 else 0.0
    kind = rng.random()
    if kind < 0.5:
        return Suffix(char, 1.0, 0.0, space)
    if kind < 0.7:
        return Suffix(char, float(rng.uniform(0.55, 0.9)), 0.0, space)
    if kind < 0.88:
        return Suffix(char.lower(), float(rng.uniform(0.8, 1.0)), 0.0, space)
    return Suffix(char if rng.random() < 0.6 else char.lower(), float(rng.uniform(0.45, 0.75)), 1.0, space)


def _joined(digits: str, stay: np.ndarray) -> str:
    return "".join(char for char, keep in zip(digits, stay, strict=True) if keep)


def _numbers(text: str, stay: np.ndarray) -> tuple[str, ...]:
    """The digits of each number in a text, two in a range, of which those characters are visible that `stay`, (N,).

    What parts them may be too small to be labelled: that makes no one number of two.
    """
    runs = (slice(*found.span()) for found in re.finditer("[0-9]+", text))
    return tuple(filter(None, (_joined(text[run], stay[run]) for run in runs)))


def _labelled(placed: Sequence[PlacedNumber]) -> tuple[np.ndarray, list[int], list[str]]:
    """Boxes, labels and numbers of the digits that are labelled."""
    boxes = [empty_boxes()]
    labels: list[int] = []
    numbers: list[str] = []
    for each in placed:
        left, digits = _digits_of(each.boxes[each.labelled], _joined(each.text, each.labelled))
        boxes.append(left)
        labels += [int(d) for d in digits]
        numbers += _numbers(each.text, each.labelled)
    return np.concatenate(boxes), labels, numbers


def _is_of(kind: str, text: str) -> bool:
    """Whether a number is one of that kind, see `Synthesizer.portrait`."""
    return {
        "plain": text.isdigit(),
        "suffix": text[:-1].isdigit() and text[-1:].isalpha(),
        "range": len(members_of(text)) == 2 and text.replace("-", "").replace("/", "").isdigit(),
        "hidden": text.isdigit() and len(text) > 1,
        "turned": text.isdigit() and not set(text) <= _SYMMETRIC,
    }[kind]


def _some_turn(rng: np.random.Generator, text: str) -> tuple[int, bool]:
    """Quarters to the left, and whether it is mirrored; no half turn that makes another number of it."""
    chances = np.array([0.25, 0.25, 0.0 if set(text) <= _TURNS_INTO_DIGITS else 0.25, 0.5])
    return ((1, False), (3, False), (2, False), (0, True))[int(rng.choice(4, p=chances / chances.sum()))]


def plate_patch(rng: np.random.Generator, plate: Sample, height: float) -> Patch:
    """A real crop as a patch, scaled so that its digits are `height` pixels high."""
    size = (
        plate.image.shape[0] * 0.75 if not len(plate.boxes) else float(np.median(plate.boxes[:, 3] - plate.boxes[:, 1]))
    )
    scale = height / max(size, 4.0)
    scale = min(scale, 500 / max(plate.image.shape[:2]))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    w, h = max(4, round(plate.image.shape[1] * scale)), max(4, round(plate.image.shape[0] * scale))
    image = cv2.resize(plate.image, (w, h), interpolation=interpolation).astype(np.float32)
    alpha = np.ones((h, w), np.float32)
    if rng.random() < 0.5:  # some plates fade into the wall, some stand out from it
        soft = max(1, round(0.06 * h))
        alpha[:soft] = alpha[-soft:] = alpha[:, :soft] = alpha[:, -soft:] = 0
        alpha = cv2.blur(alpha, (2 * soft + 1, 2 * soft + 1))
    corners = [
        np.array([[b[0], b[1]], [b[2], b[1]], [b[2], b[3]], [b[0], b[3]]], np.float32) * scale for b in plate.boxes
    ]
    return Patch(image * alpha[..., None], alpha, corners, "".join(map(str, plate.labels)), False)


class Synthesizer:
    """Endless samples by index.

    `scene(i)`: a window of a street photograph with any number of numbers, for the detector.
    `composed(i)`: a whole such picture of `scene_size`, every number of it known.
    `number(i)`: a small picture of one number in its surroundings, for the recogniser to be cut from.
    `crop(i)`: the same, cut as a detector cuts it.
    """

    def __init__(self, sources: Sources, seed: int = 0, scene_size: tuple[int, int] = (256, 320)):
        self.sources = sources
        self.seed = seed
        self.scene_size = scene_size  # height, width of the largest scenes
        self._backdrops = [Backdrop(picture) for picture in sources.backgrounds]
        self._scene_degrade = for_scenes()
        self._crop_degrade = for_crops()

    def scene(self, index: int) -> Sample:
        """A training window; digits under 6 px high or mostly outside it are not labelled.

        Two of five are sheets of close looks. Of the others seven of ten are of `scene_size`, the rest smaller, down
        to a third: at inference too, a reduced photograph of a near number has its frame close around the digits.
        """
        rng = np.random.default_rng((self.seed, 1, index))
        if rng.random() < 0.4:
            image, boxes, labels, numbers = self._close_looks(rng)
            return Sample(image, boxes, labels, numbers, f"scene-{self.seed}-{index}")
        shrink = rng.uniform(0.33, 0.9, 2) if rng.random() < 0.3 else (1.0, 1.0)
        height, width = (round(side * part) for side, part in zip(self.scene_size, shrink, strict=True))
        kind = rng.random()
        if self.sources.scenes and kind < 0.22:
            image, boxes, labels, numbers = self._real_window(rng, _pick(rng, self.sources.scenes), height, width)
        elif self.sources.words_in_scenes and kind < 0.26:
            picture = Backdrop(_pick(rng, self.sources.words_in_scenes))
            image = picture.window(rng, height, width, (0.4, 1.2)).pixels()
            boxes, labels, numbers = empty_boxes(), [], []
        else:
            image, placed = self._composed(rng, height, width)
            boxes, labels, numbers = _labelled(placed)
        if rng.random() < 0.85:
            image = degrade(self._scene_degrade, image, rng)
        return Sample(image, boxes, np.asarray(labels, np.int64), tuple(numbers), f"scene-{self.seed}-{index}")

    def composed(self, index: int) -> Sample:
        """A whole composed picture of `scene_size`: each number in `numbers` has its digits in `boxes`."""
        rng = np.random.default_rng((self.seed, 4, index))
        image, placed = self._composed(rng, *self.scene_size)
        boxes, labels, numbers = _labelled(placed)
        image = degrade(self._scene_degrade, image, rng)
        return Sample(image, boxes, np.asarray(labels, np.int64), tuple(numbers), f"composed-{self.seed}-{index}")

    def photograph(self, index: int) -> tuple[np.ndarray, list[PlacedNumber]]:
        """Likewise, uint8 (H, W, 3), with letters and marks; some numbers are hidden in part, turned or mirrored."""
        rng = np.random.default_rng((self.seed, 5, index))
        image, placed = self._composed(rng, *self.scene_size, _SPOILT, _LETTERED_THERE, _RANGES_THERE)
        return degrade(self._scene_degrade, image, rng), placed

    def portrait(self, index: int, kind: str) -> tuple[np.ndarray, PlacedNumber]:
        """A small photograph, RGB uint8 (240, 320, 3), of one number of a kind that is well in view.

        kind: "plain", "suffix", "range" (two members, a hyphen or slash), "hidden" (an outer digit in part), "turned"
        (or mirrored).
        """
        rng = np.random.default_rng((self.seed, 6, index))
        height, width = 240, 320
        for _ in range(1000):
            window = _pick(rng, self._backdrops).window(rng, height, width, (0.6, 2.0))
            image = window.pixels()
            lettered, ranges = float(kind == "suffix"), float(kind == "range")
            patch = self._draw_number(rng, _log_uniform(rng, 22, 70), float(image.mean()), lettered, ranges, height)
            if not _is_of(kind, patch.text):
                continue
            if kind == "turned":
                patch = turned(patch, *_some_turn(rng, patch.text))
            patch = self._seen(rng, patch, 0.12)
            h, w = patch.alpha.shape
            if h > height or w > width:
                continue
            x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            paste(rng, image, patch, x, y)
            boxes = _boxes(patch.outlines, x, y)
            if kind == "hidden":
                cover_end(rng, image[y : y + h, x : x + w], boxes - [x, y, x, y], int(rng.choice([0, len(boxes) - 1])))
            image = degrade(self._scene_degrade, image, rng)
            return image, PlacedNumber(patch.text, boxes, np.ones(len(boxes), bool), kind != "turned")
        raise ValueError(f"no number of the kind {kind!r} can be drawn")

    def number(self, index: int) -> Sample:
        """A picture with at most one number and its digit boxes; a negative in one of seven.

        A range or a fraction counts as two numbers; letters are not labelled.
        """
        picture = self.number_picture(index)
        boxes, digits = picture.digits
        labels = np.asarray([int(d) for d in digits], np.int64)
        return Sample(
            picture.image,
            boxes,
            labels,
            _numbers(picture.text, np.ones(len(picture.text), bool)),
            f"number-{self.seed}-{index}",
        )

    def number_picture(self, index: int) -> NumberPicture:
        """The same, with letters and marks."""
        return self._number(np.random.default_rng((self.seed, 2, index)))

    def _number(self, rng):
        kind = rng.random()
        plain = False
        if kind < 0.14:
            image, boxes, text = self._not_a_number(rng), empty_boxes(), ""
        elif self.sources.plates and kind < 0.30:
            plain = True
            image, boxes, text = self._real_number(rng, _pick(rng, self.sources.plates))
        elif self.sources.scenes and kind < 0.38:
            plain = True
            image, boxes, text = self._number_in_photo(rng, _pick(rng, self.sources.scenes))
        else:
            image, boxes, text = self._drawn_number(rng)
        covered = None
        if len(text) > 1 and rng.random() < _COVERED:
            covered = int(rng.choice([0, len(text) - 1]))
            cover_end(rng, image, boxes, covered)
        if rng.random() < 0.9:
            # what leaves large digits legible wipes small ones out
            small = len(boxes) and (boxes[:, 3] - boxes[:, 1]).mean() < _SMALL
            image = degrade(self._scene_degrade if small else self._crop_degrade, image, rng)
        return NumberPicture(image, boxes, text, covered, plain)

    def _close_looks(self, rng):
        """A sheet of `scene_size` with views of suspected numbers, as a detector looks at them a second time."""
        height, width = self.scene_size
        sheet = np.full((height, width, 3), _GREY, np.uint8)
        boxes, labels, numbers = [], [], []
        gap, top, left, row = 8, 0, 0, 0
        for _ in range(16):  # each at the next place of the row, or at the start of the next one
            image, found, shown = self._close_look(rng)
            h, w = image.shape[:2]
            if left + w > width and top + row + gap + h <= height:
                top, left, row = top + row + gap, 0, 0
            if left + w > width or top + h > height:
                continue
            sheet[top : top + h, left : left + w] = image
            boxes.append(found + np.array([left, top, left, top], np.float32))
            labels += [int(d) for d in "".join(shown)]
            numbers += shown
            left, row = left + w + gap, max(row, h)
        return sheet, np.concatenate(boxes) if boxes else empty_boxes(), np.asarray(labels, np.int64), tuple(numbers)

    def _close_look(self, rng):
        """A number and what is around it, or a part of it, its digits near `_CLOSE` in height however small it is."""
        picture = self._number(rng)
        image, boxes = picture.image, picture.digits[0]
        height, width = image.shape[:2]
        digit_height = float(np.median(boxes[:, 3] - boxes[:, 1])) if len(boxes) else height * rng.uniform(0.3, 0.8)
        if rng.random() < 0.3:  # what was suspected was a part of the number
            cuts = rng.uniform(0, 0.5, 4) * rng.integers(0, 2, 4)
            left, top, right, bottom = (cuts * [width, height, width, height]).astype(int)
            image = image[top : max(top + 8, height - bottom), left : max(left + 8, width - right)]
            boxes = boxes - np.array([left, top, left, top], np.float32)
        scale = _CLOSE * np.exp(rng.normal(0, 0.2)) / digit_height
        scale = min(scale, _ENLARGED, *(side / v for side, v in zip(self.scene_size, image.shape, strict=False)))
        h, w = (max(1, int(v * scale)) for v in image.shape[:2])
        image = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        boxes, stay = clip_boxes((boxes * scale).astype(np.float32), h, w)
        visible = np.array([char.isdigit() for char in picture.text], bool)
        visible[visible] = stay
        return image, boxes[stay], _numbers(picture.text, visible)

    def crop(self, index: int) -> Sample:
        """A number, of a range the first, as a detector cuts it: loose, tight, or into the outer digits by a tenth."""
        sample = self.number(index)
        image_id = f"crop-{self.seed}-{index}"
        if not len(sample.boxes):
            return Sample(sample.image, sample.boxes, sample.labels, sample.numbers, image_id)
        digits, numbers = sample.number_boxes()[0], sample.numbers[:1]
        jittered, margins = detector_jitter(digits, np.random.default_rng((self.seed, 3, index)))
        digit_height = float((jittered[:, 3] - jittered[:, 1]).mean())
        x1, y1, x2, y2 = enclosing(jittered) + np.array([-1, -1, 1, 1]) * margins * digit_height
        height, width = sample.image.shape[:2]
        left, top = int(np.clip(x1, 0, width - 2)), int(np.clip(y1, 0, height - 2))
        right, bottom = int(np.clip(np.ceil(x2), left + 2, width)), int(np.clip(np.ceil(y2), top + 2, height))
        image = np.ascontiguousarray(sample.image[top:bottom, left:right])
        boxes = digits - np.array([left, top, left, top], np.float32)
        limit = np.array([right - left, bottom - top] * 2, np.float32)
        # a digit is not lost by being cut: its text is what the crop is there to teach
        return Sample(image, boxes.clip(0, limit), sample.labels[: len(boxes)], numbers, image_id)

    def _draw_number(
        self,
        rng,
        height: float,
        surface: float,
        lettered: float = _LETTERED,
        ranges: float = _RANGES,
        room: float = np.inf,
    ) -> Patch:
        """lettered, ranges: the shares of level numbers with a letter behind, and of two joined by a mark. room: pixels
        that a stack may take from top to bottom; its digits are made lower if need be.
        """
        text = random_number(rng, self.sources.lengths)
        vertical = len(text) > 1 and rng.random() < _STACKED
        shown, caption, suffix = text, "", None
        kind = rng.random()
        if not vertical and kind < lettered:
            suffix = _suffix(rng)
        elif not vertical and kind < lettered + ranges:
            shown = random_range(rng)
        elif not vertical and kind < lettered + ranges + _PREFIXED:
            shown = LETTERS[rng.integers(26)] + (" " if rng.random() < 0.2 else "") + text
        elif not vertical and kind < lettered + ranges + _PREFIXED + _WORDED:
            word = _pick(rng, WORDS)
            word = word if rng.random() < 0.7 else word.capitalize()
            shown = f"{text} {word}" if rng.random() < 0.6 else f"{word} {text}"
        if not vertical and rng.random() < 0.08:
            caption = random_street(rng) if rng.random() < 0.5 else random_word(rng)
        if vertical:
            height = max(SMALLEST, min(height, room / (1.2 * len(text) + 1)))
        face = _pick(rng, self.sources.typefaces)
        styled = partial(draw, layout=self.sources.layout, vertical=vertical, caption=caption, suffix=suffix)
        return styled(rng, face, shown, height, surface)

    def _draw_word(self, rng, height: float, surface: float) -> Patch:
        if self.sources.words and rng.random() < 0.3:
            picture = _pick(rng, self.sources.words)
            return plate_patch(rng, Sample(picture, empty_boxes(), np.zeros(0, np.int64), (), "word"), height)
        text = (
            random_street(rng) if rng.random() < 0.25 else " ".join(random_word(rng) for _ in range(rng.integers(1, 3)))
        )
        return draw(rng, _pick(rng, self.sources.typefaces), text, height, surface, layout=self.sources.layout)

    def _seen(self, rng, patch: Patch, strength: float) -> Patch:
        return warp(rng, patch, strength, draw_from(rng, self.sources.layout.slope))

    def _composed(
        self,
        rng,
        height: int,
        width: int,
        spoilt: float = 0.0,
        lettered: float = _LETTERED,
        ranges: float = _RANGES,
    ) -> tuple[np.ndarray, list[PlacedNumber]]:
        """spoilt: the share of the numbers that are turned, mirrored, or hidden at an end. lettered, ranges: see
        `_draw_number`.
        """
        window = _pick(rng, self._backdrops).window(rng, height, width, (0.6, 2.0))
        image = window.pixels()
        placed: list[PlacedNumber] = []
        taken: list = []
        count = int(rng.choice(5, p=[0.15, 0.33, 0.25, 0.17, 0.10]))
        things = ["number"] * count + ["word"] * int(rng.choice(4, p=[0.45, 0.3, 0.15, 0.1]))
        for thing in things:
            largest = height * (0.45 if width > 1.5 * height else 0.65)
            # the small windows stand for close-ups: there, large digits are as common as small ones
            close = height < self.scene_size[0] and rng.random() < 0.6
            size = float(rng.uniform(SMALLEST, largest)) if close else _log_uniform(rng, SMALLEST, largest)
            at = (int(rng.integers(width)), int(rng.integers(height)))
            surface = float(image[at[1] // 8 * 8 : at[1] // 8 * 8 + 8, at[0] // 8 * 8 : at[0] // 8 * 8 + 8].mean())
            if thing == "word":
                patch = self._draw_word(rng, min(size, 60), surface)
            elif self.sources.plates and rng.random() < 0.22:
                patch = plate_patch(rng, _pick(rng, self.sources.plates), size)
            else:
                patch = self._draw_number(rng, size, surface, lettered, ranges, height)
            spoil = "" if not patch.text or rng.random() >= spoilt else "hide" if rng.random() < 0.6 else "turn"
            if spoil == "turn" and set(patch.text) <= _SYMMETRIC:
                spoil = ""
            if spoil == "turn":
                patch = turned(patch, *_some_turn(rng, patch.text))
            patch = self._seen(rng, patch, 0.12 if patch.vertical else 0.2)
            h, w = patch.alpha.shape
            spot = find_spot(rng, (w, h), window, taken)
            if spot is None:
                continue
            x, y = spot
            paste(rng, image, patch, x, y)
            taken.append((x, y, x + w, y + h))
            if not patch.text:
                continue
            whole = _boxes(patch.outlines, x, y)
            clipped, stay = clip_boxes(whole, height, width)
            if spoil == "hide" and len(whole) > 1 and stay.all():
                covered = int(rng.choice([0, len(whole) - 1]))
                cover_end(rng, image[max(0, y) : y + h, max(0, x) : x + w], whole - [max(0, x), max(0, y)] * 2, covered)
            placed.append(PlacedNumber(patch.text, clipped, stay, spoil != "turn"))
        return image, placed

    def _real_window(self, rng, sample: Sample, height: int, width: int):
        """A window of a photograph with its own numbers, zoomed so that one of them is of a wanted height."""
        if not len(sample.boxes):
            image = Backdrop(sample.image).window(rng, height, width, (0.5, 1.6)).pixels()
            return image, empty_boxes(), [], []
        focus = sample.boxes[rng.integers(len(sample.boxes))]
        wanted = _log_uniform(rng, 9, height * 0.45)
        scale = float(np.clip(wanted / (focus[3] - focus[1]), 0.35, 2.2))
        angle, aspect = rng.normal(0, 2.5), float(np.exp(rng.normal(0, 0.08)))
        turn = cv2.getRotationMatrix2D((0, 0), angle, scale) @ np.diag([aspect, 1.0, 1.0])
        centre = turn[:, :2] @ np.array([(focus[0] + focus[2]) / 2, (focus[1] + focus[3]) / 2])
        turn[:, 2] = np.array([rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height]) - centre
        source = sample.image
        if scale < 0.7:  # the warp would alias
            source = cv2.GaussianBlur(source, (0, 0), 0.4 / scale)
        image = cv2.warpAffine(source, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        # mirrored content beyond the border may show mirrored digits: grey it out
        inside = cv2.warpAffine(np.full(source.shape[:2], 255, np.uint8), turn, (width, height))
        image[inside < 128] = image[inside >= 128].mean(0) if (inside >= 128).any() else 0
        x1, y1, x2, y2 = sample.boxes.T
        corners = np.stack([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]).transpose(2, 0, 1) @ turn[:, :2].T + turn[:, 2]
        boxes, stay = clip_boxes(np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32), height, width)
        return image, boxes[stay], sample.labels[stay].tolist(), []

    def _background(self, rng, height: int, width: int) -> np.ndarray:
        """A wall, or something else that is no sky: of a few windows the first without any, or that with the least."""
        least, best = 2.0, None
        for _ in range(6):
            window = _pick(rng, self._backdrops).window(rng, height, width, (0.3, 2.5))
            share = window.sky_share((0, 0, width, height))
            if share < least:
                least, best = share, window
            if share < 0.05:
                break
        assert best is not None  # no share is above 1
        return best.pixels()

    def _not_a_number(self, rng) -> np.ndarray:
        """A false alarm, a bare wall, or a window onto a word: of its letters one or several, the outer ones cut."""
        if self.sources.false_alarms and rng.random() < 0.5:
            picture = _pick(rng, self.sources.false_alarms)
            h, w = picture.shape[:2]
            top, left, bottom, right = (int(v) for v in rng.uniform(0, 0.2, 4) * (h, w, h, w))
            return picture[top : h - bottom, left : w - right].copy()
        height, width = int(rng.integers(28, 70)), int(rng.integers(24, 140))
        image = self._background(rng, height, width)
        if rng.random() < 0.65:
            patch = self._draw_word(rng, height * rng.uniform(0.4, 0.9), float(image.mean()))
            patch = self._seen(rng, patch, 0.12)
            h, w = patch.alpha.shape
            slack = abs(w - width)
            x = int(rng.integers(slack + 1)) * (-1 if w > width else 1)
            paste(rng, image, patch, x, (height - h) // 2 + int(rng.integers(-3, 4)))
        return image

    def _drawn_number(self, rng):
        # a third evenly over the range the recogniser must read, the others as high as real digits are
        size = _log_uniform(rng, SMALLEST, 64) if rng.random() < 0.33 else draw_from(rng, self.sources.layout.height)
        size = float(np.clip(size, SMALLEST, 72))
        surface = float(rng.uniform(15, 240))
        patch = self._seen(rng, self._draw_number(rng, size, surface, _LETTERED_CROPS, _RANGES_CROPS), 0.15)
        h, w = patch.alpha.shape
        extra = max(4, round(size * 0.7))
        letter = None
        if self.sources.letters and patch.text.isdigit() and not patch.vertical and rng.random() < 0.08:
            letter = _pick(rng, self.sources.letters)
        image = self._background(rng, h + 2 * extra, w + 2 * extra + (round(size) if letter else 0))
        # the wall takes the brightness the ink was chosen against; half of the walls are nearly plain
        contrast = rng.uniform(0.05, 0.5) if rng.random() < 0.6 else 1.0
        table = np.clip((np.arange(256) - float(image.mean())) * contrast + surface, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table)
        if rng.random() < 0.3:
            self._clutter(rng, image, size, surface)
        paste(rng, image, patch, extra, extra)
        boxes, text = _boxes(patch.outlines, extra, extra), patch.text
        if letter and len(boxes):
            boxes = np.concatenate([boxes, [_paste_letter(rng, image, letter[1], boxes[-1])]]).astype(np.float32)
            text += letter[0]
        if rng.random() < 0.04:
            image = reflection(rng, image, _pick(rng, self.sources.backgrounds))
        return image, boxes, text

    def _clutter(self, rng, image: np.ndarray, size: float, surface: float) -> None:
        """Words and bars beside the number, which must not become digits of it."""
        h, w = image.shape[:2]
        if rng.random() < 0.5:
            patch = self._draw_word(rng, size * rng.uniform(0.3, 1.0), surface)
            y = -patch.alpha.shape[0] // 2 if rng.random() < 0.5 else h - patch.alpha.shape[0] // 2
            paste(rng, image, patch, int(rng.integers(-w // 2, w)), y)
        else:
            for _ in range(rng.integers(1, 4)):
                colour = tuple(int(v) for v in rng.integers(0, 256, 3))
                thick = max(1, round(size * rng.uniform(0.03, 0.25)))
                if rng.random() < 0.5:
                    x = int(rng.choice([rng.integers(0, max(1, w // 6)), rng.integers(w - w // 6, w)]))
                    cv2.line(image, (x, 0), (x + int(rng.integers(-4, 5)), h), colour, thick, cv2.LINE_AA)
                else:
                    y = int(rng.choice([rng.integers(0, max(1, h // 6)), rng.integers(h - h // 6, h)]))
                    cv2.line(image, (0, y), (w, y + int(rng.integers(-4, 5))), colour, thick, cv2.LINE_AA)

    def _real_number(self, rng, plate: Sample):
        """A real plate, sometimes tilted on another wall."""
        if not plate.numbers[0] or len(plate.numbers[0]) > len(SUBURBS):
            return self._drawn_number(rng)
        size = _log_uniform(rng, 14, 60)
        patch = plate_patch(rng, plate, size)
        if max(patch.alpha.shape) < 300 and rng.random() < 0.7:
            patch = self._seen(rng, patch, 0.15)
        h, w = patch.alpha.shape
        extra = max(3, round(size * rng.uniform(0.1, 0.5)))
        image = self._background(rng, h + 2 * extra, w + 2 * extra)
        paste(rng, image, patch, extra, extra)
        return image, _boxes(patch.outlines, extra, extra), patch.text

    def _number_in_photo(self, rng, sample: Sample):
        """One number of a real photograph with its surroundings, rescaled."""
        known = [
            (number, boxes)
            for number, boxes in zip(sample.numbers, sample.number_boxes(), strict=False)
            if 0 < len(number) <= len(SUBURBS)
        ]
        if not known:
            return self._drawn_number(rng)
        number, boxes = _pick(rng, known)
        x1, y1, x2, y2 = enclosing(boxes)
        pad = 0.6 * (y2 - y1)
        left, top = max(0, int(x1 - pad)), max(0, int(y1 - pad))
        crop = sample.image[top : int(y2 + pad) + 1, left : int(x2 + pad) + 1]
        scale = min(_log_uniform(rng, 14, 60) / max(4.0, y2 - y1), 2.0)
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        size = max(8, round(crop.shape[1] * scale)), max(8, round(crop.shape[0] * scale))
        image = cv2.resize(crop, size, interpolation=interpolation)
        return image, ((boxes - (left, top, left, top)) * scale).astype(np.float32), number


def _paste_letter(rng, image: np.ndarray, letter: np.ndarray, last: np.ndarray) -> list[float]:
    """A real letter behind the last digit, on a plate of its own or fading into the wall; returns its box."""
    digit_height = float(last[3] - last[1])
    h = max(6, round(digit_height * rng.uniform(0.7, 1.15)))
    w = max(4, round(h * rng.uniform(0.55, 0.85)))
    x = round(last[2] + digit_height * rng.uniform(0.02, 0.3))
    y = round(last[1] + (digit_height - h) * rng.uniform(0.0, 1.0))
    y, x = max(0, min(y, image.shape[0] - h)), max(0, min(x, image.shape[1] - w))
    tile = cv2.resize(letter, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = np.ones((h, w, 1), np.float32)
    place = image[y : y + h, x : x + w]
    if rng.random() < 0.6:
        rim = np.concatenate([tile[0], tile[-1], tile[:, 0], tile[:, -1]]).mean(0)
        tile = (tile + place.reshape(-1, 3).mean(0) - rim).clip(0, 255)
        soft = max(1, round(0.1 * h))
        alpha[:soft] = alpha[-soft:] = alpha[:, :soft] = alpha[:, -soft:] = 0
        alpha = cv2.blur(alpha, (2 * soft + 1, 2 * soft + 1))[..., None]
    place[:] = (alpha * tile + (1 - alpha) * place).round().astype(np.uint8)
    return [x + 0.08 * w, y + 0.05 * h, x + 0.92 * w, y + 0.95 * h]


class Synthetic(Dataset):
    """Samples of a Synthesizer as a torch Dataset, without files and without end unless `count` says so.

    kind: "scene", "composed", "number" or "crop". An index always gives the same sample, in whichever worker; go
    through it in order (`shuffle=False`): the samples are random already.

    >>> from digits.datasets.synthesis.fonts import builtin_typefaces
    >>> wall = np.full((80, 120, 3), 128, np.uint8)
    >>> crops = Synthetic(Synthesizer(Sources(builtin_typefaces(), [wall]), seed=1), "crop")
    >>> crops[10**9].image.dtype
    dtype('uint8')
    """

    def __init__(self, synthesizer: Synthesizer, kind: str, count: int = 2**62):
        self.kind = kind
        self._make = getattr(synthesizer, kind)
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._make(index)
