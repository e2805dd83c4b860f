"""Trains a set of configurations and compares what comes of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from digits.core.errors import ConfigError, Diverged
from digits.datasets.files import write_figure, write_text
from digits.nn.weights import restore
from digits.training.config import Config, load_config
from digits.training.run import CONFIG, train
from digits.training.task import Task

_REPEATS = 30
_MARKERS = "os^Dv"  # so that runs are told apart without colours, too


def combinations(vary: Sequence[str]) -> list[list[str]]:
    """Settings of every combination of "key=value|value|…"; one combination of none if nothing varies.

    >>> combinations(["loss.focal=0|2", "seed=1"])
    [['loss.focal=0', 'seed=1'], ['loss.focal=2', 'seed=1']]
    """
    choices = []
    for each in vary:
        key, equals, values = each.partition("=")
        if not equals:
            raise ConfigError(f"--vary {each}: write it as key=value|value")
        choices.append([f"{key}={value}" for value in values.split("|")])
    return [list(settings) for settings in product(*choices)]


def name_of(path: Path, settings: Sequence[str]) -> str:
    """Of a run: the configuration's, and what was varied.

    >>> name_of(Path("configs/lenet.toml"), ["model.backbone=resnet18", "stages.0.rate=0.5"])
    'lenet-backbone=resnet18-rate=0.5'
    """
    parts = [path.stem]
    for setting in settings:
        key, _, value = setting.partition("=")
        parts.append(f"{key.split('.')[-1]}={value}".replace("/", "_").replace('"', ""))
    return "-".join(parts)


def plan(paths: Sequence[Path], vary: Sequence[str], settings: Sequence[str]) -> dict[str, Config]:
    """A checked configuration for each run, by its name; ConfigError if one is wrong or two are called alike."""
    runs: dict[str, Config] = {}
    for path, varied in product(paths, combinations(vary)):
        name = name_of(path, varied)
        if name in runs:
            raise ConfigError(f"{path}: two runs would be called {name}; rename the file")
        runs[name] = load_config(path, [*settings, *varied])
    kinds = {config.kind for config in runs.values()}
    if len(kinds) > 1:
        raise ConfigError("detectors and recognizers cannot be compared with each other: a grid wants one kind")
    if len({bool(config.data.validation) for config in runs.values()}) > 1:
        raise ConfigError("some of the configurations have no data.validation: a grid wants all measured, or none")
    return runs


@torch.inference_mode()
def milliseconds(model: nn.Module, example: tuple) -> float:
    """Median time of one example, warm, on the processor."""
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        model(*example)
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds[3:]))


def train_grid(
    task_of: Callable[[str], type[Task]], runs: dict[str, Config], out: str | Path, quiet: bool = False
) -> list[dict]:
    """Train every run in a folder of `out` by its name, and write `comparison.md` and `comparison.png` there.

    Runs that are finished stay, those that were stopped go on, those whose loss is not finite are left out, and that is
    said. Returns a row a run: its name, metrics, parameters and the milliseconds of one example. Raises Diverged if no
    run came to an end.
    """
    out = Path(out)
    rows, notes, failed = [], {}, {}
    for name, config in runs.items():
        task = task_of(config.kind)
        try:
            weights = train(task, config, out / name, resume=(out / name / CONFIG).exists(), quiet=quiet)
        except Diverged as error:
            failed[name] = str(error)
        else:
            model, header = restore(weights, config.kind, task.build)
            count = sum(parameter.numel() for parameter in model.parameters())
            time_each = milliseconds(model, task.example())
            rows.append({"run": name, **header["metrics"], "parameters": count, "milliseconds": time_each})
            if left_out := header["training"].get("left_out"):
                notes[name] = "left out " + ", ".join(f"{n} of {source}" for source, n in left_out.items())
        if rows:
            write_comparison(rows, notes | failed, out)
    if not rows:
        raise Diverged(f"{out}: nothing to compare: {next(iter(failed.values()))}")
    return rows


def write_comparison(rows: Sequence[dict], notes: Mapping[str, str], out: Path) -> None:
    """The table as Markdown, with notes on runs, and as a picture: the first metric over the time."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    metrics = [key for key in rows[0] if key not in ("run", "parameters", "milliseconds")]
    header = ["run", *metrics, "parameters", "ms"]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for row in rows:
        values = [f"{row[metric]:.4f}" for metric in metrics]
        cells = [row["run"], *values, f"{row['parameters'] / 1e6:.2f} M", f"{row['milliseconds']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [f"\n{name}: {note}" for name, note in notes.items()]
    write_text(out / "comparison.md", "\n".join(lines) + "\n")
    if not metrics:
        return
    figure = Figure(figsize=(7, 4.5 + 0.2 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for number, row in enumerate(rows):
        at, millions = (row["milliseconds"], row[metrics[0]]), row["parameters"] / 1e6
        label = f"{row['run']}, {millions:.1f} M"
        axes.scatter(*at, s=40 + 20 * millions, marker=_MARKERS[number % len(_MARKERS)], label=label)
    figure.legend(loc="outside lower center")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.xaxis.set_minor_formatter(LogFormatter())
    axes.set_xlabel("time of one example, milliseconds")
    axes.set_ylabel(f"{metrics[0].replace('_', ' ')}, validation data, 0 to 1")
    axes.set_title("Runs by speed and accuracy; size by parameters, millions")
    write_figure(out / "comparison.png", figure)
