"""`digits evaluate`: measures models, compares them, and answers blind test sets."""

from __future__ import annotations

import json
from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)
_DIR = click.Path(file_okay=False, path_type=Path)
_SHIPS = "[default: what ships]"

_quiet = click.option("--quiet", is_flag=True, help="No progress bar, no notes on stderr.")
_device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
_threads = click.option("--threads", type=click.IntRange(1), metavar="N", help="Processor threads. [default: all]")


def _chain(command):
    """The options that say what reads whole photographs."""
    for option in (
        click.option("--calibration", type=_FILE, metavar="FILE", help=f"Of these weights. {_SHIPS}"),
        click.option("--recognizer", type=_FILE, metavar="FILE", help=f"Weights. {_SHIPS}"),
        click.option("--detector", type=_FILE, metavar="FILE", help=f"Weights. {_SHIPS}"),
    ):
        command = option(command)
    return command


def _measured(command):
    """What every evaluation takes: what to measure on, and where the report goes."""
    for option in (
        _quiet,
        click.option("--out", type=_DIR, required=True, metavar="REPORT", help="Folder, new or to go on with."),
        click.option("--predictions", type=_FILE, metavar="FILE", help="Score these answers, and run no model."),
        click.option("--limit", type=click.IntRange(1), metavar="N", help="So many pictures, evenly spread."),
        click.option("--part", type=click.Choice(["train", "validation", "test", "all"]), default="all",
                     show_default=True, help="Of the pictures, by the hash of their ids."),
        click.option("--format", "format_", metavar="NAME", help="Of DATA. [default: told from its files]"),
        click.option("--images", type=_DIR, metavar="DIR", help="Where the pictures are, if not beside DATA."),
        click.argument("data", type=click.Path(path_type=Path)),
    ):  # fmt: skip
        command = option(command)
    return command


_threshold_from = click.option(
    "--threshold-from", "thresholds", multiple=True, type=_DIR, metavar="REPORT",
    help="Also cover with the threshold that this report, on validation data, has chosen for 98 % accuracy.",
)  # fmt: skip


def _pictures(data: Path, images: Path | None, format_: str | None, part: str, limit: int | None, quiet: bool):
    from digits.datasets.pictures import Pictures
    from digits.datasets.sources import open_source
    from digits.training.data import spread

    pictures = open_source(data, images, format=format_, quiet=quiet)
    if part != "all":
        pictures = pictures.part(part)
    if limit is not None:
        chosen = [pictures.records[i] for i in spread(limit, len(pictures))]
        pictures = Pictures(pictures.name, chosen, pictures.problems)
    if pictures.problems and not quiet:
        first = pictures.problems[0]
        click.echo(f"{len(pictures.problems)} entries left out, such as {first.image_id}: {first.reason}", err=True)
    return pictures


def _use_threads(threads: int | None) -> None:
    if threads:
        import cv2
        import torch

        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)


def _report(kind: str, pictures, out: Path, answers, models: dict, thresholds=(), quiet: bool = False) -> None:
    from digits.evaluation.evaluate import evaluate, threshold_of
    from digits.evaluation.result import Threshold

    chosen = [each if isinstance(each, Threshold) else threshold_of(each, kind) for each in thresholds]
    evaluate(kind, pictures, out, answers, models=models, thresholds=chosen, quiet=quiet)
    click.echo(out / "report.html")


def _of_file(predictions: Path) -> dict:
    """What stands for the models where answers are scored that others made."""
    import hashlib

    try:
        return {"predictions": hashlib.sha256(predictions.read_bytes()).hexdigest()}
    except OSError as error:
        from digits.core.errors import PredictionsError

        raise PredictionsError(f"{predictions}: {(error.strerror or str(error)).lower()}") from None


def _reader(detector: Path | None, recognizer: Path | None, calibration: Path | None, device: str, threads: int | None):
    """The reader, and what identifies it."""
    from digits.detector import Detector
    from digits.pipeline.fuse import Fusion
    from digits.pipeline.reader import Reader
    from digits.recognizer import Recognizer

    reader = Reader(
        Detector(detector, device),
        Recognizer(recognizer, device),
        fusion=Fusion.load(calibration) if calibration else None,
        threads=threads,
    )
    models = {
        "detector": reader.detector.header["sha256"],
        "recognizer": reader.recognizer.header["sha256"],
        "calibration": str(reader.fusion),
    }
    return reader, models


@click.group()
def evaluate() -> None:
    """Measure a detector, a recogniser or the whole chain, and compare two.

    A report is a folder: report.html opens from disk, report.md and report.json say the same, predictions.jsonl holds
    every answer. An evaluation that was interrupted goes on when it is called again.

    \b
      digits evaluate pipeline DATA/wild --out reports/wild
      digits evaluate recognizer DATA/svhn_test_grey --out reports/grey
      digits evaluate compare reports/before reports/after
      digits evaluate predict --order test_metadata.pkl --images test/ --out preds.txt
    """


@evaluate.command()
@_measured
@click.option("--weights", type=_FILE, metavar="FILE", help=f"Of the detector. {_SHIPS}")
@_device
@_threads
def detector(data, images, format_, part, limit, predictions, out, quiet, weights, device, threads):
    """Measure how digits are found: COCO average precision, recall of proposals and number regions, false alarms.

    DATA is a source of pictures with digit boxes, and negatives if there are some: see digits data.

    \b
    Examples:
      digits evaluate detector svhn/test --out reports/svhn
      digits evaluate detector DATA/campus --part test --weights runs/detector/detector.safetensors --out reports/campus
    """
    pictures = _pictures(data, images, format_, part, limit, quiet)
    if predictions:
        return _report("detector", pictures, out, predictions, _of_file(predictions), quiet=quiet)
    from digits.detector import Detector
    from digits.evaluation.run import detect

    _use_threads(threads)
    model = Detector(weights, device)
    models = {"detector": model.header["sha256"]}
    return _report("detector", pictures, out, lambda records: detect(model, records), models, quiet=quiet)


@evaluate.command()
@_measured
@_threshold_from
@click.option("--weights", type=_FILE, metavar="FILE", help=f"Of the recogniser. {_SHIPS}")
@_device
@_threads
def recognizer(data, images, format_, part, limit, predictions, out, quiet, thresholds, weights, device, threads):
    """Measure how numbers are read that are already cut out: exact, length and digit accuracy, coverage, calibration.

    DATA is a source of crops, or of pictures with digit boxes, from which numbers are cut as the reader would.

    \b
    Examples:
      digits evaluate recognizer DATA/svhn_test_grey --out reports/grey
      digits evaluate recognizer svhn/train --part validation --out reports/validation
      digits evaluate recognizer svhn/test --threshold-from reports/validation --out reports/test
    """
    pictures = _pictures(data, images, format_, part, limit, quiet)
    if predictions:
        return _report("recognizer", pictures, out, predictions, _of_file(predictions), thresholds, quiet)
    from digits.evaluation.run import transcribe
    from digits.recognizer import Recognizer

    _use_threads(threads)
    model = Recognizer(weights, device)
    models = {"recognizer": model.header["sha256"]}
    return _report("recognizer", pictures, out, lambda records: transcribe(model, records), models, thresholds, quiet)


@evaluate.command()
@_measured
@_threshold_from
@_chain
@_device
@_threads
def pipeline(
    data, images, format_, part, limit, predictions, out, quiet, thresholds, detector, recognizer, calibration, device,
    threads,
):  # fmt: skip
    """Measure the whole chain, from photograph to number: what is right, misread, missed and made up.

    DATA is a source of photographs with numbers and their boxes, or without any.

    \b
    Examples:
      digits evaluate pipeline DATA/wild --out reports/wild
      digits evaluate pipeline DATA/negatives --part test --out reports/negatives
      digits evaluate pipeline DATA/wild --predictions others.jsonl --out reports/others
    """
    pictures = _pictures(data, images, format_, part, limit, quiet)
    if predictions:
        return _report("pipeline", pictures, out, predictions, _of_file(predictions), thresholds, quiet)
    from digits.evaluation.result import Threshold
    from digits.evaluation.run import read_photographs

    reader, models = _reader(detector, recognizer, calibration, device, threads)
    thresholds = [Threshold(reader.min_confidence, "calibration"), *thresholds]
    answers = lambda records: read_photographs(reader, records)  # noqa: E731 - as in the two above
    return _report("pipeline", pictures, out, answers, models, thresholds, quiet)


@evaluate.command()
@click.argument("a", type=_DIR)
@click.argument("b", type=_DIR)
@click.option("--margin", default=0.01, show_default=True, type=click.FloatRange(0, 1),
              help="Differences up to this make no odds.")  # fmt: skip
@click.option("--rounds", default=2000, show_default=True, type=click.IntRange(100), help="Of the bootstrap.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a figure, a line each.")
@_quiet
def compare(a, b, margin, rounds, seed, as_json, quiet):
    """Say of every figure whether B is better than A: two reports on the same pictures.

    The interval is that of the paired bootstrap, 95 %; p is of McNemar's exact test. A verdict of `open` says that
    these pictures are too few to tell.

    \b
    Example:
      digits evaluate compare reports/before reports/after
    """
    from digits.evaluation.compare import compare as run
    from digits.evaluation.compare import markdown

    found = run(a, b, margin=margin, rounds=rounds, seed=seed, quiet=quiet)
    click.echo("\n".join(json.dumps(one.to_dict()) for one in found) if as_json else markdown(found))


@evaluate.command()
@click.option("--order", type=_FILE, required=True, metavar="FILE", help="test_metadata.pkl, or instances_test.json.")
@click.option("--images", type=_DIR, metavar="DIR", help="Where the pictures are, if not beside FILE.")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="Where the numbers go.")
@click.option("--number-format", "format_", type=click.Choice(["digits", "mila"]), default="digits", show_default=True,
              help="digits: 042, a line left empty for none. mila: 42.0, and -1.0 for none.")  # fmt: skip
@_chain
@_device
@_threads
@_quiet
@click.pass_context
def predict(ctx, order, images, out, format_, detector, recognizer, calibration, device, threads, quiet):
    """Answer a blind test set: the number of each picture, one a line, in the order given.

    The list may hold labels; they are not looked at. A number is always given if there is any, however unsure.

    \b
    Examples:
      digits evaluate predict --order test_metadata.pkl --images test/ --out preds.txt
      digits evaluate predict --order instances_test.json --number-format mila --out group_eval_pred.txt
    """
    from digits.evaluation.blind import order_of
    from digits.evaluation.blind import predict as run

    order_of(order)  # before the models are loaded
    reader, models = _reader(detector, recognizer, calibration, device, threads)
    failed = run(reader, order, out, images, format=format_, identity=json.dumps(models), quiet=quiet)
    click.echo(out)
    for message in failed:
        click.echo(f"Error: {message}", err=True)
    ctx.exit(2 if failed else 0)
