"""The optimiser of a network in parts, and the average of its weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from digits.training.config import Optimiser
from digits.training.schedule import Parts


def moving_average(decay: float) -> Callable:
    """Exponential average whose memory grows with its age, so that the first steps do not linger in it."""

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return torch.no_grad()(update)


def make_optimiser(recipe: Optimiser, parts: Parts) -> torch.optim.Optimizer:
    groups = [{"params": parameters} for parameters in parts.parameters]
    if recipe.name == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return torch.optim.AdamW(groups, lr=0.0, weight_decay=recipe.weight_decay)
