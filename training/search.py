"""Searches for settings with Optuna: resumable, since the study is an SQLite file, and bad trials end early."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from digits.core.errors import ConfigError, Diverged, TrainingError, reason
from digits.nn.weights import load_weights
from digits.training.config import Config, explain, read_toml
from digits.training.run import CONFIG, train
from digits.training.task import Task

if TYPE_CHECKING:
    from optuna import Study, Trial

STUDY = "study.db"
BEST_CONFIG = "best.toml"


class Range(BaseModel):
    """What a setting may be: one of `choices`, or a number from `low` to `high`, whole if both are; `log`, by its size;
    `step`, only low + k · step."""

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
            raise ValueError("log goes from above 0, and with no step")
        return self

    def suggest(self, trial: Trial, key: str) -> bool | int | float | str:
        low, high, step = self.low, self.high, self.step
        if low is None or high is None:
            return cast("bool | int | float | str", trial.suggest_categorical(key, list(self.choices or ())))
        if isinstance(low, int) and isinstance(high, int) and isinstance(step, int | None):
            return trial.suggest_int(key, low, high, step=step or 1, log=self.log)
        return trial.suggest_float(key, low, high, step=step, log=self.log)


def load_space(path: str | Path) -> dict[str, Range]:
    """Ranges by the key of the configuration, from a TOML file with a table for each; ConfigError if it is wrong."""
    content = read_toml(path)
    try:
        space = TypeAdapter(dict[str, Range]).validate_python(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from None
    if not space:
        raise ConfigError(f"{path}: names nothing to search through")
    return space


def open_study(out: Path, seed: int) -> Study:
    """The study in a folder, made if there is none."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be made ({reason(error)})") from None
    study = optuna.create_study(
        study_name="digits", storage=f"sqlite:///{(out / STUDY).resolve()}", direction="maximize", load_if_exists=True
    )
    # a sampler that is always seeded alike would propose the first settings again whenever it goes on
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.get_trials(deepcopy=False)))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4)
    return study


def search(
    task: type[Task], config: Config, space: Mapping[str, Range], out: str | Path, trials: int, quiet: bool = False
) -> tuple[dict, float]:
    """Train until there are so many trials in `out`, a run each; writes `best.toml`, the configuration of the best.

    What is sought is the metric of `stop.metric`. A trial that was killed goes on from its checkpoint; one whose loss
    is not finite, or that no configuration can be made of, has failed. Returns the best settings and their metric.

    Raises ConfigError if a key cannot be set, TrainingError if no trial came to an end, and what a run raises that
    could not go on for a reason that can be mended.
    """
    import optuna
    from optuna.trial import TrialState

    out = Path(out)
    if not config.data.validation:
        raise ConfigError("searching needs data.validation to be measured on")
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
            raise ConfigError(f"{out}: was begun with another space; search on in another folder") from None

        def watch(step: int, measured: dict, trial: Trial = trial) -> None:
            trial.report(measured[metric], step)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            tried = config.with_settings(settings)
        except ConfigError as error:  # two settings that each are fine
            _fail(study, trial, error)
            continue
        try:
            weights = train(task, tried, out / run, resume=(out / run / CONFIG).exists(), quiet=quiet, watch=watch)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except Diverged as error:
            _fail(study, trial, error)
        else:  # whatever else is raised leaves the trial as running, and it goes on next time
            study.tell(trial, load_weights(weights, config.kind)[0]["metrics"][metric])
    if not study.get_trials(states=[TrialState.COMPLETE], deepcopy=False):
        failed = [trial.user_attrs["error"] for trial in study.trials if "error" in trial.user_attrs]
        raise TrainingError(f"{out}: no trial came to an end; {failed[-1] if failed else 'all were pruned'}")
    config.with_settings([f"{k}={json.dumps(v)}" for k, v in study.best_params.items()]).save(out / BEST_CONFIG)
    return study.best_params, study.best_value


def _fail(study: Study, trial: Trial, error: Exception) -> None:
    from optuna.trial import TrialState

    trial.set_user_attr("error", str(error))
    study.tell(trial, state=TrialState.FAIL)


def _name(number: int) -> str:
    return f"trial-{number:04d}"


def _runs(study: Study) -> int:
    """How many runs have come to an end, be it a bad one."""
    last = {trial.user_attrs.get("run", _name(trial.number)): trial for trial in study.get_trials(deepcopy=False)}
    return sum(trial.state.is_finished() for trial in last.values())
