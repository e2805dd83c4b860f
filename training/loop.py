"""The training loop both models share.

All that depends on the step (which examples, which rates, which parts move) is computed from its number, so that a
checkpoint holds no more than what has been learned, the random states and the sums that are not yet logged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from digits.core.errors import Diverged, WeightsError
from digits.core.signals import leave_to_the_parent
from digits.nn.device import resolve_precision
from digits.nn.weights import to_device
from digits.training.batches import Batches, move
from digits.training.checkpoints import (
    BEST,
    random_states,
    read_checkpoint,
    restore_random,
    save_last,
    write_checkpoint,
)
from digits.training.checks import check, steps_an_epoch
from digits.training.config import Config
from digits.training.left_out import Collate, LeftOut, left_out
from digits.training.log import RunLog
from digits.training.optimiser import make_optimiser, moving_average
from digits.training.processes import Processes
from digits.training.schedule import Parts, Span, factor, peak_rates, spans
from digits.training.signals import Interrupted, Signals
from digits.training.task import Task

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Objective(nn.Module):
    """A network with its losses: what is shared among processes, since these want all of it in one `forward`."""

    def __init__(self, task: Task):
        super().__init__()
        self.model = task.model
        self._losses = task.losses

    def forward(self, batch: dict) -> dict[str, Tensor]:
        return self._losses(batch)


class Training:
    """A run in progress. `run` goes on from the step it is at to the end, and returns the weights to keep."""

    def __init__(self, task: Task, config: Config, out: Path, team: Processes, watch: Callable | None = None):
        check(task, config, team)
        self.task, self.config, self.out, self.team, self.watch = task, config, out, team, watch
        self.epoch_steps = steps_an_epoch(task, config)
        self.spans = spans(config.stages, self.epoch_steps)
        if team.size > 1 and team.device.type == "cuda":  # torch has none for processors: there, each has its own
            nn.SyncBatchNorm.convert_sync_batchnorm(task.model)
        self.model = to_device(task.model, team.device)
        self.average = AveragedModel(self.model, multi_avg_fn=moving_average(config.optimiser.ema))
        self.parts = Parts(self.model, task.stages())
        self.optimiser = make_optimiser(config.optimiser, self.parts)
        self.scaler = torch.amp.GradScaler(team.device.type, enabled=config.machine.precision == "fp16")
        self.precision = resolve_precision(config.machine.precision, team.device)
        self.step = 0
        self.best: dict[str, float] | None = None  # metrics of the best weights so far, and the epochs since
        self.waited = 0
        self.sums: dict[str, float] = {}  # of the losses since the last record, and over how many steps
        self.count = 0
        self.timed = 0  # those of them that this process has seen
        self.passed_over: list[LeftOut] = []  # by the workers of this process, not yet logged
        self.signals = Signals()
        if config.machine.compile:
            task.compile()

    @property
    def steps(self) -> int:
        return self.spans[-1].last

    @property
    def patience_is_over(self) -> bool:
        return self.config.stop.patience is not None and self.waited >= self.config.stop.patience

    def run(self, quiet: bool = False) -> nn.Module:
        """Raises Diverged if a loss or a gradient is not finite, Interrupted if a signal stopped it."""
        self.saved = self.logged = time.monotonic()
        with self.signals.caught(), _log(self, quiet) as log:
            if log:
                log.leave_out(self.step, left_out(self.task))
                log.tell_left_out()
            if self.step == 0 and self.config.model.start:
                self._measure(log)
            for span in self.spans:
                if self.step < span.last and not self.patience_is_over:
                    self._train(span, log)
        return self._result()

    def _train(self, span: Span, log: RunLog | None) -> None:
        peaks = peak_rates(span.stage, len(self.parts.stages))
        self.parts.train(peaks)
        net = self.team.share(Objective(self.task))
        batches = iter(self._loader(self.task.train, self._indices(span), Collate(self.task)))
        try:
            while self.step < span.last and not self.patience_is_over:
                now = factor(self.config.optimiser, self.step - span.first, span.last - span.first)
                for group, peak in zip(self.optimiser.param_groups, peaks, strict=True):
                    group["lr"] = peak * now
                of_step = list(islice(batches, self.config.optimiser.accumulate))
                self.passed_over += [entry for batch in of_step for entry in batch.pop("left_out")]
                wishes = self._optimise(net, of_step)
                self.step += 1
                if log:
                    log.advance(self.step)
                    if self.step % self.config.machine.log_every == 0 or self.step == self.steps:
                        self._record(log, peaks[-1] * now)
                if self.step % self.epoch_steps == 0:
                    self._measure(log)
                if wishes["save"] or wishes["stop"] or self.step % self.epoch_steps == 0:
                    self._save(log)
                if wishes["stop"] and self.step < self.steps:
                    raise Interrupted(f"stopped at step {self.step} of {self.steps}, all saved; go on with --resume")
        finally:
            del batches  # else a traceback keeps it, and with it the worker processes

    def _optimise(self, net: nn.Module, batches: list[dict]) -> dict[str, bool]:
        """One step on the batches this process has of it. Returns whether any process wants to save or to stop."""
        self.optimiser.zero_grad(set_to_none=True)
        seen: list[dict[str, Tensor]] = []
        for i, batch in enumerate(batches):
            apart = self.team.size > 1 and i < len(batches) - 1  # gradients are exchanged once a step
            with net.no_sync() if apart and isinstance(net, DistributedDataParallel) else nullcontext():
                with self._autocast():
                    losses = net(move(batch, self.team.device))
                self.scaler.scale(sum(losses.values()) / len(batches)).backward()
            seen.append({name: loss.detach().float() for name, loss in losses.items()})
        save = self.team.first and time.monotonic() - self.saved > self.config.machine.checkpoint_seconds
        means = [torch.stack([losses[name] for losses in seen]).mean() / self.team.size for name in seen[0]]
        wishes = means[0].new_tensor([float(save), float(self.signals.count > 0)])
        report = self.team.sum(torch.cat([torch.stack(means), wishes]))
        *values, save, stop = report.tolist()
        if not torch.isfinite(report).all():
            lost = [not all(torch.isfinite(loss) for loss in losses.values()) for losses in seen]
            self._give_up("loss", [batch["ids"] for batch, is_lost in zip(batches, lost, strict=True) if is_lost])
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimiser.clip_norm or float("inf"))
        if not self.scaler.is_enabled() and not torch.isfinite(norm):  # the scaler has its own way: it skips the step
            self._give_up("gradient", [batch["ids"] for batch in batches])
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update_parameters(self.model)
        for name, value in zip(seen[0], values, strict=True):
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        self.timed += 1
        return {"save": save > 0, "stop": stop > 0}

    def _give_up(self, what: str, batches: list[list]) -> None:
        ids = [each for of_process in self.team.gather(batches) for batch in of_process for each in batch]
        names = ", ".join(map(str, ids[:8])) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        raise Diverged(f"step {self.step + 1}: the {what} is not finite on {names}; the last checkpoint is intact")

    def _record(self, log: RunLog, rate: float) -> None:
        now = time.monotonic()
        means = {name: value / self.count for name, value in self.sums.items()}
        speed = self.timed * self.config.data.batch_size / (now - self.logged)
        log.record(self.step, {"loss": sum(means.values()), **means, "rate": rate, "images_per_second": speed})
        log.say(f"loss {sum(means.values()):.3f}  rate {rate:.1e}  {speed:.0f}/s")
        self.sums, self.count, self.timed, self.logged = {}, 0, 0, now

    def _measure(self, log: RunLog | None) -> None:
        """Once an epoch, and before the first where there are weights to begin with: the run must not end worse."""
        if self.task.validation is None:
            return
        started = time.monotonic()
        measured = self.evaluate(self.average.module)
        metric = self.config.stop.metric or self.task.metrics[0]
        if self.best is None or measured[metric] > self.best[metric]:
            self.best, self.waited = measured, 0
            if self.team.first:
                state = {"average": self.average.module.state_dict(), "step": self.step, "metrics": measured}
                write_checkpoint(self.out / BEST, state)
        else:
            self.waited += 1
        if log:
            log.record(self.step, {"epoch": self.step // self.epoch_steps, **measured})
            log.picture(self.step, "validation", self.task.picture(self.average.module))
        self.logged += time.monotonic() - started  # images a second are those of training
        if self.watch:
            self.watch(self.step, measured)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """The task's metrics on its validation data, each process reading its part of them."""
        validation = self.task.watched_examples()
        model.eval()
        self.team.agree(model)
        mine = range(self.team.rank, len(validation), self.team.size)
        size = self.config.data.batch_size
        indices = [list(mine[i : i + size]) for i in range(0, len(mine), size)]
        counts: dict[str, float] = {}
        with torch.inference_mode():
            for batch in self._loader(validation, indices, self.task.collate):
                for name, value in self.task.score(model, move(batch, self.team.device)).items():
                    counts[name] = counts.get(name, 0.0) + value
        total: dict[str, float] = {}
        for of_process in self.team.gather(counts):
            for name, value in of_process.items():
                total[name] = total.get(name, 0.0) + value
        return self.task.measured(total)

    def _indices(self, span: Span) -> Batches:
        size, pieces = self.config.data.batch_size, self.config.optimiser.accumulate
        return Batches(self.step, span.last, size, pieces, self.team.rank, self.team.size)

    def _loader(self, data: Dataset, indices: Iterable, collate: Callable) -> DataLoader:
        return DataLoader(
            data,
            batch_sampler=indices,
            num_workers=self.config.data.workers,
            collate_fn=collate,
            pin_memory=self.team.device.type == "cuda",
            worker_init_fn=leave_to_the_parent,
            generator=torch.Generator(),  # of its own: making it must not move the random state just restored
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.team.device.type, _DTYPES[self.precision], enabled=self.precision != "fp32")

    def _save(self, log: RunLog | None) -> None:
        passed_over, self.passed_over = self.team.gather(self.passed_over), []
        if log:
            log.leave_out(self.step, [entry for of_process in passed_over for entry in of_process])
        randoms = self.team.gather(random_states(self.team.device))
        if self.team.first:
            learned = {name: part.state_dict() for name, part in self._learned().items()}
            kept = {name: getattr(self, name) for name in ("step", "best", "waited", "sums", "count")}
            save_last(self.out, {**learned, **kept, "random": randoms})
        self.saved = time.monotonic()

    def _learned(self) -> dict:
        return {
            "model": self.model,
            "average": self.average,
            "optimiser": self.optimiser,
            "scaler": self.scaler,
        }

    def restore(self, state: dict) -> None:
        """Go on from a checkpoint; WeightsError if it is of another network."""
        try:
            for name, part in self._learned().items():
                part.load_state_dict(state[name])
        except (RuntimeError, ValueError, KeyError):
            raise WeightsError(f"{self.out}: its checkpoint is of another network, cannot go on from it") from None
        for name in ("step", "best", "waited", "sums", "count"):
            setattr(self, name, state[name])
        if len(state["random"]) == self.team.size:  # else it is not the same run any more
            restore_random(state["random"][self.team.rank], self.team.device)

    def _result(self) -> nn.Module:
        """The averaged weights: the best ones measured, where something was measured."""
        if self.best is not None:
            with suppress(WeightsError):  # damaged since: those of the end are next best
                self.average.module.load_state_dict(read_checkpoint(self.out / BEST)["average"])
        return self.average.module.eval().cpu()


def _log(training: Training, quiet: bool) -> AbstractContextManager[RunLog | None]:
    """The log, kept by the first process alone."""
    return RunLog(training.out, training.step, training.steps, quiet) if training.team.first else nullcontext()
