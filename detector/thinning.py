"""A detector made faster by leaving out channels that the others can stand in for.

Between the two products of a block, and before those of the region proposal network, channels stand side by side that
a single layer adds up. As in Optimal Brain Surgeon (Hassibi & Stork 1993), the one goes first whose absence changes
these sums least, once all others make up for it by how they vary together. How many go of each place follows from what
that changes in what the detector says. A training that imitates the whole one may bring back what is lost nonetheless,
see `imitation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN

from digits.core.errors import WeightsError
from digits.detector.backbone import PyramidBackbone
from digits.detector.imitation import imitation_losses
from digits.detector.model import build_detector

_UNIT = 16  # channels that processors compute at once: counts are multiples of it
_OF_ONE = 600  # pixels of a map at which a view is looked at: they resemble each other
_DAMPING = 1e-3  # of the mean variance: channels that hardly vary do not decide
_SHOWN = 8  # views on which is measured how much it harms to leave out channels of one place …
_TRIED = 0.01  # … as many as change the sums by this share of their variance
_TIDIED = 32  # channels that are gone before the matrices are made smaller
# What a number costs that is written, and a multiplication of a depthwise layer, over one of any other layer.
_WRITTEN, _DEPTHWISE = 50, 20


@dataclass(frozen=True)
class _Place:
    """Where channels may be left out.

    makers: layers that make them, and work on each by itself. readers: layers that add them up. cost: of a channel.
    """

    makers: list[nn.Conv2d]
    readers: list[nn.Conv2d]
    cost: float

    @property
    def width(self) -> int:
        return self.readers[0].in_channels

    @torch.no_grad()
    def sums(self) -> Tensor:
        """The weights of the readers, float64 (O, width), each reader's sums being of equal weight."""
        parts = [reader.weight.flatten(1).double() for reader in self.readers]
        return torch.cat([part / part.norm(dim=1).mean() for part in parts]) if len(parts) > 1 else parts[0]


@torch.no_grad()
def thinned(
    model: FasterRCNN, architecture: dict, views: Iterable[np.ndarray], share: float
) -> tuple[FasterRCNN, dict]:
    """A detector with fewer channels, and its architecture; the given one, of that architecture, stays as it is.

    views: RGB uint8 (h, w, 3), one at least, on which is measured how channels vary. share: of the cost of the layers
    concerned that stays, within 0 and 1. Raises WeightsError unless the backbone is EfficientNet-Lite0.
    """
    if not isinstance(model.backbone, PyramidBackbone):
        raise WeightsError("only detectors with the backbone efficientnet_lite0 can be made thinner")
    views = list(views)
    places = _places(model.eval())
    moments = _moments(model, places, views)
    removals = [_removals(place.sums(), *seen) for place, seen in zip(places, moments, strict=True)]
    shown = [_image(view) for view in views[:: max(1, len(views) // _SHOWN)][:_SHOWN]]

    def with_widths(widths: Sequence[int]) -> tuple[FasterRCNN, dict]:
        changed = {**architecture, "widths": list(widths[:-1]), "rpn_width": widths[-1]}
        thin = build_detector(**changed).eval()
        thin.load_state_dict(_fewer(model, places, moments, removals, widths))
        return thin, changed

    full = [place.width for place in places]
    harms = []
    for i, (_, lost) in enumerate(removals):
        gone = min(len(lost) - 1, int(np.searchsorted(lost, _TRIED)) // _UNIT * _UNIT + _UNIT)
        alone, _ = with_widths([width - gone * (k == i) for k, width in enumerate(full)])
        harm = sum(float(sum(imitation_losses(alone, model, [image]).values())) for image in shown)
        harms.append(lost * harm / max(lost[gone], 1e-9))
    return with_widths(_widths(places, harms, share))


def _image(view: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(view)).permute(2, 0, 1).float() / 255


def _fewer(model: FasterRCNN, places, moments, removals, widths: Sequence[int]) -> dict[str, Tensor]:
    """The state of a detector with so many channels at each place."""
    state, names = dict(model.state_dict()), {module: name for name, module in model.named_modules()}
    for place, seen, (order, _), width in zip(places, moments, removals, widths, strict=True):
        if width == place.width:
            continue
        kept = order[place.width - width :].sort().values
        for maker in place.makers:
            for key in ("weight", "bias"):
                state[f"{names[maker]}.{key}"] = state[f"{names[maker]}.{key}"][kept]
        for reader in place.readers:
            weight, bias = _made_up(reader, *seen, kept)
            state[f"{names[reader]}.weight"], state[f"{names[reader]}.bias"] = weight, bias
    return state


def _places(model: FasterRCNN) -> list[_Place]:
    """The blocks of the backbone, then the region proposal network; the cost is a pixel's of the view."""
    backbone, head = model.backbone, model.rpn.head
    places, stride = [], 2
    for i, block in enumerate(backbone.blocks):
        first, depthwise, last = backbone.stem[0] if i == 0 else block.layers[0], block.layers[-3], block.layers[-1]
        inside = _WRITTEN + first.in_channels * np.prod(first.kernel_size)
        outside = _DEPTHWISE * np.prod(depthwise.kernel_size) + last.out_channels
        after = stride * depthwise.stride[0]
        places.append(_Place([first, depthwise], [last], inside / stride**2 + outside / after**2))
        stride = after
    hidden, readers = head.conv[0][0], [head.cls_logits, head.bbox_pred]
    cost = _WRITTEN + hidden.in_channels * np.prod(hidden.kernel_size) + sum(reader.out_channels for reader in readers)
    places.append(_Place([hidden], readers, cost * sum((4 << k) ** -2 for k in range(4))))
    return places


def _moments(model: FasterRCNN, places: list[_Place], views: list[np.ndarray]) -> list[tuple[Tensor, Tensor]]:
    """Mean (D,) and covariance (D, D), float64, of the channels of every place."""
    sums: dict[nn.Module, list] = {place.readers[0]: [0, 0.0, 0.0] for place in places}
    generator = torch.Generator().manual_seed(0)

    def watch(reader: nn.Module, inputs: tuple[Tensor]) -> None:
        pixels = inputs[0][0].flatten(1)
        pixels = pixels[:, torch.randperm(pixels.shape[1], generator=generator)[:_OF_ONE]].double()
        total = sums[reader]
        total[0] += pixels.shape[1]
        total[1] = total[1] + pixels.sum(1)
        total[2] = total[2] + pixels @ pixels.T

    hooks = [reader.register_forward_pre_hook(watch) for reader in sums]
    for view in views:
        model([_image(view)])
    for hook in hooks:
        hook.remove()
    means = [(mean / count, second / count) for count, mean, second in sums.values()]
    return [(mean, second - mean.outer(mean)) for mean, second in means]


def _removals(weights: Tensor, mean: Tensor, covariance: Tensor) -> tuple[Tensor, np.ndarray]:
    """In what order channels go, and what share of the variance of the sums (O, D) is then lost.

    Returns indices int64 (D,), the last ones of which never go, and float64 (D - _UNIT + 1,): with none left out, with
    one, and so on.
    """
    weights, here = weights.clone(), torch.arange(len(mean))
    total = float(((weights @ covariance) * weights).sum())
    inverse = torch.linalg.inv(_damped(covariance))
    order, lost = [], [0.0]
    stay = torch.ones(len(mean), dtype=torch.bool)
    while len(order) < len(mean) - _UNIT:
        if len(here) >= stay.sum() + _TIDIED:
            here, weights, inverse = here[stay], weights[:, stay], inverse[stay][:, stay]
            stay = stay[stay]
        harm = weights.square().sum(0) / inverse.diagonal()
        k = int(torch.where(stay, harm, torch.inf).argmin())
        order.append(int(here[k]))
        lost.append(lost[-1] + float(harm[k]) / total)
        column, gain = inverse[:, k].clone(), float(inverse[k, k])
        weights.addr_(weights[:, k].clone(), column, alpha=-1 / gain)
        inverse.addr_(column, column, alpha=-1 / gain)
        stay[k] = False
    return torch.tensor(order + here[stay].tolist()), np.array(lost)


def _damped(covariance: Tensor) -> Tensor:
    return covariance + _DAMPING * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.double)


def _made_up(reader: nn.Conv2d, mean: Tensor, covariance: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and bias of a reader of the kept channels alone: of all, those that come closest (least squares)."""
    weights, damped = reader.weight.flatten(1).double(), _damped(covariance)
    fitted = torch.linalg.solve(damped[kept][:, kept], (weights @ damped)[:, kept].T).T
    bias = reader.bias.double() + weights @ mean - fitted @ mean[kept]
    return fitted.float()[:, :, None, None], bias.float()


def _widths(places: list[_Place], harms: list[np.ndarray], share: float) -> list[int]:
    """How many channels stay at each place, so that harm is least for a share of the cost of all.

    harms: of every place, with no channel left out, with one, and so on.
    """
    full = sum(place.cost * place.width for place in places)

    def best(price: float) -> list[int]:
        widths = []
        for place, harm in zip(places, harms, strict=True):
            gone = np.arange(0, len(harm), _UNIT)
            widths.append(place.width - int(gone[(harm[gone] - price * place.cost / full * gone).argmin()]))
        return widths

    low, high = 1e-9, 1e9
    for _ in range(80):
        price = (low * high) ** 0.5
        cost = sum(place.cost * width for place, width in zip(places, best(price), strict=True))
        low, high = (low, price) if cost <= share * full else (price, high)
    return best(high)
