"""Photographs and crops with known digits, in the plain formats the shipped weights were trained from.

`annotations.json` (one list, one object an image, beside a folder `images/`):
- words with a box per digit:     {"file", "words": [{"text", "boxes": [[x1, y1, x2, y2], …]}]}
- a crop with a box per character: {"file", "text", "boxes": [[x1, y1, x2, y2], …]}
- a number with one box:          {"file", "numbers": [{"text", "box": [x1, y1, x2, y2]}]}
- likewise, read by eye:          {"file", "numbers": [{"text", "sure", "box": [left, top, width, height]}]}
`annotations.jsonl`, one object a line:
- a number with a box per digit:  {"file", "digits", "boxes": [[left, top, width, height], …]}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from digits.core.alphabet import CHARACTERS, DIGITS, digits_of, is_digits, is_house_number
from digits.core.errors import DatasetError
from digits.core.progress import progress
from digits.core.text import parse_json, plural
from digits.datasets.files import picture_path
from digits.datasets.pictures import Pictures, Problem, is_number, make_record, picture_size, read_json, text_of

# Boxes with a larger height over width are stacks; a level 11 has up to 1.6, steep lines of three digits up to 1.5.
_STACK_OF_TWO, _STACK = 2.0, 1.6
ANNOTATIONS = ("annotations.json", "annotations.jsonl")
_KINDS = ("words", "numbers", "digits", "text")  # keys, of which an entry has one
_SHOWN = 40  # characters of a wrong value in a message
_GAP = 0.08  # between neighbours, of a digit's width


def split_evenly(text: str, box: Sequence[float] | np.ndarray) -> np.ndarray:
    """Digit boxes, float32 (len(text), 4), for a number with only one box, which is assumed to be tight.

    A box much higher than wide is taken for a stack, and split into rows of equal height. Any other is split into
    columns, where a 1 has 0.6 of the width of another digit. The digits fill the box but for small gaps between them.
    """
    x1, y1, x2, y2 = box
    stacked = len(text) > 1 and y2 - y1 > (_STACK_OF_TWO if len(text) == 2 else _STACK) * (x2 - x1)
    sizes = np.array([0.6 if char == "1" and not stacked else 1.0 for char in text])
    starts = np.concatenate([[0], np.cumsum(sizes[:-1] + _GAP)])
    whole = sizes.sum() + _GAP * (len(text) - 1)
    parts = np.stack([np.zeros(len(text)), np.ones(len(text)), starts / whole, (starts + sizes) / whole], 1)
    top, bottom, left, right = (parts if not stacked else parts[:, [2, 3, 0, 1]]).T
    with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are refused by make_record
        boxes = np.stack([left, top, right, bottom], 1) * ([x2 - x1, y2 - y1] * 2) + [x1, y1, x1, y1]
        return boxes.astype(np.float32)


def _digits_of(entry: dict, letters: bool) -> tuple[list, list[int], list[str], bool]:
    """Boxes, labels and numbers of an entry, and `shared_out`; ValueError if it is malformed."""
    boxes: list = []
    labels: list[int] = []
    numbers: list[str] = []

    def add(text: str, each: Sequence | np.ndarray) -> None:
        boxes.extend(each)
        labels.extend(CHARACTERS.index(char) for char in text)
        numbers.append(text)

    def add_digits(text: str, each: Sequence) -> None:
        add(digits_of(text), [box for char, box in zip(text, each, strict=True) if char in DIGITS])

    kinds = [key for key in _KINDS if key in entry]
    if len(kinds) != 1:
        raise ValueError(f"malformed annotation (it has {' and '.join(kinds) or 'none of ' + ', '.join(_KINDS)})")
    try:
        if kinds == ["words"]:
            for word in _objects(entry, "words"):
                text, each = _text(word), _boxes(word)
                digits = digits_of(text)
                _check_count(text, each, {len(text), len(digits)})
                if digits:
                    add_digits(text if len(each) == len(text) else digits, each)
        elif kinds == ["numbers"]:
            for number in _objects(entry, "numbers"):
                add(_known(number, letters), split_evenly(number["text"], _whole_box(number)))
        elif kinds == ["digits"]:
            text, each = _text(entry, "digits"), _boxes(entry)
            if not is_digits(text):
                raise ValueError(f"digits are {text!r}, not made of 0 to 9 alone")
            _check_count(text, each, {len(text)})
            add(text, [[x, y, x + width, y + height] for x, y, width, height in each])
        else:
            text = _text(entry)
            each = _boxes(entry) if digits_of(text) or entry.get("boxes") else []
            _check_count(text, each, {len(text)} if digits_of(text) else {0, len(text)})
            if digits_of(text):
                add_digits(text, each)
    except _Unusable:
        raise
    except ValueError as error:
        raise ValueError(f"malformed annotation ({error})") from None
    # the box of a one-digit number is exactly that of its digit
    return boxes, labels, numbers, kinds == ["numbers"] and any(len(number) > 1 for number in numbers)


class _Unusable(ValueError):
    """A number that leaves out its picture: without the number, the picture would wrongly be a negative."""


def _known(number: dict, letters: bool) -> str:
    """The text of a number; _Unusable if it was not read with certainty or is no house number."""
    text, sure = _text(number), number.get("sure", True)
    if not isinstance(sure, bool):
        raise ValueError(f"sure must be true or false, not {_short(sure)}")
    lettered = letters and is_house_number(text)
    if not sure or not (is_digits(text) or lettered):
        raise _Unusable(f"the number {text + '?' * (not sure)!r} is not known, or no house number")
    return text


def _whole_box(number: dict) -> list[float]:
    """The box of a number, xyxy; numbers that were read by eye have [left, top, width, height]."""
    box = _box(_value(number, "box"))
    if "sure" not in number:
        return box
    left, top, width, height = box
    return [left, top, left + width, top + height]


def _value(entry: dict, key: str) -> Any:
    if key not in entry:
        raise ValueError(f"{key} is missing")
    return entry[key]


def _text(entry: dict, key: str = "text") -> str:
    value = _value(entry, key)
    if not isinstance(value, str):
        raise ValueError(f"{key} must be a text, not {_short(value)}")
    return value


def _list(entry: dict, key: str) -> list:
    """The list at `key`; no other value may pass for an empty list, a picture without numbers."""
    value = _value(entry, key)
    if not isinstance(value, list):
        raise ValueError(f"{key} must be a list, not {_short(value)}")
    return value


def _objects(entry: dict, key: str) -> list[dict]:
    for each in _list(entry, key):
        if not isinstance(each, dict):
            raise ValueError(f"{key} must be objects, not {_short(each)}")
    return entry[key]


def _boxes(entry: dict) -> list[list[float]]:
    return [_box(box) for box in _list(entry, "boxes")]


def _box(box: object) -> list[float]:
    numbers = box if isinstance(box, list) else []
    if len(numbers) != 4 or not all(map(is_number, numbers)):
        raise ValueError(f"a box must be four numbers, not {_short(box)}")
    try:
        return [float(value) for value in numbers]
    except OverflowError:
        raise ValueError("a box is larger than any picture") from None


def _check_count(text: str, boxes: Sequence, counts: set[int]) -> None:
    if len(boxes) not in counts:
        raise ValueError(f"{plural(len(boxes), 'box', 'boxes')} for {text!r}")


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


def read_annotated(source: str | Path, quiet: bool = False, *, letters: bool = False) -> Pictures:
    """The pictures of a folder with `annotations.json` and `images/`, or of such a file; the file name is the id.

    quiet: no progress bar. letters: numbers like 12B are read, too, with labels as in `alphabet.CHARACTERS`; else
    pictures that show one are left out. Raises DatasetError if the list is missing or malformed.
    """
    path = Path(source)
    if path.is_dir():
        path = next((path / name for name in ANNOTATIONS if (path / name).is_file()), path / ANNOTATIONS[0])
    records, problems = [], []
    entries = _read_lines(path) if path.suffix.lower() == ".jsonl" else read_json(path, list)
    if entries and not any(map(_is_entry, entries)):
        raise DatasetError(f"{path}: every entry must be an object with a file")
    for place, entry in enumerate(progress(entries, "measuring pictures", len(entries), quiet)):
        if not _is_entry(entry):
            problems.append(Problem(f"entry {place}", f"an object with a file is expected, not {_short(entry)}"))
            continue
        name = entry["file"]
        try:
            picture = picture_path(path.parent / "images", name)
            records.append(make_record(name, picture, picture_size(picture), *_digits_of(entry, letters)))
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return Pictures(str(source), records, problems)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("file"), str)


def _read_lines(path: Path) -> list:
    entries = []
    for number, line in enumerate(text_of(path).split("\n"), start=1):  # JSON may hold other line breaks of Python's
        line = line.removeprefix("\ufeff")  # left where files were concatenated
        try:
            entries += [parse_json(line)] if line.strip() else []
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", error)
            raise DatasetError(f"{path}: line {number}: not lines of JSON ({why})") from None
    return entries


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
