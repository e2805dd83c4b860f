"""Annotated pictures on disk, opened one at a time: what every reader of a format returns."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from torch.utils.data import Dataset

from digits.core.alphabet import CHARACTERS, DIGITS
from digits.core.errors import DatasetError, ImageError, reason
from digits.core.folders import pictures_below
from digits.core.images import load_image, open_image
from digits.core.progress import progress
from digits.core.streams import is_stream
from digits.core.text import parse_json, plural, printable, read_text
from digits.datasets.items import Sample, by_number, check_digits, empty_boxes, split_of, spread

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
LARGEST = 1e6  # pixels: no picture is larger
_LEAST_INSIDE = 0.2  # of a box's area: boxes with less inside the picture are refused

_REASONS = 3  # how many are listed
_PARTICULAR = re.compile(r"'[^']*'|\S*[\d.]\S*")  # what differs from entry to entry: names, places, values

_log = logging.getLogger(__name__)


class Problem(NamedTuple):
    """An entry that was left out, and why."""

    image_id: str
    reason: str


def summed_up(problems: Iterable[Problem]) -> str:
    """One line: an example of each reason, and how many others were left out for it, the most frequent first.

    >>> summed_up([Problem("a.png", "damaged"), Problem("b.png", "b.txt, line 3: no box"), Problem("c.png", "damaged")])
    'a.png (damaged, as 1 other), b.png (b.txt, line 3: no box)'
    """
    alike: dict[str, list[Problem]] = {}
    for problem in problems:
        alike.setdefault(_PARTICULAR.sub("", problem.reason), []).append(problem)
    kinds = sorted(alike.values(), key=len, reverse=True)
    if len(kinds) == 1:
        return f"{kinds[0][0].image_id} ({kinds[0][0].reason})"
    examples = []
    for first, *others in kinds[:_REASONS]:
        more = f", as {plural(len(others), 'other', 'others')}" if others else ""
        examples.append(f"{first.image_id} ({first.reason}{more})")
    rest = sum(map(len, kinds[_REASONS:]))
    return ", ".join(examples) + (f", and {rest} for other reasons" if rest else "")


@dataclass(frozen=True)
class Record:
    """A picture and its digits, before it is opened. Fields as in Sample; boxes are clipped to the picture.

    width, height: pixels, upright; 0 if only the annotation was read, not the picture. shared_out: whether whole
    numbers were annotated, so that the digit boxes are only even parts of their boxes.
    """

    image_id: str
    path: Path
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    numbers: tuple[str, ...]
    shared_out: bool = False

    @property
    def negative(self) -> bool:
        return not len(self.labels) and not self.numbers

    def open(self) -> Sample:
        """Raises DatasetError if the picture cannot be decoded or is not of the size annotated."""
        image = read_picture(self.path)
        if self.width and image.shape[:2] != (self.height, self.width):
            was, is_ = f"{self.width}x{self.height}", f"{image.shape[1]}x{image.shape[0]}"
            raise DatasetError(f"{self.path}: is {is_}, annotated as {was}")
        return Sample(image, self.boxes, self.labels, self.numbers, self.image_id)

    def says_the_same(self, other: Record) -> bool:
        """Whether it is the same picture with the same digits."""
        return (self.path, self.numbers) == (other.path, other.numbers) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("boxes", "labels")
        )

    def number_boxes(self) -> list[np.ndarray]:
        """The digit boxes of each number, one float32 (K, 4) per number."""
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
    """A record with its boxes (N, 4) xyxy clipped to `size`, (width, height), or only at zero if that is (0, 0).

    Raises ValueError, saying what is wrong, if a box is not finite, has no area or lies mostly outside the picture, if
    a label is no digit (with `numbers`, no character), if a number is empty, or if boxes, labels and numbers do not
    agree.
    """
    try:
        whole = np.asarray(boxes, np.float64).reshape(-1, 4) if len(boxes) else empty_boxes()
        digits = np.asarray(labels, np.int64).reshape(-1)
    except (OverflowError, TypeError, ValueError):
        raise ValueError("boxes must be rows of four numbers, labels digits") from None
    if not (np.abs(whole) <= LARGEST).all():
        raise ValueError("a box is not finite, or larger than any picture")
    if (whole[:, 2:] <= whole[:, :2]).any():
        raise ValueError("a box has no area")
    if not all(numbers):
        raise ValueError("a number is empty")
    if ((digits < 0) | (digits >= (len(CHARACTERS) if numbers else len(DIGITS)))).any():
        raise ValueError(f"labels {digits.tolist()} are not all digits")
    limit = np.array([*size, *size], np.float64) if size[0] else np.inf
    tidy = np.clip(whole, 0, limit).astype(np.float32)
    if mostly_outside(whole, tidy).any():
        raise ValueError("a box lies outside the picture")
    check_digits(tidy, digits, tuple(numbers), "annotation")
    return Record(image_id, Path(path), *size, tidy, digits, tuple(numbers), shared_out)


def mostly_outside(whole: np.ndarray, clipped: np.ndarray) -> np.ndarray:
    """Which boxes (N, 4) lost so much by clipping that they cannot belong to the picture; bool (N,)."""
    sides, left = whole[:, 2:] - whole[:, :2], clipped[:, 2:] - clipped[:, :2]
    return (left <= 0).any(1) | (left.prod(1) < _LEAST_INSIDE * sides.prod(1))


class Pictures(Dataset):
    """Records as a torch Dataset of Samples.

    problems: the entries that were left out when the annotations were read. They are counted in the log, never fatal.
    upright: whether boxes are known to be on upright pictures; they are not if the pictures were never opened.
    Of identical records with the same id, one is kept; if they differ, none is. A picture that has digits under one id
    is no negative under another.
    """

    def __init__(self, name: str, records: Iterable[Record], problems: Iterable[Problem] = (), *, upright: bool = True):
        self.name = name
        self.upright = upright
        self.problems = list(problems)
        by_id: dict[str, list[Record]] = {}
        for record in records:
            by_id.setdefault(record.image_id, []).append(record)
        self.records = []
        for image_id, same in by_id.items():
            agree = all(same[0].says_the_same(other) for other in same[1:])
            why = "listed a second time" if agree else f"listed {len(same)} times, with different annotations"
            self.records += same[:1] if agree else []
            self.problems += [Problem(image_id, why)] * (len(same) - agree)
        self._drop_renamed()
        _warn(name, self.problems)

    def _drop_renamed(self) -> None:
        """Of pictures listed under several ids, leaves out the negatives, and all if their digits differ."""
        numbered: dict[Path, list[Record]] = {}
        for record in self.records:
            if not record.negative:
                numbered.setdefault(record.path, []).append(record)
        doubtful = [record.image_id for record in self.records if record.negative and record.path in numbered]
        self.problems += [Problem(image_id, "has no digits here, but some under another id") for image_id in doubtful]
        differing = [same for same in numbered.values() if not all(same[0].says_the_same(each) for each in same)]
        unlike = [record.image_id for same in differing for record in same]
        self.problems += [Problem(image_id, "has other digits under another id") for image_id in unlike]
        lost = {*doubtful, *unlike}
        self.records = [record for record in self.records if record.image_id not in lost]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        return self.records[index].open()

    def readable(self, indices: Iterable[int] | None = None) -> Iterator[Sample]:
        """Samples in order; those whose picture cannot be decoded are left out, and listed once as problems."""
        for index in range(len(self)) if indices is None else indices:
            try:
                yield self[index]
            except DatasetError as error:
                record = self.records[index]
                problem = Problem(record.image_id, str(error).removeprefix(f"{record.path}: "))
                if problem not in self.problems:  # the same picture may be asked for repeatedly
                    self.problems.append(problem)
                    _log.warning("%s: left out: %s", self.name, error)

    def split(self, name: str) -> Pictures:
        """The pictures and problems of one split, see `split_of`."""
        records = [record for record in self.records if split_of(record.image_id) == name]
        problems = [problem for problem in self.problems if split_of(problem.image_id) == name]
        return Pictures(f"{self.name} ({name})", records, problems, upright=self.upright)

    def limited(self, count: int | None) -> Pictures:
        """`count` pictures, evenly spread; all if it is None or too large. Problems are kept."""
        chosen = [self.records[i] for i in spread(count, len(self))]
        return Pictures(self.name, chosen, self.problems, upright=self.upright)


def read_picture(path: Path) -> np.ndarray:
    """RGB uint8 (H, W, 3), upright, decoded as by `digits read`; DatasetError if it cannot be decoded whole."""
    try:
        return load_image(path)
    except ImageError as error:
        raise DatasetError(str(error)) from None


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture, upright, from its header; ValueError if it is missing or not a picture."""
    size, orientation = stored_size(path)
    return size[::-1] if orientation in SIDEWAYS else size


def stored_size(path: Path) -> tuple[tuple[int, int], int]:
    """(width, height) of a picture as it is stored, and the EXIF orientation that turns it upright, 1 to 8.

    From its header; ValueError if it is missing or not a picture.
    """
    if is_stream(path):  # opening a pipe would block
        raise ValueError("not a file")
    try:
        with open_image(path) as picture:
            stored = picture.size[::-1] if picture.orientation in SIDEWAYS else picture.size
            return stored, picture.orientation
    except ImageError as error:
        if not os.path.exists(path):
            raise ValueError("picture missing") from None
        raise ValueError(f"not a readable picture ({str(error).removeprefix(f'{path}: ')})") from None


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number; `True` is not, although Python counts it as an int."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def text_of(path: Path) -> str:
    """The content of a text file; DatasetError if it cannot be read."""
    try:
        return read_text(path)
    except OSError as error:
        raise DatasetError(f"{path}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: not UTF-8 text; save it as such") from None


def read_json(path: Path, kind: type) -> Any:
    """The content of a JSON file; DatasetError if it is missing, not JSON, or not of type `kind`, list or dict."""
    text = text_of(path)
    try:
        content = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, kind):
        raise DatasetError(f"{path}: a JSON {'list' if kind is list else 'object'} is expected at its top")
    return content


def find_pictures(folder: str | Path) -> tuple[list[Path], list[Problem]]:
    """Pictures below a folder, sorted, and a problem for each path in it that could not be read.

    Raises DatasetError if there is no folder or no picture.
    """
    if not Path(folder).is_dir():
        raise DatasetError(f"{folder}: no such folder")
    found, lost = pictures_below(folder)
    if not found:
        first = f"; {lost[0].path}: {lost[0].reason}" if lost else ""
        raise DatasetError(f"{folder}: holds no picture{first}")
    return found, [Problem(path.relative_to(folder).as_posix(), reason) for path, reason in lost]


def list_pictures(folder: str | Path) -> list[Path]:
    """The pictures of `find_pictures`; paths that could not be read are counted in the log."""
    found, problems = find_pictures(folder)
    _warn(str(folder), problems)
    return found


def read_negatives(folder: str | Path, quiet: bool = False) -> Pictures:
    """Every picture below a folder, as a picture without digits; its id is its path in the folder.

    quiet: no progress bar. Raises DatasetError if there is no folder or no picture.
    """
    records = []
    found, problems = find_pictures(folder)
    for path in progress(found, "measuring pictures", len(found), quiet):
        image_id = path.relative_to(folder).as_posix()
        try:
            records.append(make_record(image_id, path, picture_size(path)))
        except ValueError as error:
            problems.append(Problem(image_id, str(error)))
    return Pictures(str(folder), records, problems)


def _warn(name: str, problems: Sequence[Problem]) -> None:
    if problems:
        entries = plural(len(problems), "entry", "entries")
        _log.warning("%s: %s left out, the first %s: %s", name, entries, *map(printable, problems[0]))
