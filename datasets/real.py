"""Photographs and crops with known digits, in the plain formats the shipped weights were trained from.

`annotations.json` (one list, one object an image, beside a folder `images/`):
- words with a box a digit:     {"file", "words": [{"text", "boxes": [[x1, y1, x2, y2], …]}]}
- a crop with a box a character: {"file", "text", "boxes": [[x1, y1, x2, y2], …]}
- a number with one box:        {"file", "numbers": [{"text", "box": [x1, y1, x2, y2]}]}
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from digits.core.errors import DatasetError
from digits.core.progress import shown
from digits.datasets.pictures import Pictures, Problem, make_record, picture_size, read_json


def split_evenly(text: str, box) -> np.ndarray:
    """Digit boxes, float32 (len(text), 4), for a number of which only the whole box is known.

    A 1 gets 0.6 of the width of another digit; the box is taken as level and tight.
    """
    x1, y1, x2, y2 = box
    widths = np.array([0.6 if char == "1" else 1.0 for char in text])
    edges = x1 + (x2 - x1) * np.concatenate([[0], np.cumsum(widths)]) / widths.sum()
    gap = 0.04 * (edges[1:] - edges[:-1])
    columns = [edges[:-1] + gap, np.full(len(text), y1), edges[1:] - gap, np.full(len(text), y2)]
    return np.stack(columns, 1).astype(np.float32)


def _digits_of(record: dict) -> tuple[list, list[int], list[str]]:
    """Boxes, labels and numbers of an entry; ValueError if it is malformed."""
    boxes, labels, numbers = [], [], []

    def add(text: str, each) -> None:
        for char, box in zip(text, each, strict=True):
            if char.isdigit():
                boxes.append(box)
                labels.append(int(char))
        numbers.append("".join(char for char in text if char.isdigit()))

    try:
        if "words" in record:
            for word in record["words"]:
                digits = [c for c in word["text"] if c.isdigit()]
                chars = word["text"] if len(word["boxes"]) == len(word["text"]) else "".join(digits)
                if digits:
                    add(chars, word["boxes"])
        elif "numbers" in record:
            for number in record["numbers"]:
                if number["text"].isdigit():
                    add(number["text"], split_evenly(number["text"], number["box"]))
        elif any(char.isdigit() for char in record["text"]):
            add(record["text"], record["boxes"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"malformed annotation ({error})") from None
    return boxes, labels, numbers


def read_annotated(source: str | Path, quiet: bool = False) -> Pictures:
    """Everything in a folder with `annotations.json` and `images/`, or in such a file; the file name is the id.

    quiet: no progress bar. Raises DatasetError if the list is missing or malformed.
    """
    path = Path(source) / "annotations.json" if Path(source).is_dir() else Path(source)
    records, problems = [], []
    entries = read_json(path, list)
    for entry in shown(entries, "measuring pictures", len(entries), quiet):
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            raise DatasetError(f"{path}: every entry must be an object with a file")
        name = entry["file"]
        try:
            picture = path.parent / "images" / name
            records.append(make_record(name, picture, picture_size(picture), *_digits_of(entry)))
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return Pictures(str(source), records, problems)


def load_pixels(pictures: Pictures, long_side: int = 576) -> list[np.ndarray]:
    """The images alone, RGB uint8, reduced to `long_side` pixels where they are larger; see `Pictures.readable`."""
    loaded = []
    for sample in pictures.readable():
        image = sample.image
        scale = long_side / max(image.shape[:2])
        if scale < 1:
            size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        loaded.append(image)
    return loaded
