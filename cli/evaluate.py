"""`digits evaluate`: evaluates models, compares them, and predicts blind test sets."""

from __future__ import annotations

import json
from pathlib import Path

import click

from digits.cli.options import SHARE
from digits.cli.output import echo
from digits.cli.sources import list_problems, open_pictures, source_options
from digits.core.backend import MAX_THREADS
from digits.core.text import plural

_FILE = click.Path(dir_okay=False, path_type=Path)
_DIR = click.Path(file_okay=False, path_type=Path)
_SHIPS = "[default: what ships]"

_quiet = click.option("--quiet", is_flag=True, help="No progress bar, no notes on stderr.")
_device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
_threads = click.option(
    "--threads", type=click.IntRange(1, MAX_THREADS), metavar="N", help="Processor threads. [default: all]"
)


def _chain(command):
    """The options with the weights and the calibration of the whole chain."""
    for option in (
        click.option("--calibration", type=_FILE, metavar="FILE", help=f"Of these weights. {_SHIPS}"),
        click.option("--recognizer", type=_FILE, metavar="FILE", help=f"Weights. {_SHIPS}"),
        click.option("--detector", type=_FILE, metavar="FILE", help=f"Weights. {_SHIPS}"),
    ):
        command = option(command)
    return command


def _measured(command):
    """The options of every evaluation: its data, and the folder of the report."""
    for option in (
        _quiet,
        click.option("--out", type=_DIR, required=True, metavar="REPORT", help="Folder, new or to be continued."),
        click.option("--predictions", type=_FILE, metavar="FILE", help="Score these predictions instead of a model."),
        click.option("--limit", type=click.IntRange(1), metavar="N", help="Number of pictures, evenly spread."),
        click.option("--split", type=click.Choice(["train", "validation", "test", "all"]), default="all",
                     show_default=True, help="Split of the pictures, by the hash of their ids."),
        source_options,
    ):  # fmt: skip
        command = option(command)
    return command


_threshold_from = click.option(
    "--threshold-from", "thresholds", multiple=True, type=_DIR, metavar="REPORT",
    help="Also apply the threshold for 98 % accuracy of this report, on validation data.",
)  # fmt: skip


def _report(
    kind, load, weights, source, format_, images, annotations_only, split, limit, predictions, out, quiet, thresholds=()
):
    """Evaluate the model that `load` returns, or the predictions. weights: the files given for the model, or None."""
    from digits.evaluation.evaluate import evaluate, measurable, threshold_of

    if annotations_only and not predictions:
        raise click.UsageError("a model needs the pictures; without them, score --predictions")
    if predictions and any(weights):
        raise click.UsageError("--predictions are scored without a model; leave out the weights")
    pictures = open_pictures(source, format_, images, annotations_only, quiet, letters=kind != "detector")
    if split != "all":
        pictures = pictures.split(split)
    pictures = measurable(kind, pictures.limited(limit))
    if not quiet:
        list_problems(pictures)
    for report in thresholds:
        threshold_of(report, kind)  # its errors come before the models are loaded
    result = evaluate(kind, pictures, out, predictions or load(), thresholds_of=thresholds, quiet=quiet)
    click.echo(out / "report.html")
    if result.unopened and not quiet:
        unopened = plural(len(result.unopened), "picture", "pictures")
        echo(f"{unopened} could not be opened, such as {result.unopened[0]}", err=True)


def _load_reader(detector, recognizer, calibration, device, threads):
    from digits.detector import Detector
    from digits.pipeline.fuse import Fusion
    from digits.pipeline.reader import Reader
    from digits.recognizer import Recognizer

    fusion = Fusion.load(calibration) if calibration else None
    return Reader(
        Detector(detector, device, threads=threads),
        Recognizer(recognizer, device, threads=threads),
        fusion=fusion,
        threads=threads,
    )


@click.group()
def evaluate() -> None:
    """Measure detector, recogniser or the whole chain; compare two.

    A report is a folder: report.html opens from disk, report.md and report.json have the same content,
    predictions.jsonl contains all predictions. An interrupted evaluation goes on when it is called again.

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
def detector(weights, device, threads, **measured):
    """Evaluate a detector of digits.

    COCO average precision, recall of proposals and number regions, false alarms.

    SOURCE has pictures with digit boxes, and possibly negatives: see digits data.

    \b
    Examples:
      digits evaluate detector svhn/test --out reports/svhn
      digits evaluate detector DATA/icdar2003 --weights runs/detector/detector.safetensors --out reports/words
    """

    def load():
        from digits.detector import Detector
        from digits.evaluation.run import detector_model

        # only PyTorch shows the proposals
        return detector_model(Detector(weights, device, backend="torch", threads=threads))

    _report("detector", load, [weights], **measured)


@evaluate.command()
@_measured
@_threshold_from
@click.option("--weights", type=_FILE, metavar="FILE", help=f"Of the recogniser. {_SHIPS}")
@_device
@_threads
def recognizer(weights, device, threads, **measured):
    """Evaluate a recogniser on cropped numbers.

    Exact, length and digit accuracy, coverage, calibration.

    SOURCE has crops, or pictures with digit boxes, from which numbers are cropped as by the reader.

    \b
    Examples:
      digits evaluate recognizer DATA/svhn_test_grey --out reports/grey
      digits evaluate recognizer svhn/train --split validation --out reports/validation
      digits evaluate recognizer svhn/test --threshold-from reports/validation --out reports/test
    """

    def load():
        from digits.evaluation.run import recognizer_model
        from digits.recognizer import Recognizer

        return recognizer_model(Recognizer(weights, device, threads=threads))

    _report("recognizer", load, [weights], **measured)


@evaluate.command()
@_measured
@_threshold_from
@_chain
@_device
@_threads
def pipeline(detector, recognizer, calibration, device, threads, **measured):
    """Evaluate the whole chain, from photograph to number.

    Right, misread, missed and invented numbers.

    SOURCE has photographs with numbers and their boxes, or without numbers.

    \b
    Examples:
      digits evaluate pipeline DATA/wild --out reports/wild
      digits evaluate pipeline DATA/negatives --split test --out reports/negatives
      digits evaluate pipeline DATA/wild --predictions others.jsonl --out reports/others
    """

    def load():
        from digits.evaluation.run import reader_model

        return reader_model(_load_reader(detector, recognizer, calibration, device, threads))

    _report("pipeline", load, [detector, recognizer, calibration], **measured)


@evaluate.command()
@click.argument("a", type=_DIR)
@click.argument("b", type=_DIR)
@click.option("--margin", default=0.01, show_default=True, type=SHARE,
              help="Differences up to this count as equivalent.")  # fmt: skip
@click.option("--rounds", default=2000, show_default=True, type=click.IntRange(100), help="Of the bootstrap.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per figure and line.")
@_quiet
def compare(a, b, margin, rounds, seed, as_json, quiet):
    """Compare report B with report A, figure by figure.

    Both must be on the same pictures. The interval is the 95 % interval of the paired bootstrap; p is that of McNemar's
    exact test. The verdict `open` means that there are too few pictures to decide.

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
@click.option("--images", type=_DIR, metavar="DIR", help="Folder of the pictures, if not beside FILE.")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="File for the numbers.")
@click.option("--number-format", "format_", type=click.Choice(["digits", "mila"]), default="digits", show_default=True,
              help="digits: 042, and an empty line for no number. mila: 42.0, and -1.0 for no number.")  # fmt: skip
@_chain
@_device
@_threads
@_quiet
@click.pass_context
def predict(ctx, order, images, out, format_, detector, recognizer, calibration, device, threads, quiet):
    """Predict the numbers of a blind test set.

    Writes the number of each picture, one per line, in the order of the list. Labels in the list are ignored. The best
    number is written even if it is unsure.

    \b
    Examples:
      digits evaluate predict --order test_metadata.pkl --images test/ --out preds.txt
      digits evaluate predict --order instances_test.json --number-format mila --out group_eval_pred.txt
    """
    from digits.evaluation.blind import order_of
    from digits.evaluation.blind import predict as run

    order_of(order)  # its errors come before the models are loaded
    reader = _load_reader(detector, recognizer, calibration, device, threads)
    failed = run(reader, order, out, images, format=format_, quiet=quiet)
    click.echo(out)
    for message in failed:
        echo(f"Error: {message}", err=True)
    ctx.exit(2 if failed else 0)
