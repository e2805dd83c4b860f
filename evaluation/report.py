"""Writes an evaluation down: report.json, report.md, report.html, and pictures."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.core.errors import PredictionsError
from digits.core.progress import shown
from digits.datasets.files import read_text, write_figure, write_picture, write_text
from digits.evaluation.figures import DRAWN, draw
from digits.evaluation.predictions import ANSWERS
from digits.evaluation.result import Result
from digits.evaluation.sheets import failure_sheet

REPORT = "report.json"
_WORST = 40  # failures on a sheet
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem }
th, td { border-bottom: 1px solid #ddd; padding: 0.2rem 0.8rem; text-align: right }
th:first-child, td:first-child { text-align: left }
figure { margin: 1.5rem 0 } img { max-width: 100% } figcaption { color: #555 }
"""


class _Table(NamedTuple):
    title: str
    header: list[str]
    rows: list[list[str]]


class Picture(NamedTuple):
    """A file beside the report, and what it shows."""

    name: str
    caption: str


def _text(value: object) -> str:
    """A figure as it is printed.

    >>> _text(0.92341), _text(3), _text(float("nan")), _text(197.2)
    ('0.9234', '3', '–', '197.2')
    """
    if isinstance(value, float):
        return "–" if not math.isfinite(value) else f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def _title(name: str) -> str:
    """A section's name as a heading.

    >>> _title("coverage_at_98_percent")
    'Coverage at 98 percent'
    """
    words = name.replace("_", " ")
    return words[0].upper() + words[1:]


def tables(measures: dict[str, dict]) -> list[_Table]:
    """Every section as a table; one figure a row, or where a section has rows of figures, a row each."""
    made = []
    for name, section in measures.items():
        if all(isinstance(row, dict) for row in section.values()):
            header = list(dict.fromkeys(key for row in section.values() for key in row))
            rows = [[str(key), *(_text(row.get(each, "")) for each in header)] for key, row in section.items()]
            made.append(_Table(_title(name), ["", *header], rows))
        else:
            made.append(_Table(_title(name), ["measure", "value"], [[k, _text(v)] for k, v in section.items()]))
    return made


def markdown(title: str, about: dict[str, str], found: Iterable[_Table], pictures: Iterable[Picture]) -> str:
    lines = [f"# {title}", "", *(f"- {name}: {value}" for name, value in about.items()), ""]
    for table in found:
        lines += [f"## {table.title}", "", row_of(table.header), row_of(["---"] * len(table.header))]
        lines += [*map(row_of, table.rows), ""]
    for picture in pictures:
        lines += [f"![{picture.caption}]({picture.name})", "", picture.caption, ""]
    return "\n".join(lines)


def row_of(cells: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def html(title: str, about: dict[str, str], found: Iterable[_Table], pictures: Iterable[tuple[Picture, bytes]]) -> str:
    """One page with its pictures inside, which opens from disk and can be sent on."""
    parts = [
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>',
        f"<h1>{escape(title)}</h1><ul>",
        *(f"<li>{escape(name)}: {escape(value)}</li>" for name, value in about.items()),
        "</ul>",
    ]
    for table in found:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
        body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in table.rows)
        parts.append(f"<h2>{escape(table.title)}</h2><table><tr>{head}</tr>{body}</table>")
    for picture, data in pictures:
        source = "data:image/png;base64," + base64.b64encode(data).decode()
        caption = escape(picture.caption)
        parts.append(f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>')
    return "\n".join(parts) + "\n</html>\n"


def plain(value: object):
    """As JSON has it: arrays as lists, and null for a number that is not finite."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_report(out: Path, kind: str, about: dict[str, str], result: Result, quiet: bool = False) -> None:
    """Write the report into a folder; DatasetError if that fails.

    kind: what was evaluated. about: lines on what was run on what. Sheets show the worst failures whose pictures can be
    opened.
    """
    pictures = []
    for name, curve in result.curves.items():
        if len(next(iter(curve.values()))):
            write_figure(out / f"{name}.png", draw(name, curve))
            pictures.append(Picture(f"{name}.png", DRAWN[name][0]))
    for name, failures in shown(result.failures.items(), "drawing failures", len(result.failures), quiet):
        sheet = failure_sheet(failures[:_WORST])
        if sheet is not None:
            file = f"worst_{name.replace(' ', '_')}.png"  # a curve may have the same name
            write_picture(out / file, sheet)
            count = f"the {_WORST} worst of {len(failures)}" if len(failures) > _WORST else f"all {len(failures)}"
            pictures.append(Picture(file, f"{_title(name)}, {count}: what is there in green, what was said in red."))
    title, found = f"Evaluation of the {kind}", tables(result.measures)
    write_text(out / "report.md", markdown(title, about, found, pictures))
    data = [(picture, (out / picture.name).read_bytes()) for picture in pictures]
    write_text(out / "report.html", html(title, about, found, data))
    # last, since a folder with it is a whole report
    content = {"kind": kind, "about": about, "measures": result.measures, "curves": result.curves}
    write_text(out / REPORT, json.dumps(plain(content), indent=1, allow_nan=False) + "\n")


def read_report(folder: str | Path) -> dict:
    """What report.json in a folder holds; PredictionsError if there is none, or it is something else."""
    path = Path(folder) / REPORT
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PredictionsError(f"{path}: {reason}; reports are written by digits evaluate") from None
    except (ValueError, RecursionError) as error:
        raise PredictionsError(f"{path}: not JSON ({error})") from None
    sections = content.get("measures") if isinstance(content, dict) else None
    if not isinstance(sections, dict) or content.get("kind") not in ANSWERS:
        raise PredictionsError(f"{path}: no report of digits evaluate")
    return content
