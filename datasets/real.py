"""Photographs and crops with known digits, read from annotation files, and backgrounds without any.

Annotation formats (one JSON list, one object an image, beside a folder `images/`):
- words with a box a digit:     {"file", "words": [{"text", "boxes": [[x1, y1, x2, y2], …]}]}
- a crop with a box a character: {"file", "text", "boxes": [[x1, y1, x2, y2], …]}
- a number with one box:        {"file", "numbers": [{"text", "box": [x1, y1, x2, y2]}]}
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from digits.core.errors import DatasetError
from digits.datasets.items import Sample, empty_boxes, part_of

_PICTURES = (".jpg", ".jpeg", ".png")


def read_picture(path: Path) -> np.ndarray:
    """RGB uint8 (H, W, 3) of a training picture; DatasetError if it cannot be decoded."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"{path}: not a picture, or missing")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def list_pictures(folder: str | Path) -> list[Path]:
    """Pictures below a folder, sorted. DatasetError if there is no folder or no picture."""
    if not Path(folder).is_dir():
        raise DatasetError(f"{folder}: no such folder")
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in _PICTURES)
    if not found:
        raise DatasetError(f"{folder}: holds no picture")
    return found


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


def _digits_of(record: dict, image_id: str) -> tuple[np.ndarray, list[int], list[str]]:
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
        raise DatasetError(f"{image_id}: malformed annotation ({error})") from None
    return (np.asarray(boxes, np.float32).reshape(-1, 4) if boxes else empty_boxes()), labels, numbers


def load_annotated(folder: str | Path, part: str, group=lambda name: name) -> list[Sample]:
    """Samples of one part of an annotated folder. `group` maps a file name to what must not be split apart."""
    path = Path(folder) / "annotations.json"
    try:
        records = json.loads(path.read_text())
    except FileNotFoundError:
        raise DatasetError(f"{path}: missing") from None
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: not JSON ({error})") from None
    samples = []
    for record in records:
        if part_of(group(record["file"])) == part:
            boxes, labels, numbers = _digits_of(record, f"{path}:{record['file']}")
            image = read_picture(path.parent / "images" / record["file"])
            samples.append(Sample(image, boxes, np.asarray(labels, np.int64), tuple(numbers), record["file"]))
    return samples


def load_pictures(folder: str | Path, part: str, long_side: int = 576) -> list[np.ndarray]:
    """One part of a folder of pictures without digits, RGB uint8, reduced to `long_side` where larger."""
    pictures = []
    for path in list_pictures(folder):
        if part_of(path.name) == part:
            image = read_picture(path)
            scale = long_side / max(image.shape[:2])
            if scale < 1:
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            pictures.append(image)
    return pictures
