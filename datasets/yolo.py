"""YOLO text labels in and out: `labels/….txt` for `images/….jpg`, a line a digit, `class cx cy width height` in 0 to 1.

Classes are the digits themselves, unless a file names them otherwise. Boxes are on the picture as its EXIF orientation
turns it upright, as YOLO's own programs have it. The format cannot say which digits make a number, nor hold a crop of
which only the text is known.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import yaml

from digits.core.alphabet import DIGITS
from digits.core.errors import DatasetError, reason
from digits.core.folders import files_below
from digits.core.formats import SUFFIXES
from digits.core.progress import progress
from digits.core.text import read_text
from digits.datasets.coco import check_others, digit_classes, other_classes, repeats, without_repeats
from digits.datasets.files import write_text
from digits.datasets.pictures import Pictures, Problem, Record, find_pictures, make_record, picture_size, read_json

FIELDS = "class cx cy width height"
MOST = 1.01  # what writers round beyond the edge of the picture is forgiven
PARTS = {"train": "train", "validation": "val", "val": "val", "test": "test"}  # folders, and their keys in data.yaml
_YAML = (".yaml", ".yml")


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise DatasetError(f"{path}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: not UTF-8 text") from None


def _names(folder: Path, texts: _Texts) -> tuple[dict[int, str], Path]:
    """Class names by their number, and the file that gives them; without one, the digits.

    `data.yaml` or `.yml` in the folder, or one folder up, as in a data set that keeps each part in a folder of its own;
    else whatever other YAML file in the folder has names; else one of the lists; else Label Studio's `notes.json`.
    Raises DatasetError if there are several that differ, or if nothing has names and a YAML file cannot be read.
    """
    above = [path for path in (folder.resolve().parent / f"data{end}" for end in _YAML) if path.is_file()]
    data = [path for path in texts.yamls if path.stem.lower() == "data"]
    broken: list[DatasetError] = []
    for ways, names_in in (
        (data, _yaml_names),
        (above, _yaml_names),
        (_named(texts.yamls, broken), _yaml_names),
        (texts.lists, _listed_names),
        (texts.notes, _noted_names),
    ):
        if found := {path: names_in(path) for path in ways}:
            first, *others = found
            if other := next((path for path in others if found[path] != found[first]), None):
                raise DatasetError(f"{other}: names other classes than {first}; remove one of them")
            return found[first], first
    if broken:
        raise broken[0]
    return dict(enumerate(DIGITS)), folder


def _named(yamls: Iterable[Path], broken: list[DatasetError]) -> Iterator[Path]:
    """Those that have names; what is wrong with others, which may be of something else, is added to `broken`."""
    for path in yamls:
        try:
            if "names" in _yaml(path):
                yield path
        except DatasetError as error:
            broken.append(error)


def _listed_names(path: Path) -> dict[int, str]:
    return dict(enumerate(_text(path).rstrip().splitlines()))


def _noted_names(path: Path) -> dict[int, str]:
    categories = read_json(path, dict).get("categories")
    try:
        pairs = [(_number(each["id"]), str(each["name"])) for each in categories]
    except (KeyError, TypeError):
        pairs = []
    if not pairs or None in dict(pairs) or len(dict(pairs)) < len(pairs):
        raise DatasetError(f"{path}: lacks the names of the classes, objects with an id and a name under 'categories'")
    return {key: name for key, name in pairs if key is not None}


class _OnceLoader(yaml.SafeLoader):
    """Refuses a mapping that gives a key twice, of which PyYAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _yaml(path: Path) -> dict:
    """What a YAML file holds, {} if it is no mapping; DatasetError if it is not YAML, or gives a key twice."""
    text = _text(path)
    try:
        content = yaml.load(text, _OnceLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = getattr(error, "problem", None)
        raise DatasetError(f"{path}: not YAML{f' ({problem})' if problem else ''}") from None
    return content if isinstance(content, dict) else {}


def _yaml_names(path: Path) -> dict[int, str]:
    """Class names by their number; DatasetError if the file has none."""
    content = _yaml(path)
    names = content.get("names")
    given: Iterable = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    pairs = [(_number(key), name) for key, name in given]
    plain = all(key is not None and isinstance(name, (str, int, float)) for key, name in pairs)
    if not pairs or not plain or len(dict(pairs)) < len(pairs):
        raise DatasetError(f"{path}: lacks the names of the classes, a list under 'names'")
    if "kpt_shape" in content:
        raise DatasetError(f"{path}: is of key points; boxes are expected")
    return {key: str(name) for key, name in pairs if key is not None}


def _number(key: Hashable) -> int | None:
    """The number of a class, which may be in quotes."""
    try:
        return int(key) if isinstance(key, (int, str)) and not isinstance(key, bool) else None
    except ValueError:
        return None


def _is_list(path: Path) -> bool:
    """Whether it lists class names, one a line: by its name, as labelImg and Darknet have it, or as two are digits."""
    if path.name.lower() == "classes.txt" or path.suffix.lower() in (".names", ".labels"):
        return True
    try:
        names = _text(path).split("\n") if path.suffix.lower() == ".txt" else []
    except DatasetError:
        return False
    return sum(name.strip() in [*DIGITS] for name in names) >= 2


def label_path(picture: PurePosixPath) -> PurePosixPath:
    """Where the labels of a picture are: the last `images` of its path becomes `labels`, the suffix `.txt`.

    >>> str(label_path(PurePosixPath("images/train/7.jpg")))
    'labels/train/7.txt'
    """
    parts = list(picture.parts)
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return PurePosixPath(*parts).with_suffix(".txt")


def _parse(line: str, names: Mapping[int, str], size: tuple[int, int]) -> tuple[int, tuple[float, ...]]:
    """Class and box, xyxy in pixels, of one line; ValueError if it is malformed.

    Instead of a box, there may be a polygon of three points or more, of which the box around it is taken.
    """
    fields = line.split()
    try:
        kind, *values = map(float, fields)
    except ValueError:
        kind, values = 0.5, []
    if not kind.is_integer() or len(values) < 4 or len(values) % 2:
        raise ValueError(f"{FIELDS} is expected, not {line.strip()[:40]!r}")
    if kind not in names:
        raise ValueError(f"there is no class {int(kind)}")
    if not all(0 <= value <= MOST for value in values):
        raise ValueError("a box must be given in shares of the picture, from 0 to 1")
    if len(values) == 4:
        cx, cy, width, height = values
        left, top, right, bottom = cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
    else:
        left, right, top, bottom = min(values[::2]), max(values[::2]), min(values[1::2]), max(values[1::2])
    if left == right or top == bottom:
        raise ValueError("a box must have an area")
    across, down = size
    return int(kind), (left * across, top * down, right * across, bottom * down)


def _lines(path: Path, names: Mapping[int, str], size: tuple[int, int]) -> list[tuple[int, tuple[float, ...]]]:
    """Class and box of every line of a label file; ValueError with the line number."""
    found = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            if line.strip():
                found.append(_parse(line, names, size))
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None
    return found


class _Texts(NamedTuple):
    """What lies in a YOLO folder beside its pictures, relative to it.

    labels: files that may be labels, whatever their suffix. yamls: YAML files. lists: of class names. notes: files
    called notes.json. lost: what could not be looked into.
    """

    labels: set[PurePosixPath]
    yamls: list[Path]
    lists: list[Path]
    notes: list[Path]
    lost: list[tuple[PurePosixPath, str]]

    @classmethod
    def below(cls, folder: Path, pictures: Iterable[PurePosixPath]) -> _Texts:
        of_pictures = {name.lower() for picture in pictures for name in (picture.stem, picture.name)}
        # macOS leaves a ._data.yaml beside data.yaml
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("._")]
        lost: list = []
        for part in ("labels", "images"):
            inside, unseen = files_below(folder / part)
            files, lost = files + inside, lost + unseen
        yamls = [path for path in files if path.suffix.lower() in _YAML]
        other = (*SUFFIXES, *_YAML)
        files = [path for path in files if path.suffix.lower() not in other]
        notes = [path for path in files if path.name.lower() == "notes.json"]
        lists = [path for path in files if path.stem.lower() not in of_pictures and _is_list(path)]

        def relative(path: Path) -> PurePosixPath:
            return PurePosixPath(path.relative_to(folder).as_posix())

        labels = {relative(path) for path in files if path.parent != folder} - set(map(relative, lists + notes))
        return cls(labels, yamls, lists, notes, [(relative(path), why) for path, why in lost])


def _is_labels(path: Path) -> bool:
    """Whether a text without a picture has labels, rather than notes; an empty one has, and one that cannot be read."""
    try:
        for word in _text(path).split()[:1]:
            float(word)
    except DatasetError:
        return True
    except ValueError:
        return False
    return True


def _folded(path: PurePosixPath) -> str:
    """The same for names that differ in case, or in how letters with accents are encoded, as on macOS and elsewhere."""
    return unicodedata.normalize("NFC", str(path)).lower()


class _LabelFiles:
    """Which file in a YOLO folder has the labels of which picture.

    That is `label_path`, or else a file of the same name in another case or encoding, with the picture's suffix before
    its own, or beside the picture. strays: label files that no picture is found for. found: whether any is of a
    picture. others: files below `labels` that are not understood.
    """

    def __init__(self, folder: Path, pictures: list[PurePosixPath], texts: _Texts):
        self._folder, self._lost, files = folder, texts.lost, texts.labels
        exact = {picture: label_path(picture) for picture in pictures}
        beside = {picture.parent for picture in pictures}

        self._of: defaultdict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
        self._owners: defaultdict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
        alike: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
        for picture, labels in exact.items():
            if labels in files:
                self._give(labels, picture)
            for likely in (labels.with_suffix(""), labels.with_name(picture.name)):
                alike[_folded(likely)].append(picture)
        for file in sorted(files - set(self._owners)):
            strange = file.parent in beside or file.suffix.lower() != ".txt"
            # what lies beside the pictures would have the same name in the folder of the labels
            place = label_path(file).with_name(file.name) if file.parent in beside else file
            name = _folded(place.with_suffix(""))
            # a copy that an editor keeps, such as a.txt.bak
            kept_copy = name.endswith(".txt") and file.suffix.lower() != ".txt"
            for picture in alike[name.removesuffix(".txt") if kept_copy else name]:
                if not (strange and exact[picture] in files):
                    self._give(file, picture)
        left = sorted(files - set(self._owners))
        left = [file for file in left if file.parent not in beside and file.suffix.lower() == ".txt"]
        self.strays = [str(file) for file in left if _is_labels(folder / file)]
        self.found = bool(self._owners)
        self.others = [str(file) for file in sorted(files) if file.parts[0] == "labels" and file.name[0] != "."]

    def _give(self, file: PurePosixPath, picture: PurePosixPath) -> None:
        self._of[picture].append(file)
        self._owners[file].append(picture)

    def of(self, picture: PurePosixPath) -> PurePosixPath | None:
        """The labels of a picture, None if it has none; ValueError if it is not certain which they are."""
        files, usual = self._of[picture], label_path(picture)
        for path, why in self._lost:
            if path in (usual, *usual.parents):
                raise ValueError(f"{path}: {why}")
        if not files and os.path.lexists(self._folder / usual):
            raise ValueError(f"{usual} is not a file")
        if not files and self.strays:
            raise ValueError("it has no labels, while some are of pictures that are not there")
        if len(files) > 1:
            raise ValueError(f"its labels may be in {files[0]} or {files[1]}")
        for file in files:
            if len(self._owners[file]) > 1:
                raise ValueError(f"{file} may be of {self._owners[file][0].name} or {self._owners[file][1].name}")
            if file.suffix.lower() != ".txt":
                raise ValueError(f"{file} is not understood, labels are .txt")
        return files[0] if files else None


def read_yolo(folder: str | Path, quiet: bool = False) -> Pictures:
    """Every picture below `images/` with its digits; the id is its path there. A missing or empty label file: none.

    Which digits make a number is not known: numbers are (). Boxes of classes that are no digits are passed over and
    counted as problems, as are label files without a picture. quiet: no progress bar.

    Raises DatasetError if `images/` or `labels/` is missing, no class is a digit, or no label file is of a picture. A
    picture is left out as a problem if a line is malformed, if it is not certain which labels are its own, or if it
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
    texts = _Texts.below(folder, found_pictures)
    names, named_in = _names(folder, texts)
    digits = digit_classes(names, named_in)
    labels = _LabelFiles(folder, list(found_pictures), texts)
    if unknown := [] if labels.found else labels.strays or labels.others:
        raise DatasetError(f"{folder}: none of its labels is of a picture, such as {unknown[0]}; compare the names")
    for relative, picture in progress(found_pictures.items(), "measuring pictures", len(found_pictures), quiet):
        image_id = str(relative.relative_to("images"))
        try:
            size, file = picture_size(picture), labels.of(relative)
            found = _lines(folder / file, names, size) if file else []
            foreign = [names[kind] for kind, _ in found if kind not in digits]
            others.update(foreign)
            known = [(box, digits[kind]) for kind, box in found if kind in digits]
            check_others(foreign, len(known))
            once = without_repeats(known)
            records.append(make_record(image_id, picture, size, [box for box, _ in once], [d for _, d in once]))
            repeated += len(known) - len(once)
        except ValueError as error:
            problems.append(Problem(image_id, str(error)))
    problems += [Problem(stray, "labels of a picture that is not there") for stray in labels.strays]
    return Pictures(str(folder), records, other_classes(others) + repeats(repeated) + problems)


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
    write_text(folder / "data.yaml", places + f"names: {json.dumps([*DIGITS])}\n")
