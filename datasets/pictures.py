"""Annotated pictures on disk, opened one at a time: what every reader of a format returns."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from digits.core.alphabet import CHARACTERS
from digits.core.errors import DatasetError, ImageError
from digits.core.images import SUFFIXES, load_image
from digits.core.progress import shown
from digits.datasets.items import Sample, by_number, check_digits, empty_boxes, part_of, spread

_log = logging.getLogger(__name__)


class Problem(NamedTuple):
    """An entry that was left out, and why."""

    image_id: str
    reason: str


@dataclass(frozen=True)
class Record:
    """A picture and its digits, before it is opened. Fields as in Sample; boxes are clipped to the picture.

    width, height: pixels, upright; 0 where the picture is not there and only its annotation was read. shared_out:
    whether boxes of whole numbers were annotated, of which those of the digits are but parts of like size.
    """

    image_id: str
    path: Path
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    numbers: tuple[str, ...]
    shared_out: bool = False

    def open(self) -> Sample:
        """Raises DatasetError if the picture cannot be decoded or is not of the size annotated."""
        image = read_picture(self.path)
        if self.width and image.shape[:2] != (self.height, self.width):
            was, is_ = f"{self.width}x{self.height}", f"{image.shape[1]}x{image.shape[0]}"
            raise DatasetError(f"{self.path}: is {is_}, annotated as {was}")
        return Sample(image, self.boxes, self.labels, self.numbers, self.image_id)

    def number_boxes(self) -> list[np.ndarray]:
        """The digit boxes of each number, one float32 (K, 4) a number."""
        return by_number(self.boxes, self.numbers)


def make_record(
    image_id: str,
    path: Path,
    size: tuple[int, int],
    boxes: Sequence = (),
    labels: Sequence[int] = (),
    numbers: Sequence[str] = (),
    shared_out: bool = False,
) -> Record:
    """A record with its boxes (N, 4) xyxy clipped to `size`, (width, height), or if that is (0, 0) at zero only.

    Raises ValueError, saying what is wrong, if a box is not finite, has no area or lies outside the picture, if a label
    is no digit, or if boxes, labels and numbers do not agree.
    """
    tidy = np.asarray(boxes, np.float64).reshape(-1, 4) if len(boxes) else empty_boxes()
    digits = np.asarray(labels, np.int64).reshape(-1)
    if not np.isfinite(tidy).all():
        raise ValueError("a box is not finite")
    if (tidy[:, 2:] <= tidy[:, :2]).any():
        raise ValueError("a box has no area")
    if ((digits < 0) | (digits >= len(CHARACTERS))).any():
        raise ValueError(f"labels {digits.tolist()} are not all characters of numbers")
    limit = np.array([*size, *size], np.float64) if size[0] else np.inf
    tidy = np.clip(tidy, 0, limit).astype(np.float32)
    if (tidy[:, 2:] <= tidy[:, :2]).any():
        raise ValueError("a box lies outside the picture")
    check_digits(tidy, digits, tuple(numbers), "annotation")
    return Record(image_id, Path(path), *size, tidy, digits, tuple(numbers), shared_out)


class Pictures(Dataset):
    """Records as a torch Dataset of Samples.

    problems: the entries that were left out when the annotations were read. They are counted in the log, never fatal.
    """

    def __init__(self, name: str, records: Iterable[Record], problems: Iterable[Problem] = ()):
        self.name = name
        self.problems = list(problems)
        unique: dict[str, Record] = {}
        for record in records:
            if unique.setdefault(record.image_id, record) is not record:
                self.problems.append(Problem(record.image_id, "a second picture of this id"))
        self.records = list(unique.values())
        if self.problems:
            first = self.problems[0]
            _log.warning("%s: %d entries left out, the first %s: %s", name, len(self.problems), *first)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        return self.records[index].open()

    def readable(self, indices: Iterable[int] | None = None) -> Iterator[Sample]:
        """Samples one after the other; those whose picture cannot be decoded are left out and become problems."""
        for index in range(len(self)) if indices is None else indices:
            try:
                yield self[index]
            except DatasetError as error:
                self.problems.append(Problem(self.records[index].image_id, str(error)))
                _log.warning("%s: left out: %s", self.name, error)

    def part(self, name: str) -> Pictures:
        """Those of one part, see `part_of`, and its problems."""
        records = [record for record in self.records if part_of(record.image_id) == name]
        problems = [problem for problem in self.problems if part_of(problem.image_id) == name]
        return Pictures(f"{self.name} ({name})", records, problems)

    def limited(self, count: int | None) -> Pictures:
        """So many of them, evenly spread; all if `count` is None or there are no more. Its problems are kept."""
        return Pictures(self.name, [self.records[i] for i in spread(count, len(self))], self.problems)


def read_picture(path: Path) -> np.ndarray:
    """RGB uint8 (H, W, 3), upright, just as a photograph is read; DatasetError if it cannot be decoded whole."""
    try:
        return load_image(path)
    except ImageError as error:
        raise DatasetError(str(error)) from None


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture, upright, from its header; ValueError if it is missing or not a picture."""
    try:
        with Image.open(path) as image:
            # where a PNG has no EXIF up front, Pillow would decode all of it to look for some at its end
            tagged = image.format != "PNG" or "exif" in image.info
            turned = tagged and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return image.size[::-1] if turned else image.size
    except FileNotFoundError:
        raise ValueError("picture missing") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("not a readable picture") from None


def read_json(path: Path, kind: type):
    """What a JSON file holds; DatasetError if it is missing, not JSON, or at its top not of that kind."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, kind):
        raise DatasetError(f"{path}: a JSON {'list' if kind is list else 'object'} is expected at its top")
    return content


def list_pictures(folder: str | Path) -> list[Path]:
    """Pictures below a folder, sorted. DatasetError if there is no folder or no picture."""
    if not Path(folder).is_dir():
        raise DatasetError(f"{folder}: no such folder")
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DatasetError(f"{folder}: holds no picture")
    return found


def read_negatives(folder: str | Path, quiet: bool = False) -> Pictures:
    """Every picture below a folder, as a picture without digits; its id is its path in the folder.

    quiet: no progress bar. Raises DatasetError if there is no folder or no picture.
    """
    records, problems = [], []
    found = list_pictures(folder)
    for path in shown(found, "measuring pictures", len(found), quiet):
        image_id = path.relative_to(folder).as_posix()
        try:
            records.append(make_record(image_id, path, picture_size(path)))
        except ValueError as error:
            problems.append(Problem(image_id, str(error)))
    return Pictures(str(folder), records, problems)
