"""`digits export`."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)
_DRAWN = 6  # scenes that the two backends are compared on, if no photographs are named


@click.command()
@click.option("--format", "format_", type=click.Choice(["onnx"]), default="onnx", show_default=True)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="New or empty folder."
)
@click.option("--detector", type=_FILE, metavar="FILE", help="Weights (.safetensors). [default: what ships]")
@click.option("--recognizer", type=_FILE, metavar="FILE", help="Weights (.safetensors). [default: what ships]")
@click.option(
    "--check",
    type=click.Path(exists=True, path_type=Path),
    metavar="SOURCE",
    help="Photographs that both must read alike: a file or a folder. [default: drawn scenes]",
)
def export(format_, out, detector, recognizer, check):
    """Write both networks for ONNX Runtime, and compare them with PyTorch.

    DIR gets detector.onnx and recognizer.onnx (opset 17, weights in half precision). Into the first goes a picture of
    any size, RGB uint8 (height, width, 3), and suppressed boxes come out; into the second any number of crops,
    (count, 48, 96, 3). Photographs are read with PyTorch and with ONNX Runtime, which must say the same: texts and
    status, boxes within 0.5 pixels, confidence within 0.005.

    \b
    Examples:
      digits export --out exported
      digits export --detector runs/detector/detector.safetensors --check photos/ --out exported
      digits read photo.jpg --detector exported/detector.onnx --recognizer exported/recognizer.onnx
    """
    from digits.datasets.export import whole_folder
    from digits.pipeline.export import compare, export_onnx, reader_of

    photographs = _photographs(check) if check else _drawn()
    with whole_folder(out) as folder:
        files = export_onnx(folder, detector, recognizer)
        same = compare(reader_of(detector, recognizer, "torch"), reader_of(*files, "onnx"), photographs)
    for file in files:
        click.echo(out / file.name)
    click.echo(
        f"read alike: {same.readings} readings in {same.photographs} pictures; boxes within {same.box:.3f} pixels, "
        f"confidence within {same.confidence:.5f}",
        err=True,
    )


def _photographs(source: Path) -> list[Path]:
    from digits.core.images import SUFFIXES
    from digits.core.progress import shown

    found = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise click.UsageError(f"--check {source}: no photographs in this folder")
    return shown(found, "comparing", len(found))


def _drawn():
    """Scenes on plain walls, in the typeface that ships: nothing else is needed to draw them. One wall is blank."""
    import numpy as np

    from digits.datasets.synthesis import Sources, Synthesizer
    from digits.datasets.synthesis.fonts import builtin_typefaces

    wall = np.random.default_rng(0).normal(150, 8, (600, 800, 3)).clip(0, 255).astype(np.uint8)
    scenes = Synthesizer(Sources(builtin_typefaces(), [wall]), seed=1, scene_size=(360, 480))
    return [np.full((360, 480, 3), 128, np.uint8), *(scenes.composed(i).image for i in range(_DRAWN))]
