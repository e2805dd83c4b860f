"""Writes annotated pictures out in another format, all or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from digits.core.boxes import enclosing
from digits.core.errors import DatasetError
from digits.datasets.coco import coco_document, write_json
from digits.datasets.crops import write_crops
from digits.datasets.items import part_of
from digits.datasets.pictures import Pictures, Record
from digits.datasets.yolo import write_yolo

FORMATS = ("coco", "yolo", "crops")
ANNOTATIONS = "instances.json"
Shown = Callable[[Iterable, int, str], Iterable]  # (items, how many, what is done): the items, with progress shown


def check_unused(out: str | Path) -> None:
    """DatasetError if there is anything at `out` already."""
    if Path(out).is_file() or (Path(out).is_dir() and any(Path(out).iterdir())):
        raise DatasetError(f"{out}: already there; name a folder that is new or empty")


@contextmanager
def whole_folder(out: str | Path) -> Iterator[Path]:
    """A folder beside `out` to write into, which takes its place at the end; on any error it is removed.

    Raises DatasetError if `out` holds anything already or cannot be written.
    """
    check_unused(out)
    out = Path(out)
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
        partial.mkdir(parents=True)
        yield partial
        if out.is_dir():
            out.rmdir()
        os.replace(partial, out)
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written ({(error.strerror or str(error)).lower()})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def file_names(records: Iterable[Record]) -> dict[str, str]:
    """For each image id a path below a folder of pictures that no other has: the id itself wherever it can be.

    Nothing leads out of that folder, whatever the id.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for record in records:
        steps = [step for step in PurePosixPath(record.image_id.replace("\\", "/")).parts if step.strip("./ :")]
        name = PurePosixPath(*steps or ["picture"])
        suffix = record.path.suffix.lower()
        if name.suffix.lower() != suffix:
            name = name.with_name(name.name + suffix)
        free, count = name, 1
        while str(free.with_suffix("")).lower() in taken:  # YOLO tells files apart by what is before the suffix
            count += 1
            free = name.with_stem(f"{name.stem}-{count}")
        taken.add(str(free.with_suffix("")).lower())
        names[record.image_id] = str(free)
    return names


def convert(pictures: Pictures, out: str | Path, to: str, shown: Shown, copy: bool = True) -> None:
    """Write a source as a folder of another format: `images/`, and the annotations.

    to: "coco" (instances.json), "yolo" (labels/, data.yaml) or "crops" (every number cut out; labels.csv). copy:
    whether the pictures of COCO and YOLO are copied. Raises DatasetError if a picture cannot be read, the format cannot
    hold it, or `out` is not empty.
    """
    if to not in FORMATS:
        raise DatasetError(f"{to}: not a format to write, use {', '.join(FORMATS)}")
    with whole_folder(out) as folder:
        if to == "crops":
            rows = _cut_crops(pictures, folder / "images", shown)
            write_crops(rows, folder / "labels.csv")
            return
        names = file_names(pictures.records)
        if to == "coco":
            write_json(folder / ANNOTATIONS, coco_document(pictures.records, lambda r: names[r.image_id]))
        else:
            write_yolo(pictures.records, folder, lambda r: names[r.image_id])
        for record in shown(pictures.records, len(pictures), "copying pictures") if copy else ():
            target = folder / "images" / names[record.image_id]
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(record.path, target)
            except OSError as error:
                raise DatasetError(f"{record.path}: cannot be copied ({error.strerror or error})") from None


def _cut_crops(pictures: Pictures, folder: Path, shown: Shown) -> list[tuple[str, str]]:
    """Save every number with a margin of 15 % of its height; what is a crop already is saved whole."""
    folder.mkdir()
    rows = []
    for record in shown(pictures.records, len(pictures), "cutting numbers"):
        if not record.numbers:  # a negative, or digits of which it is not known what they spell
            continue
        sample = record.open()
        boxes = sample.number_boxes() or [None]
        for text, digits in zip(record.numbers, boxes, strict=True):
            name = f"{len(rows):06d}.png"
            crop = sample.image if digits is None else _cut(sample.image, digits)
            if not cv2.imwrite(str(folder / name), cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)):
                raise DatasetError(f"{folder / name}: cannot be written")
            rows.append((name, text))
    return rows


def _cut(image: np.ndarray, digits: np.ndarray, margin: float = 0.15) -> np.ndarray:
    x1, y1, x2, y2 = enclosing(digits) + np.array([-1, -1, 1, 1]) * margin * np.median(digits[:, 3] - digits[:, 1])
    left, top = int(max(0, np.floor(x1))), int(max(0, np.floor(y1)))
    return image[top : int(np.ceil(y2)), left : int(np.ceil(x2))]


def by_id(record: Record) -> str:
    return record.image_id


def by_number(record: Record) -> str:
    """The texts of its numbers, so that pictures of one door stay together; the id where there are none."""
    return " ".join(record.numbers) or record.image_id


def split(pictures: Pictures, out: str | Path, key: Callable[[Record], str] = by_id) -> dict[str, int]:
    """Write `train.json`, `validation.json` and `test.json`, COCO files that name the pictures where they are.

    key: what decides the part, see `part_of`; records with equal keys stay together. Returns the counts. Raises
    DatasetError if `out` is not empty.
    """
    parts: dict[str, list[Record]] = {"train": [], "validation": [], "test": []}
    for record in pictures.records:
        parts[part_of(key(record))].append(record)
    home = Path(out).resolve()
    with whole_folder(out) as folder:
        for part, records in parts.items():
            document = coco_document(records, lambda r: Path(os.path.relpath(r.path.resolve(), home)).as_posix())
            write_json(folder / f"{part}.json", document)
    return {part: len(records) for part, records in parts.items()}
