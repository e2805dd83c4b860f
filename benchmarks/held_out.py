"""The pictures that readers are measured on: whole photographs, and the test split of those without a number, which
neither training nor calibration saw.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from digits.core.alphabet import CHARACTERS, digits_of
from digits.datasets.pictures import Record, make_record, read_negatives
from digits.datasets.real import split_evenly

NEGATIVES = 200


def photographs(folder: Path) -> list[dict]:
    """The entries of `wild/`, with the digits of their numbers: other engines are not asked for the letter of 502C."""
    records = _entries(folder)
    for record in records:
        for number in record["numbers"]:
            number["text"] = digits_of(number["text"])
    return records


def _entries(folder: Path) -> list[dict]:
    return json.loads((folder / "annotations.json").read_text())


def records(folder: Path) -> list[Record]:
    """The same as records, for `digits.evaluation`, with the letters."""
    made = []
    for entry in _entries(folder):
        numbers = [(number["text"], split_evenly(number["text"], number["box"])) for number in entry["numbers"]]
        made.append(
            make_record(
                entry["file"],
                folder / "images" / entry["file"],
                (0, 0),
                [box for _, boxes in numbers for box in boxes],
                [CHARACTERS.index(char) for text, _ in numbers for char in text],
                [text for text, _ in numbers],
                shared_out=True,
            )
        )
    return made


def unseen(folder: Path) -> list[Path]:
    """The test split of a folder's pictures."""
    return [record.path for record in read_negatives(folder, quiet=True).split("test").records]


def negatives(data: Path) -> list[Path]:
    """NEGATIVES photographs of streets, walls and doors."""
    # ordered by a hash, because names are grouped by the origin of the pictures
    return sorted(unseen(data / "negatives"), key=lambda path: zlib.crc32(path.name.encode()))[:NEGATIVES]


def words(data: Path) -> list[Path]:
    """Text without digits."""
    return unseen(data / "icdar2003" / "text_without_digits")
