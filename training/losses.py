"""Classification loss, with class weights and focal loss for rare and hard classes."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.training.config import Loss


def class_losses(logits: Tensor, labels: Tensor, recipe: Loss, weight: Tensor | None = None) -> Tensor:
    """Cross entropy of each row, float32 (N,).

    logits: (N, C). labels: int64 (N,); the loss of label -1 is 0. weight: class weights, (C,). With `focal`, each loss
    is scaled by (1 - p)^focal, where p is the probability of its label (Lin et al. 2017).

    >>> class_losses(torch.zeros(2, 4), torch.tensor([3, -1]), Loss()).tolist()
    [1.3862943649291992, 0.0]
    """
    logits = logits.float()
    per_row = partial(F.cross_entropy, ignore_index=-1, reduction="none")
    losses = per_row(logits, labels, weight, label_smoothing=recipe.smoothing)
    if recipe.focal:
        probability = torch.exp(-per_row(logits, labels))
        losses = losses * (1 - probability) ** recipe.focal
    return losses


def balancing_weights(counts: Tensor) -> Tensor:
    """Class weights (C,) by the inverse square root of the counts, with mean 1 over all samples.

    A class without samples has the weight of the rarest one.

    >>> [round(weight, 2) for weight in balancing_weights(torch.tensor([400, 100, 0])).tolist()]
    [0.83, 1.67, 1.67]
    """
    counts = counts.double()
    rarest = counts[counts > 0].min()
    weights = counts.clamp(min=rarest).rsqrt()
    return (weights * counts.sum() / (weights * counts).sum()).float()
