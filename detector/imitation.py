"""What a detector loses against another one of the same pyramid that it is to see as (Hinton et al. 2015).

No annotations are needed: any picture says what the other one makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection import FasterRCNN

_BEST = 24  # proposals of an image that the second stage is asked about: it takes as long as all that is before it


def imitation_losses(model: FasterRCNN, whole: FasterRCNN, images: Sequence[Tensor]) -> dict[str, Tensor]:
    """Losses of a detector against the `whole` one, in evaluation mode, on images, float32 (3, h, w) from 0 to 1.

    Of the pyramid, its squared error over its variance; of the first stage and of the second, on the whole one's
    proposals, what their scores and the moves of their boxes are off.
    """
    with torch.no_grad():
        batch, _ = whole.transform(list(images))
        expected = whole.backbone(batch.tensors)
        proposals = [each[:_BEST] for each in whole.rpn(batch, expected)[0]]
        suggested, told = _rpn(whole, expected), _told(whole, expected, proposals, batch.image_sizes)
    maps = model.backbone(batch.tensors)
    off = [F.mse_loss(maps[key], each) / each.var() for key, each in expected.items()]
    (objectness, moves), (expected_objectness, moved) = _rpn(model, maps), suggested
    sure = expected_objectness.sigmoid()
    scores, boxes = _told(model, maps, proposals, batch.image_sizes)
    classes = told[0].softmax(1)
    return {
        "loss_pyramid": torch.stack(off).mean(),
        "loss_objectness": _divergence(objectness, expected_objectness) / (1 + sure.sum()),
        "loss_rpn_box_reg": _apart(moves, moved, sure),
        "loss_classifier": F.kl_div(scores.log_softmax(1), classes, reduction="sum") / max(1, len(scores)),
        "loss_box_reg": _apart(boxes, told[1], classes[:, 1:]),
    }


def _rpn(model: FasterRCNN, maps: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Objectness (A,) and moves (A, 4) of all anchors of a batch."""
    objectness, moves = model.rpn.head(list(maps.values()))
    kinds = objectness[0].shape[1]
    moves = [each.unflatten(1, (kinds, 4)).permute(0, 1, 3, 4, 2).reshape(-1, 4) for each in moves]
    return torch.cat([each.flatten() for each in objectness]).float(), torch.cat(moves).float()


def _told(model: FasterRCNN, maps, proposals, sizes) -> tuple[Tensor, Tensor]:
    """Logits of the classes (N, C), and moves (N, C - 1, 4) for all but the background, of proposals."""
    heads = model.roi_heads
    logits, moves = heads.box_predictor(heads.box_head(heads.box_roi_pool(maps, proposals, sizes)))
    return logits.float(), moves.float().view(*logits.shape, 4)[:, 1:]


def _divergence(logits: Tensor, expected: Tensor) -> Tensor:
    """Kullback-Leibler's, of yes or no, summed up; both given as logits."""
    sure = expected.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(expected, sure, reduction="sum")
    return F.binary_cross_entropy_with_logits(logits, sure, reduction="sum") - entropy


def _apart(moves: Tensor, expected: Tensor, weight: Tensor) -> Tensor:
    """How far moves (..., 4) are off, where it matters: weight (...)."""
    off = F.smooth_l1_loss(moves, expected, reduction="none", beta=0.1).sum(-1)
    return (off * weight).sum() / (1 + weight.sum())
