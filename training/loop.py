"""The training loop both models share: endless batches, one schedule, checkpoints to go on from."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import UnpicklingError

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter

from digits.core.errors import TrainingError, WeightsError

CHECKPOINT = "last.pt"


class _Batches:
    """Index batches `first`, `first + 1`, … of an endless dataset: batch k is always the same samples."""

    def __init__(self, first: int, last: int, size: int):
        self.first, self.last, self.size = first, last, size

    def __iter__(self) -> Iterator[list[int]]:
        for k in range(self.first, self.last):
            yield list(range(k * self.size, (k + 1) * self.size))

    def __len__(self) -> int:
        return self.last - self.first


def _rate(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then a cosine from 1 to 0.01."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _moving_average(decay: float) -> Callable:
    """Exponential average whose memory grows with its age, so that the first steps do not linger in it."""

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return torch.no_grad()(update)


def move(batch, device: str | torch.device):
    """Every tensor in nested lists, tuples and dicts, on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(move(value, device) for value in batch)
    return batch


def _save(path: Path, state: dict) -> None:
    """Written beside and renamed: a kill at any moment leaves the old checkpoint or the new one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def fit(
    model: nn.Module,
    data: Dataset,
    loss_of: Callable[[nn.Module, object], dict[str, Tensor]],
    *,
    out: str | Path,
    steps: int,
    batch_size: int,
    groups: list[dict],
    warmup: int = 200,
    weight_decay: float = 1e-4,
    ema_decay: float = 0.999,
    clip_norm: float = 5.0,
    workers: int = 1,
    collate: Callable | None = None,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    evaluate_every: int = 1000,
    save_seconds: float = 120,
    resume: bool = False,
    device: str = "cpu",
    quiet: bool = False,
) -> nn.Module:
    """Train for `steps` batches of an endless map-style dataset; returns the averaged (EMA) model.

    `loss_of(model, batch)` gives named scalar losses, which are summed. `groups` are optimiser parameter groups, each
    with its peak learning rate. `out` receives `last.pt` (model, average, optimiser, step), `log.jsonl` and
    TensorBoard files; with `resume`, training goes on from `last.pt` with the very batch that came next.

    Raises WeightsError if there is no good checkpoint to resume from, TrainingError if the loss is not finite.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    model.to(device).train()
    average = AveragedModel(model, multi_avg_fn=_moving_average(ema_decay))
    optimiser = torch.optim.AdamW(groups, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps, warmup))
    start = 0
    if resume:
        try:
            state = torch.load(out / CHECKPOINT, map_location=device, weights_only=True)
        except FileNotFoundError:
            raise WeightsError(f"{out / CHECKPOINT}: no checkpoint to resume from") from None
        except (OSError, RuntimeError, EOFError, UnpicklingError):
            raise WeightsError(f"{out / CHECKPOINT}: damaged, cannot resume from it") from None
        try:
            model.load_state_dict(state["model"])
            average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
            schedule.load_state_dict(state["schedule"])
            torch.set_rng_state(state["random"].cpu())
            start = state["step"]
        except (RuntimeError, ValueError, KeyError):
            raise WeightsError(f"{out / CHECKPOINT}: of another architecture, cannot resume from it") from None

    def checkpoint(step: int) -> None:
        parts = {"model": model, "average": average, "optimiser": optimiser, "schedule": schedule}
        states = {name: part.state_dict() for name, part in parts.items()}
        _save(out / CHECKPOINT, {**states, "step": step, "random": torch.get_rng_state()})

    # with a generator of its own: making the loader must not move the random state just restored
    loader = DataLoader(
        data,
        batch_sampler=_Batches(start, steps, batch_size),
        num_workers=workers,
        collate_fn=collate,
        generator=torch.Generator(),
    )
    parameters = [p for group in groups for p in group["params"]]
    kind = torch.device(device).type
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    saved = logged = time.monotonic()
    sums: dict[str, float] = {}
    count = 0
    with (
        SummaryWriter(out) as board,
        (out / "log.jsonl").open("a" if resume else "w") as log,
        Progress(*columns, console=Console(stderr=True), disable=quiet) as bar,
    ):
        task = bar.add_task("training", total=steps, completed=start)

        def record(step: int, values: dict[str, float]) -> None:
            log.write(json.dumps({"step": step, **{k: round(v, 5) for k, v in values.items()}}) + "\n")
            log.flush()
            for name, value in values.items():
                board.add_scalar(name, value, step)

        for step, batch in enumerate(loader, start=start + 1):
            with torch.autocast(kind, torch.bfloat16):
                losses = loss_of(model, move(batch, device))
            total = sum(losses.values())
            if not torch.isfinite(total):
                raise TrainingError(f"step {step}: the loss is {total.item()}; the last checkpoint is intact")
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(parameters, clip_norm)
            optimiser.step()
            schedule.step()
            average.update_parameters(model)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item()
            count += 1
            bar.advance(task)
            if step % 50 == 0 or step == steps:
                now = time.monotonic()
                means = {name: value / count for name, value in sums.items()}
                speed = count * batch_size / (now - logged)
                record(step, {**means, "rate": schedule.get_last_lr()[-1], "images_per_second": speed})
                bar.update(task, description=f"loss {sum(means.values()):.3f}  {speed:.0f}/s")
                sums, count, logged = {}, 0, now
            if evaluate and (step % evaluate_every == 0 or step == steps):
                record(step, evaluate(average.module.eval()))
                logged = time.monotonic()
            if time.monotonic() - saved > save_seconds or step == steps:
                checkpoint(step)
                saved = time.monotonic()
    return average.module.eval()
