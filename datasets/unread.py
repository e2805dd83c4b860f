"""Finds files that seem to be annotations in an unknown format: pictures beside them are not taken for negatives.

A file suspected wrongly costs the user an option; a file overlooked turns pictures of house numbers into negatives.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path

from digits.core.alphabet import DIGITS
from digits.core.formats import SUFFIXES, is_picture_name
from digits.datasets.crops import has_texts

_FORMATS = (
    *(".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml", ".names", ".pbtxt", ".mat", ".pkl", ".pickle"),
    *(".xls", ".xlsx", ".ods", ".parquet", ".feather", ".arrow", ".h5", ".hdf5", ".npy", ".npz"),
    *(".tfrecord", ".tfrecords", ".record", ".mdb", ".sqlite"),
)
_TEXTS = (".csv", ".tsv", ".tab", ".txt", ".lst", ".list", ".dat", "")
_HEAD = 2**20  # bytes read: annotations name a picture within them
LABEL_FOLDERS = ("labels", "annotations")  # names of folders
# columns that do not say what pictures show, but where they come from, for example
_HARMLESS = re.compile(
    r"(?:(?:file|image|picture|photo|original|source|repository|path|url|link|id|licen[cs]e|author|credit|date|year"
    r"|sha256|sha1|md5|hash|size|width|height|bytes|split|part)(?:[ _-]?(?:name|path|url|id|repository))*)"
)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_BOX = re.compile(rf"\s*(?:{_NUMBER}[,;\s]+){{3}}{_NUMBER}", re.IGNORECASE)  # a line that begins with four numbers
_PICTURE = re.compile(
    rf"[^\n,;\t|\"'<>=:/\\]*(?:{'|'.join(map(re.escape, sorted(SUFFIXES, key=len, reverse=True)))})(?![a-z0-9])",
    re.IGNORECASE,
)
_CLASS_FOLDERS = (*DIGITS, "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class PictureNames:
    """The names of the pictures in a folder, in lower case."""

    def __init__(self, pictures: Iterable[Path]):
        names = [path.name.lower() for path in pictures]
        self._stems = {name.rpartition(".")[0] or name for name in names}
        self._all = {*names, *self._stems}

    def annotated_by(self, file: Path) -> bool:
        """Whether a file that is no picture seems to annotate these or other pictures."""
        suffix = file.suffix.lower()
        if suffix in _FORMATS:
            return True
        if suffix not in _TEXTS or is_picture_name(file.name):
            return False
        if suffix == ".txt" and (file.parent.name.lower() in LABEL_FOLDERS or self._in_name(file.stem.lower())):
            return True
        return has_texts(file) or self._in_text(_text(file))

    def named_by(self, file: Path) -> bool:
        """Whether a file in another folder seems to annotate some of these pictures."""
        return self.annotated_by(file) and (file.stem.lower() in self._all or self._named(_text(file)))

    def _in_name(self, name: str) -> bool:
        """Whether a name contains that of a picture, as gt_img_1 contains img_1."""
        parts = re.split(r"([^a-z0-9]+)", name)
        spans = {"".join(parts[i:j]) for i in range(0, len(parts), 2) for j in range(i + 1, len(parts) + 1, 2)}
        return bool(spans & self._all)

    def _in_text(self, text: str) -> bool:
        lines = [line for line in text.split("\n") if line.strip()]
        if not lines:
            return False
        columns = [cell.strip(" \"'").lower() for cell in re.split(r"[,;\t]", lines[0])]
        if all(map(_HARMLESS.fullmatch, columns)):
            return False
        return bool(_BOX.match(lines[0])) or self._named(text)

    def _named(self, text: str) -> bool:
        """Whether lines begin with names of pictures, or one is named anywhere."""
        lines = [line.strip().strip("\"'") for line in text.split("\n") if line.strip()]
        first = [re.split(r"[,;|\s]", line, maxsplit=1)[0].strip("\"'").lower() for line in lines]
        begun = sum(cell in self._stems for cell in first)
        named = (match.strip().lower() for match in _PICTURE.findall(text))
        every = 0 < begun == len(lines)
        return begun > 1 or every or any(name in self._all or name.split()[-1] in self._all for name in named)


def _text(file: Path) -> str:
    """The beginning of a text file, of any encoding; "" if it cannot be read or is not text."""
    try:
        with file.open("rb") as stream:
            data = stream.read(_HEAD)
    except OSError:
        return ""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    return "" if b"\0" in data else data.decode("utf-8-sig", "replace").replace("\r", "\n")


def class_folder(folder: Path, pictures: Iterable[Path]) -> Path | None:
    """A folder below `folder` that is named after a digit and holds some of its pictures; None if there is none."""
    within = (path.parent for path in pictures if path.parent != folder)
    return next((parent for parent in within if parent.name.lower() in _CLASS_FOLDERS), None)
