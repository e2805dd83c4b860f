"""What a recogniser believes about a crop: a probability for every text it can express."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter

import numpy as np

from digits.core.alphabet import DIGITS


@dataclass(frozen=True, eq=False)
class Distribution:
    """Probabilities of all texts of up to M digits, "" for no number: P(length) · Π P(digit at its position).

    length: natural-log probabilities (M + 1,) of lengths 0 to M. positions: (M, 10), of the ten digits at each
    position. Raises ValueError for other shapes.
    """

    length: np.ndarray
    positions: np.ndarray

    def __post_init__(self) -> None:
        most, shapes = len(self.positions), (self.length.shape, self.positions.shape)
        if shapes != ((most + 1,), (most, len(DIGITS))):
            raise ValueError(f"length (M + 1,), positions (M, {len(DIGITS)}) expected, got {shapes}")

    def log_probability(self, text: str) -> float:
        """Natural logarithm of a text's probability; -inf for what it cannot express: too long, or not of digits."""
        if len(text) > len(self.positions) or not set(text) <= set(DIGITS):
            return -np.inf
        places = sum(row[int(char)] for char, row in zip(text, self.positions, strict=False))
        return float(self.length[len(text)] + places)

    def best(self, count: int) -> list[tuple[str, float]]:
        """The most probable texts, `count` at most, each with its log probability, best first.

        These are exact: of every length, the best prefixes are continued by each of the ten digits.
        """
        prefixes = [("", 0.0)]
        texts = [("", float(self.length[0]))]
        for length, row in zip(self.length[1:], self.positions, strict=True):
            longer = [(text + digit, score + row[int(digit)]) for text, score in prefixes for digit in DIGITS]
            prefixes = nlargest(count, longer, itemgetter(1))
            texts += [(text, float(length + score)) for text, score in prefixes]
        return nlargest(count, (text for text in texts if text[1] > -np.inf), itemgetter(1))
