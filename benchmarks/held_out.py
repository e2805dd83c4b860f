"""Photographs without a number that neither training nor calibration saw: what false readings are counted on."""

from __future__ import annotations

import zlib
from pathlib import Path

from digits.datasets.pictures import read_negatives

NEGATIVES = 200


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
