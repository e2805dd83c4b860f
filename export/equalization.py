"""Channels that lie next to each other in 8 bits made equally wide (Nagel et al. 2019).

One scale serves all channels of a map, and the widest decides. Where nothing bends between the layers that make a map
and those that read it, the former may make a channel wider if the latter take as much back: in floating point that
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN

from digits.detector.nn.backbone import PyramidBackbone

_MOST = 64.0  # by which a channel is made wider: one that is never used would be by any factor


@torch.no_grad()
def cross_layer_equalization(model: FasterRCNN, views: Iterable[np.ndarray]) -> None:
    """Change the weights of a detector in place; of backbones other than EfficientNet-Lite0 only the heads.

    views: RGB uint8 (h, w, 3), on which the channels are measured.
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
    """Layers whose outputs are added up to a map, and the layers that read it; nothing else does."""
    backbone, head = model.backbone, model.rpn.head
    if isinstance(backbone, PyramidBackbone):
        yield from backbone.streams()
    yield [block[0] for block in backbone.fpn.inner_blocks], [block[0] for block in backbone.fpn.layer_blocks]
    yield [head.conv[0][0]], [head.cls_logits, head.bbox_pred]
