"""What readers are measured on: whole photographs, and those without a number that neither training nor calibration
saw.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from digits.datasets.pictures import read_negatives

NEGATIVES = 200


def photographs(folder: Path) -> list[dict]:
    """The records of `wild/`, their numbers of digits alone: a letter behind one (502C) is asked of no reader."""
    records = json.loads((folder / "annotations.json").read_text())
    for record in records:
        for number in record["numbers"]:
            number["text"] = "".join(char for char in number["text"] if char.isdigit())
    return records


def unseen(folder: Path) -> list[Path]:
    """The test part of a folder's pictures."""
    return [record.path for record in read_negatives(folder, quiet=True).part("test").records]


def negatives(data: Path) -> list[Path]:
    """Streets, walls and doors, NEGATIVES of them."""
    # in the order of a hash: the names are sorted by where the pictures came from
    return sorted(unseen(data / "negatives"), key=lambda path: zlib.crc32(path.name.encode()))[:NEGATIVES]


def words(data: Path) -> list[Path]:
    """Text without digits."""
    return unseen(data / "icdar2003" / "text_without_digits")
