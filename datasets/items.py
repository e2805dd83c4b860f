"""`Sample`, the item that every source yields, and the splits into train, validation and test."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from digits.core.alphabet import CHARACTERS


@dataclass(frozen=True)
class Sample:
    """An image with its digits.

    image: RGB uint8 (H, W, 3). boxes: float32 (N, 4), `[x1, y1, x2, y2]` in pixels. labels: int64 (N,), indices into
    `alphabet.CHARACTERS`: digits are 0 to 9. numbers: one string per number, with characters in the order of `boxes`;
    empty if it is not known which characters belong together. image_id: stable under shuffling.

    A negative has N = 0 and no numbers. A crop without boxes has N = 0 and one number.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    numbers: tuple[str, ...]
    image_id: str

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"{self.image_id}: image must be uint8 (H, W, 3)")
        check_digits(self.boxes, self.labels, self.numbers, self.image_id)

    def number_boxes(self) -> list[np.ndarray]:
        """The digit boxes of each number, one float32 (K, 4) per number; empty if there are none."""
        return by_number(self.boxes, self.numbers)


def check_digits(boxes: np.ndarray, labels: np.ndarray, numbers: tuple[str, ...], name: str) -> None:
    """Raises ValueError, starting with `name`, unless boxes, labels and numbers agree."""
    if boxes.shape != (len(labels), 4):
        raise ValueError(f"{name}: boxes {boxes.shape} for {len(labels)} labels")
    if len(labels) and numbers and "".join(numbers) != "".join(CHARACTERS[label] for label in labels):
        raise ValueError(f"{name}: numbers {numbers} are not what the labels {labels.tolist()} spell")


def by_number(boxes: np.ndarray, numbers: tuple[str, ...]) -> list[np.ndarray]:
    """Digit boxes (N, 4), split by the numbers that they spell."""
    if not len(boxes):
        return []
    return np.split(boxes, np.cumsum([len(number) for number in numbers])[:-1]) if numbers else []


SPLITS = {"train": 80, "validation": 10, "test": 10}  # per cent


def split_of(image_id: str) -> str:
    """The split an image belongs to: "train" (80 %), "validation" (10 %) or "test" (10 %).

    Decided by its id alone, so that adding data moves nothing.

    >>> split_of("facade_0000.jpg"), split_of("facade_0002.jpg"), split_of("facade_0001.jpg")
    ('train', 'validation', 'test')
    """
    place = zlib.crc32(image_id.encode(errors="surrogatepass")) % 100  # file names need not be Unicode
    return "test" if place < SPLITS["test"] else "validation" if place < 100 - SPLITS["train"] else "train"


def spread(count: int | None, total: int) -> list[int]:
    """Indices of `count` evenly spread items of `total`; of all if `count` is None or too large."""
    if count is None or count >= total:
        return list(range(total))
    return np.linspace(0, total - 1, count).round().astype(int).tolist()


def empty_boxes() -> np.ndarray:
    return np.zeros((0, 4), np.float32)
