"""Crops with known texts: a folder of pictures and a CSV with the columns `file` and `text`.

The text is the whole number with its leading zeros and its letter; it is empty if the crop shows no number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

from digits.core.alphabet import is_digits, is_house_number
from digits.core.errors import DatasetError
from digits.core.progress import progress
from digits.datasets.files import picture_folder, picture_path, write_text
from digits.datasets.pictures import Pictures, Problem, Record, make_record, picture_size, text_of

COLUMNS = {"file": "file", "filename": "file", "text": "text", "label": "text"}  # accepted column names


def _rows(path: Path) -> list[tuple[int, str, str | None]]:
    """Line number, file and text of every row, None where it has no text.

    Raises DatasetError if the file cannot be read or lacks a column.
    """
    content = text_of(path)
    # Excel's separator depends on the country, and may be declared in a first line such as sep=;
    content = re.sub(r"\Asep=.\n", "", content)
    separator = next((each for each in ";\t" if each in content.partition("\n")[0]), ",")
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
    try:
        header = [COLUMNS.get(name.strip().lower()) for name in next(reader, [])]
        if header.count("file") != 1 or header.count("text") != 1:
            raise DatasetError(f"{path}: its first line must name the columns, file,text")
        file, text = header.index("file"), header.index("text")
        cells = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DatasetError(f"{path}: line {reader.line_num}: not CSV ({error})") from None
    for line, row in cells:
        if any("\n" in cell for cell in row):  # an open quote swallows the rows that follow
            raise DatasetError(f"{path}: line {line}: its quotes go over several lines; check for one missing")
    return [
        (line, row[file].strip() if file < len(row) else "", row[text].strip() if text < len(row) else None)
        for line, row in cells
    ]


def has_texts(path: Path) -> bool:
    """Whether it is a CSV with the columns of `read_crops`, whatever its name."""
    if path.suffix.lower() != ".csv":
        return False
    try:
        _rows(path)
    except DatasetError:
        return False
    return True


def _crop(name: str, text: str | None, folder: Path, annotations_only: bool) -> Record:
    """One row as a record; ValueError, saying why, if the text is no number or the picture is missing."""
    picture = picture_path(folder, name)
    if text is None:
        raise ValueError("has no text; if the crop shows no number, leave the text empty after a comma")
    if text and not (is_digits(text) or is_house_number(text)):
        raise ValueError(f"text {text!r} is no house number, such as 1428, 12B or 12-14")
    size = (0, 0) if annotations_only else picture_size(picture)
    return make_record(name, picture, size, numbers=(text,) if text else ())


def read_crops(
    path: str | Path, images: str | Path | None = None, *, annotations_only: bool = False, quiet: bool = False
) -> Pictures:
    """The crops listed in a CSV; the file name is the id, and crops have no boxes.

    path: the CSV, or the folder with its `labels.csv`. images: the folder of the pictures, else `images/` beside the
    CSV, else the CSV's own. annotations_only: the pictures need not be there, and sizes are 0. quiet: no progress bar.
    Raises DatasetError if the CSV is missing, not UTF-8 or without its columns; bad rows are left out as problems.
    """
    path = Path(path) / "labels.csv" if Path(path).is_dir() else Path(path)
    folder = picture_folder(path, images)
    records, problems = [], []
    rows = _rows(path)
    for line, name, text in progress(rows, "measuring pictures", len(rows), quiet):
        try:
            records.append(_crop(name, text, folder, annotations_only))
        except ValueError as error:
            problems.append(Problem(name, f"line {line}: {error}"))
    return Pictures(str(path), records, problems)


def write_crops(rows: Iterable[tuple[str, str]], path: str | Path) -> None:
    """Write (file, text) rows as `read_crops` reads them, all or nothing; DatasetError if that fails."""
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(("file", "text"))
    writer.writerows(rows)
    write_text(path, content.getvalue())
