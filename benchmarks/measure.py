"""Measures on real data, in one run, and prints the first table of README.md here and the figures of MODEL_CARD.md.

    python benchmarks/measure.py --data DATA

DATA needs wild/ (annotations.json, images/), svhn_test_color/ (annotations.jsonl, images/), svhn_test_grey/ and
campus_signs/ (labels.csv, images/), negatives/ and icdar2003/text_without_digits/. The first four are used for
measuring only; of the last two, the test split is used, which neither training nor calibration saw. Whole photographs
are scored as `digits evaluate pipeline` scores them, letters asked for.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import held_out
import numpy as np
from rich.console import Console
from rich.progress import track

import digits
from digits.core.backend import BACKENDS, resolve_backend
from digits.datasets.pictures import Record, list_pictures
from digits.evaluation import pipeline
from digits.evaluation.predictions import PipelineAnswer
from digits.evaluation.run import read_photographs
from digits.metrics import coverage_at_accuracy
from digits.pipeline.fuse import Fusion
from digits.recognizer.crops import cut_number

PROGRESS = Console(stderr=True)
UPSIDE = str.maketrans("69", "96")


def wild(reader: digits.Reader, folder: Path, failures: Path | None) -> dict[str, str]:
    """First readings and end-to-end precision and recall on whole photographs."""
    records = held_out.records(folder)
    found = track(read_photographs(reader, records), "wild", len(records), console=PROGRESS)
    answers = {fields["image_id"]: PipelineAnswer.model_validate(fields) for fields in found}
    measures = pipeline.score(records, answers, []).measures
    right = {record.image_id: pipeline.first_right(record, answers[record.image_id]) for record in records}
    stacked = [right[r.image_id] for r in records if any(number.stacked for number in pipeline.numbers_of(r))]
    read = [reading.text in r.numbers for r in records for reading in pipeline.accepted(answers[r.image_id])]
    sure = [right[r.image_id] for r in records if any(pipeline.accepted(answers[r.image_id])[:1])]
    if failures:
        save_failures(reader, [record for record in records if not right[record.image_id]], failures)
    return {
        "wild: photographs answered": f"{len(records) - measures['photographs']['not opened']} of {len(records)}",
        "wild: first reading right": f"{sum(right.values())} of {len(records)}",
        "wild: ... of the stacked ones": f"{sum(stacked)} of {len(stacked)}",
        "wild: first readings with status read; wrong ones among them": f"{len(sure)}; {len(sure) - sum(sure)}",
        "wild: readings with status read that are right": f"{sum(read)} of {len(read)}",
        "wild: end-to-end F1 (text, IoU 0.5, read)": f"{measures['end_to_end']['read']['f1']:.3f}",
    }


def save_failures(reader: digits.Reader, records: list[Record], folder: Path) -> None:
    """Save photographs with their readings drawn on them; those that cannot be opened are left out."""
    for record, scene in zip(records, reader.read_all((r.path for r in records), skip_errors=True), strict=True):
        if isinstance(scene, digits.Scene):
            name = f"{record.path.stem}_is_{record.numbers[0]}_read_{scene.text or 'none'}.jpg"
            scene.render().convert("RGB").save(folder / name)


def colour(reader: digits.Reader, folder: Path) -> dict[str, str]:
    """Whole zoomed pictures by the chain, and their true boxes by the recogniser.

    `seen` is what stands there where the label leaves digits out.
    """
    entries = [json.loads(line) for line in (folder / "annotations.jsonl").read_text().splitlines()]
    paths = [folder / "images" / entry["file"] for entry in entries]
    scenes = list(track(reader.read_all(paths), "svhn_test_color", len(paths), console=PROGRESS))
    exact = [scene.text == entry["digits"] for scene, entry in zip(scenes, entries, strict=True)]
    sure = [
        scene.text in (entry["digits"], entry.get("seen"))
        for scene, entry in zip(scenes, entries, strict=True)
        if scene.status == "read"
    ]
    crops = []
    for path, entry in zip(paths, entries, strict=True):
        left, top, width, height = np.array(entry["boxes"], float).T
        crops.append(cut_number(digits.load_image(path), np.stack([left, top, left + width, top + height], 1)))
    right, coverage = transcribed(reader, crops, [entry["digits"] for entry in entries])
    return {
        "svhn_test_color: whole chain exact, by the label": f"{np.mean(exact):.1%} of {len(exact)}",
        "svhn_test_color: sure ones right, by the label or by eye": f"{np.mean(sure):.1%} of {len(sure)}",
        "svhn_test_color: true boxes, exact": f"{right:.1%}",
        "svhn_test_color: true boxes, coverage at 98 % accuracy (same data)": f"{coverage:.1%}",
    }


def signs(reader: digits.Reader, folder: Path) -> dict[str, str]:
    """Signs as they are, and turned as photographs come whose orientation was lost."""
    images, texts = labelled(folder)
    upright = [(reader.read(image), text) for image, text in zip(images, texts, strict=True)]
    sure = [scene.text == text for scene, text in upright if scene.status == "read"]
    turned = 0
    for image, text in zip(images, texts, strict=True):
        good = {text, text[::-1].translate(UPSIDE)} if set(text) <= set("01689") else {text}
        scenes = [reader.read(np.ascontiguousarray(np.rot90(image, quarters))) for quarters in (1, 2, 3)]
        turned += sum(scene.status == "read" and scene.text not in good for scene in scenes)
    return {
        "campus_signs: upright, read and right; surely wrong": f"{sum(sure)} of {len(texts)}; {len(sure) - sum(sure)}",
        "campus_signs: turned, another number said surely": f"{turned} of {3 * len(texts)}",
    }


def labelled(folder: Path) -> tuple[list[np.ndarray], list[str]]:
    """The pictures of a folder, and their texts in labels.csv."""
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [digits.load_image(folder / "images" / row["file"]) for row in rows], [row["text"] for row in rows]


def transcribed(reader: digits.Reader, crops: list[np.ndarray], texts: list[str]) -> tuple[float, float]:
    """The share of crops that are read exactly, and the coverage at 98 % accuracy with a threshold chosen on them."""
    seen = reader.recognizer.predict(crops)
    right = np.array([each.text == text for each, text in zip(seen, texts, strict=True)])
    coverage, _ = coverage_at_accuracy(right, np.array([each.confidence for each in seen]), 0.98)
    return float(right.mean()), coverage


def grey(reader: digits.Reader, folder: Path) -> dict[str, str]:
    """Exact transcription of tight grey crops."""
    crops, texts = labelled(folder)
    right, coverage = transcribed(reader, crops, texts)
    return {
        "svhn_test_grey: exact": f"{right:.1%} of {len(texts)}",
        "svhn_test_grey: coverage at 98 % accuracy (same data)": f"{coverage:.1%}",
    }


def empty(reader: digits.Reader, paths: list[Path], name: str) -> dict[str, str]:
    """Photographs without a number in which one is read."""
    scenes = track(reader.read_all(paths), name, total=len(paths), console=PROGRESS)
    wrong = sum(scene.status == "read" for scene in scenes)
    return {f"{name}: photographs with a number read": f"{wrong} of {len(paths)} ({wrong / len(paths):.1%})"}


def speed(reader: digits.Reader, folder: Path, weights: list[Path]) -> dict[str, str]:
    """Time of a photograph, warm, peak memory of a fresh process reading the largest file, size of the weights."""
    paths = list_pictures(folder / "images")[:40]
    reader.read(paths[0])
    spent = []
    for path in paths:
        started = time.perf_counter()
        reader.read(path)
        spent.append(time.perf_counter() - started)
    peak = peak_memory(max(paths, key=os.path.getsize), weights)
    return {
        "ms a photograph, warm, median / 95 %": f"{np.median(spent) * 1e3:.0f} / {np.quantile(spent, 0.95) * 1e3:.0f}",
        "peak memory of `digits read`, one photograph": f"{peak} MiB",
        "weights": " + ".join(f"{path.stat().st_size / 1e6:.1f}" for path in weights) + " MB",
    }


def peak_memory(photo: Path, weights: list[Path]) -> int:
    """MiB at the most in a fresh process that reads one photograph (Linux)."""
    code = (
        "import sys; from digits.cli import main\n"
        "main(['read', '--quiet', *sys.argv[1:]], standalone_mode=False)\n"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )
    options = ["--detector", weights[0], "--recognizer", weights[1], photo]
    done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) // 1024


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option(
    "--failures", type=click.Path(file_okay=False, path_type=Path), help="Save misread photographs, drawn on."
)
@click.option("--detector", type=click.Path(path_type=Path), help="Other weights than those that ship.")
@click.option("--recognizer", type=click.Path(path_type=Path), help="Other weights than those that ship.")
@click.option("--calibration", type=click.Path(path_type=Path), help="Another calibration than the one that ships.")
@click.option("--backend", type=click.Choice(BACKENDS), default="auto", show_default=True)
def main(
    data: Path,
    failures: Path | None,
    detector: Path | None,
    recognizer: Path | None,
    calibration: Path | None,
    backend: str,
) -> None:
    """Measure a reader on the data that is only measured on."""
    if failures:
        failures.mkdir(parents=True, exist_ok=True)
    reader = digits.Reader(
        digits.Detector(detector, "cpu", backend=backend),
        digits.Recognizer(recognizer, "cpu", backend=backend),
        fusion=Fusion.load(calibration) if calibration else None,
    )
    named = {"detector": detector, "recognizer": recognizer}
    weights = [resolve_backend(backend, kind, path, "cpu")[1] for kind, path in named.items()]
    rows = {
        **wild(reader, data / "wild", failures),
        **colour(reader, data / "svhn_test_color"),
        **signs(reader, data / "campus_signs"),
        **grey(reader, data / "svhn_test_grey"),
        **empty(reader, held_out.negatives(data), "negatives"),
        **empty(reader, held_out.words(data), "text without digits"),
        **speed(reader, data / "wild", weights),
    }
    click.echo(
        f"\ndigits {digits.__version__}, {reader.detector.backend}, {os.cpu_count()} cores, "
        f"threshold {reader.min_confidence}\n"
    )
    click.echo("| measure | value |\n| --- | --- |")
    for name, value in rows.items():
        click.echo(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
