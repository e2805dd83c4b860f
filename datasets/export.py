"""Writes annotated pictures out in another format, all or nothing."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from digits.core.boxes import cut_region, enclosing
from digits.core.errors import DatasetError, reason
from digits.core.progress import progress
from digits.datasets.coco import coco_document, write_json
from digits.datasets.crops import write_crops
from digits.datasets.items import split_of
from digits.datasets.pictures import Pictures, Problem, Record
from digits.datasets.yolo import write_yolo

FORMATS = ("coco", "yolo", "crops")
ANNOTATIONS = "instances.json"


def check_unused(out: str | Path) -> None:
    """DatasetError if there is anything at `out` already."""
    if Path(out).is_file() or (Path(out).is_dir() and any(Path(out).iterdir())):
        raise DatasetError(f"{out}: already there; name a folder that is new or empty")


@contextmanager
def whole_folder(out: str | Path) -> Iterator[Path]:
    """A folder to write into, which becomes `out` at the end; on any error it is removed.

    Raises DatasetError if `out` holds anything already or cannot be written.
    """
    check_unused(out)
    final = Path(out).absolute()
    there = final.is_dir()  # it may be a mount or a link: keep it, and move the content into it
    partial = (final if there else final.parent) / f".{final.name}-{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
        yield partial
        if there:
            for child in partial.iterdir():
                os.replace(child, final / child.name)
        else:
            os.replace(partial, final)
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written ({reason(error)})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def file_names(records: Iterable[Record], to: str = "yolo", copied: bool = True) -> dict[str, str]:
    """A unique path below the folder of pictures for each image id: the id itself wherever possible.

    No path leads out of that folder, whatever the id. Paths of copied pictures differ in more than case, which some
    systems ignore, and for YOLO in more than the suffix, which it ignores. to: the format. copied: whether the pictures
    are copied, and so can be renamed.
    """

    def key(path: PurePosixPath) -> str:
        return str(path.with_suffix("") if to == "yolo" else path).lower() if copied or to == "yolo" else str(path)

    names: dict[str, str] = {}
    taken: set[str] = set()
    for record in records:
        steps = [step for step in PurePosixPath(record.image_id.replace("\\", "/")).parts if step.strip("./ :")]
        name = PurePosixPath(*steps or ["picture"])
        suffix = record.path.suffix.lower()
        if name.suffix.lower() != suffix and copied:
            name = name.with_name(name.name + suffix)
        free, count = name, 1
        while key(free) in taken:
            count += 1
            free = name.with_stem(f"{name.stem}-{count}")
        taken.add(key(free))
        names[record.image_id] = str(free)
    return names


def convert(pictures: Pictures, out: str | Path, to: str, *, copy: bool = True, quiet: bool = False) -> None:
    """Write a source as a folder of another format: `images/`, and the annotations.

    to: "coco" (instances.json), "yolo" (labels/, data.yaml) or "crops" (every number cut out; labels.csv). copy:
    whether the pictures of COCO and YOLO are copied. quiet: no progress bar. What cannot be decoded or cut out becomes
    a problem of `pictures`.

    Raises DatasetError if a picture cannot be copied, the format cannot hold it, there is nothing to write, or `out` is
    not empty.
    """
    if to not in FORMATS:
        raise DatasetError(f"{to}: not a format to write, use {', '.join(FORMATS)}")
    if copy and to != "crops":
        readable = {sample.image_id for sample in progress(pictures.readable(), "checking", len(pictures), quiet)}
        kept = [record for record in pictures.records if record.image_id in readable]
        pictures = Pictures(pictures.name, kept, pictures.problems)
    _check_any(pictures)
    with whole_folder(out) as folder:
        if to == "crops":
            rows = _cut_crops(pictures, folder / "images", quiet)
            if not rows:
                raise DatasetError(f"{pictures.name}: no number in it can be cut out: their texts are not known")
            write_crops(rows, folder / "labels.csv")
            return
        names = file_names(pictures.records, to, copy)
        if to == "coco":
            write_json(
                folder / ANNOTATIONS, coco_document(pictures.records, lambda r: names[r.image_id], pictures.upright)
            )
        else:
            write_yolo(pictures.records, folder, lambda r: names[r.image_id])
        for record in progress(pictures.records, "copying pictures", len(pictures), quiet) if copy else ():
            target = folder / "images" / names[record.image_id]
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(record.path, target)
            except OSError as error:
                raise DatasetError(f"{record.path}: cannot be copied ({error.strerror or error})") from None


def _check_any(pictures: Pictures) -> None:
    if not len(pictures):
        first = "; {}: {}".format(*pictures.problems[0]) if pictures.problems else ""
        raise DatasetError(f"{pictures.name}: holds no picture to write{first}")


def _cut_crops(pictures: Pictures, folder: Path, quiet: bool) -> list[tuple[str, str]]:
    """Save every number with a margin of 15 % of its height; pictures that are crops already are saved whole.

    Pictures without a known number become problems.
    """
    folder.mkdir()
    rows: list[tuple[str, str]] = []
    for sample in progress(pictures.readable(), "cutting numbers", len(pictures), quiet):
        if not sample.numbers:
            reason = "it is not known which digits make a number" if len(sample.boxes) else "shows no number"
            pictures.problems.append(Problem(sample.image_id, reason))
        for k, text in enumerate(sample.numbers):
            crop = _cut(sample.image, sample.number_boxes()[k]) if len(sample.boxes) else sample.image
            name = f"{len(rows):06d}.png"
            _, data = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
            (folder / name).write_bytes(data.tobytes())
            rows.append((name, text))
    return rows


def _cut(image: np.ndarray, digits: np.ndarray, margin: float = 0.15) -> np.ndarray:
    wider = np.array([-1, -1, 1, 1]) * margin * np.median(digits[:, 3] - digits[:, 1])
    return cut_region(image, enclosing(digits) + wider)


def by_id(record: Record) -> str:
    return record.image_id


def by_number(record: Record) -> str:
    """The texts of its numbers, so that pictures of one door stay together; the id if there are none."""
    return " ".join(record.numbers) or record.image_id


def common_folder(records: Iterable[Record]) -> Path:
    """The innermost folder that holds all the pictures; the current one if there are none."""
    return Path(os.path.commonpath([os.path.abspath(record.path.parent) for record in records] or [os.getcwd()]))


def name_in(folder: Path, record: Record) -> str:
    """The `file_name` of a picture in a COCO file whose pictures are in that folder."""
    return Path(os.path.abspath(record.path)).relative_to(folder).as_posix()


def split(pictures: Pictures, out: str | Path, key: Callable[[Record], str] = by_id) -> dict[str, int]:
    """Write `train.json`, `validation.json` and `test.json`, COCO files, and a link `images` to where the pictures are.

    key: the text that decides the split, see `split_of`; records with equal keys stay together. Returns the counts.
    Raises DatasetError if `out` is not empty, or links cannot be made there.
    """
    _check_any(pictures)
    records_of: dict[str, list[Record]] = {"train": [], "validation": [], "test": []}
    for record in pictures.records:
        records_of[split_of(key(record))].append(record)
    around = common_folder(pictures.records)
    with whole_folder(out) as folder:
        for name, records in records_of.items():
            document = coco_document(records, lambda r: name_in(around, r), pictures.upright)
            write_json(folder / f"{name}.json", document)
        where = os.path.relpath(around.resolve(), Path(out).resolve())
        (folder / "images").symlink_to(where, target_is_directory=True)
    return {name: len(records) for name, records in records_of.items()}
