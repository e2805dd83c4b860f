"""`digits train`: makes the weights that ship."""

from __future__ import annotations

from pathlib import Path

import click


def _common(steps: int, batch_size: int, watched: int):
    """Options of both trainers."""
    options = [
        click.option("--data", type=click.Path(path_type=Path), required=True, metavar="DIR",
                     help="Folder with negatives/ and, if there, campus/, icdar2003/, iiit5k/."),
        click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="RUN",
                     help="Where checkpoints, logs and the finished weights go."),
        click.option("--fonts", type=click.Path(path_type=Path), metavar="DIR",
                     help="Folder of fonts. [default: those of the system]"),
        click.option("--steps", default=steps, show_default=True, type=click.IntRange(1)),
        click.option("--batch-size", default=batch_size, show_default=True, type=click.IntRange(1)),
        click.option("--seed", default=1, show_default=True, help="Of the synthetic samples."),
        click.option("--workers", default=1, show_default=True, type=click.IntRange(0),
                     help="Processes that draw samples."),
        click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of the trainer. [default: all]"),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:N or mps."),
        click.option("--watched", default=watched, show_default=True, type=click.IntRange(1),
                     help="Validation samples to score."),
        click.option("--resume", is_flag=True, help="Go on from RUN/last.pt."),
    ]  # fmt: skip

    def apply(command):
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def _prepare(threads: int | None, seed: int) -> None:
    import cv2
    import torch

    cv2.setNumThreads(1)  # samples are drawn in worker processes, one core each
    torch.manual_seed(seed)
    if threads:
        torch.set_num_threads(threads)


@click.group()
def train() -> None:
    """Train the detector or the recogniser, and calibrate the two together."""


@train.command()
@_common(steps=6000, batch_size=8, watched=200)
def detector(data, out, fonts, seed, threads, device, watched, **options):
    """Train the digit detector; writes RUN/detector.safetensors.

    \b
    Example:
      digits train detector --data data/ --out runs/detector
    """
    _prepare(threads, seed)
    from digits.core.device import resolve_device
    from digits.core.weights import save_weights
    from digits.datasets.synthesis import Synthesizer
    from digits.detector.training import imagenet_features, score_digits, train_detector
    from digits.training.data import load_sources

    where = str(resolve_device(device))
    synthesizer = Synthesizer(load_sources(data, fonts), seed=seed)
    model = train_detector(synthesizer, features=imagenet_features(), out=out, device=where, **options)
    held_out = Synthesizer(load_sources(data, fonts, part="validation"), seed=seed + 1, scene_size=(480, 640))
    header = {
        "kind": "detector",
        "architecture": {},
        "training": _record(data, options, seed=seed),
        "metrics": score_digits(model.cpu(), held_out, watched),
    }
    save_weights(out / "detector.safetensors", model, header)
    click.echo(out / "detector.safetensors")


@train.command()
@_common(steps=4100, batch_size=128, watched=1000)
@click.option("--backbone", default="residual", show_default=True, help="residual, or a torchvision model.")
@click.option("--start", type=click.Path(path_type=Path), metavar="FILE", help="Weights to go on from.")
@click.option("--mined", type=click.Path(path_type=Path), metavar="DIR", help="False alarms, from digits train mine.")
def recognizer(data, out, fonts, seed, threads, device, backbone, start, mined, watched, **options):
    """Train the number recogniser; writes RUN/recognizer.safetensors.

    \b
    Example:
      digits train recognizer --data data/ --out runs/recognizer
    """
    _prepare(threads, seed)
    from digits.core.device import resolve_device
    from digits.core.weights import save_weights
    from digits.datasets.synthesis import Synthesizer
    from digits.recognizer.training import fit_temperature, train_recognizer
    from digits.training.data import load_sources

    where = str(resolve_device(device))
    synthesizer = Synthesizer(load_sources(data, fonts, mined=mined), seed=seed)
    held_out = Synthesizer(load_sources(data, fonts, part="validation"), seed=seed + 1)
    choices = {"backbone": backbone, "start": start, "watched": watched, "out": out, "device": where}
    model = train_recognizer(synthesizer, held_out, **choices, **options)
    # on samples not watched in training
    temperature, metrics = fit_temperature(model.cpu(), held_out, range(watched, 3 * watched))
    header = {
        "kind": "recognizer",
        "architecture": {"backbone": backbone},
        "training": _record(data, options, seed=seed, mined=mined is not None, fine_tuned=start is not None),
        "metrics": metrics,
        "temperature": temperature,
    }
    save_weights(out / "recognizer.safetensors", model, header)
    click.echo(out / "recognizer.safetensors")


@train.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="As for the trainers.")
@click.option("--detector", "weights", type=click.Path(path_type=Path), metavar="FILE", help="[default: what ships]")
@click.option("--limit", default=600, show_default=True, type=click.IntRange(1), help="Pictures to go through.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Processor threads. [default: all]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR")
def mine(data, weights, limit, threads, out):
    """Save what the detector takes for numbers in pictures without any, for the recogniser to learn to reject.

    \b
    Example:
      digits train mine --data data/ --out runs/mined
      digits train recognizer --data data/ --mined runs/mined --out runs/recognizer
    """
    _prepare(threads, 0)
    from digits.detector import Detector
    from digits.pipeline.mining import mine_false_alarms

    click.echo(f"{mine_false_alarms(Detector(weights), data, out, limit)} crops in {out}")


@train.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="As for the trainers.")
@click.option("--fonts", type=click.Path(path_type=Path), metavar="DIR", help="Folder of fonts.")
@click.option("--detector", "detector_weights", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--recognizer", "recognizer_weights", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--precision", default=0.97, show_default=True, type=click.FloatRange(0, 1),
              help="Share of the readings called `read` that must be right on validation data.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Processor threads. [default: all]")
@click.option("--composed", default=300, show_default=True, type=click.IntRange(1), help="Scenes to draw.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="calibration.json")
def calibrate(data, fonts, detector_weights, recognizer_weights, precision, threads, composed, out):
    """Fit how detector and recogniser are weighed, and the threshold of `unsure`, on validation data.

    \b
    Example:
      digits train calibrate --data data/ --out pipeline/calibration.json
    """
    if not out.parent.is_dir():
        raise click.UsageError(f"--out {out}: no such folder")
    _prepare(threads, 0)
    from digits.datasets.synthesis import Synthesizer
    from digits.detector import Detector
    from digits.pipeline.calibrate import calibrate as fit
    from digits.recognizer import Recognizer
    from digits.training.data import load_sources

    sources = load_sources(data, fonts, part="validation")
    scenes = Synthesizer(sources, seed=3, scene_size=(480, 640))
    fusion, report = fit(Detector(detector_weights), Recognizer(recognizer_weights), scenes, precision, composed)
    fusion.save(out)
    for name, value in report.items():
        click.echo(f"{name}: {value}")


def _record(data: Path, options: dict, **more) -> dict:
    """What the weights' header says of a training run."""
    kinds = sorted(p.name for p in data.iterdir() if p.name in ("negatives", "campus", "icdar2003", "iiit5k"))
    return {"data": kinds, "steps": options["steps"], "batch_size": options["batch_size"], **more}
