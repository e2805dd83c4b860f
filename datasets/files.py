"""Writes files atomically, and finds the pictures of annotations."""

from __future__ import annotations

import io
import os
import unicodedata
import warnings
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Literal

from PIL import Image

from digits.core.errors import DatasetError, reason

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


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
        raise DatasetError(f"{path}: cannot be written ({reason(error)})") from None


def write_text(path: str | Path, text: str) -> None:
    """As `write_bytes`, in UTF-8 with "\\n" line ends."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise DatasetError(f"{path}: cannot be written, a file name in it is not Unicode; rename that file") from None
    write_bytes(path, data)


def write_picture(path: str | Path, image: Image.Image) -> None:
    """As `write_bytes`; the suffix decides the format, and DatasetError is raised if it is unknown."""
    data = io.BytesIO()
    try:
        image.save(data, Image.registered_extensions()[Path(path).suffix.lower()])
    except (KeyError, OSError, ValueError):
        raise DatasetError(f"{path}: no picture can be saved under that name; use .png or .jpg") from None
    write_bytes(path, data.getvalue())


def write_figure(path: str | Path, figure: Figure) -> None:
    """As `write_bytes`, a matplotlib figure; DatasetError if there is no format of that suffix."""
    from matplotlib.legend import Legend

    data = io.BytesIO()
    names = [text for legend in figure.findobj(Legend) for text in legend.get_texts()]
    for text in (*figure.texts, *names):  # titles and legends may hold file names, where a $ starts no formula
        text.set_parse_math(False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")
            figure.savefig(data, dpi=110, format=Path(path).suffix[1:] or "png")
    except ValueError as error:
        raise DatasetError(f"{path}: {str(error).lower()}") from None
    write_bytes(path, data.getvalue())


def picture_folder(annotations: Path, images: str | Path | None) -> Path:
    """The folder with the pictures of an annotation file: `images` if given, else `images/` beside it, else its own.

    Raises DatasetError if `images` is no folder.
    """
    if images is None:
        beside = annotations.parent / "images"
        return beside if beside.is_dir() else annotations.parent
    if not Path(images).is_dir():
        raise DatasetError(f"{images}: no such folder, the pictures of {annotations} are expected there")
    return Path(images)


def picture_path(folder: Path, name: str) -> Path:
    """The path of a picture that annotations name; ValueError if it leads out of the folder, on any system.

    Annotations are not trusted, and the files that they name are opened and copied. Links in the folder are followed,
    since whoever made them could also have put the pictures there.
    """
    steps = PureWindowsPath(name)  # this class knows the separators and roots of every system
    if steps.anchor or ".." in steps.parts:
        raise ValueError("its name leads out of the folder of pictures")
    if not steps.parts:
        raise ValueError("names no file")
    # as written, with the separators of Windows, or with the folder's own name in front, as in Label Studio
    candidates = [folder / name, folder.joinpath(*steps.parts)]
    if steps.parts[0] == folder.name:
        candidates.append(folder.joinpath(*steps.parts[1:]))
    # file systems differ in whether an accented letter is one code point or two
    names = [str(path.relative_to(folder)) for path in candidates]
    candidates += [folder / unicodedata.normalize(form, each) for each in names for form in _FORMS]
    return next((path for path in candidates if os.path.isfile(path)), candidates[0])
