"""Annotation files: written whole or not at all, and where the pictures they name lie."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from digits.core.errors import DatasetError


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 with "\\n" line ends, making the folder; a kill at any moment leaves the old file or the new one.

    Raises DatasetError if it cannot be written.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    except UnicodeEncodeError:
        partial.unlink(missing_ok=True)
        raise DatasetError(f"{path}: cannot be written, a file name in it is not Unicode; rename that file") from None
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise DatasetError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()})") from None


def picture_folder(annotations: Path, images: str | Path | None) -> Path:
    """Where the pictures of an annotation file lie: `images` if given, else `images/` beside it, else beside it.

    Raises DatasetError if `images` is no folder.
    """
    if images is None:
        beside = annotations.parent / "images"
        return beside if beside.is_dir() else annotations.parent
    if not Path(images).is_dir():
        raise DatasetError(f"{images}: no such folder, the pictures of {annotations} are expected there")
    return Path(images)
