"""`digits explain`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from digits.cli.output import echo, json_path

_FILE = click.Path(dir_okay=False, path_type=Path)
_WEIGHTS = click.Path(path_type=Path)
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def _target(photo: str, out: Path | None) -> Path:
    """The path of the picture; click.UsageError if it cannot be written there."""
    target = out or Path(f"{Path(photo).stem}-explained.png")
    if target.suffix.lower() not in _SUFFIXES:
        raise click.UsageError(f"--out {target}: a picture's name ends with {', '.join(_SUFFIXES)}")
    if not target.parent.is_dir():
        raise click.UsageError(f"--out {target}: there is no folder {target.parent}")
    if target.exists() and Path(photo).exists() and target.samefile(photo):
        raise click.UsageError(f"--out {target}: is the photograph itself")
    return target


@click.command(
    epilog="""\b
Examples:
  digits explain photo.jpg
  digits explain photo.jpg --out why.jpg --passes 100
  digits explain photo.jpg --json > why.json

Exit code: 0 if a number was read, 1 if none was or all are unsure, 2 if the photograph could not be used."""
)
@click.argument("photo")
@click.option(
    "--out", type=_FILE, metavar="FILE", help="The picture, PNG, JPEG or WebP. [default: PHOTO-explained.png]"
)
@click.option("--passes", default=30, show_default=True, type=click.IntRange(1, 10_000), help="Passes with dropout.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the dropout.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--detector", type=_WEIGHTS, metavar="FILE", help="Weights of your own. [default: what ships]")
@click.option("--recognizer", type=_WEIGHTS, metavar="FILE", help="Weights of your own. [default: what ships]")
@click.option(
    "--calibration",
    type=_WEIGHTS,
    metavar="FILE",
    help="Of these weights, from digits train calibrate. [default: what ships]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.pass_context
def explain(ctx, photo, out, passes, seed, as_json, detector, recognizer, calibration, device):
    """Explain how a photograph is read.

    Writes a picture with heat maps (Grad-CAM): of the detector over PHOTO, and of the recogniser for the length and for
    each digit of each number. Prints the uncertainty of each reading by Monte-Carlo dropout: mean and standard
    deviation of its probability, and how many of the passes agree.

    Needs Captum: pip install 'street-digits[explain]'.
    """
    target = _target(photo, out)
    ctx.meta["extra"] = "explain"
    from digits.core.errors import DigitsError, reason
    from digits.core.images import load_image
    from digits.detector import Detector
    from digits.explain.explain import explain, require_captum
    from digits.explain.sheet import render
    from digits.pipeline.fuse import Fusion
    from digits.pipeline.reader import Reader
    from digits.recognizer import Recognizer

    require_captum()
    image = load_image(photo)
    reader = Reader(
        Detector(detector, device, backend="torch"),
        Recognizer(recognizer, device, backend="torch"),
        fusion=Fusion.load(calibration) if calibration else None,
    )
    explanations = explain(reader, image, passes, seed)
    try:
        render(image, explanations).save(target, quality=80)
    except OSError as error:
        raise DigitsError(f"{target}: cannot be written ({reason(error)})") from None
    found = [each for each in explanations if each.reading]
    if as_json:
        status = found[0].status if found else "none"
        height, width = image.shape[:2]
        about = {**json_path(photo), "width": width, "height": height, "status": status}
        about |= json_path(str(target), "picture")
        candidate = explanations[0].to_dict() if explanations and not found else None
        click.echo(json.dumps({**about, "readings": [each.to_dict() for each in found], "candidate": candidate}))
    else:
        for line in [each.sentence for each in explanations] or ["no number found"]:
            echo(f"{photo}: {line}")
        echo(str(target))
    ctx.exit(0 if any(each.status == "read" for each in found) else 1)
