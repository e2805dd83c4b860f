"""Which samples each process takes for each step, and how they reach the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


class Batches:
    """Indices of the samples `first * size` onwards, up to `last * size`: for each step the part of one process.

    That part is cut into `accumulate` batches. Step k has the same samples whatever the number of processes or parts.
    """

    def __init__(self, first: int, last: int, size: int, accumulate: int = 1, rank: int = 0, processes: int = 1):
        self.first, self.last, self.size = first, last, size
        self.parts = [part * processes + rank for part in range(accumulate)]
        self.stride = accumulate * processes

    def __iter__(self) -> Iterator[list[int]]:
        for k in range(self.first, self.last):
            for part in self.parts:
                yield list(range(k * self.size + part, (k + 1) * self.size, self.stride))

    def __len__(self) -> int:
        return (self.last - self.first) * len(self.parts)


def move(batch: Any, device: str | torch.device) -> Any:
    """Every tensor in nested lists, tuples and dicts, on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(move(value, device) for value in batch)
    return batch
