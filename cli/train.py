"""`digits train`: trains, searches, mines and calibrates."""

from __future__ import annotations

import os
from pathlib import Path

import click

from digits.cli.options import SHARE
from digits.cli.sources import format_option, list_entries, list_problems
from digits.core.backend import MAX_THREADS

_FILE = click.Path(dir_okay=False, path_type=Path)
_DIR = click.Path(file_okay=False, path_type=Path)

_set = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the configuration: stages.0.rate=1e-3.",
)
_quiet = click.option("--quiet", is_flag=True, help="No progress bar, no notes on stderr.")
_threads = click.option(
    "--threads", type=click.IntRange(1, MAX_THREADS), metavar="N", help="Processor threads. [default: all]"
)


def _task_of(kind: str):
    if kind == "detector":
        from digits.training.detector import DetectorTask

        return DetectorTask
    from digits.training.recognizer import RecognizerTask

    return RecognizerTask


def _prepare(threads: int | None) -> None:
    import cv2
    import torch

    cv2.setNumThreads(1)  # worker processes, one per core, make the samples
    if threads:
        torch.set_num_threads(threads)


@click.group()
def train() -> None:
    """Train detector or recogniser, and calibrate the two together.

    A TOML file configures model, data and training; there are examples in configs/ of the project, and
    training/README.md explains their keys. A run has a folder of its own. It can be stopped or killed at any time, and
    continues with --resume as if it had not been interrupted.

    \b
      digits train recognizer --config configs/smoke.toml --set data.root=DATA --out runs/smoke
      digits train recognizer --resume --out runs/smoke
      digits train plot runs/smoke
      digits read photo.jpg --recognizer runs/smoke/recognizer.safetensors
    """


def _trainer(kind: str, summary: str):
    """The command that trains a model of this kind."""

    @click.option("--config", "path", type=_FILE, metavar="FILE", help="TOML file. [with --resume: that of the run]")
    @_set
    @click.option("--out", type=_DIR, required=True, metavar="RUN", help="Folder of the run, new or to be resumed.")
    @click.option("--resume", is_flag=True, help="Continue from the last checkpoint in RUN.")
    @_quiet
    def command(path: Path | None, settings: tuple[str, ...], out: Path, resume: bool, quiet: bool) -> None:
        from digits.core.errors import ConfigError
        from digits.training.config import load_config
        from digits.training.run import CONFIG
        from digits.training.run import train as run

        if path is None and not resume:
            raise click.UsageError("give a configuration with --config; there are examples in configs/ of the project")
        if path is None and not (out / CONFIG).is_file():
            raise ConfigError(f"{out}: no run to resume, there is no {CONFIG}")
        config = load_config(path or out / CONFIG, settings)
        if config.kind != kind:
            raise ConfigError(f"{path or out}: is for training a {config.kind}; use digits train {config.kind}")
        weights = run(_task_of(kind), config, out, resume=resume, quiet=quiet)
        if os.environ.get("RANK", "0") == "0":
            click.echo(weights)

    command.__doc__ = summary
    return train.command(kind)(command)


_trainer(
    "detector",
    """Train the detector; writes RUN/detector.safetensors.

    \b
    Examples:
      digits train detector --config configs/detector.toml --set data.root=DATA --out runs/detector
      digits train detector --resume --out runs/detector
      torchrun --nproc-per-node 2 -m digits.cli train detector --resume --out runs/detector
    """,
)
_trainer(
    "recognizer",
    """Train the recogniser; writes RUN/recognizer.safetensors.

    \b
    Examples:
      digits train recognizer --config configs/recognizer.toml --set data.root=DATA --out runs/recognizer
      digits train recognizer --config configs/svhn-recognizer.toml --out runs/svhn
      digits train recognizer --resume --out runs/svhn
    """,
)


@train.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@format_option
@click.option("--detector", "weights", type=_FILE, metavar="FILE", help="[default: what ships]")
@click.option("--split", type=click.Choice(["train", "validation", "test", "all"]), default="train", show_default=True,
              help="Split of the pictures, by the hash of their ids.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Number of pictures of each source. [default: all]")
@click.option(
    "--keep",
    default=1000,
    show_default=True,
    type=click.IntRange(1),
    help="Number of worst alarms to keep.",
)
@_threads
@click.option("--out", type=_DIR, required=True, metavar="DIR", help="Folder to write, new or empty.")
@_quiet
def mine(sources, format_, weights, split, limit, keep, threads, out, quiet):
    """Find false alarms of a detector.

    They are hard negatives for the next training. SOURCES are folders of pictures, or other sources with pictures
    without numbers. Writes DIR/windows/, a source for the configuration of a detector, and DIR/crops/, the `mined`
    negatives for that of a recogniser.

    \b
    Example:
      digits train mine DATA/negatives DATA/icdar2003/text_without_digits --out runs/mined
    """
    from digits.datasets.export import check_unused
    from digits.datasets.sources import open_source
    from digits.detector import Detector
    from digits.training.mining import find_false_alarms, write_false_alarms

    check_unused(out)
    _prepare(threads)
    opened = []
    for source in sources:
        pictures = open_source(source, format=format_, quiet=quiet)
        pictures = pictures if split == "all" else pictures.split(split)
        opened.append(pictures.limited(limit))
    detector = Detector(weights)
    alarms = find_false_alarms(detector, opened, quiet)
    windows = write_false_alarms(alarms[:keep], detector, out, quiet)
    for pictures in opened if not quiet else ():
        list_problems(pictures)
    click.echo(f"{len(alarms)} false alarms in {sum(map(len, opened))} pictures; the worst {min(keep, len(alarms))} "
               f"in {out / 'crops'}, {windows} windows in {out / 'windows'}")  # fmt: skip


@train.command()
@click.argument("runs", nargs=-1, required=True, type=_DIR)
@click.option("--out", type=_FILE, default="training.png", show_default=True, metavar="FILE",
              help="File for the plot: .png, .svg or .pdf.")  # fmt: skip
def plot(runs, out):
    """Plot the curves of one run, or of several for comparison.

    \b
    Example:
      digits train plot runs/plain runs/mined --out mined.png
    """
    from digits.training.plots import plot_runs

    plot_runs(runs, out)
    click.echo(out)


@train.command()
@click.argument("configs", nargs=-1, required=True, type=_FILE)
@click.option(
    "--vary", multiple=True, metavar="KEY=A|B|…", help="Train with each value; with several, all combinations."
)
@_set
@click.option("--out", type=_DIR, required=True, metavar="DIR", help="Folder for the runs and the comparison.")
@_quiet
def grid(configs, vary, settings, out, quiet):
    """Train a set of configurations and compare them.

    Compares accuracy, size and speed, in comparison.md and comparison.png. Called again, it continues; finished runs
    are kept.

    \b
    Examples:
      digits train grid a.toml b.toml --set data.root=DATA --out runs/grid
      digits train grid a.toml --set data.root=DATA --vary 'model.backbone=lenet|resnet18' --vary 'seed=1|2' --out grid
    """
    from digits.training.search import plan, train_grid

    train_grid(_task_of, plan(configs, vary, settings), out, quiet)
    click.echo((out / "comparison.md").read_text(), nl=False)


@train.command()
@click.option("--config", "path", type=_FILE, required=True, metavar="FILE", help="Configuration that the trials vary.")
@click.option("--space", type=_FILE, required=True, metavar="FILE", help="TOML with a table for each key, see above.")
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="Trials, existing ones included.")
@_set
@click.option("--out", type=_DIR, required=True, metavar="DIR", help="Folder for the trials, study.db and best.toml.")
@_quiet
@click.pass_context
def search(ctx, path, space, trials, settings, out, quiet):
    """Search for good settings with Optuna. Bad trials are ended early; called again, the search continues.

    \b
    The space has a table for each key with its values:
      ["stages.0.rate"]
      low = 1e-4
      high = 1e-2
      log = true
      ["optimiser.name"]
      choices = ["adamw", "sgd"]

    \b
    Example:
      digits train search --config configs/smoke.toml --set data.root=DATA --space configs/space.toml --out runs/search
    """
    ctx.meta["extra"] = "search"
    from digits.training.config import load_config
    from digits.training.search import BEST_CONFIG, load_space
    from digits.training.search import search as run

    config = load_config(path, settings)
    best, value = run(_task_of(config.kind), config, load_space(space), out, trials, quiet)
    click.echo(f"{value:.4f}  " + "  ".join(f"{key}={setting}" for key, setting in best.items()))
    click.echo(out / BEST_CONFIG)


@train.command()
@click.argument("kind", type=click.Choice(["detector", "recognizer"]))
@click.argument("first", type=_FILE)
@click.argument("second", type=_FILE)
@click.option("--share", default=0.5, show_default=True, type=SHARE, help="Weight of the second file.")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="Weights to write.")
def average(kind, first, second, share, out):
    """Write the mean of two weights files.

    The mean of a fine-tuned network, SECOND, and the one that it started from, FIRST, is often better than either,
    since it forgets less.

    \b
    Example:
      digits train average detector runs/first.safetensors runs/tuned/detector.safetensors --out mean.safetensors
    """
    from digits.nn.weights import save_weights
    from digits.training.average import average as mean_of

    model, header = mean_of(first, second, kind, _task_of(kind).build, share)
    save_weights(out, model, header)
    click.echo(out)


@train.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="Folder with negatives/, and what calibrates, see training/data.py.")  # fmt: skip
@click.option("--fonts", type=click.Path(path_type=Path), metavar="DIR", help="Folder of fonts.")
@click.option("--detector", "detector_weights", type=_FILE, metavar="FILE")
@click.option("--recognizer", "recognizer_weights", type=_FILE, metavar="FILE")
@click.option("--precision", default=0.99, show_default=True, type=SHARE,
              help="Required precision of readings with status `read` on validation data.")  # fmt: skip
@_threads
@click.option("--drawn", default=800, show_default=True, type=click.IntRange(1), help="Photographs to draw.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE",
              help="calibration.json")  # fmt: skip
def calibrate(data, fonts, detector_weights, recognizer_weights, precision, threads, drawn, out):
    """Fit fusion weights and the threshold of `unsure`.

    On validation data: the weights with which detector and recogniser are fused, and the threshold. They are fitted
    on drawn photographs, with letters, ranges, hidden and turned numbers, and on the real ones of DIR.

    \b
    Example:
      digits train calibrate --data DATA --out pipeline/calibration.json
    """
    if not out.parent.is_dir():
        raise click.UsageError(f"--out {out}: no such folder")
    _prepare(threads)
    from digits.datasets.synthesis import Synthesizer
    from digits.detector import Detector
    from digits.recognizer import Recognizer
    from digits.training.calibrate import calibrate as fit
    from digits.training.data import calibration_pictures, load_sources

    sources = load_sources(data, fonts, split="validation")
    list_entries(sources.problems)
    scenes = Synthesizer(sources, seed=3, scene_size=(480, 640))
    real = [*sources.scenes, *calibration_pictures(data)]
    fusion, report = fit(Detector(detector_weights), Recognizer(recognizer_weights), scenes, real, precision, drawn)
    fusion.save(out)
    for name, value in report.items():
        click.echo(f"{name}: {value}")
