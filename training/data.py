"""The folder of real data that the shipped weights are trained from, as sources for the synthesiser.

    DATA/negatives/            pictures without digits
    DATA/campus/               whole photographs, one box a number      annotations.json, images/
    DATA/icdar2003/            whole photographs, one box a digit       annotations.json, images/,
                               and text_without_digits/, pictures
    DATA/iiit5k/               tight crops, one box a character         annotations.json, images/,
                               and letters/, pictures

Only `negatives/` is needed; what else is there is used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from digits.core.errors import DatasetError
from digits.datasets.items import Sample, part_of
from digits.datasets.pictures import list_pictures, read_negatives, read_picture
from digits.datasets.real import load_pixels, read_annotated
from digits.datasets.synthesis import Sources
from digits.datasets.synthesis.fonts import load_typefaces


def _photo_of(name: str) -> str:
    """Several IIIT5K crops come from one photograph, named before the last underscore: never split those."""
    return name.rsplit("_", 1)[0]


def load_sources(
    data: str | Path,
    fonts: str | Path | None = None,
    *,
    part: str = "train",
    mined: str | Path | None = None,
) -> Sources:
    """Everything below `data` that belongs to one part, see `datasets.items.part_of`.

    fonts: a folder of fonts, or None for those of the system. mined: a folder of false alarms, see `pipeline.mining`.
    Raises DatasetError if pictures of this part or fonts are missing.
    """
    data = Path(data)
    if not data.is_dir():
        raise DatasetError(f"{data}: no such folder")

    def annotated(name: str, group=lambda image_id: image_id) -> list[Sample]:
        records = read_annotated(data / name).records if (data / name).is_dir() else []
        return [record.open() for record in records if part_of(group(record.image_id)) == part]

    def pictures(name: str) -> list[np.ndarray]:
        folder = data / name
        return load_pixels(read_negatives(folder).part(part)) if folder.is_dir() else []

    backgrounds = load_pixels(read_negatives(data / "negatives").part(part))
    if not backgrounds:
        raise DatasetError(f"{data / 'negatives'}: too few pictures, none of them falls into the {part} part")
    plates = [s for s in annotated("iiit5k", group=_photo_of) if len(s.boxes)]
    return Sources(
        typefaces=load_typefaces(fonts),
        backgrounds=backgrounds,
        scenes=annotated("campus") + annotated("icdar2003"),
        plates=plates,
        words=pictures("iiit5k/letters"),
        words_in_scenes=pictures("icdar2003/text_without_digits"),
        false_alarms=[read_picture(path) for path in list_pictures(mined)] if mined else [],
    )
