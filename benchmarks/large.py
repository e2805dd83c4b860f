"""Prints how many house numbers are read where each is a small part of a large photograph.

    python benchmarks/large.py --data DATA

Photographs of `wild/` are enlarged or reduced so that the digits of their number have a given height, and put somewhere
into a picture without numbers that is as large as a camera's; such pictures alone come last. DATA needs wild/
(annotations.json, images/) and negatives/, of which the test split is used. What is to be compared while the reader is
worked on is measured with --validation: on the doors of campus/ and the negatives that are kept for it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import click
import cv2
import held_out
import numpy as np
from rich.console import Console
from rich.progress import track

import digits
from digits.core.backend import BACKENDS
from digits.core.boxes import is_stacked
from digits.datasets.items import split_of
from digits.datasets.pictures import read_negatives
from digits.datasets.real import split_evenly

PROGRESS = Console(stderr=True)


def digit_height(number: dict) -> float:
    """Pixels, of a number whose whole box is known."""
    boxes = split_evenly(number["text"], number["box"])
    return float(np.median(boxes[:, 3] - boxes[:, 1])) if is_stacked(boxes) else number["box"][3] - number["box"][1]


def filling(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, enlarged until it fills `size`, width and height; what reaches beyond is cut off."""
    width, height = size
    scale = max(width / picture.shape[1], height / picture.shape[0])
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:height, :width].copy()


def put(rng: np.random.Generator, canvas: np.ndarray, photo: np.ndarray, number: dict, pixels: float) -> None:
    """Draw a photograph somewhere into a larger picture, so that the digits of its number are `pixels` high.

    Of a photograph that is too large for it then, the part around the number is drawn.
    """
    scale = pixels / digit_height(number)
    cut = []
    for start, end, whole, room in zip(
        *np.reshape(number["box"], (2, 2)), photo.shape[1::-1], canvas.shape[1::-1], strict=True
    ):
        side = int(min(whole, room / scale))
        first = int(np.clip((start + end - side) / 2, 0, whole - side))
        cut.append(slice(first, first + side))
    height, width = canvas.shape[:2]
    view = cv2.resize(
        photo[cut[1], cut[0]], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )[:height, :width]
    y, x = (int(rng.integers(side - length + 1)) for side, length in zip((height, width), view.shape[:2], strict=True))
    canvas[y : y + view.shape[0], x : x + view.shape[1]] = view


def doors(data: Path, validation: bool) -> tuple[list[tuple[Path, dict]], list[Path]]:
    """Photographs, each with its tallest number, and backgrounds."""
    folder = data / ("campus" if validation else "wild")
    found = [
        (folder / "images" / record["file"], max(record["numbers"], key=digit_height))
        for record in held_out.photographs(folder)
        if record["numbers"] and all(number["text"] for number in record["numbers"])
    ]
    if validation:
        found = [(path, number) for path, number in found if split_of(number["text"]) == "validation"]
    backgrounds = read_negatives(data / "negatives", quiet=True).split("validation" if validation else "test")
    return found, [record.path for record in backgrounds.records]


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--validation", is_flag=True, help="On campus/, its doors that training does not see.")
@click.option("--size", type=(int, int), default=(4000, 3000), show_default=True, help="Width and height in pixels.")
@click.option(
    "--share",
    "shares",
    type=click.FloatRange(0.1, 100),
    multiple=True,
    default=(4.0, 2.0, 1.5, 1.0),
    show_default=True,
    help="Height of the digits, per cent of the photograph's.",
)
@click.option("--backend", type=click.Choice(BACKENDS), default="auto", show_default=True)
def main(data: Path, validation: bool, size: tuple[int, int], shares: tuple[float, ...], backend: str) -> None:
    """Read numbers that are a small part of a large photograph."""
    found, backgrounds = doors(data, validation)
    reader = digits.Reader(backend=backend)
    click.echo(f"digits {digits.__version__}, {os.cpu_count()} cores, {size[0]}x{size[1]}\n")
    click.echo("| height of the digits | first reading right | readings with status read that are right | ms, median |")
    click.echo("| --- | --- | --- | --- |")
    for share in (*shares, None):
        right, read, read_right, spent = 0, 0, 0, []
        name = "no number" if share is None else f"{share:g} %"
        for i, (path, number) in enumerate(track(found, name, console=PROGRESS)):
            rng = np.random.default_rng((i, round(10 * (share or 0))))
            photo = filling(digits.load_image(backgrounds[int(rng.integers(len(backgrounds)))]), size)
            if share is not None:
                put(rng, photo, digits.load_image(path), number, share / 100 * size[1])
            started = time.perf_counter()
            scene = reader.read(photo)
            spent.append(time.perf_counter() - started)
            text = "" if share is None else number["text"]
            right += scene.text == text
            sure = [reading.text for reading in scene.readings if reading.status == "read"]
            read, read_right = read + len(sure), read_right + sure.count(text)
        times = f"{np.median(spent) * 1e3:.0f}"
        click.echo(f"| {name} | {right} of {len(found)} | {read_right} of {read} | {times} |")


if __name__ == "__main__":
    main()
