"""Geometric augmentation for the detector, with albumentations, and crops for a recogniser.

No flips, and rotations by a few degrees only: a mirrored 2 is no 2, and a 6 upside down is a 9. Photometric
augmentation is in `degrade`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from digits.core.boxes import enclosing
from digits.datasets.degrade import A, degrade, for_scenes, reseed  # A from there: its import needs a setting
from digits.datasets.items import Sample
from digits.datasets.visibility import MIN_HEIGHT, MIN_VISIBLE, MIN_WIDTH


def windows(height: int, width: int) -> A.Compose:
    """A random window of a picture, (height, width), with random scale, and rotation and shear or perspective.

    One picture in seven is shown whole, smaller than the window. Targets: image, mask, and bboxes with their indices in
    the sample, `order`. Boxes are kept by the rule of `visibility`. Beyond the picture, image and mask are 0.
    """
    smaller = [max(1, round(share * min(height, width))) for share in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)]
    return A.Compose(
        [
            A.OneOf(
                [
                    A.RandomScale((-0.5, 0.6), area_for_downscale="image", p=0.85),
                    A.LongestMaxSize(smaller, area_for_downscale="image", p=0.15),
                ],
                p=1,
            ),
            # before the rotation, so that only the window cuts digits
            A.PadIfNeeded(height, width, position="random"),
            # not both: the box around a rotated box would be rotated again, and grow
            A.OneOf([A.Affine(rotate=(-7, 7), shear={"x": (-8, 8), "y": (-3, 3)}), A.Perspective((0.02, 0.07))], p=0.6),
            A.AtLeastOneBBoxRandomCrop(height, width, p=0.7),
            A.RandomCrop(height, width),
        ],
        bbox_params=A.BboxParams(
            "pascal_voc",
            label_fields=["order"],
            min_visibility=MIN_VISIBLE,
            min_height=MIN_HEIGHT,
            min_width=MIN_WIDTH,
            check_each_transform=False,  # a digit cut twice would be measured against what the first cut had left
        ),
        mask_interpolation=cv2.INTER_LINEAR,
    )


def keep_digits(numbers: tuple[str, ...], keep: Sequence[int]) -> tuple[str, ...]:
    """The numbers with only the digits at the indices `keep`, which count through all numbers.

    >>> keep_digits(("12", "7", "305"), [0, 3, 5])
    ('1', '35')
    """
    texts, start = [], 0
    for number in numbers:
        texts.append("".join(digit for i, digit in enumerate(number, start) if i in keep))
        start += len(number)
    return tuple(text for text in texts if text)


class DetectionTransform:
    """Random samples of one size for the detector: `windows`, then `degrade.for_scenes`.

    height, width: of the result, pixels. backgrounds: RGB uint8 pictures without digits, shown where a window reaches
    beyond its picture; without any, the picture's mean colour is shown.
    """

    def __init__(self, height: int, width: int, backgrounds: Sequence[np.ndarray] = ()):
        self.height, self.width = height, width
        self.backgrounds = backgrounds
        self._windows = windows(height, width)
        shape = (0.8 * width / height, 1.25 * width / height)
        self._wall = A.Compose([A.RandomResizedCrop((height, width), (0.2, 1), shape, area_for_downscale="image")])
        self._camera = for_scenes()

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """A sample with the digits that are still visible, see `visibility`; all randomness is drawn from `rng`.

        Raises ValueError for a crop without boxes.
        """
        moved = self.geometry(sample, rng)
        return replace(moved, image=degrade(self._camera, moved.image, rng))

    def geometry(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The window only, with unchanged colours."""
        if sample.numbers and not len(sample.boxes):
            raise ValueError(f"{sample.image_id}: has digits but no boxes, a detector cannot learn from it")
        inside = np.full(sample.image.shape[:2], 255, np.uint8)
        order = np.arange(len(sample.boxes))
        reseed(self._windows, rng)
        seen = self._windows(image=sample.image, mask=inside, bboxes=sample.boxes, order=order)
        keep = np.asarray(seen["order"], np.int64)
        boxes = np.asarray(seen["bboxes"], np.float32).reshape(-1, 4)
        image = np.ascontiguousarray(seen["image"])
        share = seen["mask"][..., None] / np.float32(255)
        if share.min() < 1:
            # at its border, the picture fades to black as its mask fades to 0
            image = (image + (1 - share) * self._around(sample.image, rng)).round().clip(0, 255).astype(np.uint8)
        return Sample(image, boxes, sample.labels[keep], keep_digits(sample.numbers, keep.tolist()), sample.image_id)

    def _around(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What is seen beyond a picture: (height, width, 3), or one colour (3,)."""
        if not len(self.backgrounds):
            return image.mean((0, 1))
        return degrade(self._wall, self.backgrounds[int(rng.integers(len(self.backgrounds)))], rng)


def detector_jitter(boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Digit boxes and crop margins with the errors of a detector: loose, tight or cutting into the outer digits, or
    including a frame or letter that it took for one more digit.

    boxes: (N, 4), N >= 1. Returns float64 (N, 4), every side shifted by about 3.5 % of the digits' median height, and
    the margins (4,): left, top, right, bottom, as shares of the digits' height.
    """
    moved = boxes.astype(np.float64)
    moved += rng.normal(0, 0.035, moved.shape) * np.median(moved[:, 3] - moved[:, 1])
    kind = rng.random()
    if kind < 0.5:
        return moved, rng.uniform(0.02, 0.3, 4)
    if kind < 0.72:
        return moved, rng.normal(0, 0.04, 4).clip(-0.08, 0.12)
    margins = rng.uniform(0.02, 0.3, 4)
    if kind < 0.92:  # something at one end or both was taken for a digit; mostly on the right, where letters stand
        ends = [[0], [2], [0, 2]][rng.choice(3, p=[0.3, 0.5, 0.2])]
        margins[ends] = rng.uniform(0.3, 1.1, len(ends))
        return moved, margins
    return moved, rng.uniform(0.1, 0.6, 4)


def goodfellow_crop(image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """A number cropped as by Goodfellow et al. (2013): the box around its digits, 30 % wider and higher, resized to 64.

    image: RGB uint8 (H, W, 3). boxes: its digits (N, 4), N >= 1. Where the box leaves the image, the image's edge is
    repeated. Returns uint8 (54, 54, 3), a random crop of the 64 pixels; without `rng`, the centre crop.
    """
    x1, y1, x2, y2 = enclosing(np.asarray(boxes, np.float64))
    across, down = 0.15 * (x2 - x1), 0.15 * (y2 - y1)
    rows = np.arange(np.floor(y1 - down), max(np.ceil(y2 + down), np.floor(y1 - down) + 1), dtype=int)
    columns = np.arange(np.floor(x1 - across), max(np.ceil(x2 + across), np.floor(x1 - across) + 1), dtype=int)
    cut = image[rows.clip(0, image.shape[0] - 1)][:, columns.clip(0, image.shape[1] - 1)]
    shrinks = min(cut.shape[:2]) > 64
    square = cv2.resize(cut, (64, 64), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    top, left = (5, 5) if rng is None else rng.integers(0, 11, 2)
    return square[top : top + 54, left : left + 54]
