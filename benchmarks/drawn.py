"""What the reader says of drawn numbers of each kind: letters, ranges, hidden ends, turned and mirrored ones.

    python benchmarks/drawn.py --data DATA

DATA is laid out as for training (`training/data.py`). Backgrounds and letters are those of the test split, which no
training saw; the fonts are those of the system. Of turned and mirrored numbers every text that is said surely is wrong,
and of the others every text but the whole one, also where a digit is hidden in part.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track

import digits
from digits.datasets.synthesis import Synthesizer
from digits.metrics import wilson_interval
from digits.pipeline.fuse import Fusion
from digits.training.data import load_sources

KINDS = ("plain", "suffix", "range", "hidden", "turned")


def _share(count: int, total: int) -> str:
    low, high = wilson_interval(count, total)
    return f"{count} of {total} ({low:.1%} to {high:.1%})"


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--count", default=300, show_default=True, help="Numbers of each kind.")
@click.option("--seed", default=7, show_default=True)
@click.option("--split", default="test", type=click.Choice(["test", "validation"]), show_default=True)
@click.option("--detector", type=click.Path(path_type=Path), help="Other weights than those that ship.")
@click.option("--recognizer", type=click.Path(path_type=Path), help="Other weights than those that ship.")
@click.option("--calibration", type=click.Path(path_type=Path), help="Another calibration than the one that ships.")
@click.option("--failures", type=click.Path(file_okay=False, path_type=Path), help="Save what is surely wrong.")
def main(data, count, seed, split, detector, recognizer, calibration, failures) -> None:
    """Read drawn numbers of each kind."""
    fusion = Fusion.load(calibration) if calibration else None
    reader = digits.Reader(digits.Detector(detector), digits.Recognizer(recognizer), fusion=fusion)
    synthesizer = Synthesizer(load_sources(data, split=split), seed=seed)
    click.echo("| kind | first reading exact | whole and sure | another text said surely |\n| --- | --- | --- | --- |")
    for kind in KINDS:
        exact, sure, wrong = [], [], []
        for index in track(range(count), kind, console=Console(stderr=True)):
            image, number = synthesizer.portrait(index, kind)
            scene = reader.read(image)
            said = {reading.text for reading in scene.readings if reading.status == "read"}
            truth = number.text if number.upright else ""
            exact.append(scene.text == truth)
            sure.append(truth in said)
            wrong.append(bool(said - {truth}))
            if failures and wrong[-1]:
                failures.mkdir(parents=True, exist_ok=True)
                name = f"{kind}_{index}_{number.text.replace('/', '_')}_read_{'_'.join(said).replace('/', '_')}.png"
                scene.render().save(failures / name)
        whole = (_share(int(np.sum(exact)), count), _share(int(np.sum(sure)), count)) if truth else ("—", "—")
        click.echo(f"| {kind} | {' | '.join(whole)} | {_share(int(np.sum(wrong)), count)} |")


if __name__ == "__main__":
    main()
