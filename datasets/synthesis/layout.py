"""The layout of real numbers: a small table of quantiles, measured on annotations, that drawn numbers follow.

The table that ships, `svhn_layout.json`, is of the 33,402 training numbers of SVHN (Netzer et al. 2011); the command
`digits data layout` makes one from any annotated source.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from digits.core.boxes import is_stacked
from digits.core.errors import DatasetError
from digits.datasets.files import write_text
from digits.datasets.pictures import Record, read_json

_LEVELS = np.linspace(0.005, 0.995, 34)  # the outermost half per cent is mostly annotation errors
_LONGEST = 6  # digits of the longest number drawn


@dataclass(frozen=True)
class Layout:
    """Quantiles at evenly spaced levels from 0.5 % to 99.5 %, and counts.

    numbers: how many were measured. lengths: how many of them have 1, 2, … 6 digits. height: of a digit, pixels.
    aspect: width over height of each digit 0 to 9. gap: from one digit's box to the next, over height. slope: rise over
    run of the line through the digits, stacks excluded. stacked: share of stacks among numbers of two or more digits.
    """

    numbers: int
    lengths: tuple[int, ...]
    height: tuple[float, ...]
    aspect: tuple[tuple[float, ...], ...]
    gap: tuple[float, ...]
    slope: tuple[float, ...]
    stacked: float

    @classmethod
    def measure(cls, records: Iterable[Record]) -> Layout:
        """Raises DatasetError if there are fewer than 100 numbers whose digits are boxed: too few for quantiles."""
        lengths, heights, gaps, slopes, stacked = [0] * _LONGEST, [], [], [], 0
        aspects: list[list[float]] = [[] for _ in range(10)]
        for record in records:
            for text, boxes in zip(record.numbers, record.number_boxes(), strict=False):
                if len(text) > _LONGEST:
                    continue
                boxes = boxes.astype(np.float64)
                size = boxes[:, 2:] - boxes[:, :2]
                height = float(np.median(size[:, 1]))
                lengths[len(text) - 1] += 1
                heights += size[:, 1].tolist()
                for char, (w, h) in zip(text, size, strict=True):
                    aspects[int(char)].append(w / h)
                if is_stacked(boxes):
                    stacked += 1
                    continue
                gaps += ((boxes[1:, 0] - boxes[:-1, 2]) / height).tolist()
                run, rise = (boxes[-1, :2] + boxes[-1, 2:] - boxes[0, :2] - boxes[0, 2:]) / 2
                if run > 0:  # not a single digit, nor two digits in one place, an annotation error
                    slopes.append(rise / run)
        if sum(lengths) < 100 or not slopes or not all(aspects):
            raise DatasetError(
                "too few numbers with boxed digits to measure a layout: at least 100, with all ten digits, are needed"
            )
        return cls(
            numbers=sum(lengths),
            lengths=tuple(lengths),
            height=_quantiles(heights),
            aspect=tuple(_quantiles(values) for values in aspects),
            gap=_quantiles(gaps),
            slope=_quantiles(slopes),
            stacked=round(stacked / sum(lengths[1:]), 4),
        )

    @classmethod
    def load(cls, path: str | Path) -> Layout:
        """Raises DatasetError if the file is missing or no layout table."""
        table = read_json(Path(path), dict)
        try:
            layout = cls(**{k: _frozen(v) for k, v in table.items()})
            columns = [np.array(c, float) for c in (layout.height, layout.gap, layout.slope, *layout.aspect)]
            lengths = np.array(layout.lengths)
            if len(layout.aspect) != 10 or lengths.shape != (_LONGEST,) or not lengths.sum() > 0 or lengths.min() < 0:
                raise ValueError
            # two quantiles at least, rising, of a size that pixels can have
            if any(len(c) < 2 or not (np.diff(c) >= 0).all() or not (np.abs(c) < 1e4).all() for c in columns):
                raise ValueError
        except (TypeError, ValueError):
            raise DatasetError(f"{path}: not a layout table; digits data layout makes one") from None
        return layout

    def save(self, path: str | Path) -> None:
        rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in asdict(self).items())
        write_text(path, f"{{\n{rows}\n}}\n")


@cache
def svhn_layout() -> Layout:
    """The layout table that ships."""
    return Layout.load(str(files("digits.datasets.synthesis") / "svhn_layout.json"))


def draw_from(rng: np.random.Generator, quantiles: tuple[float, ...]) -> float:
    """A random value from the distribution with these quantiles."""
    return at_level(quantiles, rng.random())


def at_level(quantiles: tuple[float, ...], level: float) -> float:
    """The quantile at `level`, 0 to 1, interpolated."""
    place = level * (len(quantiles) - 1)
    low = min(int(place), len(quantiles) - 2)
    return quantiles[low] + (place - low) * (quantiles[low + 1] - quantiles[low])


def _quantiles(values: list[float]) -> tuple[float, ...]:
    return tuple(np.quantile(values, _LEVELS).round(4).tolist())


def _frozen(value):
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
