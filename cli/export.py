"""`digits export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from digits.cli.output import echo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from digits.core.images import ImageSource

_FILE = click.Path(dir_okay=False, path_type=Path)
_DRAWN = 6  # drawn scenes for the comparison, if no photographs are given
_RANGES = 64  # maximum number of photographs that the ranges of 8-bit integers are measured on


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice(["onnx", "int8"]),
    default="onnx",
    show_default=True,
    help="onnx: floating point. int8: convolutions in 8-bit integers.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="New or empty folder."
)
@click.option("--detector", type=_FILE, metavar="FILE", help="Weights (.safetensors). [default: what ships]")
@click.option("--recognizer", type=_FILE, metavar="FILE", help="Weights (.safetensors). [default: what ships]")
@click.option(
    "--ranges",
    type=click.Path(exists=True, path_type=Path),
    metavar="SOURCE",
    help=f"Photographs to measure the ranges of 8-bit integers on, at most {_RANGES}. [default: drawn scenes]",
)
@click.option(
    "--check",
    type=click.Path(exists=True, path_type=Path),
    metavar="SOURCE",
    help="Photographs for the comparison: a file or a folder. [default: drawn scenes]",
)
def export(format_, out, detector, recognizer, ranges, check):
    """Export both networks to ONNX and compare them with PyTorch.

    Writes detector.onnx and recognizer.onnx (opset 17, weights in half precision) to DIR. The input of the detector is
    a picture of any size, RGB uint8 (height, width, 3), its output are boxes after suppression; the input of the
    recogniser is a batch of crops, (count, 48, 96, 3). Then photographs are read with PyTorch and with ONNX Runtime.
    Texts and status must be equal, boxes within 0.5 pixels, confidences within 0.005.

    With --format int8, writes detector.int8.onnx and recognizer.int8.onnx, with convolutions in 8-bit integers: smaller
    and up to twice as fast, but with small differences. The command prints on how many photographs the readings are
    equal. For --ranges, use photographs similar to those that will be read.

    \b
    Examples:
      digits export --out exported
      digits export --detector runs/detector/detector.safetensors --check photos/ --out exported
      digits export --format int8 --ranges photos/ --out exported
      digits read photo.jpg --detector exported/detector.onnx --recognizer exported/recognizer.onnx
    """
    from digits.core.progress import progress
    from digits.datasets.export import whole_folder
    from digits.datasets.items import spread
    from digits.export.chain import agreement, compare, export_onnx, reader_of

    if ranges and format_ != "int8":
        raise click.UsageError("--ranges: is only for --format int8")
    photographs: Sequence[ImageSource] = _photographs("--check", check) if check else _drawn(_DRAWN)
    fitted = None
    if format_ == "int8":
        given: Sequence[ImageSource] = _photographs("--ranges", ranges) if ranges else _drawn(_RANGES)
        fitted = [given[i] for i in spread(_RANGES, len(given))]
    with whole_folder(out) as folder:
        files = export_onnx(folder, detector, recognizer, fitted)
        readers = reader_of(detector, recognizer, "torch"), reader_of(files[0], files[1], "auto")
        compared: Iterable[ImageSource] = progress(photographs, "comparing", len(photographs))
        if format_ == "int8":
            same, count = agreement(*readers, compared)
            summary = f"read alike: {same} of {count} pictures"
        else:
            alike = compare(*readers, compared)
            summary = (
                f"read alike: {alike.readings} readings in {alike.photographs} pictures; boxes within {alike.box:.3f} "
                f"pixels, confidence within {alike.confidence:.5f}"
            )
    for file in files:
        click.echo(out / file.name)
    click.echo(summary, err=True)


def _photographs(option: str, source: Path) -> list[Path]:
    from digits.core.folders import pictures_below

    found, lost = pictures_below(source) if source.is_dir() else ([source], [])
    for path, reason in lost:
        echo(f"{path}: {reason}", err=True)
    if not found:
        raise click.UsageError(f"{option} {source}: no photographs in this folder")
    return found


def _drawn(count: int) -> list[np.ndarray]:
    """Scenes on plain walls, in the shipped typeface, so that no other data are needed; the first one is blank."""
    import numpy as np

    from digits.datasets.synthesis import Sources, Synthesizer
    from digits.datasets.synthesis.fonts import builtin_typefaces

    wall = np.random.default_rng(0).normal(150, 8, (600, 800, 3)).clip(0, 255).astype(np.uint8)
    scenes = Synthesizer(Sources(builtin_typefaces(), [wall]), seed=1, scene_size=(360, 480))
    return [np.full((360, 480, 3), 128, np.uint8), *(scenes.composed(i).image for i in range(count))]
