"""The training loop that both models share.

Everything that depends on the step (examples, learning rates, frozen layers) is computed from the step number. So a
checkpoint holds only the learned state, the random states and the loss sums that are not logged yet.
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
from digits.training.processes import ProcessGroup
from digits.training.schedule import ParameterGroups, Span, factor, peak_rates, spans
from digits.training.signals import Interrupted, Signals
from digits.training.task import Task

_COUNTERS = ("step", "best", "epochs_since_best", "sums", "count")  # in a checkpoint, beside the learned state
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Objective(nn.Module):
    """A network with its losses as one module: DistributedDataParallel needs everything in one `forward`."""

    def __init__(self, task: Task):
        super().__init__()
        self.model = task.model
        self._losses = task.losses

    def forward(self, batch: dict) -> dict[str, Tensor]:
        return self._losses(batch)


class Training:
    """A run in progress. `run` trains from the current step to the end, and returns the network to save."""

    def __init__(self, task: Task, config: Config, out: Path, group: ProcessGroup, watch: Callable | None = None):
        check(task, config, group)
        self.task, self.config, self.out, self.group, self.watch = task, config, out, group, watch
        self.epoch_steps = steps_an_epoch(task, config)
        self.spans = spans(config.stages, self.epoch_steps)
        if group.size > 1 and group.device.type == "cuda":  # not on CPUs, where torch has none
            nn.SyncBatchNorm.convert_sync_batchnorm(task.model)
        self.model = to_device(task.model, group.device)
        self.average = AveragedModel(self.model, multi_avg_fn=moving_average(config.optimiser.ema))
        self.parameter_groups = ParameterGroups(self.model, task.stages())
        self.optimiser = make_optimiser(config.optimiser, self.parameter_groups)
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=config.machine.precision == "fp16")
        self.precision = resolve_precision(config.machine.precision, group.device)
        self.step = 0
        self.best: dict[str, float] | None = None  # metrics of the best weights so far
        self.epochs_since_best = 0
        self.sums: dict[str, float] = {}  # losses, summed since the last log record
        self.count = 0  # steps in these sums
        self.timed = 0  # steps since the last log record that ran in this process, not before a resumption
        self.left_out_since_save: list[LeftOut] = []  # by the workers of this process, not logged yet
        self.signals = Signals()
        if config.machine.compile:
            task.compile()

    @property
    def steps(self) -> int:
        return self.spans[-1].last

    @property
    def patience_is_over(self) -> bool:
        return self.config.stop.patience is not None and self.epochs_since_best >= self.config.stop.patience

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
        peaks = peak_rates(span.stage, len(self.parameter_groups.stages))
        self.parameter_groups.train(peaks)
        net = self.group.share(Objective(self.task))
        batches = iter(self._loader(self.task.train, self._indices(span), Collate(self.task)))
        try:
            while self.step < span.last and not self.patience_is_over:
                now = factor(self.config.optimiser, self.step - span.first, span.last - span.first)
                for parameter_group, peak in zip(self.optimiser.param_groups, peaks, strict=True):
                    parameter_group["lr"] = peak * now
                micro_batches = list(islice(batches, self.config.optimiser.accumulate))
                self.left_out_since_save += [entry for batch in micro_batches for entry in batch.pop("left_out")]
                flags = self._optimise(net, micro_batches)
                self.step += 1
                if log:
                    log.advance(self.step)
                    if self.step % self.config.machine.log_every == 0 or self.step == self.steps:
                        self._record(log, peaks[-1] * now)
                if self.step % self.epoch_steps == 0:
                    self._measure(log)
                if flags["save"] or flags["stop"] or self.step % self.epoch_steps == 0:
                    self._save(log)
                if flags["stop"] and self.step < self.steps:
                    raise Interrupted(f"stopped at step {self.step} of {self.steps}, all saved; go on with --resume")
        finally:
            del batches  # else a traceback keeps it, and with it the worker processes

    def _optimise(self, net: nn.Module, batches: list[dict]) -> dict[str, bool]:
        """One optimiser step on this process's micro-batches. Returns the flags "save" and "stop" of any process."""
        self.optimiser.zero_grad(set_to_none=True)
        per_batch: list[dict[str, Tensor]] = []
        for i, batch in enumerate(batches):
            last = i == len(batches) - 1  # gradients are exchanged once a step
            with nullcontext() if last or not isinstance(net, DistributedDataParallel) else net.no_sync():
                with self._autocast():
                    losses = net(move(batch, self.group.device))
                self.scaler.scale(sum(losses.values()) / len(batches)).backward()
            per_batch.append({name: loss.detach().float() for name, loss in losses.items()})
        save = self.group.first and time.monotonic() - self.saved > self.config.machine.checkpoint_seconds
        names = list(per_batch[0])
        means = [torch.stack([losses[name] for losses in per_batch]).mean() / self.group.size for name in names]
        flags = means[0].new_tensor([float(save), float(self.signals.count > 0)])
        report = self.group.sum(torch.cat([torch.stack(means), flags]))
        *values, save, stop = report.tolist()
        if not torch.isfinite(report).all():
            finite = [all(torch.isfinite(loss) for loss in losses.values()) for losses in per_batch]
            self._raise_diverged("loss", [batch["ids"] for batch, ok in zip(batches, finite, strict=True) if not ok])
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimiser.clip_norm or float("inf"))
        if not self.scaler.is_enabled() and not torch.isfinite(norm):  # the scaler itself skips such a step
            self._raise_diverged("gradient", [batch["ids"] for batch in batches])
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update_parameters(self.model)
        for name, value in zip(names, values, strict=True):
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        self.timed += 1
        return {"save": save > 0, "stop": stop > 0}

    def _raise_diverged(self, what: str, batches: list[list]) -> None:
        ids = [each for of_process in self.group.gather(batches) for batch in of_process for each in batch]
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
        """Evaluate, each epoch; also before the first one if training starts from weights: these may stay the best."""
        if self.task.validation is None:
            return
        started = time.monotonic()
        measured = self.evaluate(self.average.module)
        metric = self.config.stop.metric or self.task.metrics[0]
        if self.best is None or measured[metric] > self.best[metric]:
            self.best, self.epochs_since_best = measured, 0
            if self.group.first:
                state = {"average": self.average.module.state_dict(), "step": self.step, "metrics": measured}
                write_checkpoint(self.out / BEST, state)
        else:
            self.epochs_since_best += 1
        if log:
            log.record(self.step, {"epoch": self.step // self.epoch_steps, **measured})
            log.picture(self.step, "validation", self.task.picture(self.average.module))
        self.logged += time.monotonic() - started  # not counted in images a second
        if self.watch:
            self.watch(self.step, measured)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """The task's metrics on its validation data, which the processes share out among themselves."""
        validation = self.task.validation_examples()
        model.eval()
        self.group.agree(model)
        own = range(self.group.rank, len(validation), self.group.size)
        size = self.config.data.batch_size
        indices = [list(own[i : i + size]) for i in range(0, len(own), size)]
        counts: dict[str, float] = {}
        with torch.inference_mode():
            for batch in self._loader(validation, indices, self.task.collate):
                for name, value in self.task.score(model, move(batch, self.group.device)).items():
                    counts[name] = counts.get(name, 0.0) + value
        total: dict[str, float] = {}
        for of_process in self.group.gather(counts):
            for name, value in of_process.items():
                total[name] = total.get(name, 0.0) + value
        return self.task.measured(total)

    def _indices(self, span: Span) -> Batches:
        size, pieces = self.config.data.batch_size, self.config.optimiser.accumulate
        return Batches(self.step, span.last, size, pieces, self.group.rank, self.group.size)

    def _loader(self, data: Dataset, indices: Iterable, collate: Callable) -> DataLoader:
        return DataLoader(
            data,
            batch_sampler=indices,
            num_workers=self.config.data.workers,
            collate_fn=collate,
            pin_memory=self.group.device.type == "cuda",
            worker_init_fn=leave_to_the_parent,
            generator=torch.Generator(),  # its own one: the default would advance the random state just restored
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.group.device.type, _DTYPES[self.precision], enabled=self.precision != "fp32")

    def _save(self, log: RunLog | None) -> None:
        left_out_by_process, self.left_out_since_save = self.group.gather(self.left_out_since_save), []
        if log:
            log.leave_out(self.step, [entry for entries in left_out_by_process for entry in entries])
        randoms = self.group.gather(random_states(self.group.device))
        if self.group.first:
            learned = {name: module.state_dict() for name, module in self._learned().items()}
            counters = {name: getattr(self, name) for name in _COUNTERS}
            save_last(self.out, {**learned, **counters, "random": randoms})
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
        if "waited" in state:  # in older checkpoints
            state["epochs_since_best"] = state.pop("waited")
        try:
            for name, module in self._learned().items():
                module.load_state_dict(state[name])
        except (RuntimeError, ValueError, KeyError):
            raise WeightsError(f"{self.out}: its checkpoint is of another network, cannot go on from it") from None
        for name in _COUNTERS:
            setattr(self, name, state[name])
        if len(state["random"]) == self.group.size:  # with other processes, no random state can be continued
            restore_random(state["random"][self.group.rank], self.group.device)

    def _result(self) -> nn.Module:
        """The averaged weights: the best ones if there was a validation, else the last ones."""
        if self.best is not None:
            with suppress(WeightsError):  # damaged: take the last ones
                self.average.module.load_state_dict(read_checkpoint(self.out / BEST)["average"])
        return self.average.module.eval().cpu()


def _log(training: Training, quiet: bool) -> AbstractContextManager[RunLog | None]:
    """The log, which only the first process writes."""
    return RunLog(training.out, training.step, training.steps, quiet) if training.group.first else nullcontext()
