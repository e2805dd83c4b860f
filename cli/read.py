"""`digits read`."""

from __future__ import annotations

import glob
import io
import json
import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from digits.core.backend import BACKENDS, MAX_THREADS

_HANDFUL = 5  # photographs from which on a progress bar is worth showing


@dataclass(frozen=True)
class _Item:
    """One thing to read: how it is called, what to load, and what its annotated copy is named after."""

    label: str
    source: str | BinaryIO
    name: str
    error: str | None = None


def _expand(inputs: tuple[str, ...]) -> list[_Item]:
    """Files, folders (recursive), glob patterns and `-` in the order given, folders and patterns sorted."""
    from digits.core.images import SUFFIXES

    items: list[_Item] = []
    for text in inputs:
        path = Path(text)
        if text == "-":
            stream = io.BytesIO(sys.stdin.buffer.read())
            stream.name = "standard input"
            items.append(_Item("-", stream, "stdin"))
        elif os.path.isdir(text):
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            items += [_Item(str(p), str(p), str(p.relative_to(path))) for p in found]
            if not found:
                items.append(_Item(text, text, text, f"{text}: no photographs in this folder"))
        elif not os.path.exists(text) and glob.has_magic(text):
            found = sorted(p for p in map(Path, glob.glob(text, recursive=True)) if p.is_file())
            items += [_Item(str(p), str(p), p.name) for p in found]
            if not found:
                items.append(_Item(text, text, text, f"{text}: no file matches"))
        else:
            items.append(_Item(text, text, path.name))
    return items


def _sentence(label: str, scene) -> str:
    """The plain-text line of a photograph."""
    from digits.pipeline.results import shown

    label = click.format_filename(label)
    if scene.status == "none":
        return f"{label}: no number found"
    if scene.status == "unsure":
        best = scene.readings[0]
        return f"{label}: unsure, perhaps {best.text}  ({shown(best.confidence)})"
    sure = [f"{r.text}  ({shown(r.confidence)})" for r in scene.readings if r.status == "read"]
    return f"{label}: " + ", ".join(sure)


def _annotated_path(folder: Path, name: str, taken: set[Path]) -> Path:
    """Where the drawn-on copy goes: never twice to one place, never over a photograph that is read."""
    path = folder / name
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        path = path.with_name(path.name + ".png")
    candidate, count = path, 1
    while candidate.resolve() in taken:
        count += 1
        candidate = path.with_stem(f"{path.stem}-{count}")
    taken.add(candidate.resolve())
    return candidate


def _progress(total: int, quiet: bool):
    """A progress bar on stderr, or None where nobody would see it or few photographs are read."""
    if quiet or total < _HANDFUL or not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results go to stdout untouched, even when it is this terminal
    )


@click.command(
    epilog="""\b
Examples:
  digits read photo.jpg
  digits read photos/ --json > readings.jsonl
  digits read 'street/*.jpg' --annotate drawn/
  camera-snapshot | digits read -

Ends with 0 if a number was read, 1 if none was or all are unsure, 2 if an input could not be used."""
)
@click.argument("inputs", nargs=-1, required=True, metavar="PHOTO...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a photograph, a line each.")
@click.option(
    "--annotate",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Save copies with boxes and readings drawn on them.",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Below this a reading is unsure. [default: chosen on validation data]",
)
@click.option(
    "--detector", type=click.Path(path_type=Path), metavar="FILE", help="Weights of your own. [default: what ships]"
)
@click.option(
    "--recognizer", type=click.Path(path_type=Path), metavar="FILE", help="Weights of your own. [default: what ships]"
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Of these weights, from digits train calibrate. [default: what ships]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="What computes: PyTorch, on any device; ONNX Runtime, exactly so; or it in 8-bit integers, the fastest.",
)
@click.option(
    "--effort",
    type=click.Choice(["quick", "normal", "thorough"]),
    default="normal",
    show_default=True,
    help="How closely to look. normal: ever closer, until a number is read surely; quick: likewise, but never at parts "
    "of the photograph, where the smallest numbers are found; thorough: in all these ways, for small numbers beside "
    "large ones.",
)
@click.option("--threads", type=click.IntRange(1, MAX_THREADS), metavar="N", help="Processor threads. [default: all]")
@click.option("--quiet", is_flag=True, help="No progress bar, no notes on stderr.")
@click.option("--verbose", is_flag=True, help="On stderr: size, time and findings of each photograph.")
@click.pass_context
def read(
    ctx,
    inputs,
    as_json,
    annotate,
    min_confidence,
    detector,
    recognizer,
    calibration,
    device,
    backend,
    effort,
    threads,
    quiet,
    verbose,
):
    """Read the house numbers in photographs.

    PHOTO is a file (JPEG, PNG, WebP, BMP, TIFF; HEIC with pillow-heif), a folder, searched recursively, a glob
    pattern, or - for a picture on standard input.
    """
    items = _expand(inputs)
    if annotate is not None:
        try:
            annotate.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.UsageError(f"--annotate {annotate}: {error.strerror}") from None
    from digits.core.errors import ImageError
    from digits.detector import Detector
    from digits.pipeline.fuse import Fusion
    from digits.pipeline.reader import Reader
    from digits.recognizer import Recognizer

    reader = Reader(
        Detector(detector, device, backend=backend, threads=threads),
        Recognizer(recognizer, device, backend=backend, threads=threads),
        fusion=Fusion.load(calibration) if calibration else None,
        min_confidence=min_confidence,
        threads=threads,
        effort=effort,
    )
    results = reader.read_all((item.source for item in items if item.error is None), skip_errors=True)
    bar = _progress(len(items), quiet)
    shared_screen = bar is not None and sys.stdout.isatty()
    sources = [item.source for item in items if isinstance(item.source, str) and os.path.exists(item.source)]
    taken = {Path(source).resolve() for source in sources}
    any_read = any_error = False

    def emit(line: str, err: bool = False) -> None:
        if shared_screen:
            bar.stop()
        click.echo(line, err=err)
        sys.stdout.flush()
        if shared_screen:
            bar.start()

    try:
        with bar or nullcontext():
            task = bar.add_task("reading", total=len(items)) if bar else None
            for item in items:
                result = ImageError(item.error) if item.error else next(results)
                if isinstance(result, ImageError):
                    any_error = True
                    # in JSON the error stands in the photograph's place; in text it must not mix with results
                    text = json.dumps({"path": item.label, "error": str(result)}) if as_json else f"Error: {result}"
                    emit(text, err=not as_json)
                else:
                    any_read |= result.status == "read"
                    emit(
                        json.dumps({**result.to_dict(), "path": item.label})
                        if as_json
                        else _sentence(item.label, result)
                    )
                    if verbose and not quiet:
                        emit(_details(item.label, result), err=True)
                    if annotate is not None:
                        target = _annotated_path(annotate, item.name, taken)
                        try:
                            target.parent.mkdir(parents=True, exist_ok=True)
                            result.render().save(target, quality=92)
                        except (OSError, ImageError) as error:
                            any_error = True
                            emit(f"Error: {target}: not drawn ({error})", err=True)
                if bar:
                    bar.advance(task)
    except KeyboardInterrupt:
        if not quiet:
            click.echo("interrupted; what is printed above is complete", err=True)
        ctx.exit(130)
    ctx.exit(2 if any_error else 0 if any_read else 1)


def _details(label: str, scene) -> str:
    unsure = sum(r.status == "unsure" for r in scene.readings)
    return (
        f"{label}: {scene.width}x{scene.height}, {len(scene.readings)} readings, {unsure} of them unsure, "
        f"{scene.seconds * 1000:.0f} ms"
    )
