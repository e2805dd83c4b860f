"""What a recogniser believes about a crop: a probability for every text it can express."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nlargest
from operator import itemgetter

import numpy as np

from digits.core.alphabet import DIGITS, split_suffix
from digits.recognizer.heads import SUFFIXES, UNCLEAR

_NO_LETTERS = np.where(np.array(SUFFIXES) == "", 0.0, -np.inf)


@dataclass(frozen=True, eq=False)
class Distribution:
    """Probabilities of all texts of up to M digits and at most a letter behind them, "" for no number.

    That of a text is P(length) · Π P(digit at its position) · P(suffix), and of "" it is P(length 0).

    length: natural-log probabilities (M + 1,) of lengths 0 to M. positions: (M, 10), of the ten digits at each
    position. suffix: (28,), of each of `heads.SUFFIXES`; by default it is sure that there is no letter. Raises
    ValueError for other shapes.
    """

    length: np.ndarray
    positions: np.ndarray
    suffix: np.ndarray = field(default_factory=lambda: _NO_LETTERS)

    def __post_init__(self) -> None:
        most, shapes = len(self.positions), (self.length.shape, self.positions.shape, self.suffix.shape)
        if shapes != ((most + 1,), (most, len(DIGITS)), (len(SUFFIXES),)):
            wanted = f"length (M + 1,), positions (M, {len(DIGITS)}), suffix ({len(SUFFIXES)},)"
            raise ValueError(f"{wanted} expected, got {shapes}")

    def log_probability(self, text: str) -> float:
        """Natural logarithm of a text's probability; -inf for what it cannot express: too long, or other characters."""
        number, letter = split_suffix(text)
        if len(number) > len(self.positions) or not set(number) <= set(DIGITS) or (letter and not number):
            return -np.inf
        places = sum(row[int(char)] for char, row in zip(number, self.positions, strict=False))
        behind = self.suffix[SUFFIXES.index(letter)] if number else 0.0
        return float(self.length[len(number)] + places + behind)

    def best(self, count: int) -> list[tuple[str, float]]:
        """The most probable texts, `count` at most, each with its log probability, best first.

        These are exact: of every length, the best prefixes are continued by each of the ten digits.
        """
        prefixes = [("", 0.0)]
        texts = [("", float(self.length[0]))]
        behind = nlargest(count, zip(SUFFIXES, self.suffix.tolist(), strict=True), itemgetter(1))
        letters = [(letter, score) for letter, score in behind if letter != UNCLEAR]
        for length, row in zip(self.length[1:], self.positions, strict=True):
            longer = [(text + digit, score + row[int(digit)]) for text, score in prefixes for digit in DIGITS]
            prefixes = nlargest(count, longer, itemgetter(1))
            texts += [(text + end, float(length + score + last)) for text, score in prefixes for end, last in letters]
        return nlargest(count, (text for text in texts if text[1] > -np.inf), itemgetter(1))
