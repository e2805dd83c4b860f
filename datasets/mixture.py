"""Training examples by index: streams mixed in fixed shares, and finite lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch.utils.data import Dataset

_PERIOD = 1000  # samples after which the order of streams repeats


class Mixture(Dataset):
    """Endless, by index; of any consecutive samples, such as a batch, each stream has its share.

    streams: functions from the number of a draw, counted from 0 for each stream, to an example. shares: of the streams,
    adding up to 1, rounded to a thousandth. Each draw of a stream comes once, in order. In a batch, a stream differs
    from its share by less than two examples. The same index always gives the same example.

    >>> mixture = Mixture([lambda draw: f"a{draw}", lambda draw: f"b{draw}"], [0.75, 0.25])
    >>> [mixture[index] for index in range(8)]
    ['a0', 'a1', 'b0', 'a2', 'a3', 'a4', 'b1', 'a5']
    """

    def __init__(self, streams: Sequence[Callable[[int], object]], shares: Sequence[float]):
        if len(streams) != len(shares) or abs(sum(shares) - 1) > 1e-3:
            raise ValueError(f"{len(streams)} streams, and shares {list(shares)}, which must add up to 1")
        self.streams = list(streams)
        self._counts = np.maximum(1, np.round(_PERIOD * np.asarray(shares) / sum(shares)).astype(int))
        # the order of one period: always the stream that lags behind its share the most
        given, order, rank = np.zeros(len(streams), int), [], []
        for place in range(1, self._counts.sum() + 1):
            k = int((self._counts * place / self._counts.sum() - given).argmax())
            order.append(k)
            rank.append(int(given[k]))
            given[k] += 1
        self._order, self._rank = order, rank

    def __getitem__(self, index: int) -> Any:
        period, place = divmod(index, len(self._order))
        k = self._order[place]
        return self.streams[k](period * int(self._counts[k]) + self._rank[place])


class Listed(Dataset):
    """Finite: each of `makers` makes one example, when it is asked for."""

    def __init__(self, makers: Sequence[Callable[[], object]]):
        self.makers = list(makers)

    def __len__(self) -> int:
        return len(self.makers)

    def __getitem__(self, index: int) -> Any:
        return self.makers[index]()


@lru_cache(maxsize=8)
def _order(seed: int, stream: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, 8, stream, epoch)).permutation(count)


def shuffled(seed: int, stream: int, draw: int, count: int) -> int:
    """The index of the item that a draw takes: each epoch has all `count` items once, in an order of its own.

    >>> sorted(shuffled(1, 0, draw, 5) for draw in range(5, 10))
    [0, 1, 2, 3, 4]
    """
    epoch, place = divmod(draw, count)
    return int(_order(seed, stream, epoch, count)[place])
