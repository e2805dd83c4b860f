"""Photographs and crops with known digits, in the plain formats the shipped weights were trained from.

`annotations.json` (one list, one object an image, beside a folder `images/`):
- words with a box a digit:     {"file", "words": [{"text", "boxes": [[x1, y1, x2, y2], …]}]}
- a crop with a box a character: {"file", "text", "boxes": [[x1, y1, x2, y2], …]}
- a number with one box:        {"file", "numbers": [{"text", "box": [x1, y1, x2, y2]}]}
- likewise, read by eye:        {"file", "numbers": [{"text", "sure", "box": [left, top, width, height]}]}
`annotations.jsonl`, one object a line:
- a number with a box a digit:  {"file", "digits", "boxes": [[left, top, width, height], …]}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from digits.core.alphabet import CHARACTERS, DIGITS, digits_of, is_digits, is_house_number
from digits.core.errors import DatasetError
from digits.core.progress import progress
from digits.core.text import parse_json, read_text
from digits.datasets.files import picture_path
from digits.datasets.pictures import Pictures, Problem, make_record, picture_size, read_json

# From these heights over widths on, a box is that of a stack; a level 11 has up to 1.6, steep lines of three up to 1.5.
_STACK_OF_TWO, _STACK = 2.0, 1.6
ANNOTATIONS = ("annotations.json", "annotations.jsonl")
_GAP = 0.08  # between neighbours, of a digit's width


def split_evenly(text: str, box: Sequence[float] | np.ndarray) -> np.ndarray:
    """Digit boxes, float32 (len(text), 4), for a number of which only the whole box is known, taken as tight.

    A box much higher than wide is that of a stack, and is parted into rows of one height. Else it is taken as level,
    and a 1 gets 0.6 of the width of another digit. Together the digits fill the box: small gaps are between them only.
    """
    x1, y1, x2, y2 = box
    stacked = len(text) > 1 and y2 - y1 > (_STACK_OF_TWO if len(text) == 2 else _STACK) * (x2 - x1)
    sizes = np.array([0.6 if char == "1" and not stacked else 1.0 for char in text])
    starts = np.concatenate([[0], np.cumsum(sizes[:-1] + _GAP)])
    whole = sizes.sum() + _GAP * (len(text) - 1)
    parts = np.stack([np.zeros(len(text)), np.ones(len(text)), starts / whole, (starts + sizes) / whole], 1)
    top, bottom, left, right = (parts if not stacked else parts[:, [2, 3, 0, 1]]).T
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with the record
        boxes = np.stack([left, top, right, bottom], 1) * ([x2 - x1, y2 - y1] * 2) + [x1, y1, x1, y1]
        return boxes.astype(np.float32)


def _digits_of(record: dict, letters: bool) -> tuple[list, list[int], list[str], bool]:
    """Boxes, labels and numbers of an entry, and whether boxes were shared out; ValueError if it is malformed."""
    boxes, labels, numbers, foreign = [], [], [], []

    def add(text: str, each: Sequence | np.ndarray) -> None:
        for char, box in zip(text, each, strict=True):
            boxes.append(box)
            labels.append(CHARACTERS.index(char))
        numbers.append(text)

    def add_digits(text: str, each: Sequence) -> None:
        add(digits_of(text), [box for char, box in zip(text, each, strict=True) if char in DIGITS])

    try:
        if "words" in record:
            for word in _listed(record["words"]):
                digits = digits_of(word["text"])
                if len(word["boxes"]) not in {len(word["text"]), len(digits)}:
                    raise ValueError(f"{len(word['boxes'])} boxes for {word['text']!r}")
                if digits:
                    add_digits(word["text"] if len(word["boxes"]) == len(word["text"]) else digits, word["boxes"])
        elif "numbers" in record:
            for number in _listed(record["numbers"]):
                text, box = number["text"], number["box"]
                by_eye = "sure" in number
                if by_eye:
                    box = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
                if is_digits(text) or (letters and by_eye and is_house_number(text)):
                    add(text, split_evenly(text, box))
                else:
                    foreign.append(text)
                if not number.get("sure", True):
                    foreign.append(f"{text}?")
        elif "digits" in record:
            add(record["digits"], [[x, y, x + w, y + h] for x, y, w, h in record["boxes"]])
        else:
            text = record["text"]
            if digits_of(text):
                add_digits(text, record["boxes"])
            elif len(record.get("boxes") or text) != len(text):
                raise ValueError(f"{len(record['boxes'])} boxes for {text!r}")
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"malformed annotation ({error})") from None
    if foreign:  # to drop it would make a negative of a picture that is none
        raise ValueError(f"the number {foreign[0]!r} is not known, or no house number")
    # the box of a number of one digit is that of the digit
    return boxes, labels, numbers, "numbers" in record and any(len(number) > 1 for number in numbers)


def _listed(entries: object) -> list:
    """What else would be empty must not pass for a picture without numbers."""
    if not isinstance(entries, list):
        raise TypeError("a list is expected")
    return entries


def read_annotated(source: str | Path, quiet: bool = False, *, letters: bool = False) -> Pictures:
    """Everything in a folder with `annotations.json` and `images/`, or in such a file; the file name is the id.

    quiet: no progress bar. letters: numbers like 12B are read, too, with labels as in `alphabet.CHARACTERS`; else
    pictures that show one are left out. Raises DatasetError if the list is missing or malformed.
    """
    path = Path(source)
    if path.is_dir():
        path = next((path / name for name in ANNOTATIONS if (path / name).is_file()), path / ANNOTATIONS[0])
    records, problems = [], []
    entries = _read_lines(path) if path.suffix == ".jsonl" else read_json(path, list)
    for entry in progress(entries, "measuring pictures", len(entries), quiet):
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            raise DatasetError(f"{path}: every entry must be an object with a file")
        name = entry["file"]
        try:
            picture = picture_path(path.parent / "images", name)
            records.append(make_record(name, picture, picture_size(picture), *_digits_of(entry, letters)))
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return Pictures(str(source), records, problems)


def _read_lines(path: Path) -> list:
    try:
        return [parse_json(line) for line in read_text(path).splitlines() if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not lines of JSON ({error})") from None


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
