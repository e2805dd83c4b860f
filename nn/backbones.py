"""Backbones from torchvision's classifiers, for the detector and the recogniser."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn

from digits.core.errors import WeightsError

IMAGENET = "imagenet"


def torchvision_features(name: str, pretrained: str | None = None) -> nn.Sequential:
    """The convolutional layers of a model of `torchvision.models`: RGB (B, 3, H, W) to (B, C, h, w).

    name: any convolutional model with `.features` (vgg11_bn, densenet121, mobilenet_v3_large, …) or any ResNet.
    pretrained: None for an untrained model; "imagenet" for torchvision's weights, which are downloaded unless torch has
    cached them; or a file with a state dict of the model.

    Raises WeightsError if there is no such model, or its weights cannot be loaded.
    """
    try:
        model = torchvision.models.get_model(name, weights="DEFAULT" if pretrained == IMAGENET else None)
    except ValueError:
        raise WeightsError(f"{name}: not a backbone; use one of this project or a model of torchvision") from None
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise WeightsError(
            f"{name}: its ImageNet weights cannot be fetched ({reason}); without a network, name a file of them"
        ) from None
    if pretrained not in (None, IMAGENET):
        load_state(model, pretrained)
    if hasattr(model, "features"):
        features = nn.Sequential(*model.features.children())
    elif hasattr(model, "layer4"):  # a ResNet: all layers but the pooling and the classifier
        features = nn.Sequential(*list(model.children())[:-2])
    else:
        raise WeightsError(f"{name}: not a backbone; it has no convolutional features")
    if not _makes_maps(features):
        raise WeightsError(f"{name}: not a backbone; its output is not a feature map (B, C, h, w)")
    return features


@torch.no_grad()
def _makes_maps(features: nn.Sequential) -> bool:
    """Whether a picture twice as wide as high gives a feature map about twice as wide as high."""
    try:
        shape = features.eval()(torch.zeros(1, 3, 128, 256)).shape
    except (RuntimeError, ValueError):
        return False
    finally:
        features.train()
    return len(shape) == 4 and 1.5 < shape[3] / shape[2] < 3


def read_state(path: str | Path) -> dict[str, Tensor]:
    """A state dict written by `torch.save`, without unpickling anything else; WeightsError if it cannot be read."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file of pretrained weights") from None
    except (OSError, RuntimeError, EOFError, UnpicklingError):
        raise WeightsError(f"{path}: cannot be read as pretrained weights") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: not a state dict of tensors")
    return state


def load_state(model: nn.Module, path: str | Path) -> None:
    """Load a state dict from a file into `model`; a classifier with another number of classes is not loaded.

    Raises WeightsError if the file cannot be read, or is of another model.
    """
    own = model.state_dict()
    state = {k: v for k, v in read_state(path).items() if k not in own or v.shape == own[k].shape}
    missing, unexpected = model.load_state_dict(state, strict=False)
    lacking = [key for key in missing if key.split(".")[0] not in ("fc", "classifier")]
    if lacking or unexpected:
        raise WeightsError(f"{path}: of another model ({(lacking + unexpected)[0]} does not fit)")


@torch.no_grad()
def by_resolution(features: nn.Sequential) -> list[nn.Sequential]:
    """The stages of a backbone: consecutive children whose feature maps have the same size.

    >>> [len(stage) for stage in by_resolution(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2)))]
    [2, 1]
    """
    training = features.training
    features.eval()
    x, size, starts = torch.zeros(1, 3, 256, 256, device=next(features.parameters()).device), 0, []
    for i, child in enumerate(features):
        x = child(x)
        if x.shape[-1] != size:
            size = x.shape[-1]
            starts.append(i)
    features.train(training)
    return [features[first:last] for first, last in pairwise([*starts, len(features)])]
