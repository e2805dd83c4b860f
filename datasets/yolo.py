"""Reads and writes YOLO labels: `labels/….txt` for `images/….jpg`, one line `class cx cy width height` per digit.

Coordinates are 0 to 1. Class ids are the digits, unless a file names the classes. Boxes are on the upright picture, its
EXIF orientation applied, as in YOLO's own programs. The format cannot say which digits make a number, nor hold crops
without boxes.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from digits.core.alphabet import DIGITS
from digits.core.errors import DatasetError
from digits.core.folders import Lost, files_below
from digits.core.formats import SUFFIXES
from digits.core.progress import progress
from digits.datasets.classes import check_others, digit_classes, other_classes, repeats, without_repeats
from digits.datasets.files import write_text
from digits.datasets.pictures import Pictures, Problem, Record, find_pictures, make_record, picture_size, text_of
from digits.datasets.yolo_names import ClassNames, class_names

FIELDS = "class cx cy width height"
_ROUNDED = 0.01
MOST = 1 + _ROUNDED  # the largest coordinate: some programs round beyond the edge
SPLIT_KEYS = {"train": "train", "validation": "val", "val": "val", "test": "test"}  # by folder, in data.yaml
_YAML = (".yaml", ".yml")
_SEEN = (0, 1)  # visibility flags of key points; 2 is one, too, but no coordinate


def label_path(picture: PurePosixPath) -> PurePosixPath:
    """The label file of a picture: the last `images` of its path becomes `labels`, the suffix `.txt`.

    >>> str(label_path(PurePosixPath("images/train/7.jpg")))
    'labels/train/7.txt'
    """
    parts = list(picture.parts)
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return PurePosixPath(*parts).with_suffix(".txt")


def _parse(line: str, classes: ClassNames, size: tuple[int, int]) -> tuple[int, tuple[float, ...]]:
    """Class and box, xyxy in pixels, of one line; ValueError if it is malformed.

    A polygon of three points or more is replaced by the box around it.
    """
    fields = line.split()
    try:
        kind, *values = map(float, fields)
    except ValueError:
        kind, values = 0.5, []
    if not kind.is_integer() or len(values) < 4 or len(values) % 2:
        raise ValueError(f"{FIELDS} is expected, not {line.strip()[:40]!r}")
    classes.check(int(kind))
    if not all(0 <= value <= MOST for value in values):
        raise ValueError("coordinates must be relative to the picture, from 0 to 1")
    if _may_begin_with_box(values):
        raise ValueError(f"{line.strip()[:40]!r} may be a box with more values, or a polygon; {FIELDS} is expected")
    if len(values) == 4:
        left, top, right, bottom = _box(values)
    else:
        left, right, top, bottom = min(values[::2]), max(values[::2]), min(values[1::2]), max(values[1::2])
    if left == right or top == bottom:
        raise ValueError("a box must have an area")
    across, down = size
    return int(kind), (left * across, top * down, right * across, bottom * down)


def _box(values: list[float]) -> tuple[float, float, float, float]:
    cx, cy, width, height = values[:4]
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2


def _may_begin_with_box(values: list[float]) -> bool:
    """Whether what looks like a polygon may be a box with score and track id, or with key points.

    Key points lie in their box and span at least half of its width or height; each may have a visibility flag.
    """
    rest = values[4:]
    if len(rest) == 2:
        return rest[1] in _SEEN
    if rest and len(rest) % 3 == 0 and all(value in _SEEN for value in rest[2::3]):
        return True
    x, y = rest[::2], rest[1::2]
    left, top, right, bottom = _box(values)
    if not rest or min(left, top) < -_ROUNDED or max(right, bottom) > MOST:
        return False
    out = max(left - min(x), max(x) - right, top - min(y), max(y) - bottom)
    return out <= _ROUNDED and (2 * (max(x) - min(x)) >= values[2] or 2 * (max(y) - min(y)) >= values[3])


def _lines(path: Path, classes: ClassNames, size: tuple[int, int]) -> list[tuple[int, tuple[float, ...]]]:
    """Class and box of every line of a label file; ValueError with the line number."""
    found = []
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        try:
            if line.strip():
                found.append(_parse(line, classes, size))
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None
    return found


class _Texts(NamedTuple):
    """The files below `images/` and `labels/` that are no pictures.

    labels: possible label files, of any suffix, relative to the folder. classes: the names of the classes. lost: paths
    that could not be read, relative to the folder, and why.
    """

    labels: set[PurePosixPath]
    classes: ClassNames
    lost: list[tuple[PurePosixPath, str]]

    @classmethod
    def below(cls, folder: Path, pictures: Iterable[Path]) -> _Texts:
        files: list[Path] = []
        lost: list[Lost] = []
        for name in ("labels", "images"):
            inside, unseen = files_below(folder / name)
            files, lost = files + inside, lost + unseen
        files = [path for path in files if path.suffix.lower() not in SUFFIXES]
        classes = class_names(folder, files, pictures)

        def relative(path: Path) -> PurePosixPath:
            return PurePosixPath(path.relative_to(folder).as_posix())

        labels = {relative(path) for path in files if path.suffix.lower() not in _YAML and path not in classes.lists}
        return cls(labels, classes, [(relative(path), why) for path, why in lost])


def _is_labels(path: Path) -> bool:
    """Whether a text file without a picture holds labels, not notes; empty and unreadable files count as labels."""
    try:
        for word in text_of(path).split()[:1]:
            float(word)
    except DatasetError:
        return True
    except ValueError:
        return False
    return True


def _folded(path: PurePosixPath) -> str:
    """A key that is equal for names that differ only in case or Unicode normalisation."""
    return unicodedata.normalize("NFC", str(path)).lower()


class _LabelFiles:
    """Matches the label files in a YOLO folder to its pictures.

    The label file is `label_path`, or else a file of the same name in another case or normalisation, with the picture's
    suffix before its own, or beside the picture. strays: label files without a picture. found: whether any has a
    picture. others: all files below `labels` that are not hidden.
    """

    def __init__(self, folder: Path, pictures: list[PurePosixPath], texts: _Texts):
        self._folder, self._lost, files = folder, texts.lost, texts.labels
        expected = {picture: label_path(picture) for picture in pictures}
        beside = {picture.parent for picture in pictures}

        self._of: defaultdict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
        self._owners: defaultdict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
        by_name: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
        for picture, labels in expected.items():
            if labels in files:
                self._give(labels, picture)
            for likely in (labels.with_suffix(""), labels.with_name(picture.name)):
                by_name[_folded(likely)].append(picture)
        for file in sorted(files - set(self._owners)):
            unusual = file.parent in beside or file.suffix.lower() != ".txt"
            # a file beside the pictures is matched as if it were in the folder of labels
            place = label_path(file).with_name(file.name) if file.parent in beside else file
            name = _folded(place.with_suffix(""))
            # an editor's backup copy, such as a.txt.bak
            kept_copy = name.endswith(".txt") and file.suffix.lower() != ".txt"
            for picture in by_name[name.removesuffix(".txt") if kept_copy else name]:
                if not (unusual and expected[picture] in files):
                    self._give(file, picture)
        unmatched = sorted(files - set(self._owners))
        unmatched = [file for file in unmatched if file.parent not in beside and file.suffix.lower() == ".txt"]
        self.strays = [str(file) for file in unmatched if _is_labels(folder / file)]
        self.found = bool(self._owners)
        self._labelled = {picture.parent for picture in self._of}
        self.others = [str(file) for file in sorted(files) if file.parts[0] == "labels" and file.name[0] != "."]

    def _give(self, file: PurePosixPath, picture: PurePosixPath) -> None:
        self._of[picture].append(file)
        self._owners[file].append(picture)

    def of(self, picture: PurePosixPath) -> PurePosixPath | None:
        """The label file of a picture, None if it has none; ValueError if that is not certain."""
        files, expected = self._of.get(picture, []), label_path(picture)
        for path, why in self._lost:
            if path in (expected, *expected.parents):
                raise ValueError(f"{path}: {why}")
        if not files and os.path.lexists(self._folder / expected):
            raise ValueError(f"{expected} is not a file")
        if not files and self.strays:
            raise ValueError("it has no label file, while some label files have no picture")
        if not files and picture.parent not in self._labelled:
            raise ValueError(f"no picture in {picture.parent} has labels; give pictures without digits an empty file")
        if len(files) > 1:
            raise ValueError(f"its labels may be in {files[0]} or {files[1]}")
        for file in files:
            if len(self._owners[file]) > 1:
                raise ValueError(f"{file} may belong to {self._owners[file][0].name} or {self._owners[file][1].name}")
            if file.suffix.lower() != ".txt":
                raise ValueError(f"{file} is not understood, labels are .txt")
        return files[0] if files else None


def read_yolo(folder: str | Path, quiet: bool = False) -> Pictures:
    """Every picture below `images/` with its digits; the id is its path there.

    A picture has no digits if its label file is empty, or missing while other pictures in the same folder have one.

    Which digits make a number is not known: numbers are (). Boxes of classes that are no digits are ignored and counted
    as problems, as are label files without a picture. quiet: no progress bar.

    Raises DatasetError if `images/` or `labels/` is missing, no class is a digit, or no label file has a picture. A
    picture is left out as a problem if a line is malformed, if it is not certain which label file is its own, or if it
    has labels but no digit.
    """
    folder = Path(folder)
    for name in ("images", "labels"):
        if not (folder / name).is_dir():
            raise DatasetError(f"{folder}: holds no {name}/, a YOLO folder has images/ and labels/")
    records: list[Record] = []
    others: Counter[str] = Counter()
    repeated = 0
    listed, problems = find_pictures(folder / "images")
    found_pictures = {PurePosixPath(p.relative_to(folder).as_posix()): p for p in listed}
    texts = _Texts.below(folder, listed)
    classes = texts.classes
    names, digits = classes.names, digit_classes(classes.names, classes.file or folder)
    labels = _LabelFiles(folder, list(found_pictures), texts)
    if not labels.found:
        unknown = labels.strays or labels.others
        raise DatasetError(
            f"{folder}: no label file has a picture, such as {unknown[0]}; compare the names"
            if unknown
            else f"{folder / 'labels'}: holds no labels; give pictures without digits an empty file each"
        )
    for relative, picture in progress(found_pictures.items(), "measuring pictures", len(found_pictures), quiet):
        image_id = str(relative.relative_to("images"))
        try:
            size, file = picture_size(picture), labels.of(relative)
            found = _lines(folder / file, classes, size) if file else []
            foreign = [names[kind] for kind, _ in found if kind not in digits]
            others.update(foreign)
            known = [(box, digits[kind]) for kind, box in found if kind in digits]
            check_others(foreign, len(known))
            once = without_repeats(known)
            records.append(make_record(image_id, picture, size, [box for box, _ in once], [d for _, d in once]))
            repeated += len(known) - len(once)
        except ValueError as error:
            problems.append(Problem(image_id, str(error)))
    problems += [Problem(stray, "labels without a picture") for stray in labels.strays]
    return Pictures(str(folder), records, other_classes(others) + repeats(repeated) + problems)


def yolo_lines(record: Record) -> str:
    """The label file of a record, one line per digit; boxes are exact to a thousandth of a pixel.

    Raises ValueError if YOLO cannot hold it: a crop without boxes, or a picture of unknown size.
    """
    if record.numbers and not len(record.boxes):
        raise ValueError("only its text is known, YOLO needs a box per digit")
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
    a split in `data.yaml`. Negatives get an empty file. Raises DatasetError, and writes nothing, if two pictures differ
    only in their suffix, or if YOLO cannot hold one.
    """
    folder = Path(folder)
    labels, splits = {}, {"train": "images", "val": "images"}
    for record in records:
        picture = PurePosixPath("images", file_name(record))
        path = label_path(picture)
        if path in labels:
            raise DatasetError(f"{folder / picture}: another picture has the same labels, {path}; rename one")
        try:
            labels[path] = yolo_lines(record)
        except ValueError as error:
            raise DatasetError(f"{record.path}: {error}") from None
        if len(picture.parts) > 2 and picture.parts[1] in SPLIT_KEYS:
            splits[SPLIT_KEYS[picture.parts[1]]] = f"images/{picture.parts[1]}"
    for path, text in labels.items():
        write_text(folder / path, text)
    places = "".join(f"{key}: {place}\n" for key, place in splits.items())
    write_text(folder / "data.yaml", places + f"names: {json.dumps([*DIGITS])}\n")
