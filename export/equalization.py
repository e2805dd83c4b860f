"""Cross-layer equalization (Nagel et al. 2019): gives the channels of a map similar ranges before quantisation.

All channels of a quantised map share one scale, which the channel with the widest range determines. If there is no
activation function between the layers that write a map and those that read it, a channel can be scaled up in the former
and down in the latter: in floating point that changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN

from digits.detector.nn.backbone import PyramidBackbone

_MOST = 64.0  # maximum factor of a channel, for channels that are hardly used


@torch.no_grad()
def cross_layer_equalization(model: FasterRCNN, views: Iterable[np.ndarray]) -> None:
    """Equalize a detector's weights in place; with another backbone than EfficientNet-Lite0, only those of its heads.

    views: RGB uint8 (h, w, 3), on which the ranges of the channels are measured.
    """
    streams = list(_streams(model))
    widths: dict[nn.Module, Tensor] = {}

    def measure(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        width = inputs[0].abs().amax((0, 2, 3))
        widths[layer] = torch.maximum(widths[layer], width) if layer in widths else width

    hooks = [reader.register_forward_pre_hook(measure) for _, readers in streams for reader in readers]
    for view in views:
        model.eval()([torch.from_numpy(np.array(view)).permute(2, 0, 1).float() / 255])
    for hook in hooks:
        hook.remove()
    for makers, readers in streams:
        width = torch.stack([widths[reader] for reader in readers]).amax(0)
        gain = (width.max() / width.clamp(min=1e-6)).clamp(1.0, _MOST)
        for maker in makers:
            maker.weight *= gain[:, None, None, None]
            maker.bias *= gain  # type: ignore[operator] # these layers have a bias
        for reader in readers:
            reader.weight /= gain[None, :, None, None]


def _streams(model: FasterRCNN) -> Iterator[tuple[list[nn.Conv2d], list[nn.Conv2d]]]:
    """For each map, the layers whose outputs are summed to it, and all the layers that read it."""
    backbone, head = model.backbone, model.rpn.head
    if isinstance(backbone, PyramidBackbone):
        yield from backbone.streams()
    yield [block[0] for block in backbone.fpn.inner_blocks], [block[0] for block in backbone.fpn.layer_blocks]
    yield [head.conv[0][0]], [head.cls_logits, head.bbox_pred]
