"""Statistics of a source: a table and plots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digits.core.alphabet import DIGIT_COUNT
from digits.core.boxes import enclosing, is_stacked
from digits.datasets.files import write_figure
from digits.datasets.pictures import Pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Statistics:
    """Counts and measures of a source.

    pictures, negatives, left_out: how many. sizes: (P, 2), width and height of the pictures whose size is known.
    lengths: of the numbers, int (M,). labels: int (N,). digits: width and height of each, pixels, (N, 2). relative:
    height of a digit over that of its picture, (K,). centres: of the numbers, as shares of the picture, (L, 2).
    stacked: numbers whose digits stand one above the other. numbers_a_picture: int, for the pictures of which it is
    known.
    """

    pictures: int
    negatives: int
    left_out: int
    sizes: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    digits: np.ndarray
    relative: np.ndarray
    centres: np.ndarray
    stacked: int
    numbers_a_picture: np.ndarray

    @classmethod
    def of(cls, pictures: Pictures) -> Statistics:
        lengths, labels, digits, relative, centres, sizes, counts = [], [], [], [], [], [], []
        stacked = negatives = 0
        for record in pictures.records:
            size = record.boxes[:, 2:] - record.boxes[:, :2]
            labels.append(record.labels)
            digits.append(size)
            lengths += [len(number) for number in record.numbers]
            if record.numbers or record.negative:
                counts.append(len(record.numbers))
            negatives += record.negative
            stacked += sum(is_stacked(boxes) for boxes in record.number_boxes())
            if record.width:
                sizes.append((record.width, record.height))
                relative.append(size[:, 1] / record.height)
                around = map(enclosing, record.number_boxes())
                centres += [(box[:2] + box[2:]) / 2 / (record.width, record.height) for box in around]
        return cls(
            pictures=len(pictures),
            negatives=negatives,
            left_out=len(pictures.problems),
            sizes=np.array(sizes).reshape(-1, 2),
            lengths=np.array(lengths, np.int64),
            labels=np.concatenate([*labels, np.zeros(0, np.int64)]),
            digits=np.concatenate([*digits, np.zeros((0, 2), np.float32)]),
            relative=np.concatenate([*relative, np.zeros(0, np.float32)]),
            centres=np.array(centres).reshape(-1, 2),
            stacked=stacked,
            numbers_a_picture=np.array(counts, np.int64),
        )

    @property
    def numbers_known(self) -> bool:
        """Whether it is known which digits make a number, or there are none."""
        return len(self.lengths) > 0 or not len(self.labels)

    def rows(self) -> dict[str, str]:
        """The table that `digits data stats` prints: names and values."""
        aspect = self.digits[:, 0] / self.digits[:, 1] if len(self.digits) else np.zeros(0)
        several = int((self.numbers_a_picture > 1).sum())
        return {
            "pictures": f"{self.pictures:,}",
            "left out": f"{self.left_out:,}",
            "negatives": f"{self.negatives:,}",
            "pictures with several numbers": f"{several:,}",
            "numbers": f"{len(self.lengths):,}",
            "stacked numbers": f"{self.stacked:,}",
            "digits with a box": f"{len(self.labels):,}",
            **{f"numbers of {n} digits": f"{count:,}" for n, count in sorted(Counter(self.lengths.tolist()).items())},
            **{f"digit {n}": f"{count:,}" for n, count in enumerate(np.bincount(self.labels, minlength=DIGIT_COUNT))},
            "picture width, pixels, 5/50/95 %": _quantiles(self.sizes[:, 0], "{:.0f}"),
            "picture height, pixels, 5/50/95 %": _quantiles(self.sizes[:, 1], "{:.0f}"),
            "digit height, pixels, 5/50/95 %": _quantiles(self.digits[:, 1], "{:.1f}"),
            "digit height over the picture's, 5/50/95 %": _quantiles(self.relative, "{:.3f}"),
            "digit width over height, 5/50/95 %": _quantiles(aspect, "{:.2f}"),
        }

    def plot(self, path: str | Path, title: str) -> None:
        """Save six plots as a picture; the suffix decides the format. Raises DatasetError if it cannot be saved."""
        from matplotlib.figure import Figure  # not pyplot: no window, no global state
        from matplotlib.ticker import LogFormatter

        figure = Figure(figsize=(12, 7), layout="constrained")
        figure.suptitle(title)
        ((lengths, classes, heights), (aspects, places, counts)) = figure.subplots(2, 3)
        _bars(lengths, "Length of numbers", "digits in the number", "numbers", Counter(self.lengths.tolist()))
        by_class = dict(enumerate(np.bincount(self.labels, minlength=DIGIT_COUNT).tolist()))
        _bars(classes, "Digits by class", "digit", "digits", by_class)
        of_pictures = Counter(self.numbers_a_picture.tolist()) if self.numbers_known else Counter[int]()
        _bars(counts, "Numbers in a picture", "numbers in the picture", "pictures", of_pictures)
        heights.set(title="Height of digits", xlabel="height, pixels", ylabel="digits")
        aspects.set(title="Shape of digits", xlabel="width over height", ylabel="digits")
        if len(self.digits):
            height = self.digits[:, 1]
            heights.hist(height, bins=np.geomspace(0.9 * height.min(), 1.1 * height.max(), 40))
            heights.set_xscale("log")
            heights.xaxis.set_major_formatter(LogFormatter())
            heights.xaxis.set_minor_formatter(LogFormatter())
            aspects.hist((self.digits[:, 0] / height).clip(0, 2), bins=40)
        places.set(title="Where numbers are", xlim=(0, 1), ylim=(1, 0))
        places.set(xlabel="from the left, share of the width", ylabel="from the top, share of the height")
        if len(self.centres):
            *_, shown = places.hist2d(*self.centres.T, bins=30, range=[[0, 1], [0, 1]])
            figure.colorbar(shown, ax=places, label="numbers")
            places.set_ylim(1, 0)
        unknown, boxless = ("none", "none") if self.negatives == self.pictures else ("not known", "no digit has a box")
        for axes, known, otherwise in (
            (lengths, len(self.lengths), unknown),
            (places, len(self.centres), unknown),
            (counts, self.numbers_known, unknown),
            *((axes, len(self.labels), boxless) for axes in (classes, heights, aspects)),
        ):
            if not known:
                axes.set(xticks=[], yticks=[])
                axes.text(0.5, 0.5, otherwise, ha="center", va="center", transform=axes.transAxes)
        write_figure(path, figure)


def _bars(axes: Axes, title: str, what: str, unit: str, counts: dict[int, int]) -> None:
    axes.set(title=title, xlabel=what, ylabel=unit)
    axes.bar(list(counts), list(counts.values()))
    if len(counts) <= 12:
        axes.set_xticks(sorted(counts))


def _quantiles(values: np.ndarray, form: str) -> str:
    return " / ".join(form.format(v) for v in np.quantile(values, _LEVELS)) if len(values) else "-"
