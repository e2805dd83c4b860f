"""How commands name a source of pictures, open it, and say what of it was left out."""

from __future__ import annotations

from pathlib import Path

import click

from digits.cli.output import echo
from digits.core.text import plural

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["svhn", "mila", "coco", "yolo", "crops", "annotated", "negatives"]),
    help="Of the source. [default: told from its files]",
)


def source_options(command):
    """The argument and the options that say what is read."""
    for option in (
        click.option("--annotations-only", is_flag=True, help="The pictures need not be there."),
        click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Where the pictures are."),
        format_option,
        click.argument("source", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


def open_pictures(source: Path, format_: str | None, images: Path | None, annotations_only: bool, quiet: bool):
    from digits.datasets.sources import open_source

    return open_source(source, images, format=format_, annotations_only=annotations_only, quiet=quiet)


def list_problems(pictures, most: int = 10) -> None:
    """What was left out of pictures, counted and listed on stderr."""
    list_entries(pictures.problems, most)
    if not len(pictures) and any("missing" in reason for _, reason in pictures.problems):
        click.echo("say with --images where the pictures are, or --annotations-only to do without", err=True)


def list_entries(problems, most: int = 10) -> None:
    """Entries that were left out, counted and listed on stderr."""
    if problems:
        click.echo(f"{plural(len(problems), 'entry', 'entries')} left out:", err=True)
    for image_id, reason in problems[:most]:
        echo(f"  {image_id}: {reason}", err=True)
    if len(problems) > most:
        click.echo(f"  and {len(problems) - most} more", err=True)
