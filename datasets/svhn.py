"""The Street View House Numbers in their official layout: a folder with `digitStruct.mat` and the pictures beside it.

The file is MATLAB 7.3, which is HDF5: `/digitStruct/bbox` and `/digitStruct/name` hold one reference per entry, to a
group of five columns (height, left, top, width, label) and to the characters of a file name. Each number of a column
is a dataset of its own, so the first reading is slow; its result is cached beside the file.
"""

from __future__ import annotations

import hashlib
import logging
import math
import mmap
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5r, h5s, h5t

from digits.core.boxes import reading_order
from digits.core.errors import DatasetError, reason
from digits.core.formats import is_picture_name
from digits.core.progress import progress
from digits.datasets.pictures import LARGEST, Pictures, Problem, Record, mostly_outside, picture_size

ANNOTATIONS = "digitStruct.mat"
COLUMNS = ("left", "top", "width", "height", "label")
_CACHE_VERSION = 1  # to be raised when the content of the cache changes
_MOST_DIGITS, _LONGEST_NAME = 100, 255  # more than that is damage, not a house number
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entries:
    """Annotations as they were read, N entries with D digits in all, not yet compared with the pictures.

    names: file names, N. counts: int64 (N,), digits per entry. digits: float64 (D, 5), the COLUMNS, as in the
    file. broken: why an entry could not be read, by its index; such an entry has no digits.
    """

    names: list[str]
    counts: np.ndarray
    digits: np.ndarray
    broken: dict[int, str]


def collect(rows: Iterable[tuple[str, np.ndarray | str]]) -> Entries:
    """Entries from the name of each, and its digits (K, 5) or why they could not be read."""
    names, tables, broken = [], [], {}
    for i, (name, found) in enumerate(rows):
        names.append(name)
        if isinstance(found, str):
            broken[i] = found
            found = np.zeros((0, 5))
        tables.append(found)
    counts = np.array([len(table) for table in tables], np.int64)
    return Entries(names, counts, np.concatenate([np.zeros((0, 5)), *tables]), broken)


def digit_table(columns: Mapping[str, Sequence[float]]) -> np.ndarray:
    """The digits of one entry, float64 (K, 5); ValueError if there are none or the columns differ in length."""
    lengths = {len(columns[name]) for name in COLUMNS}
    if len(lengths) > 1:
        raise ValueError("its columns are of different lengths")
    if lengths == {0}:
        raise ValueError("it has no digits")
    return np.array([columns[name] for name in COLUMNS], np.float64).T


def is_plain_name(name: str) -> bool:
    """Whether it is the name of a file alone, without folders or special characters."""
    return name not in ("", ".", "..") and name.isprintable() and not set(name) & set('/\\:*?"<>|')


def list_names(folder: Path) -> set[str]:
    """Names of the pictures in a folder; DatasetError if there is no such folder."""
    try:
        with os.scandir(folder) as found:
            return {entry.name for entry in found if is_picture_name(entry.name)}
    except OSError as error:
        raise DatasetError(f"{folder}: no folder of pictures ({reason(error)})") from None


def measure(folder: Path, names: Sequence[str], quiet: bool = False) -> np.ndarray:
    """Width and height, int32 (N, 2), of the pictures named, upright; -1 where one is missing, 0 if unreadable."""
    listed = list_names(folder)

    def size(name: str) -> tuple[int, int]:
        try:
            return picture_size(folder / name) if name in listed else (-1, -1)
        except ValueError:
            return 0, 0

    sizes = [size(name) for name in progress(names, "measuring pictures", len(names), quiet)]
    return np.array(sizes, np.int32).reshape(-1, 2)


def match(
    name: str, ids: Sequence[str], entries: Entries, first_label: int, folder: Path, sizes: np.ndarray | None
) -> Pictures:
    """Records of the entries that fit their pictures, and Problems for the others.

    first_label: labels are first_label to first_label + 9, and their last decimal is the digit. sizes: as from
    `measure`, or None if the pictures are not needed.
    """
    problems = _name_problems(entries.names) | entries.broken
    if sizes is not None:
        for i in np.flatnonzero((sizes <= 0).any(1)).tolist():
            problems.setdefault(i, "picture missing" if sizes[i, 0] < 0 else "not a readable picture")

    # all at once: make_record for each entry would double the time that a cached split takes
    ends = np.cumsum(entries.counts).tolist()
    spans = list(zip([0, *ends], ends, strict=False))
    of_entry = np.repeat(np.arange(len(ids)), entries.counts)
    first: dict[str, int] = {}
    for i, (file_name, span) in enumerate(zip(entries.names, spans, strict=True)):
        before = first.setdefault(file_name, i)
        if not np.array_equal(entries.digits[slice(*span)], entries.digits[slice(*spans[before])], equal_nan=True):
            problems.setdefault(before, "named a second time, with other digits")
    limits = np.inf if sizes is None else np.tile(sizes, 2)[of_entry]
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = np.hstack([entries.digits[:, :2], entries.digits[:, :2] + entries.digits[:, 2:4]])
        whole, boxes = boxes, np.clip(boxes, 0, limits).astype(np.float32)
        outside = mostly_outside(whole, boxes)
        order = _in_reading_order(boxes, spans)
        boxes, digits, outside = boxes[order], entries.digits[order], outside[order]
        raw = digits[:, 4]
        labels = raw.astype(np.int64) % 10
    last_label = first_label + 9
    checks = (
        (~(np.abs(digits) <= LARGEST).all(1), "a box or label is not finite, or larger than any picture"),
        (~np.isin(raw, np.arange(first_label, last_label + 1)), f"a label is not {first_label} to {last_label}"),
        ((digits[:, 2:4] <= 0).any(1), "a box has no area"),
        (outside, "a box lies outside the picture"),
    )
    for wrong, why in checks:
        for i in of_entry[wrong].tolist():
            problems.setdefault(i, why)

    text = (labels + ord("0")).astype(np.uint8).tobytes().decode("ascii")
    shapes = [(0, 0)] * len(ids) if sizes is None else sizes.tolist()
    records = [
        Record(
            ids[i],
            folder / entries.names[i],
            shapes[i][0],
            shapes[i][1],
            boxes[start:end],
            labels[start:end],
            (text[start:end],),
        )
        for i, (start, end) in enumerate(spans)
        if i not in problems
    ]
    image_ids = [ids[i] if is_plain_name(entries.names[i]) else f"entry {i + 1}" for i in sorted(problems)]
    return Pictures(name, records, map(Problem, image_ids, (problems[i] for i in sorted(problems))))


def _in_reading_order(boxes: np.ndarray, spans: Iterable[tuple[int, int]]) -> np.ndarray:
    """Indices (D,) that put the boxes (D, 4) of each entry, a span (start, end), into reading order."""
    order = np.arange(len(boxes))
    for start, end in spans:
        if end > start + 1:
            order[start:end] = start + reading_order(boxes[start:end])
    return order


def _name_problems(names: Sequence[str]) -> dict[int, str]:
    """What is wrong with file names, by index."""
    problems: dict[int, str] = {}
    seen: set[str] = set()
    for i, name in enumerate(names):
        if not name:
            problems[i] = "its name is empty"
        elif not is_plain_name(name):
            problems[i] = f"{name!r} is not a plain file name"
        elif name in seen:
            problems[i] = "named a second time"
        seen.add(name)
    return problems


def read_svhn(
    source: str | Path, images: str | Path | None = None, annotations_only: bool = False, quiet: bool = False
) -> Pictures:
    """A split of SVHN: a folder with `digitStruct.mat`, or such a file of any name, and its pictures.

    images: the folder of the pictures, by default the file's own. annotations_only: pictures are not looked for;
    width and height of the records are 0, and boxes clipped at zero only. An id is the name of the file's folder and
    that of the picture, such as "train/1.png". Entries that are broken or whose picture is missing become problems.

    The result is cached in `digitStruct.cache.npz` beside the file, if that can be written, and used as long as
    neither the file nor the names of the pictures change. Raises DatasetError if the file cannot be read at all.
    """
    path = _annotations(Path(source))
    folder = path.parent if images is None else Path(images)
    entries, sizes = _read_cached(path, None if annotations_only else folder, quiet)
    split = Path(os.path.abspath(path)).parent.name
    return match(str(source), [f"{split}/{name}" for name in entries.names], entries, 1, folder, sizes)


def _annotations(source: Path) -> Path:
    path = source / ANNOTATIONS if source.is_dir() else source
    if path.is_file():
        return path
    if source.is_dir():
        raise DatasetError(f"{source}: holds no {ANNOTATIONS}; name an unpacked split of SVHN, such as train")
    raise DatasetError(f"{source}: no such file or folder")


# --- the cache


def _read_cached(path: Path, folder: Path | None, quiet: bool) -> tuple[Entries, np.ndarray | None]:
    """Entries and, if there is a folder of pictures, their sizes; updates the cache."""
    cache = path.with_suffix(".cache.npz")
    status = path.stat()
    file_key = f"{_CACHE_VERSION} {status.st_size} {status.st_mtime_ns}"
    pictures_key = "" if folder is None else _listing_key(folder, path.parent)
    kept = _load(cache, file_key)
    if kept and folder is None:
        return kept[0], None
    if kept and kept[2] == pictures_key:
        return kept[0], kept[1]
    entries = kept[0] if kept else _parse(path, quiet)
    sizes = np.zeros((len(entries.names), 2), np.int32) if folder is None else measure(folder, entries.names, quiet)
    _save(cache, file_key, entries, sizes, pictures_key)
    return entries, None if folder is None else sizes


def _listing_key(folder: Path, default: Path) -> str:
    """A key that changes when a picture is added or removed, or the folder is not the default."""
    where = "" if folder == default else os.path.abspath(folder)
    return hashlib.sha256(os.fsencode("\n".join([where, *sorted(list_names(folder))]))).hexdigest()


def _load(cache: Path, file_key: str) -> tuple[Entries, np.ndarray, str] | None:
    """Cached entries, sizes and key of the pictures; None if there is no intact cache for this file."""
    if not cache.exists():
        return None
    try:
        with np.load(cache, allow_pickle=False) as held:
            if str(held["file_key"]) != file_key:
                return None
            broken = dict(zip(held["broken"].tolist(), held["reasons"].tolist(), strict=True))
            entries = Entries(held["names"].tolist(), held["counts"], held["digits"], broken)
            sizes, pictures_key = held["sizes"], str(held["pictures_key"])
        count = len(entries.names)
        if (entries.counts.shape, sizes.shape) != ((count,), (count, 2)):
            raise ValueError("arrays of different lengths")
        if entries.digits.shape != (entries.counts.sum(), 5):
            raise ValueError("wrong number of digits")
    except Exception as error:  # zipfile and numpy may raise nearly anything if it is damaged; it is made again
        _log.info("%s: ignored (%s)", cache, error)
        return None
    return entries, sizes, pictures_key


def _save(cache: Path, file_key: str, entries: Entries, sizes: np.ndarray, pictures_key: str) -> None:
    partial = cache.with_name(f"{cache.name}.{os.getpid()}")
    try:
        try:
            with partial.open("wb") as file:
                np.savez(
                    file,
                    file_key=np.array(file_key),
                    pictures_key=np.array(pictures_key),
                    names=np.array(entries.names, np.str_),
                    counts=entries.counts,
                    digits=entries.digits,
                    broken=np.array(list(entries.broken), np.int64),
                    reasons=np.array(list(entries.broken.values()), np.str_),
                    sizes=sizes,
                )
            os.replace(partial, cache)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        _log.info("%s: not written (%s)", cache, error.strerror or error)


# --- the MATLAB file


def _parse(path: Path, quiet: bool) -> Entries:
    """All entries of the file; DatasetError if it is not such a file."""
    try:
        with path.open("rb") as opened:
            start = opened.read(10)
        if not start:
            raise DatasetError(f"{path}: is empty; unpack the archive again")
        if start == b"MATLAB 5.0":
            raise DatasetError(f"{path}: is a MATLAB 5 file; SVHN comes as MATLAB 7.3, saved with -v7.3")
        if not h5py.is_hdf5(path):
            raise DatasetError(f"{path}: is no MATLAB 7.3 (HDF5) file; unpack the archive again")
        with (
            h5py.File(path, "r") as file,
            path.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            boxes, names = _references(file, "bbox", path), _references(file, "name", path)
            if len(boxes) != len(names):
                raise DatasetError(f"{path}: {len(names)} names for {len(boxes)} entries")
            numbers = _Numbers(file, content)
            rows = (_row(file, box, name, numbers) for box, name in zip(boxes, names, strict=True))
            return collect(progress(rows, f"reading {path.name}", len(boxes), quiet))
    except OSError as error:
        if error.errno and error.strerror:
            raise DatasetError(f"{path}: {error.strerror.lower()}") from None
        raise DatasetError(f"{path}: truncated or damaged; unpack the archive again") from None


def _references(file: h5py.File, name: str, path: Path) -> np.ndarray:
    """The references (N,) in the dataset `name` of `/digitStruct`."""
    try:
        dataset = file[f"digitStruct/{name}"]
    except (KeyError, RuntimeError):
        raise DatasetError(f"{path}: has no digitStruct/{name}; is it SVHN's {ANNOTATIONS}?") from None
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype != h5py.ref_dtype:
        raise DatasetError(f"{path}: digitStruct/{name} is no list of references; is it SVHN's {ANNOTATIONS}?")
    return dataset[()].reshape(-1)


def _row(file: h5py.File, box: h5py.Reference, name: h5py.Reference, numbers: _Numbers) -> tuple[str, np.ndarray | str]:
    """The name of an entry, and its digits or why they could not be read, see `collect`."""
    try:
        file_name = _characters(h5r.dereference(name, file.id))
    except _UNREADABLE:
        return "", "its name cannot be read"
    try:
        group = h5r.dereference(box, file.id)
        columns = {column: numbers.read(h5d.open(group, column.encode())) for column in COLUMNS}
    except _UNREADABLE:
        return file_name, "its digits cannot be read"
    try:
        return file_name, digit_table(columns)
    except ValueError as error:
        return file_name, str(error)


def _characters(dataset: h5d.DatasetID) -> str:
    """A name, kept as UTF-16; MATLAB writes an empty one as two zeros."""
    if math.prod(dataset.shape) > _LONGEST_NAME:
        raise ValueError("too long for a name")
    units = np.empty(dataset.shape, "<u2")
    dataset.read(h5s.ALL, h5s.ALL, units)
    return units.tobytes().decode("utf-16-le").rstrip("\0")


_UNREADABLE = (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError)  # whatever h5py may raise
_ONE = h5s.create_simple((1, 1))
_DOUBLE = struct.Struct("<d")
_HEADER_START = 16  # the bytes before hold the reference count, which may differ
# the layout message for eight bytes of data in the header itself: type 8, 16 bytes; version 3, compact, 8 bytes
_COMPACT_LAYOUT = bytes([8, 0, 16, 0, 0, 0, 0, 0, 3, 0, 8, 0])


class _Numbers:
    """Reads columns of numbers: (1, 1) with the number in place, or (n, 1) references to (1, 1) datasets.

    Opening a dataset is the slowest step here, and the largest split has 2.6 million of them. Their headers are alike:
    once one was opened, the value behind an identical header is read straight from the file.
    """

    def __init__(self, file: h5py.File, content: mmap.mmap):
        self._file = file
        self._content = content
        self._base = file.userblock_size  # addresses are relative to it
        self._header = b""  # from _HEADER_START to the value, once known

    def read(self, dataset: h5d.DatasetID) -> list[float]:
        """Raises one of _UNREADABLE."""
        if math.prod(dataset.shape) > _MOST_DIGITS:
            raise ValueError("too many for a number")
        if dataset.get_type().get_class() != h5t.REFERENCE:
            numbers = np.empty(dataset.shape, np.float64)
            dataset.read(h5s.ALL, h5s.ALL, numbers)
            return numbers.ravel().tolist()
        addresses = np.empty(dataset.shape, "<u8")
        dataset.read(h5s.ALL, h5s.ALL, addresses, h5t.STD_REF_OBJ)
        starts = [self._base + address for address in addresses.ravel().tolist()]
        if self._header and all(self._alike(start) for start in starts):
            return [self._value_at(start) for start in starts]
        references = np.empty(dataset.shape, h5py.ref_dtype)
        dataset.read(h5s.ALL, h5s.ALL, references)
        values = [self._follow(reference) for reference in references.ravel()]
        self._learn(starts[0], values[0])
        return values

    def _alike(self, start: int) -> bool:
        return self._content[start + _HEADER_START : start + _HEADER_START + len(self._header)] == self._header

    def _value_at(self, start: int) -> float:
        return _DOUBLE.unpack_from(self._content, start + _HEADER_START + len(self._header))[0]

    def _follow(self, reference: h5py.Reference) -> float:
        value = np.empty((1, 1))
        h5r.dereference(reference, self._file.id).read(_ONE, h5s.ALL, value)  # fails unless it holds exactly one
        return value.item()

    def _learn(self, start: int, value: float) -> None:
        """Take the header at `start` as the pattern if the value is found in it."""
        beginning = self._content[start + _HEADER_START : start + 256]
        before, layout, after = beginning.partition(_COMPACT_LAYOUT)
        if layout and after[: _DOUBLE.size] == _DOUBLE.pack(value):
            self._header = before + layout
