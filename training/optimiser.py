"""The optimiser, with a parameter group for each stage of the network, and the average of the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from digits.training.config import Optimiser
from digits.training.schedule import ParameterGroups


def moving_average(decay: float) -> Callable:
    """Exponential moving average whose decay grows to `decay`, so that early weights are soon forgotten."""

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return torch.no_grad()(update)


def make_optimiser(recipe: Optimiser, parameter_groups: ParameterGroups) -> torch.optim.Optimizer:
    groups = [{"params": parameters} for parameters in parameter_groups.parameters]
    if recipe.name == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return torch.optim.AdamW(groups, lr=0.0, weight_decay=recipe.weight_decay)
