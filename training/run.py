"""A training run, from configuration to weights, in a folder of its own:

config.toml        the complete configuration
run.json           versions, code revision, fingerprints of the data; at the end, how many pictures were left out
log.jsonl          losses, rates, speed and metrics, for `digits train plot`; the pictures that were left out, and why
tensorboard/       the same, and pictures of predictions on validation examples
last.pt            the last checkpoint; previous.pt: the one before
best.pt            the best averaged weights so far
KIND.safetensors   at the end: the weights, for `digits read`
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import torch

from digits.core.errors import ConfigError, TrainingError, reason
from digits.datasets.files import write_text
from digits.nn.weights import save_weights
from digits.training.checkpoints import BEST, LAST, PREVIOUS, read_last, set_aside
from digits.training.config import Config, load_config
from digits.training.left_out import counts
from digits.training.log import read_left_out
from digits.training.loop import Training
from digits.training.processes import process_group
from digits.training.provenance import provenance
from digits.training.task import Task

_THREADS = torch.get_num_threads()  # the default, before a run sets another number
CONFIG, ORIGIN = "config.toml", "run.json"


def weights_of(config: Config, out: str | Path) -> Path:
    """The path of the weights of a finished run."""
    return Path(out) / f"{config.kind}.safetensors"


def train(
    make_task: Callable[..., Task],
    config: Config,
    out: str | Path,
    *,
    resume: bool = False,
    quiet: bool = False,
    watch: Callable[[int, dict], None] | None = None,
) -> Path:
    """Train as configured, and return the path of the weights.

    make_task: makes the task of a configuration. resume: continue the run in `out` after it was stopped or killed; a
    finished run is left as it is. watch: called with step and metrics after every epoch; may raise to stop the run.
    Under torchrun, every process calls this.

    Raises ConfigError, DatasetError or WeightsError before training if the run is impossible; TrainingError if it
    cannot continue; training.signals.Interrupted if it was stopped.
    """
    out = Path(out)
    cv2.setNumThreads(1)  # samples are drawn in worker processes, one core each
    torch.set_num_threads(config.machine.threads or _THREADS)
    with process_group(config.machine.device) as group:
        group.agree_on(partial(_check_folder, out, config, resume))
        if resume and weights_of(config, out).exists():
            return weights_of(config, out)
        torch.manual_seed(config.seed)
        task = make_task(config, quiet=quiet or not group.first)
        torch.manual_seed(config.seed + group.rank)  # the same network in all processes, but different dropout
        training = Training(task, config, out, group, watch)
        group.agree_on(partial(_check_room, out, training))
        origin = provenance([*task.examples, *task.held_out], group.size)
        state, damaged = read_last(out) if resume else (None, [])
        group.wait()  # until all have read it
        if state is not None:
            training.restore(state)
        if group.first:
            notes = set_aside(damaged, training.step) + _claim(out, config, origin)
            if resume and state is None:
                notes.append(f"{out}: has no checkpoint yet, starts from the beginning")
            for text in notes if not quiet else ():
                print(text, file=sys.stderr)
        del state
        model = training.run(quiet)
        if group.first:
            left_out = counts(read_left_out(out))
            _complete(out, left_out)
            settings = config.model_dump(mode="json", exclude_none=True, exclude={"machine": True, "data": {"root"}})
            header = {
                "kind": config.kind,
                "training": {"config": settings, "step": training.step, **origin, "left_out": left_out},
                "metrics": {name: round(value, 4) for name, value in (training.best or {}).items()},
                **task.header(model),
            }
            save_weights(weights_of(config, out), model, header)
        group.wait()
    return weights_of(config, out)


def _check_folder(out: Path, config: Config, resume: bool) -> None:
    """Check that a new run overwrites no other, and that a resumed one keeps its configuration."""
    if out.exists() and not out.is_dir():
        raise TrainingError(f"{out}: a file, where the run's folder should be")
    if not (out / CONFIG).exists():
        if resume:
            raise TrainingError(f"{out}: no run to resume, there is no {CONFIG}")
        return
    if not resume:
        raise TrainingError(f"{out}: holds a run already; go on with it with --resume, or name another folder")
    before, now = (_flat(each.model_dump(mode="json")) for each in (load_config(out / CONFIG), config))
    for key in sorted(before.keys() | now.keys()):
        free = key.startswith("machine.") or key in ("data.workers", "data.root")
        if not free and before.get(key) != now.get(key):
            raise ConfigError(f"{out}: was begun with {key} {before.get(key)}, not {now.get(key)}; resume it as it was")


def _flat(value: object, key: str = "") -> dict:
    """Nested dicts and lists as one dict with dotted keys."""
    if not isinstance(value, (dict, list)):
        return {key: value}
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for name, inner in inside for k, v in _flat(inner, f"{key}.{name}" if key else str(name)).items()}


def _check_room(out: Path, training: Training) -> None:
    """Raises TrainingError if the disk has no room for the checkpoints, or the folder cannot be created."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        there = [out / name for name in (LAST, PREVIOUS, BEST)]  # will be replaced
        free = shutil.disk_usage(out).free + sum(path.stat().st_size for path in there if path.exists())
    except OSError as error:
        raise TrainingError(f"{out}: cannot be made ({reason(error)})") from None
    model = sum(p.numel() * p.element_size() for p in training.model.state_dict().values())
    # last, previous and next: weights, average and at most two moments; the best: weights; the result and the logs
    needed = 3 * 4 * model + 2 * model + 20_000_000
    if free < needed:
        raise TrainingError(f"{out}: {needed / 1e6:.0f} MB are needed for checkpoints, {free / 1e6:.0f} MB are free")


def _complete(out: Path, left_out: dict[str, int]) -> None:
    """Add to run.json how many pictures were left out, which is known only at the end."""
    origin = json.loads((out / ORIGIN).read_text(encoding="utf-8"))
    write_text(out / ORIGIN, json.dumps({**origin, "left_out": left_out}, indent=1) + "\n")


def _claim(out: Path, config: Config, origin: dict) -> list[str]:
    """Write run.json and config.toml; returns messages about data that have changed since the run was begun."""
    notes = []
    if (out / ORIGIN).exists():
        before = json.loads((out / ORIGIN).read_text(encoding="utf-8"))["data"]
        changed = [name for name, mark in origin["data"].items() if before.get(name) != mark]
        notes = [f"{name}: changed since the run was begun; losses will differ" for name in changed]
    else:
        write_text(out / ORIGIN, json.dumps(origin, indent=1) + "\n")
    if not (out / CONFIG).exists():
        config.save(out / CONFIG)
    return notes
