"""The number recogniser: a length head and one head a position (Goodfellow et al. 2013) over any backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.core.alphabet import MAX_DIGITS
from digits.core.errors import WeightsError
from digits.nn.backbones import IMAGENET, by_resolution, load_state, torchvision_features
from digits.recognizer.crops import HEIGHT, WIDTH
from digits.recognizer.heads import CLASSES, FLAGS, LENGTHS, MARKS, SUFFIXES

_PRIOR = 4.0  # logit


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, inside: int, outside: int, stride: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inside != outside:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def residual_features() -> nn.Sequential:
    """Eleven layers for 48x96 inputs: strides 2, 4, 8 only, so that a 6x12 map keeps every digit apart."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 1, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        Residual(32, 64, 2),
        Residual(64, 128, 2),
        Residual(128, 128),
        Residual(128, 256, 2),
        Residual(256, 256),
    )


def lenet_features() -> nn.Sequential:
    """Convolutions and pooling in turn, as in LeNet-5 (LeCun et al. 1998), with room for a whole number."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, 1, 2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, 1, 2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 5, 1, 2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


_OWN = {"residual": residual_features, "lenet": lenet_features}


def build_features(name: str, pretrained: str | None = None) -> nn.Sequential:
    """A feature extractor, RGB (B, 3, H, W) to (B, C, h, w).

    "residual" and "lenet" are this project's; any other name is a model of torchvision, see
    `nn.backbones.torchvision_features`, which `pretrained` is for. Raises WeightsError if there is none.
    """
    if name not in _OWN:
        return torchvision_features(name, pretrained)
    features = _OWN[name]()
    if pretrained == IMAGENET:
        raise WeightsError(f"{name}: there are no ImageNet weights of it; use a model of torchvision")
    if pretrained is not None:
        load_state(features, pretrained)
    return features


class NumberNet(nn.Module):
    """Crops, normalised, (B, 3, HEIGHT, WIDTH) to logits of the length (B, 7) and of each position (B, 6, 10).

    With `letters`, three heads more: logits of the suffix (B, 28), of a mark (B, 25), and of the flags (B, 5), see
    `recognizer.heads`.

    Length 0 means: no number here. Each position pools the map by an attention of its own; the length looks at the
    whole map, since counting needs to know where things are.
    """

    def __init__(
        self, backbone: str = "residual", dropout: float = 0.2, *, letters: bool = False, pretrained: str | None = None
    ):
        super().__init__()
        self.features = build_features(backbone, pretrained)
        try:
            with torch.no_grad():
                channels, h, w = self.features.eval()(torch.zeros(1, 3, HEIGHT, WIDTH)).shape[1:]
        except RuntimeError:
            raise WeightsError(f"{backbone}: no backbone for crops, too little is left of {HEIGHT}x{WIDTH}") from None
        self.attention = nn.Conv2d(channels, MAX_DIGITS, 1)
        self.place = nn.Parameter(torch.zeros(MAX_DIGITS, h, w))
        self.narrow = nn.Sequential(nn.Conv2d(channels, 48, 1), nn.ReLU(inplace=True), nn.Flatten())
        self.count = nn.Sequential(nn.Linear(48 * h * w, 256), nn.ReLU(inplace=True), nn.Dropout(dropout))
        self.length = nn.Linear(256, LENGTHS)
        self.dropout = nn.Dropout(dropout)
        self.digit_weight = nn.Parameter(torch.randn(MAX_DIGITS, channels, CLASSES) * channels**-0.5)
        self.digit_bias = nn.Parameter(torch.zeros(MAX_DIGITS, CLASSES))
        self.letters = letters
        if letters:
            self.suffix_attention = nn.Conv2d(channels, 1, 1)
            self.suffix_query = nn.Linear(256, channels, bias=False)  # where the number ends, only the whole map tells
            nn.init.zeros_(self.suffix_query.weight)
            self.suffix = nn.Linear(channels + 256, len(SUFFIXES))
            self.mark = nn.Conv2d(channels, len(MARKS), 1)
            self.no_mark = nn.Parameter(torch.tensor([2 * _PRIOR]))
            self.flags = nn.Linear(256, len(FLAGS))
            with torch.no_grad():  # before they are trained, these heads report nothing, as is right most often
                self.suffix.bias[SUFFIXES.index("")] = _PRIOR
                self.flags.bias.fill_(-_PRIOR)

    def stages(self) -> Sequence[nn.Module]:
        """The features, from the image inwards, a stage a resolution."""
        return by_resolution(self.features)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = self.features(x)
        weights = (self.attention(features) + self.place).flatten(2).softmax(-1)  # (B, 6, h*w)
        pooled = self.dropout(weights @ features.flatten(2).transpose(1, 2))  # (B, 6, C)
        digits = torch.einsum("bpc,pcd->bpd", pooled, self.digit_weight) + self.digit_bias
        whole = self.count(self.narrow(features))
        if not self.letters:
            return self.length(whole), digits
        query = self.suffix_query(whole).unsqueeze(1)  # (B, 1, C)
        where = (self.suffix_attention(features).flatten(2) + query @ features.flatten(2)).softmax(-1)  # (B, 1, h*w)
        behind = self.dropout(where @ features.flatten(2).transpose(1, 2)).squeeze(1)
        columns = self.mark(features).logsumexp(2).flatten(1)  # (B, 2 * w)
        mark = torch.cat([columns, torch.zeros_like(columns[:, :1]) + self.no_mark], 1)
        return self.length(whole), digits, self.suffix(torch.cat([behind, whole], 1)), mark, self.flags(whole)


def normalise(crops: Tensor) -> Tensor:
    """uint8 (B, HEIGHT, WIDTH, 3) to float (B, 3, HEIGHT, WIDTH), each crop with mean 0 and about unit contrast."""
    x = crops.permute(0, 3, 1, 2).float()
    mean = x.mean((1, 2, 3), keepdim=True)
    spread = (x - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
    return (x - mean) / (spread + 8)
