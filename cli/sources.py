"""Options of commands for a source of pictures, and reports of its left out entries."""

from __future__ import annotations

from pathlib import Path

import click

from digits.cli.output import echo
from digits.core.text import plural

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["svhn", "mila", "coco", "yolo", "crops", "annotated", "negatives"]),
    help="Format of the source. [default: detected from its files]",
)


def source_options(command):
    """The argument and the options that name a source."""
    for option in (
        click.option("--annotations-only", is_flag=True, help="The pictures need not be there."),
        click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the pictures."),
        format_option,
        click.argument("source", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


def open_pictures(
    source: Path, format_: str | None, images: Path | None, annotations_only: bool, quiet: bool, letters: bool = False
):
    from digits.datasets.sources import open_source

    return open_source(source, images, format=format_, annotations_only=annotations_only, quiet=quiet, letters=letters)


def list_problems(pictures, most: int = 10) -> None:
    """Print on stderr how many entries of the pictures were left out, and list them."""
    list_entries(pictures.problems, most)
    if not len(pictures) and any("missing" in reason for _, reason in pictures.problems):
        click.echo("name the folder of the pictures with --images, or use --annotations-only", err=True)


def list_entries(problems, most: int = 10) -> None:
    """Print on stderr how many entries were left out, and list up to `most` of them."""
    if problems:
        click.echo(f"{plural(len(problems), 'entry', 'entries')} left out:", err=True)
    for image_id, reason in problems[:most]:
        echo(f"  {image_id}: {reason}", err=True)
    if len(problems) > most:
        click.echo(f"  and {len(problems) - most} more", err=True)
