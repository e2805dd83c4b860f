"""Measures how fast the two networks train with various settings.

    python benchmarks/training.py --data DATA

DATA is the folder that training reads (see training/data.py). Each line is a short run with configs/detector.toml or
configs/recognizer.toml and the named changes: images per second over the second half of its steps, including the time
to draw them.
"""

from __future__ import annotations

import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import click
import torch
from rich.console import Console
from rich.progress import track

import digits.training.data
from digits.training.config import Config, load_config
from digits.training.detector import DetectorTask
from digits.training.recognizer import RecognizerTask
from digits.training.run import train

CONFIGS = Path(__file__).parents[1] / "configs"
PROGRESS = Console(stderr=True)


class Variant(NamedTuple):
    """A run to be timed: its name in the table, its recipe, the changed settings, and its number of steps."""

    name: str
    recipe: str
    settings: tuple[str, ...]
    steps: int


def variants(threads: int, device: str) -> list[Variant]:
    found = []
    for recipe, steps in (("recognizer", 30), ("detector", 20)):
        one = ("machine.threads=1",)
        tried = {
            "as configured: bf16, 1 thread, 1 worker": one,
            "fp32": (*one, "machine.precision=fp32"),
            "compiled": (*one, "machine.compile=true"),
            f"{threads} threads": (f"machine.threads={threads}",),
        }
        if recipe == "detector":
            tried["everything frozen but the heads"] = (*one, "stages.0.features=0")
        on = f"machine.device={device}"
        found += [Variant(f"{recipe}: {name}", recipe, (on, *settings), steps) for name, settings in tried.items()]
    return found


def configured(variant: Variant, data: Path) -> Config:
    """The recipe for a timed run."""
    short = [
        *(f"data.root={data}", "data.validation=[]", "stages.0.epochs=1"),
        *(f"epoch_steps={variant.steps}", f"machine.log_every={variant.steps // 2}"),
    ]
    config = load_config(CONFIGS / f"{variant.recipe}.toml", [*short, *variant.settings])
    if not (data / "mined").is_dir():
        without = config.model_dump(mode="json", exclude_none=True)
        without["data"]["train"][0].pop("mined", None)
        config = Config.model_validate(without)
    return config


def images_a_second(variant: Variant, data: Path) -> float:
    tasks = {"detector": DetectorTask, "recognizer": RecognizerTask}
    with tempfile.TemporaryDirectory() as folder:
        config = configured(variant, data)
        train(tasks[variant.recipe], config, Path(folder) / "run", quiet=True)
        records = map(json.loads, (Path(folder) / "run" / "log.jsonl").read_text().splitlines())
        return [record["images_per_second"] for record in records][-1]


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
def main(data: Path, device: str) -> None:
    """Measure how fast the networks train."""
    threads = os.cpu_count() or 1
    # pictures and fonts are read only once, since that takes longer than so few steps
    digits.training.data.load_sources = lru_cache(digits.training.data.load_sources)
    where = torch.cuda.get_device_name() if device != "cpu" else f"{threads} cores"
    click.echo(f"| images a second, {where} | |\n| --- | --- |")
    chosen = variants(threads, device)
    for variant in track(chosen, "training", console=PROGRESS):
        click.echo(f"| {variant.name} | {images_a_second(variant, data):.1f} |")


if __name__ == "__main__":
    main()
