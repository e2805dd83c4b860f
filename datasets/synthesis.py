"""Composed scenes and number crops: drawn or real digits put into photographs that had none.

The same seed and index give the same sample on any number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from digits.datasets.degrade import degrade, for_crops, for_scenes
from digits.datasets.fonts import Typeface
from digits.datasets.items import Sample, empty_boxes
from digits.datasets.lettering import Patch, draw, random_number, random_word

# shares of numbers of 1, 2, … digits: between SVHN's European streets and North American suburbs
LENGTHS = (0.14, 0.30, 0.29, 0.20, 0.055, 0.015)
MIN_VISIBLE = 0.6  # a digit of which less than this share of its box is inside the frame is not labelled
MIN_HEIGHT = 6.0  # nor one lower than this many pixels


@dataclass
class Sources:
    """What samples are made of; every list may be empty but the first two.

    typefaces: drawn from; backgrounds: pictures without digits; scenes: whole pictures with digits boxed;
    plates: tight crops of real numbers; words: pictures of text without digits; words_in_scenes: likewise, whole;
    false_alarms: crops that a detector took for numbers and are none.
    """

    typefaces: Sequence[Typeface]
    backgrounds: Sequence[np.ndarray]
    scenes: Sequence[Sample] = field(default_factory=list)
    plates: Sequence[Sample] = field(default_factory=list)
    words: Sequence[np.ndarray] = field(default_factory=list)
    words_in_scenes: Sequence[np.ndarray] = field(default_factory=list)
    false_alarms: Sequence[np.ndarray] = field(default_factory=list)


def _pick(rng: np.random.Generator, items: Sequence):
    return items[int(rng.integers(len(items)))]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(max(low, high)))))


def _window(
    rng: np.random.Generator, image: np.ndarray, height: int, width: int, zoom: tuple[float, float]
) -> np.ndarray:
    """A random window of a picture, resized to (height, width); `zoom` is output over input pixels."""
    scale = max(_log_uniform(rng, *zoom), height / image.shape[0], width / image.shape[1])
    h, w = min(image.shape[0], round(height / scale)), min(image.shape[1], round(width / scale))
    y, x = int(rng.integers(image.shape[0] - h + 1)), int(rng.integers(image.shape[1] - w + 1))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image[y : y + h, x : x + w], (width, height), interpolation=interpolation)


def _warp(rng: np.random.Generator, patch: Patch, strength: float) -> Patch:
    """Turn, foreshorten and tilt a patch as a camera beside the door would see it."""
    h, w = patch.alpha.shape
    angle = np.deg2rad(rng.normal(0, 3.5) if rng.random() < 0.85 else rng.uniform(-22, 22))
    stretch = np.array([rng.uniform(0.62, 1.12), 1.0]) if rng.random() < 0.5 else np.ones(2)
    shear = rng.normal(0, 0.07)
    corners = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = (corners - (w / 2, h / 2)) * stretch @ np.array([[1, 0], [shear, 1]]) @ rotate.T
    target += rng.uniform(-1, 1, (4, 2)) * strength * min(h, w) * 0.5
    target -= target.min(0)
    size = tuple(int(v) + 1 for v in target.max(0))
    matrix = cv2.getPerspectiveTransform(corners, target.astype(np.float32))
    colour = cv2.warpPerspective(patch.colour, matrix, size)
    alpha = cv2.warpPerspective(patch.alpha, matrix, size)
    outlines = [cv2.perspectiveTransform(o[None].astype(np.float32), matrix)[0] for o in patch.outlines]
    return Patch(colour, alpha, outlines, patch.digits, patch.vertical)


def _paste(rng: np.random.Generator, image: np.ndarray, patch: Patch, x: int, y: int) -> None:
    """Blend a patch into `image` (in place) with its top left corner at (x, y), in the light of that place."""
    h, w = patch.alpha.shape
    x0, y0, x1, y1 = max(0, x), max(0, y), min(image.shape[1], x + w), min(image.shape[0], y + h)
    if x0 >= x1 or y0 >= y1:
        return
    under = image[y0:y1, x0:x1].astype(np.float32)
    colour = patch.colour[y0 - y : y1 - y, x0 - x : x1 - x]
    alpha = patch.alpha[y0 - y : y1 - y, x0 - x : x1 - x, None]
    if rng.random() < 0.5:
        light = cv2.resize(under.mean(2), (3, 3), interpolation=cv2.INTER_AREA) + 40
        light = cv2.resize(np.clip(light / light.mean(), 0.6, 1.4), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        colour = colour * light[..., None]
    image[y0:y1, x0:x1] = np.clip(colour + under * (1 - alpha), 0, 255).astype(np.uint8)


def _boxes(outlines: list[np.ndarray], x: float, y: float) -> np.ndarray:
    """Digit boxes from outlines, a little looser than the ink, as people annotate."""
    if not outlines:
        return empty_boxes()
    low, high = np.stack([o.min(0) for o in outlines]), np.stack([o.max(0) for o in outlines])
    slack = 0.03 * (high[:, 1:] - low[:, 1:])
    return np.concatenate([low - slack + (x, y), high + slack + (x, y)], 1).astype(np.float32)


def clip_boxes(boxes: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes clipped to the frame and which of them stay: enough of the digit visible, and high enough."""
    if not len(boxes):
        return boxes, np.zeros(0, bool)
    clipped = boxes.copy()
    clipped[:, 0::2] = clipped[:, 0::2].clip(0, width)
    clipped[:, 1::2] = clipped[:, 1::2].clip(0, height)
    size, full = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    visible = size.prod(1) / np.maximum(full.prod(1), 1e-6)
    return clipped, (visible >= MIN_VISIBLE) & (size[:, 1] >= MIN_HEIGHT) & (size[:, 0] >= 2)


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
    corners = [np.float32([[b[0], b[1]], [b[2], b[1]], [b[2], b[3]], [b[0], b[3]]]) * scale for b in plate.boxes]
    return Patch(image * alpha[..., None], alpha, corners, "".join(map(str, plate.labels)), False)


def _free_spot(rng: np.random.Generator, w: int, h: int, height: int, width: int, taken) -> tuple:
    """A place for a (w, h) patch that covers nothing pasted before; now and then cut by the frame."""
    slack = 0.25 if rng.random() < 0.15 else 0.0
    for _ in range(12):
        x = int(rng.integers(-int(w * slack), max(1, width - int(w * (1 - slack)) + 1)))
        y = int(rng.integers(-int(h * slack), max(1, height - int(h * (1 - slack)) + 1)))
        if all(x + w <= a or x >= c or y + h <= b or y >= d for a, b, c, d in taken):
            return x, y
    return None, None


class Synthesizer:
    """Endless samples by index.

    `scene(i)`: a window of a street photograph with any number of numbers, for the detector.
    `number(i)`: a small picture of one number in its surroundings, for the recogniser to be cut from.
    """

    def __init__(self, sources: Sources, seed: int = 0, scene_size: tuple[int, int] = (256, 320)):
        self.sources = sources
        self.seed = seed
        self.scene_size = scene_size  # height, width of the largest scenes
        self._scene_degrade = for_scenes()
        self._crop_degrade = for_crops()

    def _draw_number(self, rng, height: float, surface: float) -> Patch:
        text = random_number(rng, LENGTHS)
        vertical = len(text) > 1 and rng.random() < 0.13
        shown = text
        if not vertical and rng.random() < 0.05:
            shown = text + (" " if rng.random() < 0.3 else "") + "ABCDEFGH"[rng.integers(8)]
        caption = random_word(rng) if not vertical and rng.random() < 0.08 else ""
        return draw(
            rng,
            _pick(rng, self.sources.typefaces),
            shown,
            height,
            surface,
            vertical=vertical,
            caption=caption,
        )

    def _draw_word(self, rng, height: float, surface: float) -> Patch:
        if self.sources.words and rng.random() < 0.3:
            picture = _pick(rng, self.sources.words)
            return plate_patch(rng, Sample(picture, empty_boxes(), np.zeros(0, np.int64), (), "word"), height)
        text = " ".join(random_word(rng) for _ in range(rng.integers(1, 3)))
        return draw(rng, _pick(rng, self.sources.typefaces), text, height, surface)

    def scene(self, index: int) -> Sample:
        """A training window; digits under 6 px high or mostly outside it are not labelled.

        Seven of ten are of `scene_size`, the others smaller, down to a third: at inference too, a reduced photograph
        of a near number has its frame close around the digits.
        """
        rng = np.random.default_rng((self.seed, 1, index))
        shrink = rng.uniform(0.33, 0.9, 2) if rng.random() < 0.3 else (1.0, 1.0)
        height, width = (round(side * part) for side, part in zip(self.scene_size, shrink, strict=True))
        kind = rng.random()
        if self.sources.scenes and kind < 0.22:
            image, boxes, labels, numbers = self._real_window(rng, _pick(rng, self.sources.scenes), height, width)
        elif self.sources.words_in_scenes and kind < 0.26:
            image = _window(rng, _pick(rng, self.sources.words_in_scenes), height, width, (0.4, 1.2)).copy()
            boxes, labels, numbers = empty_boxes(), [], []
        else:
            image, boxes, labels, numbers = self._composed(rng, height, width)
        if rng.random() < 0.75:
            image = degrade(self._scene_degrade, image, rng)
        return Sample(image, boxes, np.asarray(labels, np.int64), tuple(numbers), f"scene-{self.seed}-{index}")

    def composed(self, index: int) -> Sample:
        """A whole composed picture of `scene_size`: each number in `numbers` has its digits in `boxes`."""
        rng = np.random.default_rng((self.seed, 4, index))
        image, boxes, labels, numbers = self._composed(rng, *self.scene_size)
        image = degrade(self._scene_degrade, image, rng)
        return Sample(image, boxes, np.asarray(labels, np.int64), tuple(numbers), f"composed-{self.seed}-{index}")

    def _composed(self, rng, height: int, width: int):
        image = _window(rng, _pick(rng, self.sources.backgrounds), height, width, (0.6, 2.0)).copy()
        boxes, labels, numbers, taken = [], [], [], []
        count = int(rng.choice(5, p=[0.15, 0.33, 0.25, 0.17, 0.10]))
        things = ["number"] * count + ["word"] * int(rng.choice(4, p=[0.45, 0.3, 0.15, 0.1]))
        for thing in things:
            largest = height * (0.45 if width > 1.5 * height else 0.65)
            # the small windows stand for close-ups: there, large digits are as common as small ones
            close = height < self.scene_size[0] and rng.random() < 0.6
            size = float(rng.uniform(8, largest)) if close else _log_uniform(rng, 8, largest)
            at = (int(rng.integers(width)), int(rng.integers(height)))
            surface = float(image[at[1] // 8 * 8 : at[1] // 8 * 8 + 8, at[0] // 8 * 8 : at[0] // 8 * 8 + 8].mean())
            if thing == "word":
                patch = self._draw_word(rng, min(size, 60), surface)
            elif self.sources.plates and rng.random() < 0.22:
                patch = plate_patch(rng, _pick(rng, self.sources.plates), size)
            else:
                patch = self._draw_number(rng, size, surface)
            patch = _warp(rng, patch, 0.12 if patch.vertical else 0.2)
            h, w = patch.alpha.shape
            x, y = _free_spot(rng, w, h, height, width, taken)
            if x is None:
                continue
            _paste(rng, image, patch, x, y)
            taken.append((x, y, x + w, y + h))
            clipped, stay = clip_boxes(_boxes(patch.outlines, x, y), height, width)
            boxes.append(clipped[stay])
            labels += [int(d) for d, keep in zip(patch.digits, stay, strict=True) if keep]
            if stay.any():
                numbers.append("".join(d for d, keep in zip(patch.digits, stay, strict=True) if keep))
        return image, np.concatenate(boxes) if boxes else empty_boxes(), labels, numbers

    def _real_window(self, rng, sample: Sample, height: int, width: int):
        """A window of a photograph with its own numbers, zoomed so that one of them is of a wanted height."""
        if not len(sample.boxes):
            return _window(rng, sample.image, height, width, (0.5, 1.6)).copy(), empty_boxes(), [], []
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

    def number(self, index: int) -> Sample:
        """A picture with at most one number and its digit boxes; a negative in one of seven."""
        rng = np.random.default_rng((self.seed, 2, index))
        kind = rng.random()
        if kind < 0.14:
            image, boxes, digits = self._not_a_number(rng), empty_boxes(), ""
        elif self.sources.plates and kind < 0.30:
            image, boxes, digits = self._real_number(rng, _pick(rng, self.sources.plates))
        elif self.sources.scenes and kind < 0.38:
            image, boxes, digits = self._number_in_photo(rng, _pick(rng, self.sources.scenes))
        else:
            image, boxes, digits = self._drawn_number(rng)
        if rng.random() < 0.85:
            image = degrade(self._crop_degrade, image, rng)
        labels = np.asarray([int(d) for d in digits], np.int64)
        return Sample(image, boxes, labels, (digits,) if digits else (), f"number-{self.seed}-{index}")

    def _background(self, rng, height: int, width: int) -> np.ndarray:
        return _window(rng, _pick(rng, self.sources.backgrounds), height, width, (0.3, 2.5)).copy()

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
            patch = _warp(rng, self._draw_word(rng, height * rng.uniform(0.4, 0.9), float(image.mean())), 0.12)
            h, w = patch.alpha.shape
            slack = abs(w - width)
            x = int(rng.integers(slack + 1)) * (-1 if w > width else 1)
            _paste(rng, image, patch, x, (height - h) // 2 + int(rng.integers(-3, 4)))
        return image

    def _drawn_number(self, rng):
        size = _log_uniform(rng, 11, 64)
        surface = float(rng.uniform(15, 240))
        patch = _warp(rng, self._draw_number(rng, size, surface), 0.15)
        h, w = patch.alpha.shape
        extra = max(4, round(size * 0.4))
        image = self._background(rng, h + 2 * extra, w + 2 * extra)
        # the wall takes the brightness the ink was chosen against; half of the walls are nearly plain
        contrast = rng.uniform(0.05, 0.5) if rng.random() < 0.6 else 1.0
        mean = float(image.mean())
        image = np.clip((image.astype(np.float32) - mean) * contrast + surface, 0, 255).astype(np.uint8)
        if rng.random() < 0.3:
            self._clutter(rng, image, size, surface)
        _paste(rng, image, patch, extra, extra)
        return image, _boxes(patch.outlines, extra, extra), patch.digits

    def _clutter(self, rng, image: np.ndarray, size: float, surface: float) -> None:
        """Words and bars beside the number, which must not become digits of it."""
        h, w = image.shape[:2]
        if rng.random() < 0.5:
            patch = self._draw_word(rng, size * rng.uniform(0.3, 1.0), surface)
            y = -patch.alpha.shape[0] // 2 if rng.random() < 0.5 else h - patch.alpha.shape[0] // 2
            _paste(rng, image, patch, int(rng.integers(-w // 2, w)), y)
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
        if not plate.numbers[0] or len(plate.numbers[0]) > len(LENGTHS):
            return self._drawn_number(rng)
        size = _log_uniform(rng, 14, 60)
        patch = plate_patch(rng, plate, size)
        if max(patch.alpha.shape) < 300 and rng.random() < 0.7:
            patch = _warp(rng, patch, 0.15)
        h, w = patch.alpha.shape
        extra = max(3, round(size * rng.uniform(0.1, 0.5)))
        image = self._background(rng, h + 2 * extra, w + 2 * extra)
        _paste(rng, image, patch, extra, extra)
        return image, _boxes(patch.outlines, extra, extra), patch.digits

    def _number_in_photo(self, rng, sample: Sample):
        """One number of a real photograph with its surroundings, rescaled."""
        known = [i for i, number in enumerate(sample.numbers) if 0 < len(number) <= len(LENGTHS)]
        if not known:
            return self._drawn_number(rng)
        which = _pick(rng, known)
        start = sum(len(number) for number in sample.numbers[:which])
        boxes = sample.boxes[start : start + len(sample.numbers[which])]
        x1, y1 = boxes[:, :2].min(0)
        x2, y2 = boxes[:, 2:].max(0)
        pad = 0.6 * (y2 - y1)
        left, top = max(0, int(x1 - pad)), max(0, int(y1 - pad))
        crop = sample.image[top : int(y2 + pad) + 1, left : int(x2 + pad) + 1]
        scale = min(_log_uniform(rng, 14, 60) / max(4.0, y2 - y1), 2.0)
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        size = max(8, round(crop.shape[1] * scale)), max(8, round(crop.shape[0] * scale))
        image = cv2.resize(crop, size, interpolation=interpolation)
        return image, ((boxes - (left, top, left, top)) * scale).astype(np.float32), sample.numbers[which]
