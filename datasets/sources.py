"""Opens a source of annotated pictures, whatever its format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from digits.core.errors import DatasetError
from digits.core.folders import files_below
from digits.core.formats import is_picture_name
from digits.datasets.coco import read_coco
from digits.datasets.crops import read_crops
from digits.datasets.mila import read_mila
from digits.datasets.pictures import Pictures, read_negatives
from digits.datasets.real import read_annotated
from digits.datasets.svhn import ANNOTATIONS, read_svhn
from digits.datasets.unread import LABEL_FOLDERS, PictureNames, class_folder
from digits.datasets.yolo import read_yolo

_PICTURES_ANYWHERE = {"svhn": read_svhn, "mila": read_mila, "coco": read_coco, "crops": read_crops}
_PICTURES_IN_PLACE = {"yolo": read_yolo, "negatives": read_negatives}
FORMATS = (*_PICTURES_ANYWHERE, *_PICTURES_IN_PLACE, "annotated")
_ONE_OF = {"mila": ("*.pkl", "*.pickle"), "coco": ("*.json",)}  # what to look for where a folder is named
_OF_PICTURES = ("images", "jpegimages")  # what folders are called
_BY_SUFFIX = {".mat": "svhn", ".pkl": "mila", ".pickle": "mila", ".csv": "crops", ".jsonl": "annotated"}


def open_source(
    path: str | Path,
    images: str | Path | None = None,
    *,
    format: str | None = None,
    annotations_only: bool = False,
    quiet: bool = False,
    letters: bool = False,
) -> Pictures:
    """The annotated pictures at `path`, a file of annotations or the folder that holds it.

    format: one of FORMATS, by default told from the names of the files. images: where the pictures are, if not where
    the format has them. annotations_only: the pictures need not be there; records are then of size 0. quiet: no
    progress bar. letters: see `read_annotated`; other formats have none.

    Raises DatasetError if there is nothing there, its format cannot be told, or the file is malformed.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    kind = format or format_of(path)
    if kind not in FORMATS:
        raise DatasetError(f"{kind}: not a format known here; there are {', '.join(FORMATS)}")
    if kind in _ONE_OF:
        path = _only(path, _ONE_OF[kind])
    if kind in _PICTURES_ANYWHERE:
        return _PICTURES_ANYWHERE[kind](path, images, annotations_only=annotations_only, quiet=quiet)
    if images is not None or annotations_only:
        raise DatasetError(f"{path}: of the format {kind}, whose pictures must be in their usual place")
    if kind == "annotated":
        return read_annotated(path, quiet, letters=letters)
    return _PICTURES_IN_PLACE[kind](path, quiet)


def format_of(path: Path) -> str:
    """The format of a source, from its files; DatasetError if it cannot be told."""
    if path.is_file():
        if path.suffix.lower() == ".json":
            return _format_of_json(path)
        if path.suffix.lower() in _BY_SUFFIX:
            return _BY_SUFFIX[path.suffix.lower()]
        raise DatasetError(
            f"{path}: not a source of pictures; name a folder, or a .mat, .pkl, .json, .jsonl or .csv file"
        )
    if (path / ANNOTATIONS).is_file():
        return "svhn"
    if (path / "instances.json").is_file():  # what `digits data synthesize crops` writes says more than its labels.csv
        return "coco"
    if (path / "labels.csv").is_file():
        return "crops"
    if (path / "annotations.json").is_file():
        return _format_of_json(path / "annotations.json")
    if (path / "annotations.jsonl").is_file():
        return "annotated"
    if (path / "images").is_dir() and (path / "labels").is_dir():
        return "yolo"
    if _named(path, "*.json"):
        return "coco"
    if _named(path, *_ONE_OF["mila"]):
        return "mila"
    parts = [part for part in ("train", "test", "extra") if (path / part / ANNOTATIONS).is_file()]
    if parts:
        raise DatasetError(f"{path}: holds the parts {', '.join(parts)} of SVHN; name one, as {path / parts[0]}")
    parts = sorted(p.parent.name for p in path.glob("*/images") if (p.parent / "labels").is_dir())
    if parts:
        raise DatasetError(f"{path}: holds the parts {', '.join(parts)} of YOLO; name one, as {path / parts[0]}")
    return _negatives_unless_annotated(path)


def _negatives_unless_annotated(path: Path) -> str:
    """A folder of pictures and nothing else: annotations not understood must not make negatives of its pictures."""
    files, lost = files_below(path)
    pictures = [file for file in files if is_picture_name(file.name)]
    names = PictureNames(pictures)
    unless = "or say --format negatives if there are no numbers in the pictures"
    for file in files:
        if names.annotated_by(file):
            raise DatasetError(
                f"{path}: holds annotations that are not understood, {file.relative_to(path)}; "
                f"name their file or folder, {unless}"
            )
    if folder := class_folder(path, pictures):
        raise DatasetError(
            f"{path}: holds annotations that are not understood, the folder {folder.relative_to(path)}, "
            f"which is called as a digit is; name pictures and numbers in a labels.csv, {unless}"
        )
    if beside := _annotations_beside(path, names):
        raise DatasetError(f"{path}: lies beside annotations, {beside}; name the folder around them, {unless}")
    if not pictures:
        first = f"; {lost[0].path}: {lost[0].reason}" if lost else ""
        raise DatasetError(f"{path}: holds neither annotations nor pictures{first}")
    return "negatives"


def _annotations_beside(path: Path, names: PictureNames) -> Path | None:
    """What annotates a folder from beside it; None if nothing does.

    Beside one called `images`, or around one in it, that is whatever annotates pictures. Beside another, what names
    some of these, unless there is a folder `images` that it is about.
    """
    whole = Path(os.path.abspath(path))
    for folder in (whole, whole.parent):
        with suppress(OSError):  # where it may not be looked, there is nothing to name either
            beside = sorted(folder.parent.iterdir())
            labels = [each for each in beside if each.is_dir() and each.name.lower() in LABEL_FOLDERS]
            files = [each for each in beside if each.is_file()]
            if folder.name.lower() in _OF_PICTURES:
                found: Iterator[Path] = chain(labels, filter(names.annotated_by, files))
            elif folder == whole and not any(each.name.lower() in _OF_PICTURES for each in beside):
                within = (file for each in labels for file in files_below(each)[0])
                found = filter(names.named_by, chain(files, within))
            else:
                continue
            if first := next(found, None):
                return first
    return None


def _format_of_json(path: Path) -> str:
    """This project's own annotations are a list, COCO's an object."""
    with path.open("rb") as file:
        return "annotated" if file.read(64).lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"[") else "coco"


def _only(path: Path, patterns: tuple[str, ...]) -> Path:
    """`path` itself if it is a file, else the one file in it that matches; DatasetError if there are several."""
    if path.is_file():
        return path
    found = _named(path, *patterns)
    if len(found) != 1:
        which = ", ".join(file.name for file in found[:2]) or "none"
        which += f" and {len(found) - 2} more" if len(found) > 2 else ""
        raise DatasetError(f"{path}: one annotation file is expected there, found {which}; name the file")
    return found[0]


def _named(folder: Path, *patterns: str) -> list[Path]:
    """Files in a folder, sorted, but for the `._` files that macOS leaves beside them."""
    return sorted(file for pattern in patterns for file in folder.glob(pattern) if not file.name.startswith("._"))
