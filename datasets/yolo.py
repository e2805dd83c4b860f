"""YOLO text labels in and out: `labels/….txt` for `images/….jpg`, a line a digit, `class cx cy width height` in 0 to 1.

Classes are the digits themselves, unless `data.yaml` or `classes.txt` names them otherwise. The format cannot say which
digits make a number, nor hold a crop of which only the text is known.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import yaml

from digits.core.errors import DatasetError
from digits.core.progress import shown
from digits.datasets.coco import digit_classes, other_classes
from digits.datasets.files import write_text
from digits.datasets.pictures import Pictures, Problem, Record, find_pictures, make_record, picture_size

FIELDS = "class cx cy width height"
MOST = 1.01  # what writers round beyond the edge of the picture is forgiven
PARTS = {"train": "train", "validation": "val", "val": "val", "test": "test"}  # folders, and their keys in data.yaml


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: not UTF-8 text") from None


def _names(folder: Path) -> tuple[dict[int, str], Path]:
    """Class names by their number, and the file that gives them; without one, the digits.

    `data.yaml` may be one folder up: a part of a data set that keeps each part in a folder of its own.
    """
    path = folder / "data.yaml"
    if not path.is_file():
        path = folder.resolve().parent / "data.yaml"
    if path.is_file():
        try:
            content = yaml.safe_load(_text(path))
        except yaml.YAMLError:
            raise DatasetError(f"{path}: not YAML") from None
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, list):
            names = dict(enumerate(names))
        if not isinstance(names, dict) or not all(isinstance(key, int) for key in names):
            raise DatasetError(f"{path}: lacks the names of the classes, a list under 'names'")
        return {key: str(name) for key, name in names.items()}, path
    path = folder / "classes.txt"
    if path.is_file():
        return dict(enumerate(_text(path).splitlines())), path
    return {digit: str(digit) for digit in range(10)}, folder


def label_path(picture: PurePosixPath) -> PurePosixPath:
    """Where the labels of a picture are: the last `images` of its path becomes `labels`, the suffix `.txt`.

    >>> str(label_path(PurePosixPath("images/train/7.jpg")))
    'labels/train/7.txt'
    """
    parts = list(picture.parts)
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return PurePosixPath(*parts).with_suffix(".txt")


def _parse(line: str, names: Mapping[int, str], size: tuple[int, int]) -> tuple[int, list[float]]:
    """Class and box, xyxy in pixels, of one line; ValueError if it is malformed."""
    fields = line.split()
    try:
        kind, (cx, cy, width, height) = int(fields[0]), map(float, fields[1:])
    except ValueError:
        raise ValueError(f"{FIELDS} is expected, not {line.strip()[:40]!r}") from None
    if kind not in names:
        raise ValueError(f"there is no class {kind}")
    if not all(0 <= value <= MOST for value in (cx, cy, width, height)) or not width or not height:
        raise ValueError("a box must be given in shares of the picture, from 0 to 1, and have an area")
    across, down = size
    left, top, right, bottom = cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
    return kind, [left * across, top * down, right * across, bottom * down]


def _lines(path: Path, names: Mapping[int, str], size: tuple[int, int]) -> list[tuple[int, list[float]]]:
    """Class and box of every line of a label file, none if there is no such file; ValueError with the line number."""
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            if line.strip():
                found.append(_parse(line, names, size))
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None
    return found


def read_yolo(folder: str | Path, quiet: bool = False) -> Pictures:
    """Every picture below `images/` with its digits; the id is its path there. A missing or empty label file: none.

    Which digits make a number is not known: numbers are (). Boxes of classes that are no digits are left out and
    counted as problems. quiet: no progress bar.

    Raises DatasetError if `images/` or `labels/` is missing, or no class is a digit; a picture with a malformed line is
    left out as a problem.
    """
    folder = Path(folder)
    for name in ("images", "labels"):
        if not (folder / name).is_dir():
            raise DatasetError(f"{folder}: holds no {name}/, a YOLO folder has images/ and labels/")
    names, named_in = _names(folder)
    digits = digit_classes(names, named_in)
    records, others = [], Counter()
    found_pictures, problems = find_pictures(folder / "images")
    for picture in shown(found_pictures, "measuring pictures", len(found_pictures), quiet):
        relative = PurePosixPath(picture.relative_to(folder).as_posix())
        image_id = str(relative.relative_to("images"))
        try:
            size = picture_size(picture)
            found = _lines(folder / label_path(relative), names, size)
            others.update(names[kind] for kind, _ in found if kind not in digits)
            known = [(box, digits[kind]) for kind, box in found if kind in digits]
            records.append(make_record(image_id, picture, size, [b for b, _ in known], [d for _, d in known]))
        except ValueError as error:
            problems.append(Problem(image_id, str(error)))
    return Pictures(str(folder), records, other_classes(others) + problems)


def yolo_lines(record: Record) -> str:
    """The label file of a record, a line a digit; boxes come back to within a thousandth of a pixel.

    Raises ValueError if YOLO cannot hold it: a crop of which only the text is known, or a picture of unknown size.
    """
    if record.numbers and not len(record.boxes):
        raise ValueError("only its text is known, YOLO needs a box a digit")
    if len(record.boxes) and not record.width:
        raise ValueError("the size of the picture is not known")
    boxes = record.boxes.astype(np.float64)
    frame = np.array([record.width, record.height] * 2, np.float64)
    middles, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    shares = np.concatenate([middles, sizes], 1) / frame
    lines = [
        " ".join([str(label), *(f"{value:.9f}" for value in row)]) + "\n"
        for label, row in zip(record.labels.tolist(), shares.tolist(), strict=True)
    ]
    return "".join(lines)


def write_yolo(records: Iterable[Record], folder: str | Path, file_name: Callable[[Record], str]) -> None:
    """Write `labels/` and `data.yaml` for pictures that are, or will be put, below `folder`/images.

    file_name: the path of a record's picture there; its first folder, if it is train, validation, val or test, becomes
    a part in `data.yaml`. Negatives get an empty file. Raises DatasetError if two pictures differ in their suffix
    alone, or if YOLO cannot hold one, and then writes nothing.
    """
    folder = Path(folder)
    labels, parts = {}, {"train": "images", "val": "images"}
    for record in records:
        picture = PurePosixPath("images", file_name(record))
        path = label_path(picture)
        if path in labels:
            raise DatasetError(f"{folder / picture}: another picture has the same labels, {path}; rename one")
        try:
            labels[path] = yolo_lines(record)
        except ValueError as error:
            raise DatasetError(f"{record.path}: {error}") from None
        if len(picture.parts) > 2 and picture.parts[1] in PARTS:
            parts[PARTS[picture.parts[1]]] = f"images/{picture.parts[1]}"
    for path, text in labels.items():
        write_text(folder / path, text)
    places = "".join(f"{key}: {place}\n" for key, place in parts.items())
    write_text(folder / "data.yaml", places + f"names: {json.dumps([str(digit) for digit in range(10)])}\n")
