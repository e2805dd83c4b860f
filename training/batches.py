"""Sample indices of each process and step, and moving batches to a device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


class Batches:
    """Sample indices of one process for the steps `first` to `last`, `last` excluded.

    Step k uses the samples `k * size` to `(k + 1) * size`, whatever the number of processes. Each process takes its
    share of them in `accumulate` micro-batches.
    """

    def __init__(self, first: int, last: int, size: int, accumulate: int = 1, rank: int = 0, processes: int = 1):
        self.first, self.last, self.size = first, last, size
        self.offsets = [k * processes + rank for k in range(accumulate)]
        self.stride = accumulate * processes

    def __iter__(self) -> Iterator[list[int]]:
        for k in range(self.first, self.last):
            for offset in self.offsets:
                yield list(range(k * self.size + offset, (k + 1) * self.size, self.stride))

    def __len__(self) -> int:
        return (self.last - self.first) * len(self.offsets)


def move(batch: Any, device: str | torch.device) -> Any:
    """The same nested lists, tuples and dicts with every tensor on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(move(value, device) for value in batch)
    return batch
