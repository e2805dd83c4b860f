"""Opens the data sources of a configuration.

A synthetic source draws from a folder with this layout, as for the shipped weights:

    DATA/negatives/            pictures without digits
    DATA/campus/               whole photographs, one box a number      annotations.json, images/
    DATA/icdar2003/            whole photographs, one box a digit       annotations.json, images/,
                               and text_without_digits/, pictures
    DATA/iiit5k/               tight crops, one box a character         annotations.json, images/,
                               and letters/, pictures
    DATA/svhn_train_color/     pictures zoomed on a number, a box a     annotations.jsonl, images/
                               digit; their surroundings are plates
    DATA/chars74k/             pictures of single capitals              upper_A/ to upper_Z/

Only `negatives/` is required; the others are used if they exist. Calibration also takes DATA/campus_letters/
(annotations.json) and DATA/campus_signs/ (labels.csv), photographs with one box a number, and with none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from digits.core.alphabet import DIGIT_COUNT, digits_of
from digits.core.boxes import cut_region, enclosing
from digits.core.errors import DatasetError
from digits.datasets.crops import read_crops
from digits.datasets.items import Sample, split_of, spread
from digits.datasets.mixture import shuffled
from digits.datasets.pictures import Pictures, Problem, Record, read_negatives, summed_up
from digits.datasets.real import load_pixels, read_annotated
from digits.datasets.sources import open_source
from digits.datasets.synthesis import Sources, Synthesizer
from digits.datasets.synthesis.fonts import load_typefaces
from digits.training.config import Config

_SAMPLED = 1000  # synthetic numbers that the frequency of digits is estimated from


def _photo_of(record: Record) -> str:
    """The photograph of an IIIT5K crop, its name up to the last underscore; crops of one are never split."""
    return record.image_id.rsplit("_", 1)[0]


def _door_of(record: Record) -> str:
    """The number in a campus photograph: photographs of the same door are never split."""
    return record.numbers[0] if record.numbers else record.image_id


def _surroundings(sample: Sample) -> Sample:
    """A number cut from its picture with the margins of a plate."""
    height = float(np.median(sample.boxes[:, 3] - sample.boxes[:, 1]))
    around = enclosing(sample.boxes) + np.array([-0.6, -0.4, 0.6, 0.4]) * height
    left, top = np.maximum(around[:2], 0).astype(int)
    image = np.ascontiguousarray(cut_region(sample.image, around))
    return replace(sample, image=image, boxes=sample.boxes - np.array([left, top, left, top], np.float32))


@lru_cache(maxsize=1)
def _wrong_labels() -> frozenset[str]:
    return frozenset(files("digits.training").joinpath("wrong_labels.txt").read_text().split())


def trusted(pictures: Pictures) -> Pictures:
    """The pictures without those whose labels are known to be wrong: FOLDER/NAME in wrong_labels.txt."""
    right, problems = [], []
    for record in pictures.records:
        if f"{record.path.parent.parent.name}/{record.path.name}" in _wrong_labels():
            problems.append(Problem(record.image_id, "its label is known to be wrong"))
        else:
            right.append(record)
    return Pictures(pictures.name, right, [*pictures.problems, *problems])


def load_sources(
    data: str | Path,
    fonts: str | Path | None = None,
    *,
    split: str = "train",
    mined: str | Path | None = None,
) -> Sources:
    """All pictures below `data` that belong to one split, see `datasets.items.split_of`.

    fonts: a folder of fonts, or None for those of the system. mined: a folder of false alarms, see `training.mining`.
    Pictures that cannot be decoded are left out and listed in `Sources.problems`. Raises DatasetError if pictures of
    this split, or fonts, are missing.
    """
    data = Path(data)
    if not data.is_dir():
        raise DatasetError(f"{data}: no such folder")
    problems: list[Problem] = []

    def note(name: str, pictures: Pictures) -> None:
        problems.extend(Problem(f"{name}/{image_id}", reason) for image_id, reason in pictures.problems)

    def annotated(name: str, group: Callable[[Record], str] = lambda record: record.image_id) -> list[Sample]:
        if not (data / name).is_dir():
            return []
        whole = read_annotated(data / name)
        records = [record for record in whole.records if split_of(group(record)) == split]
        pictures = trusted(Pictures(whole.name, records, whole.split(split).problems))
        samples = list(pictures.readable())
        note(name, pictures)
        return samples

    def pixels(name: str) -> list[np.ndarray]:
        pictures = read_negatives(data / name).split(split)
        images = load_pixels(pictures)
        note(name, pictures)
        return images

    def pixels_if_there(name: str) -> list[np.ndarray]:
        return pixels(name) if (data / name).is_dir() else []

    def crops(folder: str | Path) -> list[np.ndarray]:
        pictures = read_negatives(folder)
        images = [sample.image for sample in pictures.readable()]
        note(Path(folder).name, pictures)
        return images

    def letters(name: str) -> list[tuple[str, np.ndarray]]:
        """Pictures of capital letters, in folders upper_A to upper_Z."""
        folders = sorted((data / name).glob("upper_[A-Z]"))
        return [(folder.name[-1], image) for folder in folders for image in pixels(f"{name}/{folder.name}")]

    backgrounds = pixels("negatives")
    if not backgrounds:
        raise DatasetError(f"{data / 'negatives'}: none of its pictures is in the {split} split and can be read")
    plates = [s for s in annotated("iiit5k", group=_photo_of) if len(s.boxes)]
    plates += [_surroundings(s) for s in annotated("svhn_train_color")]
    return Sources(
        typefaces=load_typefaces(fonts),
        backgrounds=backgrounds,
        scenes=annotated("campus", group=_door_of) + annotated("icdar2003"),
        plates=plates,
        words=pixels_if_there("iiit5k/letters"),
        words_in_scenes=pixels_if_there("icdar2003/text_without_digits"),
        false_alarms=crops(mined) if mined else [],
        letters=letters("chars74k"),
        problems=problems,
    )


def calibration_pictures(data: str | Path) -> list[Sample]:
    """Real pictures below `data` that the recogniser was not trained on: of whichever of these folders are there.

    The validation split of svhn_train_color/, and all of campus_letters/ and campus_signs/.
    """
    data, found = Path(data), []
    if (data / "svhn_train_color").is_dir():
        found.append(trusted(read_annotated(data / "svhn_train_color").split("validation")))
    if (data / "campus_letters").is_dir():
        found.append(trusted(read_annotated(data / "campus_letters", letters=True)))
    if (data / "campus_signs").is_dir():
        found.append(read_crops(data / "campus_signs"))
    return [sample for pictures in found for sample in pictures.readable()]


@dataclass(frozen=True)
class Examples:
    """An opened source of a configuration. data: pictures, or the sources of synthetic ones. count: as configured."""

    name: str
    data: Pictures | Sources
    count: int | None

    def fingerprint(self) -> str:
        """A hash of everything that training depends on; equal for the same data on every machine."""
        total = hashlib.blake2b(digest_size=16)
        if isinstance(self.data, Pictures):
            for record in self.data.records:
                size = record.path.stat().st_size
                total.update(f"{record.image_id} {size} {record.width} {record.height} {record.numbers}".encode())
                total.update(record.boxes.tobytes() + record.labels.tobytes())
            return total.hexdigest()
        for item in (getattr(self.data, field.name) for field in fields(self.data) if field.compare):
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
        """Number of pictures; 0 for a synthetic source, which is endless."""
        return len(self.data) if isinstance(self.data, Pictures) else 0


def check_apart(examples: Sequence[Examples], held_out: Sequence[Examples]) -> None:
    """Raises DatasetError if a picture is used for both training and validation."""
    paths = [
        {record.path.resolve() for each in side if isinstance(each.data, Pictures) for record in each.data.records}
        for side in (examples, held_out)
    ]
    if both := paths[0] & paths[1]:
        raise DatasetError(
            f"{len(both)} pictures, such as {min(both)}, are in data.train and in data.validation; "
            "give one the split train, and the other the split validation"
        )


def _located(config: Config, name: str) -> Path:
    """A path of the data section; DatasetError if it does not exist."""
    path = config.path(name)
    if not path.exists():
        raise DatasetError(
            f"{path}: no such file or folder; paths of data begin at data.root, which is {config.data.root}: "
            "--set data.root=FOLDER changes it"
        )
    return path


def open_examples(config: Config, use: str, usable: Callable[[Record], bool], quiet: bool = False) -> list[Examples]:
    """The opened sources of `data.train` or `data.validation`. use: "train" or "validation".

    usable: whether the model can learn from a record; other records are left out. Raises DatasetError if a source is
    missing, malformed, or has no usable record, or if no number is left in all of them.
    """
    opened = []
    data: Pictures | Sources
    for source in getattr(config.data, use):
        if source.synthetic is not None:
            fonts, mined = (path and _located(config, path) for path in (source.fonts, source.mined))
            split = source.split or use
            backgrounds = _located(config, f"{source.synthetic}/negatives")
            data = load_sources(backgrounds.parent, fonts, split=split, mined=mined)
        else:
            images = source.images and _located(config, source.images)
            pictures = open_source(
                _located(config, source.source), images, format=source.format, quiet=quiet, letters=True
            )
            found = trusted(pictures if source.split is None else pictures.split(source.split))
            useless = [record.image_id for record in found.records if not usable(record)]
            problems = [Problem(image_id, f"nothing that a {config.kind} can learn from") for image_id in useless]
            kept = Pictures(found.name, filter(usable, found.records), [*found.problems, *problems])
            if not len(kept):
                without = f"{found.name}: nothing in it that a {config.kind} can learn from"
                raise DatasetError(without + _left_out(found.problems))
            if next(kept.readable(), None) is None:
                raise DatasetError(f"{found.name}: none of its pictures can be decoded{_left_out(kept.problems)}")
            data = kept
        opened.append(Examples(source.name, data, source.count))
    if use == "train":
        _check_numbers(opened)
    return opened


def _check_numbers(opened: Sequence[Examples]) -> None:
    """Raises DatasetError if something was left out, and what is left is without numbers."""
    problems = []
    for each in opened:
        if not isinstance(each.data, Pictures):
            return
        with_number = [i for i, record in enumerate(each.data.records) if not record.negative]
        if next(each.data.readable(with_number), None) is not None:
            return
        problems += each.data.problems
    if problems:
        names = ", ".join(each.name for each in opened)
        raise DatasetError(f"{names}: no picture with a number is left to learn from{_left_out(problems)}")


def _left_out(problems: Sequence[Problem]) -> str:
    """How much was left out and why, to be added to a message."""
    return f"; {len(problems)} left out, such as {summed_up(problems)}" if problems else ""


def draw_picture(pictures: Pictures, seed: int, stream: int, draw: int) -> tuple[Sample, np.random.Generator]:
    """The sample of a draw, see `datasets.mixture.shuffled`, and a random generator to augment it with.

    A picture that cannot be decoded is replaced by the next one; DatasetError if none can be decoded.
    """
    first = shuffled(seed, stream, draw, len(pictures))
    rng = np.random.default_rng((seed, 9, stream, draw))
    for index in range(first, first + len(pictures)):
        for sample in pictures.readable([index % len(pictures)]):
            return sample, rng
    raise DatasetError(f"{pictures.name}: none of its pictures can be decoded")


def chosen(examples: Examples) -> list[int]:
    """Indices of the pictures of a validation source: `count` of them, evenly spread, without undecodable ones.

    All are opened once here, so that none breaks the run after an epoch.
    """
    pictures = examples.data
    assert isinstance(pictures, Pictures)
    readable = []
    for index in spread(examples.count, len(pictures)):
        readable += [index for _ in pictures.readable([index])]
    return readable


def pass_length(examples: Sequence[Examples], shares: Sequence[float]) -> int | None:
    """Samples of one pass through the largest source; None if all sources are synthetic."""
    largest, share = max(zip(map(len, examples), shares, strict=True))
    return round(largest / share) or None


def stream_seed(seed: int, stream: int) -> int:
    """The seed of a synthetic source; two that draw from the same folder must differ."""
    return seed + 7919 * stream


def digit_counts(examples: Sequence[Examples], shares: Sequence[float]) -> np.ndarray:
    """Relative frequency of each digit in the training data, float64 (10,); of synthetic sources, estimated."""
    total = np.zeros(DIGIT_COUNT)
    for each, share in zip(examples, shares, strict=True):
        if isinstance(each.data, Pictures):
            items: Iterable[Record | Sample] = each.data.records
        else:
            items = map(Synthesizer(each.data, seed=0).number, range(_SAMPLED))
        text = ("".join(item.numbers) or "".join(map(str, item.labels)) for item in items)
        digits = np.array([int(char) for each in text for char in digits_of(each)], np.int64)
        if len(digits):
            total += share * np.bincount(digits, minlength=DIGIT_COUNT) / len(digits)
    return total
