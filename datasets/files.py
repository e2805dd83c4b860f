"""Annotation files: written whole or not at all, and where the pictures they name lie."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from digits.core.errors import DatasetError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file, making its folder; a kill at any moment leaves the old file or the new one.

    Raises DatasetError if it cannot be written.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise DatasetError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()})") from None


def write_text(path: str | Path, text: str) -> None:
    """As `write_bytes`, in UTF-8 with "\\n" line ends."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise DatasetError(f"{path}: cannot be written, a file name in it is not Unicode; rename that file") from None
    write_bytes(path, data)


def write_picture(path: str | Path, image: Image.Image) -> None:
    """As `write_bytes`; the format is that of the suffix, and DatasetError is raised if there is none of it."""
    data = io.BytesIO()
    try:
        image.save(data, Image.registered_extensions()[Path(path).suffix.lower()])
    except (KeyError, OSError, ValueError):
        raise DatasetError(f"{path}: no picture can be saved under that name; use .png or .jpg") from None
    write_bytes(path, data.getvalue())


def write_figure(path: str | Path, figure: Figure) -> None:
    """As `write_bytes`, a matplotlib figure; DatasetError if there is no format of that suffix."""
    data = io.BytesIO()
    try:
        figure.savefig(data, dpi=110, format=Path(path).suffix[1:] or "png")
    except ValueError as error:
        raise DatasetError(f"{path}: {str(error).lower()}") from None
    write_bytes(path, data.getvalue())


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
