"""Checks, before training, that a configuration suits its task."""

from __future__ import annotations

from digits.core.errors import ConfigError
from digits.training.config import Config
from digits.training.processes import ProcessGroup
from digits.training.task import Task


def steps_an_epoch(task: Task, config: Config) -> int:
    """Optimiser steps per epoch; ConfigError if the data have no end and the configuration does not say."""
    if config.epoch_steps is not None:
        return config.epoch_steps
    if task.epoch_samples is None:
        raise ConfigError("epoch_steps must be set: synthetic data have no end")
    return -(-task.epoch_samples // config.data.batch_size)


def check(task: Task, config: Config, group: ProcessGroup) -> None:
    """Raises ConfigError if the task cannot be trained with this configuration."""
    steps_an_epoch(task, config)
    stop, pieces = config.stop, config.optimiser.accumulate * group.size
    if config.data.batch_size % pieces:
        raise ConfigError(f"data.batch_size {config.data.batch_size} cannot be cut into {pieces} equal parts")
    if (stop.metric or stop.patience) and task.validation is None:
        raise ConfigError("stop needs data.validation to be measured on")
    if stop.metric is not None and stop.metric not in task.metrics:
        raise ConfigError(f"stop.metric {stop.metric}: there are {', '.join(task.metrics)}")
    if config.machine.precision == "fp16" and group.device.type == "cpu":
        raise ConfigError("machine.precision fp16 needs a GPU; use bf16 or fp32")
    most = len(task.stages())
    for stage in config.stages:
        if stage.features != "all" and stage.features > most:
            raise ConfigError(f"stages: features {stage.features}, but this backbone has {most} stages")
