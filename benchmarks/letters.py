"""How real letters are read that training never saw: each letter judged by a recogniser trained without its pictures.

    python benchmarks/letters.py --data DATA A=runs/without-A/recognizer.safetensors B=… C=… D=…

DATA needs campus_letters/ (annotations.json, images/): doors with a letter behind their number.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

import digits
from digits.pipeline.fuse import Fusion


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--detector", type=click.Path(path_type=Path), help="Other weights than those that ship.")
@click.option("--calibration", type=click.Path(path_type=Path), help="Another calibration than the one that ships.")
@click.argument("recognizers", nargs=-1, required=True, metavar="LETTER=FILE…")
def main(data: Path, detector: Path | None, calibration: Path | None, recognizers: tuple[str, ...]) -> None:
    """Read the numbers with each letter by its recogniser."""
    folder = data / "campus_letters"
    entries = json.loads((folder / "annotations.json").read_text())
    fusion = Fusion.load(calibration) if calibration else None
    found = digits.Detector(detector)
    total = exact = wrong = 0
    for letter, path in (each.split("=", 1) for each in recognizers):
        reader = digits.Reader(found, digits.Recognizer(path), fusion=fusion)
        for entry in entries:
            texts = {number["text"] for number in entry["numbers"]}
            if not any(text.endswith(letter) for text in texts):
                continue
            scene = reader.read(folder / "images" / entry["file"])
            said = {reading.text for reading in scene.readings if reading.status == "read"}
            total, exact, wrong = total + 1, exact + (scene.text in texts), wrong + bool(said - texts)
            if scene.text not in texts or said - texts:
                click.echo(f"{entry['file']}: {' '.join(sorted(texts))} read {scene.text or 'nothing'}, {scene.status}")
    click.echo(f"\n{total} photographs with letters: {exact} exact, {wrong} with another number said surely")


if __name__ == "__main__":
    main()
