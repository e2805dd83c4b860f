"""`digits data`: downloads, draws, converts and shows annotated pictures."""

from __future__ import annotations

from pathlib import Path

import click

from digits.cli.output import INTERRUPTED, failure
from digits.cli.sources import list_problems, open_pictures, source_options
from digits.core.text import plural, printable

_BACKGROUND_BYTES = 2_000_000_000  # memory for backgrounds

_quiet = click.option("--quiet", is_flag=True, help="No progress bar, no notes on stderr.")
_out_folder = click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder to write, new or empty.",
)


@click.group()
def data() -> None:
    """Read, convert, split, draw and show annotated pictures.

    \b
    A SOURCE is
      a folder of SVHN in its official layout (train/ with digitStruct.mat), or the .mat file
      a metadata pickle of the Mila course (.pkl)
      a COCO detection file (.json), or the folder that holds one
      a YOLO folder (images/ and labels/)
      a folder of crops with labels.csv (file,text), or the .csv
      a folder with annotations.json and images/, as this project's own data
      a folder of pictures, which are taken as negatives
    """


@data.command()
@click.argument("name", type=click.Choice(["svhn"]))
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default="svhn", show_default=True, metavar="DIR"
)
@click.option(
    "--split",
    "splits",
    type=click.Choice(["train", "test", "extra"]),
    multiple=True,
    default=("train", "test"),
    show_default=True,
    help="May be given several times; extra has 202,353 pictures, 2 GB.",
)
@click.option("--url", metavar="URL", help="Another location of the archives. [default: the official one]")
@_quiet
def download(name, out, splits, url, quiet):
    """Download a public data set.

    Called again, an interrupted download continues.

    \b
    Example:
      digits data download svhn --out data/svhn
      digits data stats data/svhn/train
    """
    from digits.datasets.download import SVHN_URL, download_svhn

    for folder in download_svhn(out, splits, url or SVHN_URL, quiet=quiet):
        click.echo(folder)


@data.command()
@click.argument("kind", type=click.Choice(["scenes", "crops"]))
@click.option("--count", type=click.IntRange(1), required=True, metavar="N", help="How many.")
@_out_folder
@click.option(
    "--backgrounds",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Photographs without numbers, as backgrounds. [default: drawn walls]",
)
@click.option("--fonts", type=click.Path(path_type=Path), metavar="DIR", help="[default: those of the system]")
@click.option("--layout", type=click.Path(path_type=Path), metavar="FILE",
              help="Statistics of real numbers, see digits data layout. [default: SVHN's]")  # fmt: skip
@click.option("--size", type=(click.IntRange(64), click.IntRange(64)), default=(640, 480), show_default=True,
              metavar="W H", help="Of scenes, pixels.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--workers", type=click.IntRange(0), default=1, show_default=True,
              help="Number of processes; the pictures do not depend on it.")  # fmt: skip
@_quiet
def synthesize(kind, count, out, backgrounds, fonts, layout, size, seed, workers, quiet):
    """Draw house numbers, as scenes or as crops.

    Scenes are for a detector, crops for a recogniser. Writes images/ and instances.json (COCO), for crops also
    labels.csv. The same seed gives the same pictures.

    \b
    Examples:
      digits data synthesize crops --count 1000 --out crops/
      digits data synthesize scenes --count 200 --backgrounds street/ --workers 4 --out scenes/
      digits data preview crops/
    """
    import cv2
    from rich.console import Console

    from digits.datasets.export import check_unused
    from digits.datasets.rendering import render
    from digits.datasets.synthesis import Sources, Synthesizer, Synthetic
    from digits.datasets.synthesis.fonts import load_typefaces
    from digits.datasets.synthesis.layout import Layout, svhn_layout

    # worker processes use the cores; and OpenCV's threads do not exist in forked workers
    cv2.setNumThreads(1)
    check_unused(out)
    with Console(stderr=True, quiet=quiet).status("opening fonts and backgrounds"):
        sources = Sources(
            typefaces=load_typefaces(fonts),
            backgrounds=_backgrounds(backgrounds, max(size), seed, quiet),
            layout=Layout.load(layout) if layout else svhn_layout(),
        )
    synthesizer = Synthesizer(sources, seed=seed, scene_size=size[::-1])
    samples = Synthetic(synthesizer, "composed" if kind == "scenes" else "crop", count)
    suffix = ".jpg" if kind == "scenes" else ".png"
    written = render(samples, out, suffix=suffix, workers=workers, quiet=quiet)
    if written < count:
        raise failure(f"interrupted; {out} holds the first {written} of {count}, whole", INTERRUPTED)
    click.echo(out)


def _backgrounds(folder: Path | None, long_side: int, seed: int, quiet: bool) -> list:
    import numpy as np

    from digits.core.errors import DatasetError
    from digits.datasets.pictures import Pictures, read_negatives
    from digits.datasets.real import load_pixels
    from digits.datasets.synthesis.walls import draw_walls

    if folder is None:
        return draw_walls(np.random.default_rng(seed), 60)
    pictures = read_negatives(folder, quiet)
    most = max(20, _BACKGROUND_BYTES // (3 * long_side * (long_side * 3 // 4)))
    if len(pictures) > most:
        if not quiet:
            click.echo(f"{folder}: {most} of its {len(pictures)} pictures are used", err=True)
        chosen = np.linspace(0, len(pictures) - 1, most).astype(int)
        pictures = Pictures(pictures.name, [pictures.records[i] for i in chosen], pictures.problems)
    loaded = load_pixels(pictures, long_side)
    if not quiet:
        list_problems(pictures)
    if not loaded:
        raise DatasetError(f"{folder}: none of its pictures can be read")
    return loaded


@data.command()
@source_options
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), default="stats.png", show_default=True,
              metavar="FILE", help="File for the plots: .png, .svg or .pdf.")  # fmt: skip
@_quiet
def stats(source, format_, images, annotations_only, plot, quiet):
    """Print statistics of a SOURCE, and save plots of them.

    \b
    Example:
      digits data stats svhn/train --plot svhn.png
    """
    from digits.datasets.statistics import Statistics

    pictures = open_pictures(source, format_, images, annotations_only, quiet)
    counted = Statistics.of(pictures)
    rows = counted.rows()
    wide = max(map(len, rows))
    for name, value in rows.items():
        click.echo(f"{name:<{wide}}  {value}")
    if not quiet:
        list_problems(pictures)
    counted.plot(plot, printable(str(source)))
    if not quiet:
        click.echo(f"plots: {plot}", err=True)


@data.command()
@source_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="preview.png", show_default=True,
              metavar="FILE")  # fmt: skip
@click.option("--count", type=click.IntRange(1), default=48, show_default=True, metavar="N", help="Number of pictures.")
@click.option(
    "--height", type=click.IntRange(16, 2000), default=160, show_default=True, help="Height of each picture, pixels."
)
@click.option("--seed", type=click.IntRange(0), help="Seed to choose pictures at random. [default: evenly spread]")
@_quiet
def preview(source, format_, images, annotations_only, out, count, height, seed, quiet):
    """Save a contact sheet of a SOURCE, with boxes and labels.

    \b
    Example:
      digits data preview scenes/instances.json --count 12 --height 400
    """
    import numpy as np

    from digits.core.errors import DatasetError
    from digits.core.progress import progress
    from digits.datasets.contact import contact_sheet
    from digits.datasets.files import write_picture

    if annotations_only:
        raise click.UsageError("a preview needs the pictures")
    pictures = open_pictures(source, format_, images, False, quiet)
    if not len(pictures):
        raise DatasetError(f"{source}: nothing to show, {plural(len(pictures.problems), 'entry', 'entries')} left out")
    count = min(count, len(pictures))
    if seed is None:
        chosen = np.linspace(0, len(pictures) - 1, count).astype(int)
    else:
        chosen = np.random.default_rng(seed).choice(len(pictures), count, replace=False)
    samples = pictures.readable(progress(chosen.tolist(), "opening", count, quiet))
    write_picture(out, contact_sheet(samples, height))
    click.echo(out)
    if not quiet:
        list_problems(pictures)


@data.command()
@source_options
@click.option("--to", type=click.Choice(["coco", "yolo", "crops"]), required=True, help="The format to write.")
@_out_folder
@_quiet
def convert(source, format_, images, annotations_only, to, out, quiet):
    """Write a SOURCE in another format.

    \b
    coco   images/ and instances.json; keeps everything
    yolo   images/, labels/ and data.yaml; loses which digits belong to one number
    crops  a crop of every number, and labels.csv; loses the boxes

    \b
    Example:
      digits data convert svhn/train --to coco --out svhn-coco/
    """
    from digits.datasets.export import check_unused
    from digits.datasets.export import convert as write

    check_unused(out)
    pictures = open_pictures(source, format_, images, annotations_only, quiet)
    write(pictures, out, to, copy=not annotations_only, quiet=quiet)
    click.echo(out)
    if not quiet:
        list_problems(pictures)


@data.command()
@source_options
@click.option("--by", type=click.Choice(["id", "number"]), default="id", show_default=True,
              help="What is never split: a picture, or all pictures of one number.")  # fmt: skip
@_out_folder
@_quiet
def split(source, format_, images, annotations_only, by, out, quiet):
    """Split a SOURCE into train, validation and test.

    Writes three COCO files, of about 80, 10 and 10 % of the pictures, and a link that leads to the pictures where they
    are. The split of a picture depends on its id alone: it stays the same on other machines, and when pictures are
    added.

    \b
    Example:
      digits data split campus/ --by number --out splits/
    """
    from digits.datasets.export import by_id, by_number
    from digits.datasets.export import split as write

    pictures = open_pictures(source, format_, images, annotations_only, quiet)
    counts = write(pictures, out, by_id if by == "id" else by_number)
    for name, count in counts.items():
        click.echo(f"{out / name}.json  {count}")
    if not quiet:
        list_problems(pictures)


@data.command()
@source_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE")
@_quiet
def layout(source, format_, images, annotations_only, out, quiet):
    """Measure the layout of the numbers of a SOURCE.

    digits data synthesize --layout draws numbers with this layout.

    \b
    Example:
      digits data layout svhn/train --annotations-only --out layout.json
    """
    from digits.core.errors import DatasetError
    from digits.datasets.synthesis.layout import Layout

    pictures = open_pictures(source, format_, images, annotations_only, quiet)
    try:
        measured = Layout.measure(pictures.records)
    except DatasetError as error:
        raise DatasetError(f"{source}: {error}") from None
    measured.save(out)
    click.echo(out)
    if not quiet:
        list_problems(pictures)
