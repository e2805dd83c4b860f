"""How fast examples are drawn and annotations read. Everything runs on one core.

    python benchmarks/data.py --data DATA

DATA is the folder that training reads (see training/data.py); for the second half it also needs
DATA/svhn/train_metadata.pkl, whose 33,402 entries are written out as MATLAB writes them and read back.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import cv2
import h5py
import numpy as np
from h5py import h5d, h5p, h5r, h5s, h5t
from rich.console import Console
from rich.progress import track

from digits.datasets import open_source
from digits.datasets.pictures import Record
from digits.datasets.svhn import ANNOTATIONS
from digits.datasets.synthesis import Synthesizer
from digits.training.data import load_sources

PROGRESS = Console(stderr=True)
EXTRA = 202_353  # entries of SVHN's largest split


def rate(make: Callable, count: int, warm_up: int, what: str) -> float:
    """Samples a second of processor time, once the glyphs and the maps of the backgrounds are there."""
    for index in range(warm_up):
        make(10**6 + index)
    started = time.process_time()
    for index in track(range(count), what, console=PROGRESS):
        make(index)
    return count / (time.process_time() - started)


def drawing(data: Path) -> dict[str, str]:
    synthesizer = Synthesizer(load_sources(data), seed=0, scene_size=(480, 640))
    return {
        "crops a second": f"{rate(synthesizer.crop, 4000, 3000, 'crops'):.0f}",
        "scenes of 640x480 a second": f"{rate(synthesizer.composed, 300, 60, 'scenes'):.0f}",
    }


def write_structure(path: Path, records: Iterable[Record]) -> None:
    """An annotation file in SVHN's official layout, every number a compact dataset of its own."""
    compact = h5p.create(h5p.DATASET_CREATE)
    compact.set_layout(h5d.COMPACT)
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def put(group: h5py.Group, name: str, array: np.ndarray) -> h5py.Reference:
            space, kind = h5s.create_simple(array.shape), h5t.py_create(array.dtype, logical=True)
            h5d.create(group.id, name.encode(), kind, space, compact).write(h5s.ALL, h5s.ALL, array)
            return h5r.create(group.id, name.encode(), h5r.OBJECT)

        def listed(references: list) -> np.ndarray:
            column = np.empty((len(references), 1), h5py.ref_dtype)
            column[:, 0] = references
            return column

        names, boxes = [], []
        for i, record in enumerate(records):
            names.append(put(refs, f"n{i}", np.array([[ord(c)] for c in record.path.name], "<u2")))
            group = refs.create_group(f"b{i}")
            boxes.append(group.ref)
            left, top, right, bottom = record.boxes.T.astype(float)
            labels = np.where(record.labels, record.labels, 10)
            columns = {"left": left, "top": top, "width": right - left, "height": bottom - top, "label": labels}
            for name, values in columns.items():
                if len(values) == 1:
                    put(group, name, np.array([values], float))
                else:
                    each = [put(refs, f"{name}{i}_{j}", np.array([[v]], float)) for j, v in enumerate(values)]
                    put(group, name, listed(each))
        parent = file.create_group("digitStruct")
        parent["bbox"], parent["name"] = listed(boxes), listed(names)


def parsing(data: Path) -> dict[str, str]:
    records = open_source(data / "svhn" / "train_metadata.pkl", annotations_only=True).records
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ANNOTATIONS
        write_structure(path, track(records, "writing", console=PROGRESS))
        seconds = []
        for _ in range(2):
            started = time.process_time()
            back = open_source(path, annotations_only=True)
            seconds.append(time.process_time() - started)
        assert len(back) == len(records) and not back.problems
        assert all(a.numbers == b.numbers for a, b in zip(records, back.records, strict=True))
    count = len(records)
    return {
        f"SVHN annotations, {count:,} entries, first time / from the cache": f"{seconds[0]:.1f} / {seconds[1]:.1f} s",
        f"... the same rates for {EXTRA:,}": " / ".join(f"{s * EXTRA / count:.0f}" for s in seconds) + " s",
    }


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
def main(data: Path) -> None:
    """Measure drawing and reading of examples on one core."""
    cv2.setNumThreads(1)
    click.echo("| measure, one core | value |\n| --- | --- |")
    for name, value in {**drawing(data), **parsing(data)}.items():
        click.echo(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
