"""Trains many configurations: all combinations of a grid, to compare them, or trials of Optuna, to find the best.

A grid needs no sampler: it is a product, and its run folders show what is finished. A search is resumable, since its
study is an SQLite file, and ends bad trials early.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from torch import nn

from digits.core.errors import ConfigError, Diverged, TrainingError, reason
from digits.nn.weights import load_weights, restore
from digits.training.config import Config, explain, load_config, read_toml
from digits.training.plots import write_comparison
from digits.training.run import CONFIG, train
from digits.training.task import Task

if TYPE_CHECKING:
    from optuna import Study, Trial

STUDY = "study.db"
BEST_CONFIG = "best.toml"
_REPEATS = 30  # of a timed example


def combinations(vary: Sequence[str]) -> list[list[str]]:
    """The settings of every combination of "key=value|value|…"; a single empty one if nothing varies.

    >>> combinations(["loss.focal=0|2", "seed=1"])
    [['loss.focal=0', 'seed=1'], ['loss.focal=2', 'seed=1']]
    """
    choices = []
    for each in vary:
        key, equals, values = each.partition("=")
        if not equals:
            raise ConfigError(f"--vary {each}: write it as key=value|value")
        choices.append([f"{key}={value}" for value in values.split("|")])
    return [list(settings) for settings in product(*choices)]


def name_of(path: Path, settings: Sequence[str]) -> str:
    """The name of a run: that of the configuration, and the varied settings.

    >>> name_of(Path("configs/lenet.toml"), ["model.backbone=resnet18", "stages.0.rate=0.5"])
    'lenet-backbone=resnet18-rate=0.5'
    """
    parts = [path.stem]
    for setting in settings:
        key, _, value = setting.partition("=")
        parts.append(f"{key.split('.')[-1]}={value}".replace("/", "_").replace('"', ""))
    return "-".join(parts)


def plan(paths: Sequence[Path], vary: Sequence[str], settings: Sequence[str]) -> dict[str, Config]:
    """The configuration of each run by its name; ConfigError if one is invalid or two have the same name."""
    runs: dict[str, Config] = {}
    for path, varied in product(paths, combinations(vary)):
        name = name_of(path, varied)
        if name in runs:
            raise ConfigError(f"{path}: two runs would be called {name}; rename the file")
        runs[name] = load_config(path, [*settings, *varied])
    kinds = {config.kind for config in runs.values()}
    if len(kinds) > 1:
        raise ConfigError("detectors and recognizers cannot be compared with each other: a grid is of one kind")
    if len({bool(config.data.validation) for config in runs.values()}) > 1:
        raise ConfigError("some of the configurations have no data.validation: give it to all of them, or to none")
    return runs


@torch.inference_mode()
def milliseconds(model: nn.Module, example: tuple) -> float:
    """Median time of one example on the CPU, after warming up."""
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        model(*example)
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds[3:]))


def train_grid(
    task_of: Callable[[str], type[Task]], runs: dict[str, Config], out: str | Path, quiet: bool = False
) -> list[dict]:
    """Train every run in a folder of `out` with its name, and write `comparison.md` and `comparison.png` there.

    Finished runs stay, stopped ones go on; those that diverge are left out with a note. Returns a row for each run:
    name, metrics, number of parameters and milliseconds of one example. Raises Diverged if all runs diverged.
    """
    out = Path(out)
    rows, notes, failed = [], {}, {}
    for name, config in runs.items():
        task = task_of(config.kind)
        try:
            weights = _train_or_resume(task, config, out / name, quiet)
        except Diverged as error:
            failed[name] = str(error)
        else:
            model, header = restore(weights, config.kind, task.build)
            count = sum(parameter.numel() for parameter in model.parameters())
            time_each = milliseconds(model, task.example())
            rows.append({"run": name, **header["metrics"], "parameters": count, "milliseconds": time_each})
            if left_out := header["training"].get("left_out"):
                notes[name] = "left out " + ", ".join(f"{n} of {source}" for source, n in left_out.items())
        if rows:
            write_comparison(rows, notes | failed, out)
    if not rows:
        raise Diverged(f"{out}: nothing to compare: {next(iter(failed.values()))}")
    return rows


def _train_or_resume(
    task: type[Task], config: Config, run: Path, quiet: bool, watch: Callable[[int, dict], None] | None = None
) -> Path:
    return train(task, config, run, resume=(run / CONFIG).exists(), quiet=quiet, watch=watch)


class Range(BaseModel):
    """The values of a setting: one of `choices`, or a number from `low` to `high`, an integer if both ends are; with
    `log` sampled on a logarithmic scale, with `step` only low + k · step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: Annotated[tuple[bool | int | float | str, ...], Field(min_length=1)] | None = None
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Range:
        ends = None if self.low is None or self.high is None else (self.low, self.high)
        if (self.choices is None) == (ends is None):
            raise ValueError("needs either choices, or low and high")
        if ends is not None and not ends[0] < ends[1]:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and (self.step is not None or not (self.low or 0) > 0):
            raise ValueError("log needs a low above 0, and no step")
        return self

    def suggest(self, trial: Trial, key: str) -> bool | int | float | str:
        low, high, step = self.low, self.high, self.step
        if low is None or high is None:
            return cast("bool | int | float | str", trial.suggest_categorical(key, list(self.choices or ())))
        if isinstance(low, int) and isinstance(high, int) and isinstance(step, int | None):
            return trial.suggest_int(key, low, high, step=step or 1, log=self.log)
        return trial.suggest_float(key, low, high, step=step, log=self.log)


def load_space(path: str | Path) -> dict[str, Range]:
    """The range of each key of the configuration, from a TOML file with a table a key; ConfigError if it is invalid."""
    content = read_toml(path)
    try:
        space = TypeAdapter(dict[str, Range]).validate_python(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from None
    if not space:
        raise ConfigError(f"{path}: names nothing to search through")
    return space


def open_study(out: Path, seed: int) -> Study:
    """The study in a folder, created if there is none."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be made ({reason(error)})") from None
    study = optuna.create_study(
        study_name="digits", storage=f"sqlite:///{(out / STUDY).resolve()}", direction="maximize", load_if_exists=True
    )
    # with the same seed, a resumed sampler would propose the first settings again
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.get_trials(deepcopy=False)))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4)
    return study


def search(
    task: type[Task], config: Config, space: Mapping[str, Range], out: str | Path, trials: int, quiet: bool = False
) -> tuple[dict, float]:
    """Train until there are `trials` trials in `out`, a run each; write `best.toml`, the configuration of the best one.

    Maximises `stop.metric`. A killed trial goes on from its checkpoint. A trial fails if it diverges or if its settings
    are not valid together. Returns the best settings and their metric.

    Raises ConfigError if a key cannot be set, TrainingError if no trial was completed, and every error of a run that
    the user can correct.
    """
    import optuna
    from optuna.trial import TrialState

    out = Path(out)
    if not config.data.validation:
        raise ConfigError("a search needs data.validation, to measure trials on")
    for key, values in space.items():
        config.with_settings([f"{key}={json.dumps(values.choices[0] if values.choices else values.low)}"])
    metric = config.stop.metric or task.metrics[0]
    if metric not in task.metrics:
        raise ConfigError(f"stop.metric {metric}: there are {', '.join(task.metrics)}")
    study = open_study(out, config.seed)
    for stale in study.get_trials(states=[TrialState.RUNNING]):
        study.enqueue_trial(stale.params, user_attrs={"run": stale.user_attrs.get("run", _name(stale.number))})
        study.tell(stale.number, state=TrialState.FAIL)
    while _runs(study) < trials:
        trial = study.ask()
        run = trial.user_attrs.get("run", _name(trial.number))
        trial.set_user_attr("run", run)
        try:
            settings = [f"{key}={json.dumps(values.suggest(trial, key))}" for key, values in space.items()]
        except ValueError:
            raise ConfigError(f"{out}: was begun with another space; use another folder") from None

        def watch(step: int, measured: dict, trial: Trial = trial) -> None:
            trial.report(measured[metric], step)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            tried = config.with_settings(settings)
        except ConfigError as error:  # settings that are valid alone, but not together
            _fail(study, trial, error)
            continue
        try:
            weights = _train_or_resume(task, tried, out / run, quiet, watch)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except Diverged as error:
            _fail(study, trial, error)
        else:  # any other error leaves the trial running: it goes on next time
            study.tell(trial, load_weights(weights, config.kind)[0]["metrics"][metric])
    if not study.get_trials(states=[TrialState.COMPLETE], deepcopy=False):
        failed = [trial.user_attrs["error"] for trial in study.trials if "error" in trial.user_attrs]
        raise TrainingError(f"{out}: no trial was completed; {failed[-1] if failed else 'all were pruned'}")
    config.with_settings([f"{k}={json.dumps(v)}" for k, v in study.best_params.items()]).save(out / BEST_CONFIG)
    return study.best_params, study.best_value


def _fail(study: Study, trial: Trial, error: Exception) -> None:
    from optuna.trial import TrialState

    trial.set_user_attr("error", str(error))
    study.tell(trial, state=TrialState.FAIL)


def _name(number: int) -> str:
    return f"trial-{number:04d}"


def _runs(study: Study) -> int:
    """How many runs are finished: completed, pruned or failed."""
    last = {trial.user_attrs.get("run", _name(trial.number)): trial for trial in study.get_trials(deepcopy=False)}
    return sum(trial.state.is_finished() for trial in last.values())
