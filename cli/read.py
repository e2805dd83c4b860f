"""`digits read`."""

from __future__ import annotations

import glob
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import groupby, tee
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digits.cli.options import SECONDS, SHARE
from digits.cli.output import INTERRUPTED, echo, json_path
from digits.core.backend import BACKENDS, MAX_THREADS
from digits.core.text import plural, printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from digits.core.errors import ImageError
    from digits.core.folders import Lost
    from digits.pipeline.reader import Reader
    from digits.pipeline.results import Scene

_HANDFUL = 5  # minimum number of photographs for a progress bar


@dataclass(frozen=True)
class _Item:
    """An input: its label in the output, the name for its annotated copy, and the error if it cannot be read."""

    label: str
    name: str
    error: str | None = None
    streamed: bool = False


def _expand(inputs: tuple[str, ...]) -> Iterator[_Item]:
    """Files, folders (recursive), glob patterns and `-` in the order given, folders and patterns sorted."""
    from digits.core.streams import is_stream

    for position, text in enumerate(inputs):
        if text == "-":
            again = "-" in inputs[:position]
            yield _Item("-", "stdin", "standard input: named twice, it can be read once" if again else None, not again)
        elif os.path.isdir(text):
            yield from _in_folder(text)
        elif glob.has_magic(text) and not os.path.lexists(text):
            yield from _matching(text)
        else:
            yield _Item(text, os.path.basename(text), streamed=is_stream(text))


def _in_folder(folder: str) -> list[_Item]:
    from digits.core.folders import pictures_below

    found, lost = pictures_below(folder)
    items = [_Item(str(path), str(path.relative_to(folder))) for path in found]
    return _with_lost(items, lost) or [_Item(folder, folder, f"{folder}: no photographs in this folder")]


def _matching(pattern: str) -> list[_Item]:
    """The files that match a pattern, and the photographs in the folders that match, as if a shell expanded it."""
    from digits.core.folders import files_matching, only_pictures

    only_folders = pattern.endswith(("/", os.sep))
    files, lost = ([], []) if only_folders else files_matching(pattern)
    inside, lost_inside = files_matching(os.path.join(pattern, "**", "*"))
    pictures, unread = only_pictures(inside)
    items = [_Item(str(path), path.name) for path in {*files, *pictures}]
    lost_here = {*lost, *lost_inside, *(each for each in unread if each.path not in files)}
    return _with_lost(items, lost_here) or [_Item(pattern, pattern, f"{pattern}: no file matches")]


def _with_lost(items: list[_Item], lost: Iterable[Lost]) -> list[_Item]:
    """The items together with lost files and folders, sorted."""
    items = items + [_Item(str(path), path.name, f"{path}: {reason}") for path, reason in lost]
    return sorted(items, key=lambda item: Path(item.label))


def _results(reader: Reader, items: Iterable[_Item], drawn: bool) -> Iterator[Scene | ImageError]:
    """The Scene of each item, or an ImageError.

    Streams are read one by one, in order: earlier items do not wait for them, and Ctrl-C ends the waiting. So are large
    photographs, if they are drawn: that takes as much memory as reading does.
    """
    from digits.core.errors import ImageError

    for alone, group in groupby(items, lambda item: item.streamed or (drawn and _is_large(item))):
        if alone:
            yield from (_read_alone(reader, item) for item in group)
            continue
        sources, items_here = tee(group)
        scenes = reader.read_all((item.label for item in sources if item.error is None), skip_errors=True)
        yield from (next(scenes) if item.error is None else ImageError(item.error) for item in items_here)


def _is_large(item: _Item) -> bool:
    """Whether it has over a third of the pixels that may be in memory: one is drawn while two are read."""
    from digits.core.errors import ImageError
    from digits.core.images import MAX_PIXELS, open_image
    from digits.core.streams import is_stream

    if item.error is None and not is_stream(item.label):
        with suppress(ImageError), open_image(item.label) as picture:
            return 3 * math.prod(picture.size) > MAX_PIXELS
    return False


def _read_alone(reader: Reader, item: _Item) -> Scene | ImageError:
    from digits.core.errors import ImageError

    if item.streamed:
        return _read_stream(reader, item.label)
    try:
        return reader.read(item.label)
    except ImageError as error:
        return error


def _read_stream(reader: Reader, label: str) -> Scene | ImageError:
    from digits.core.errors import ImageError
    from digits.core.streams import read_stream, read_to_end

    name = "standard input" if label == "-" else label
    try:
        content = io.BytesIO(read_to_end(sys.stdin.buffer, name) if label == "-" else read_stream(label, name))
        content.name = name
        return reader.read(content)
    except ImageError as error:
        return error


def _sentence(label: str, scene: Scene) -> str:
    """The output line of a photograph."""
    from digits.pipeline.results import format_confidence

    if scene.status == "none":
        return f"{label}: no number found"
    if scene.status == "unsure":
        best = scene.readings[0]
        return f"{label}: unsure, perhaps {best.text}  ({format_confidence(best.confidence)})"
    readings = [f"{r.text}  ({format_confidence(r.confidence)})" for r in scene.readings if r.status == "read"]
    return f"{label}: " + ", ".join(readings)


def _annotated_path(folder: Path, name: str, taken: set[str]) -> Path:
    """The path of the annotated copy: unique, and never that of an input."""
    path = folder / name
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        path = path.with_name(path.name + ".png")
    candidate, count = path, 1
    while os.path.realpath(candidate) in taken:
        count += 1
        candidate = path.with_stem(f"{path.stem}-{count}")
    taken.add(os.path.realpath(candidate))
    return candidate


def _progress(total: int, quiet: bool) -> Progress | None:
    """A progress bar on stderr, or None if stderr is not a terminal or there are few photographs."""
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

Exit code: 0 if a number was read, 1 if none was or all are unsure, 2 if an input could not be used or the output not be
written, 130 after Ctrl-C, 141 if the reader of the output has gone."""
)
@click.argument("inputs", nargs=-1, required=True, metavar="PHOTO...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per photograph and line.")
@click.option(
    "--annotate",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Save copies with boxes and readings drawn on them.",
)
@click.option(
    "--min-confidence",
    type=SHARE,
    metavar="P",
    help="Readings below it are unsure. [default: chosen on validation data]",
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
    help="torch (any device), onnx (CPU, float) or int8 (CPU, fastest).",
)
@click.option(
    "--effort",
    type=click.Choice(["quick", "normal", "thorough"]),
    default="normal",
    show_default=True,
    help="normal: ever finer passes, until a number is read; quick: likewise, but without the pass over tiles, which "
    "finds the smallest numbers; thorough: all passes, for small numbers beside large ones, and, if none is read, the "
    "photograph turned by a quarter.",
)
@click.option(
    "--budget",
    type=SECONDS,
    metavar="SECONDS",
    help="Time per photograph after which no further pass is begun; the first is always run. [default: no limit]",
)
@click.option("--threads", type=click.IntRange(1, MAX_THREADS), metavar="N", help="Processor threads. [default: all]")
@click.option("--quiet", is_flag=True, help="No progress bar, no notes on stderr.")
@click.option("--verbose", is_flag=True, help="Print size, time and readings of each photograph on stderr.")
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
    budget,
    threads,
    quiet,
    verbose,
):
    """Read the house numbers in photographs.

    PHOTO is a file (JPEG, PNG, WebP, BMP, TIFF; HEIC with pillow-heif), a folder, searched recursively, a glob
    pattern, or - for a picture on standard input.
    """
    items = list(_expand(inputs))
    if annotate is not None:
        try:
            annotate.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.UsageError(f"--annotate {annotate}: {error.strerror}") from None
    from digits.core.errors import ImageError, reason
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
        budget=budget,
    )
    bar = _progress(len(items), quiet)
    shared_screen = bar if sys.stdout.isatty() else None  # the bar is hidden while results are written
    taken = {os.path.realpath(item.label) for item in items if os.path.exists(item.label)}
    any_read, any_undrawn, unread = False, False, 0

    def emit(line: str, err: bool = False) -> None:
        if shared_screen:
            shared_screen.stop()
        echo(line, err)
        if shared_screen:
            shared_screen.start()

    try:
        with bar or nullcontext():
            task = bar.add_task("reading", total=len(items)) if bar else None
            for item, result in zip(items, _results(reader, items, annotate is not None), strict=True):
                if isinstance(result, ImageError):
                    unread += 1
                    # JSON output has errors in place of results; text output has them on stderr
                    failed = {**json_path(item.label), "error": printable(str(result))}
                    emit(json.dumps(failed) if as_json else f"Error: {result}", err=not as_json)
                else:
                    any_read |= result.status == "read"
                    read = {**result.to_dict(), **json_path(item.label)}
                    emit(json.dumps(read) if as_json else _sentence(item.label, result))
                    if verbose and not quiet:
                        emit(_details(item.label, result), err=True)
                    if annotate is not None:
                        target = _annotated_path(annotate, item.name, taken)
                        try:
                            target.parent.mkdir(parents=True, exist_ok=True)
                            result.render().save(target, quality=92)
                        except (OSError, ImageError) as error:
                            any_undrawn = True
                            why = reason(error) if isinstance(error, OSError) else error
                            emit(f"Error: {target}: not drawn ({why})", err=True)
                if bar and task is not None:
                    bar.advance(task)
    except KeyboardInterrupt:
        if not quiet:
            echo("interrupted; what is printed above is complete", err=True)
        ctx.exit(INTERRUPTED)
    if unread and len(items) > 1 and not quiet:
        echo(f"{unread} of {len(items)} could not be read", err=True)
    ctx.exit(2 if unread or any_undrawn else 0 if any_read else 1)


def _details(label: str, scene: Scene) -> str:
    unsure = sum(r.status == "unsure" for r in scene.readings)
    readings = plural(len(scene.readings), "reading", "readings")
    return f"{label}: {scene.width}x{scene.height}, {readings}, {unsure} unsure, {scene.seconds * 1000:.0f} ms"
