"""Examples for training, by number: several streams as one, in set shares of every batch; and lists of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import floor

import numpy as np
from torch.utils.data import Dataset


class Mixture(Dataset):
    """Endless, by index: of the samples `k * batch_size` to `(k + 1) * batch_size`, batch k, each stream has its share.

    streams: functions from the number of a draw, counted from 0 for each stream, to an example. shares: of the streams,
    adding up to 1. What a stream has of a batch differs from its share by less than two examples, and over many batches
    by less than one in all. The same index always gives the same example.

    >>> mixture = Mixture([lambda draw: f"a{draw}", lambda draw: f"b{draw}"], [0.75, 0.25], batch_size=4)
    >>> [mixture[index] for index in range(8)]
    ['a0', 'a1', 'a2', 'b0', 'a3', 'a4', 'a5', 'b1']
    """

    def __init__(self, streams: Sequence[Callable[[int], object]], shares: Sequence[float], batch_size: int):
        if len(streams) != len(shares) or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"{len(streams)} streams, and shares {list(shares)}, which must add up to 1")
        self.streams = list(streams)
        self.batch_size = batch_size
        # rounded, lest 0.7 + 0.2 + 0.1 falls short of 1
        self._bounds = [0.0, *(round(float(bound), 9) for bound in np.cumsum(shares))]

    def _before(self, batch: int, k: int) -> int:
        """How many samples of the batches before `batch` belong to the first k streams."""
        return floor(batch * self.batch_size * self._bounds[k] + 0.5)

    def __getitem__(self, index: int):
        batch, place = divmod(index, self.batch_size)
        first = 0  # place in the batch where a stream's samples begin
        for k, stream in enumerate(self.streams):
            last = self._before(batch + 1, k + 1) - self._before(batch, k + 1)
            if place < last:
                drawn = self._before(batch, k + 1) - self._before(batch, k)
                return stream(drawn + place - first)
            first = last
        raise IndexError(index)


class Listed(Dataset):
    """Finite: examples made when they are asked for, one by each of `makers`."""

    def __init__(self, makers: Sequence[Callable[[], object]]):
        self.makers = list(makers)

    def __len__(self) -> int:
        return len(self.makers)

    def __getitem__(self, index: int):
        return self.makers[index]()


@lru_cache(maxsize=8)
def _order(seed: int, stream: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, 8, stream, epoch)).permutation(count)


def shuffled(seed: int, stream: int, draw: int, count: int) -> int:
    """Which of `count` items a draw takes: all of them once before any comes again, in an order of its own each time.

    >>> sorted(shuffled(1, 0, draw, 5) for draw in range(5, 10))
    [0, 1, 2, 3, 4]
    """
    epoch, place = divmod(draw, count)
    return int(_order(seed, stream, epoch, count)[place])
