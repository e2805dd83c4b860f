"""The examples of a run: the sources its configuration names, opened.

A synthetic source draws from a folder that is laid out so, as the one that made the shipped weights:

    DATA/negatives/            pictures without digits
    DATA/campus/               whole photographs, one box a number      annotations.json, images/
    DATA/icdar2003/            whole photographs, one box a digit       annotations.json, images/,
                               and text_without_digits/, pictures
    DATA/iiit5k/               tight crops, one box a character         annotations.json, images/,
                               and letters/, pictures

Only `negatives/` is needed; what else is there is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from digits.core.boxes import cut_region, enclosing
from digits.core.errors import DatasetError
from digits.datasets.items import Sample, part_of, spread
from digits.datasets.mixture import shuffled
from digits.datasets.pictures import Pictures, Record, list_pictures, read_negatives, read_picture
from digits.datasets.real import load_pixels, read_annotated
from digits.datasets.sources import open_source
from digits.datasets.synthesis import Sources, Synthesizer
from digits.datasets.synthesis.fonts import load_typefaces
from digits.training.config import Config

_SAMPLED = 1000  # drawn numbers by which the frequency of digits is judged


def _photo_of(record: Record) -> str:
    """Several IIIT5K crops come from one photograph, named before the last underscore: never split those."""
    return record.image_id.rsplit("_", 1)[0]


def _door_of(record: Record) -> str:
    """Several photographs of a campus show one door: those of a number are never split."""
    return record.numbers[0] if record.numbers else record.image_id


def _surroundings(sample: Sample) -> Sample:
    """A number of a picture that shows little else, with as much around it as a plate has."""
    tall = float(np.median(sample.boxes[:, 3] - sample.boxes[:, 1]))
    around = enclosing(sample.boxes) + np.array([-0.6, -0.4, 0.6, 0.4]) * tall
    left, top = np.maximum(around[:2], 0).astype(int)
    image = np.ascontiguousarray(cut_region(sample.image, around))
    return replace(sample, image=image, boxes=sample.boxes - np.float32([left, top, left, top]))


@lru_cache(maxsize=1)
def _wrong_labels() -> frozenset[str]:
    return frozenset(files("digits.training").joinpath("wrong_labels.txt").read_text().split())


def trusted(records: Iterable[Record]) -> list[Record]:
    """Without the pictures whose labels were looked at and are wrong: those in wrong_labels.txt, as FOLDER/NAME."""
    return [r for r in records if f"{r.path.parent.parent.name}/{r.path.name}" not in _wrong_labels()]


def _letters(folder: Path, part: str) -> list[tuple[str, np.ndarray]]:
    """Pictures of capitals, a folder upper_A to upper_Z a letter."""
    found = sorted(folder.glob("upper_[A-Z]/*"))
    return [(path.parent.name[-1], read_picture(path)) for path in found if part_of(path.name) == part]


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

    def annotated(name: str, group=lambda record: record.image_id) -> list[Sample]:
        records = read_annotated(data / name).records if (data / name).is_dir() else []
        return [record.open() for record in trusted(records) if part_of(group(record)) == part]

    def pictures(name: str) -> list[np.ndarray]:
        folder = data / name
        return load_pixels(read_negatives(folder).part(part)) if folder.is_dir() else []

    backgrounds = load_pixels(read_negatives(data / "negatives").part(part))
    if not backgrounds:
        raise DatasetError(f"{data / 'negatives'}: too few pictures, none of them falls into the {part} part")
    plates = [s for s in annotated("iiit5k", group=_photo_of) if len(s.boxes)]
    plates += [_surroundings(s) for s in annotated("svhn_train_color")]
    return Sources(
        typefaces=load_typefaces(fonts),
        backgrounds=backgrounds,
        scenes=annotated("campus", group=_door_of) + annotated("icdar2003"),
        plates=plates,
        words=pictures("iiit5k/letters"),
        words_in_scenes=pictures("icdar2003/text_without_digits"),
        letters=_letters(data / "chars74k", part),
        false_alarms=[read_picture(path) for path in list_pictures(mined)] if mined else [],
    )


@dataclass(frozen=True)
class Examples:
    """A source of a configuration, opened: `data`, pictures or what synthetic ones are made of; `count` as there."""

    name: str
    data: Pictures | Sources
    count: int | None

    def fingerprint(self) -> str:
        """Of all that decides what is learned from it; the same data give the same on every machine."""
        total = hashlib.blake2b(digest_size=16)
        if isinstance(self.data, Pictures):
            for record in self.data.records:
                size = record.path.stat().st_size
                total.update(f"{record.image_id} {size} {record.width} {record.height} {record.numbers}".encode())
                total.update(record.boxes.tobytes() + record.labels.tobytes())
            return total.hexdigest()
        for item in (getattr(self.data, field.name) for field in fields(self.data)):
            for each in item if isinstance(item, Sequence) else [item]:
                if isinstance(each, tuple):
                    total.update(each[0].encode() + each[1].tobytes())
                elif isinstance(each, Sample):
                    total.update(each.image.tobytes() + each.boxes.tobytes() + str(each.numbers).encode())
                elif isinstance(each, np.ndarray):
                    total.update(each.tobytes())
                else:  # a typeface, known by its file, or the layout
                    total.update((Path(each.path or "").name if hasattr(each, "path") else repr(each)).encode())
        return total.hexdigest()

    def __len__(self) -> int:
        """Of pictures; what is synthetic is without end, and counts for nothing."""
        return len(self.data) if isinstance(self.data, Pictures) else 0


def check_apart(examples: Sequence[Examples], watched: Sequence[Examples]) -> None:
    """Raises DatasetError if pictures are both trained on and measured on."""
    paths = [
        {record.path.resolve() for each in side if isinstance(each.data, Pictures) for record in each.data.records}
        for side in (examples, watched)
    ]
    if both := paths[0] & paths[1]:
        raise DatasetError(
            f"{len(both)} pictures, such as {min(both)}, are in data.train and in data.validation; "
            "give the one part train, and the other part validation"
        )


def open_examples(config: Config, use: str, usable: Callable[[Record], bool], quiet: bool = False) -> list[Examples]:
    """The sources of `data.train` or `data.validation`, as `use` says.

    usable: which records the trainer can learn from; the others are passed over. Raises DatasetError if a source is
    missing, malformed or has nothing to learn from.
    """
    opened = []
    for source in getattr(config.data, use):
        if source.synthetic is not None:
            fonts, mined = (None if path is None else config.path(path) for path in (source.fonts, source.mined))
            part = source.part or use
            data = load_sources(config.path(source.synthetic), fonts, part=part, mined=mined)
        else:
            images = None if source.images is None else config.path(source.images)
            pictures = open_source(config.path(source.source), images, format=source.format, quiet=quiet)
            part = pictures if source.part is None else pictures.part(source.part)
            data = Pictures(part.name, filter(usable, trusted(part.records)), pictures.problems)
            if not len(data):
                raise DatasetError(f"{part.name}: nothing in it that a {config.kind} can learn from")
            if next(data.readable(), None) is None:
                raise DatasetError(f"{part.name}: none of its pictures can be decoded")
        opened.append(Examples(source.name, data, source.count))
    return opened


def draw_picture(pictures: Pictures, seed: int, stream: int, draw: int) -> tuple[Sample, np.random.Generator]:
    """The sample of a draw, see `datasets.mixture.shuffled`, and random numbers of its own to vary it with.

    A picture that cannot be decoded is passed over for the next one; DatasetError if none can.
    """
    first = shuffled(seed, stream, draw, len(pictures))
    rng = np.random.default_rng((seed, 9, stream, draw))
    for index in range(first, first + len(pictures)):
        for sample in pictures.readable([index % len(pictures)]):
            return sample, rng
    raise DatasetError(f"{pictures.name}: none of its pictures can be decoded")


def chosen(examples: Examples) -> list[int]:
    """Indices of the pictures of a validation source: `count` of them, evenly spread, but those that cannot be decoded.

    They are all opened once, lest one breaks the run when an epoch is over.
    """
    readable = []
    for index in spread(examples.count, len(examples.data)):
        readable += [index for _ in examples.data.readable([index])]
    return readable


def pass_length(examples: Sequence[Examples], shares: Sequence[float]) -> int | None:
    """Samples until each picture of the largest source has come once; None if all is synthetic."""
    largest, share = max(zip(map(len, examples), shares, strict=True))
    return round(largest / share) or None


def stream_seed(seed: int, stream: int) -> int:
    """Of a synthetic source: two that draw from the same folder must not draw the same."""
    return seed + 7919 * stream


def digit_counts(examples: Sequence[Examples], shares: Sequence[float]) -> np.ndarray:
    """How often each digit is learned from, relative to the others: float64 (10,). Synthetic ones are sampled."""
    total = np.zeros(10)
    for each, share in zip(examples, shares, strict=True):
        if isinstance(each.data, Pictures):
            items = each.data.records
        else:
            items = map(Synthesizer(each.data, seed=0).number, range(_SAMPLED))
        text = ("".join(item.numbers) or "".join(map(str, item.labels)) for item in items)
        digits = np.array([int(char) for each in text for char in each if char.isdigit()], np.int64)
        if len(digits):
            total += share * np.bincount(digits, minlength=10) / len(digits)
    return total
