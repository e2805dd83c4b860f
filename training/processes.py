"""One process or several: under `torchrun`, the processes share every batch (DistributedDataParallel)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from digits.core.errors import DigitsError
from digits.nn.device import resolve_device


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run, seen from one of them: its rank, their number and its device. Alone, rank 0 of 1."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, module: nn.Module) -> nn.Module:
        """The module, with gradients averaged over all processes."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, device_ids=[self.device] if self.device.type == "cuda" else None)

    def agree(self, module: nn.Module) -> None:
        """Copy the buffers (batch statistics) of the first process to all others."""
        if self.size > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, 0)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.size > 1:
            values = values.to(self.device)
            dist.all_reduce(values)
        return values

    def agree_on(self, check: Callable[[], None]) -> None:
        """Run a check in the first process; if it raises a DigitsError, that is raised in all processes."""
        problem = None
        if self.first:
            try:
                check()
            except DigitsError as error:
                problem = error
        if problem := self.gather(problem)[0]:
            raise problem

    def wait(self) -> None:
        """Wait until all processes get here."""
        if self.size > 1:
            dist.barrier()

    def gather(self, value: object) -> list:
        """The values of all processes, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


@contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """The process group that torchrun started, joined for the duration of the block; or this process alone.

    device: see `resolve_device`; "cuda" and "auto" give each process of a machine a GPU of its own. Raises DeviceError.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    where = resolve_device(device)
    if size == 1:
        yield ProcessGroup(0, 1, where)
        return
    if where.type == "cuda" and where.index is None:
        where = resolve_device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
        torch.cuda.set_device(where)
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=timedelta(minutes=30))
    try:
        yield ProcessGroup(dist.get_rank(), size, where)
    finally:
        dist.destroy_process_group()
