"""When what is trained, and how fast: everything follows from the number of the step alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from digits.training.config import Optimiser, Stage


class Span(NamedTuple):
    """A stage in steps: those from `first`, `last` excluded."""

    stage: Stage
    first: int
    last: int


def spans(stages: Sequence[Stage], epoch_steps: int) -> list[Span]:
    """The stages one after the other."""
    result, first = [], 0
    for stage in stages:
        last = first + stage.epochs * epoch_steps
        result.append(Span(stage, first, last))
        first = last
    return result


def factor(recipe: Optimiser, step: int, steps: int) -> float:
    """What a stage's peak rate is multiplied by at its step number `step` of `steps`, counted from 0.

    It warms up for half of a short stage at most.

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
    """The peak rate of each of so many stages of features, from the image inwards, and last of the heads; 0 is frozen.

    >>> peak_rates(Stage(rate=1.0, features=2, features_rate=0.5, decay=0.5), 3)
    [0.0, 0.25, 0.5, 1.0]
    """
    moving = features if stage.features == "all" else min(stage.features, features)
    rates = [stage.rate * stage.features_rate * stage.decay**depth for depth in range(moving)]
    return [0.0] * (features - moving) + rates[::-1] + [stage.rate]


class Parts:
    """A network as the stages of its features, from the image inwards, and the rest of it, the heads."""

    def __init__(self, model: nn.Module, stages: Sequence[nn.Module]):
        self.model = model
        self.stages = list(stages)
        inside = {id(p) for stage in stages for p in stage.parameters()}
        heads = [p for p in model.parameters() if id(p) not in inside]
        self.parameters = [*([*stage.parameters()] for stage in stages), heads]

    def train(self, rates: Sequence[float]) -> None:
        """Put the network into training, all but the parts whose rate is 0: they do not move, nor do their statistics.

        rates: as of `peak_rates`.
        """
        self.model.train()
        for parameters, rate in zip(self.parameters, rates, strict=True):
            for parameter in parameters:
                parameter.requires_grad_(rate > 0)
        for stage, rate in zip(self.stages, rates[:-1], strict=True):
            if not rate:
                stage.eval()
