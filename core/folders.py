"""Finds all files below a folder, and reports what could not be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path
from typing import NamedTuple

from digits.core.errors import reason
from digits.core.formats import HEAD, UNREAD_SUFFIXES, begins_a_picture, is_picture_name

_APPLE_DOUBLE = b"\x00\x05\x16\x07"


class Lost(NamedTuple):
    """A folder or file that could not be read, and why."""

    path: Path
    reason: str


def files_below(folder: str | os.PathLike) -> tuple[list[Path], list[Lost]]:
    """All files below a folder, and what could not be read; both sorted.

    Hidden files and folders are included. Links are followed, unless they lead back to a folder that contains them;
    each folder is read once, under its own name rather than a link's. Lost are unreadable folders, broken links, and
    what is named like a picture but is not a file. The `._a.jpg` that macOS writes beside `a.jpg` is left out.
    """
    return _walk(Path(folder), lambda _: True)


def pictures_below(folder: str | os.PathLike) -> tuple[list[Path], list[Lost]]:
    """Like `files_below`, but only pictures, see `only_pictures`."""
    files, lost = files_below(folder)
    pictures, unread = only_pictures(files)
    return pictures, sorted([*lost, *unread])


def only_pictures(files: Iterable[Path]) -> tuple[list[Path], list[Lost]]:
    """The pictures among `files`: by suffix, or by their first bytes where the suffix is none of another format.

    Lost are photographs in formats that cannot be read, and what may be a picture but cannot be opened. "door 12.5" and
    "door.jpg (1)" have no suffix of another format: it would be of letters alone.
    """
    pictures, lost = [], []
    for path in files:
        try:
            if is_picture_name(path.name) or (not path.suffix[1:].isalpha() and _begins_a_picture(path)):
                pictures.append(path)
            elif path.name.lower().endswith(UNREAD_SUFFIXES):
                lost.append(Lost(path, "a picture in a format that is not read"))
        except OSError as error:
            lost.append(Lost(path, reason(error)))
    return pictures, lost


def files_matching(pattern: str) -> tuple[list[Path], list[Lost]]:
    """The files that a glob pattern matches (`**`: any number of folders), and what could not be read; both sorted.

    Folders are read as by `files_below`, but only those that may contain a match. As in a shell, names that begin with
    a dot are matched only by patterns that begin with a dot.
    """
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts))
    root, wanted = Path(*parts[:fixed]), parts[fixed:]

    def matches(path: Path, partly: bool = False) -> bool:
        return _matches(path.relative_to(root).parts, wanted, partly)

    files, lost = _walk(root, lambda folder: matches(folder, partly=True))
    lost = [each for each in lost if matches(each.path, partly=not is_picture_name(each.path.name))]
    return [path for path in files if matches(path)], lost


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...], partly: bool = False) -> bool:
    """Whether the components of a path match a pattern; with `partly`, whether those of a path below it may."""
    if not parts:
        return partly or all(each == "**" for each in pattern)
    if not pattern:
        return False
    hidden = parts[0].startswith(".")
    if pattern[0] == "**":
        return _matches(parts, pattern[1:], partly) or (not hidden and _matches(parts[1:], pattern, partly))
    fits = fnmatch(parts[0], pattern[0]) and (not hidden or pattern[0].startswith("."))
    return fits and _matches(parts[1:], pattern[1:], partly)


def _walk(root: Path, enter: Callable[[Path], bool]) -> tuple[list[Path], list[Lost]]:
    files: list[Path] = []
    lost: list[Lost] = []
    seen: set[tuple[int, int]] = set()
    folders: list[Path] = [root]
    links: list[Path] = []
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
                    if enter(path) and not (entry.is_symlink() and _leads_back(path)):
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


def _leads_back(link: Path) -> bool:
    return Path(os.path.realpath(link)) in Path(os.path.realpath(link.parent), "link").parents


def _is_apple_double(path: Path) -> bool:
    if not path.name.startswith("._"):
        return False
    try:
        return _head(path).startswith(_APPLE_DOUBLE)
    except OSError:  # reported where it is read
        return False


def _begins_a_picture(path: Path) -> bool:
    head = _head(path)
    return len(head) == HEAD and begins_a_picture(head)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)
