"""Which parameters train at each step and with which learning rate, computed from the step number alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from digits.training.config import Optimiser, Stage


class Span(NamedTuple):
    """A stage of training and its steps: `first` to `last`, `last` excluded."""

    stage: Stage
    first: int
    last: int


def spans(stages: Sequence[Stage], epoch_steps: int) -> list[Span]:
    """The spans of consecutive stages."""
    result, first = [], 0
    for stage in stages:
        last = first + stage.epochs * epoch_steps
        result.append(Span(stage, first, last))
        first = last
    return result


def factor(recipe: Optimiser, step: int, steps: int) -> float:
    """The factor on a stage's peak learning rate at its step `step` of `steps`, counted from 0.

    Warm-up takes at most half of a stage.

    >>> [round(factor(Optimiser(warmup=2, floor=0), step, 6), 2) for step in range(6)]
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    warmup = min(recipe.warmup, steps // 2)
    if step < warmup:
        return (step + 1) / warmup
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "step":
        return recipe.step_factor ** sum(step >= at * steps for at in recipe.step_at)
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return recipe.floor + (1 - recipe.floor) * 0.5 * (1 + math.cos(math.pi * progress))


def peak_rates(stage: Stage, features: int) -> list[float]:
    """Peak learning rates of `features` stages of the backbone, from the image inwards, then of the heads; 0: frozen.

    >>> peak_rates(Stage(rate=1.0, features=2, features_rate=0.5, decay=0.5), 3)
    [0.0, 0.25, 0.5, 1.0]
    """
    trained = features if stage.features == "all" else min(stage.features, features)
    rates = [stage.rate * stage.features_rate * stage.decay**depth for depth in range(trained)]
    return [0.0] * (features - trained) + rates[::-1] + [stage.rate]


class ParameterGroups:
    """A network's parameters in groups: one for each stage of its backbone, from the image inwards, then the heads."""

    def __init__(self, model: nn.Module, stages: Sequence[nn.Module]):
        self.model = model
        self.stages = list(stages)
        inside = {id(p) for stage in stages for p in stage.parameters()}
        heads = [p for p in model.parameters() if id(p) not in inside]
        self.parameters = [*([*stage.parameters()] for stage in stages), heads]

    def train(self, rates: Sequence[float]) -> None:
        """Put the network in training mode; freeze parameters and batch statistics of groups whose rate is 0.

        rates: as of `peak_rates`.
        """
        self.model.train()
        for parameters, rate in zip(self.parameters, rates, strict=True):
            for parameter in parameters:
                parameter.requires_grad_(rate > 0)
        for stage, rate in zip(self.stages, rates[:-1], strict=True):
            if not rate:
                stage.eval()
