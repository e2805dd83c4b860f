"""What lies below a folder: found whole, or said to be lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from digits.core.errors import reason
from digits.core.formats import is_picture_name

_APPLE_DOUBLE = b"\x00\x05\x16\x07"


class Lost(NamedTuple):
    """A folder or file that could not be looked into, and why."""

    path: Path
    reason: str


def files_below(folder: str | os.PathLike) -> tuple[list[Path], list[Lost]]:
    """Every file below a folder, and what may hide some; both sorted.

    Hidden files and folders count. Links are followed, each folder is looked into once, under its own name rather than
    that of a link. Lost are folders that may not be entered, links that lead nowhere, and what is called as pictures
    are but is no file. The `._a.jpg` that macOS leaves beside `a.jpg` is no picture, and left out.
    """
    files, lost, seen = [], [], set()
    folders, links = [Path(folder)], []
    while folders or links:
        here = folders.pop() if folders else links.pop(0)
        try:
            about = os.stat(here)
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            with os.scandir(here) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            lost.append(Lost(here, reason(error)))
            continue
        for entry in entries:
            path = Path(entry.path)
            try:
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append(path)
                elif entry.is_file():
                    if not _is_apple_double(path):
                        files.append(path)
                elif entry.is_symlink() and not path.exists():
                    lost.append(Lost(path, "a link that leads nowhere"))
                elif is_picture_name(entry.name):
                    lost.append(Lost(path, "not a file"))
            except OSError as error:
                lost.append(Lost(path, reason(error)))
    return sorted(files), sorted(lost)


def pictures_below(folder: str | os.PathLike) -> tuple[list[Path], list[Lost]]:
    """As `files_below`, but of the files those alone that are called as pictures are."""
    files, lost = files_below(folder)
    return [path for path in files if is_picture_name(path.name)], lost


def _is_apple_double(path: Path) -> bool:
    if not path.name.startswith("._"):
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) == _APPLE_DOUBLE
    except OSError:  # said where it is read
        return False
