"""Writes the report of an evaluation: report.json, report.md, report.html, and pictures."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from digits.core.errors import PredictionsError, reason
from digits.core.progress import progress
from digits.core.text import parse_json, read_text
from digits.datasets.files import write_figure, write_picture, write_text
from digits.evaluation.figures import DRAWN, draw
from digits.evaluation.predictions import ANSWERS
from digits.evaluation.result import Result, Share
from digits.evaluation.sheets import failure_sheet

REPORT = "report.json"
_WORST = 40  # failures on a sheet
_DIGEST = re.compile("[0-9a-f]{64}")
# elements wider than a phone scroll in a box of their own, so that the page does not scroll sideways
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222;
  background: #fff; overflow-wrap: anywhere }
.wide { overflow-x: auto; margin: 0.5rem 0 1.5rem }
table { border-collapse: collapse }
th, td { border-bottom: 1px solid #ddd; padding: 0.2rem 0.6rem; text-align: right; overflow-wrap: normal }
td { white-space: nowrap }
th:first-child, td:first-child { text-align: left; white-space: normal; position: sticky; left: 0; background: #fff;
  min-width: 5rem }
figure { margin: 1.5rem 0 } img { max-width: 100%; height: auto } .wide img { max-width: none }
figcaption { color: #555 }
"""


class _Table(NamedTuple):
    title: str
    header: list[str]
    rows: list[list[str]]


class Picture(NamedTuple):
    """A picture file beside the report, with a caption. wide: show it in full size."""

    name: str
    caption: str
    wide: bool = False


class Head(NamedTuple):
    """The head of a report: title, data, summary sentence and main figures."""

    title: str
    data: str
    sentence: str
    summary: _Table


def _text(value: object) -> str:
    """A figure as text.

    >>> _text(Share(0.5, 4)), _text(0.92341), _text(3), _text(float("nan")), _text(197.2)
    ('2 of 4 (50 %)', '0.9234', '3', '–', '197.2')
    """
    if isinstance(value, float) and not isinstance(value, Share):
        return "–" if not math.isfinite(value) else f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def _title(name: str) -> str:
    """A section's name as a heading.

    >>> _title("coverage_at_98_percent")
    'Coverage at 98 percent'
    """
    words = name.replace("_", " ")
    return words[0].upper() + words[1:]


def _setting(value: object) -> str:
    """A setting as text: numbers are rounded, digests shortened.

    >>> _setting({"weights": {"always": -3.8357723}, "threshold": 0.7431}), _setting("ab" * 32), _setting("auto")
    ('weights (always -3.84), threshold 0.743', 'abababababab…', 'auto')
    """
    if isinstance(value, dict):
        each = ((name.replace("_", " "), part) for name, part in value.items())
        return ", ".join(
            f"{name} ({_setting(p)})" if isinstance(p, dict) else f"{name} {_setting(p)}" for name, p in each
        )
    if isinstance(value, float):
        return f"{value:.3g}"
    text = str(value)
    return f"{text[:12]}…" if _DIGEST.fullmatch(text) else text


def _pairs(title: str, figures: Mapping[str, object]) -> _Table:
    return _Table(title, ["measure", "value"], [[name, _text(value)] for name, value in figures.items()])


def tables(measures: Mapping[str, dict]) -> list[_Table]:
    """Each section as a table: a row for each figure, or for each row of figures."""
    made = []
    for name, section in measures.items():
        if all(isinstance(row, dict) for row in section.values()):
            header = list(dict.fromkeys(key for row in section.values() for key in row))
            rows = [[str(key), *(_text(row.get(each, "")) for each in header)] for key, row in section.items()]
            made.append(_Table(_title(name), ["", *header], rows))
        else:
            made.append(_pairs(_title(name), section))
    return made


def markdown(head: Head, found: Iterable[_Table], pictures: Iterable[Picture], settings: Mapping[str, str]) -> str:
    lines = [f"# {head.title}", "", head.data, "", head.sentence, ""]
    for table in (head.summary, *found):
        lines += [f"## {table.title}", "", row_of(table.header), row_of(["---"] * len(table.header))]
        lines += [*map(row_of, table.rows), ""]
    for picture in pictures:
        lines += [f"![{picture.caption}]({picture.name})", "", picture.caption, ""]
    lines += ["## Settings", "", *(f"- {name}: {value}" for name, value in settings.items()), ""]
    return "\n".join(lines)


def row_of(cells: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def html(
    head: Head, found: Iterable[_Table], pictures: Iterable[tuple[Picture, bytes]], settings: Mapping[str, str]
) -> str:
    """A single page with embedded pictures, which opens from disk and fits a phone."""
    parts = [
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(head.title)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(head.title)}</h1><p>{escape(head.data)}</p><p><strong>{escape(head.sentence)}</strong></p>",
    ]
    for table in (head.summary, *found):
        top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
        body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in table.rows)
        parts.append(f"<h2>{escape(table.title)}</h2>")
        parts.append(_boxed(f"<table><tr>{top}</tr>{body}</table>", table.title))
    for picture, data in pictures:
        source = "data:image/png;base64," + base64.b64encode(data).decode()
        caption = escape(picture.caption)
        image = f'<img src="{source}" alt="{caption}">'
        image = _boxed(image, picture.name) if picture.wide else image
        parts.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    parts.append("<h2>Settings</h2><ul>")
    parts += (f"<li>{escape(name)}: {escape(value)}</li>" for name, value in settings.items())
    return "\n".join(parts) + "\n</ul></html>\n"


def _boxed(content: str, name: str) -> str:
    """Content in a box that scrolls sideways, also by keyboard."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{escape(name)}">{content}</div>'


def plain(value: object) -> Any:
    """A value for JSON: arrays become lists, numbers that are not finite None."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_report(out: Path, kind: str, about: dict[str, object], result: Result, quiet: bool = False) -> None:
    """Write the report into a folder; DatasetError if that fails.

    kind: what was evaluated. about: the model's settings, and under "data" the data. Contact sheets show the worst
    failures whose pictures can be opened.
    """
    pictures = []
    for name, curve in result.curves.items():
        if len(next(iter(curve.values()))):
            write_figure(out / f"{name}.png", draw(name, curve))
            pictures.append(Picture(f"{name}.png", DRAWN[name][0]))
    for name, failures in progress(result.failures.items(), "drawing failures", len(result.failures), quiet):
        sheet = failure_sheet(failures[:_WORST])
        if sheet is not None:
            file = f"worst_{name.replace(' ', '_')}.png"  # a curve may have the same name
            write_picture(out / file, sheet)
            count = f"the {_WORST} worst of {len(failures)}" if len(failures) > _WORST else f"all {len(failures)}"
            pictures.append(
                Picture(file, f"{_title(name)}, {count}: truth in green, answers in red, dashed.", wide=True)
            )
    found = tables(result.measures)
    head = Head(f"Evaluation of the {kind}", str(about["data"]), result.sentence, _pairs("Summary", result.summary))
    settings = {name: _setting(value) for name, value in about.items() if name != "data"}
    write_text(out / "report.md", markdown(head, found, pictures, settings))
    data = [(picture, (out / picture.name).read_bytes()) for picture in pictures]
    write_text(out / "report.html", html(head, found, data, settings))
    # written last: it marks a report as complete
    content = {
        "kind": kind,
        "about": about,
        "summary": result.sentence,
        "measures": result.measures,
        "curves": result.curves,
    }
    write_text(out / REPORT, json.dumps(plain(content), indent=1, allow_nan=False) + "\n")


def read_report(folder: str | Path) -> dict:
    """The content of report.json in a folder; PredictionsError if it is missing or something else."""
    path = Path(folder) / REPORT
    try:
        content = parse_json(read_text(path))
    except OSError as error:
        raise PredictionsError(f"{path}: {reason(error)}; reports are written by digits evaluate") from None
    except (ValueError, RecursionError) as error:
        raise PredictionsError(f"{path}: not JSON ({error})") from None
    sections = content.get("measures") if isinstance(content, dict) else None
    if not isinstance(sections, dict) or content.get("kind") not in ANSWERS:
        raise PredictionsError(f"{path}: no report of digits evaluate")
    return content
