import numpy as np
import pytest
import torch

from digits.core.errors import WeightsError
from digits.detector.backbone import WIDTHS
from digits.detector.inference import OneView
from digits.detector.model import build_detector
from digits.detector.thinning import thinned

VIEWS = list(np.random.default_rng(2).integers(0, 256, (3, 96, 128, 3)).astype(np.uint8))
NARROW = {"widths": [32] * 16, "rpn_width": 32, "pool": 5}


@torch.no_grad()
def seen(model):
    """What a model makes of a view: its maps, and what it suggests."""
    view = torch.from_numpy(VIEWS[0])
    return [*model.backbone(view.permute(2, 0, 1)[None] / 128 - 1).values(), *OneView(model).eval().proposals(view)]


def alike(one, other, off=1e-3):
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=off, atol=off * float(a.abs().max()))
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture
def model():
    """Its weights are large enough that maps differ from place to place."""
    torch.manual_seed(0)
    model = build_detector(**NARROW).eval()
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model


def lost(model, thin):
    """Squared error of the pyramid's maps over their variance."""
    pairs = list(zip(seen(model)[:4], seen(thin)[:4], strict=True))
    return max(float((a - b).square().mean() / a.var()) for a, b in pairs)


@torch.no_grad()
def double(model):
    """Let the second half of all channels that may go be what the first half is."""
    blocks, head = model.backbone.blocks, model.rpn.head
    makers = [[model.backbone.stem[0], blocks[0].layers[0]], *([b.layers[0], b.layers[2]] for b in blocks[1:])]
    for maker in [layer for pair in makers for layer in pair] + [head.conv[0][0]]:
        half = len(maker.weight) // 2
        maker.weight[half:], maker.bias[half:] = maker.weight[:half], maker.bias[:half]


def test_as_many_channels_as_asked_for_stay_and_the_given_one_stays_as_it_is(model):
    before = seen(model)
    costs = []
    for share in (1.0, 0.8, 0.5):
        thin, architecture = thinned(model, NARROW, VIEWS, share)
        widths = [*architecture["widths"], architecture["rpn_width"]]
        assert all(width in (16, 32) for width in widths)
        assert thin.backbone.blocks[3].layers[0].out_channels == widths[3]
        assert sum(p.numel() for p in build_detector(**architecture).parameters()) == sum(
            p.numel() for p in thin.parameters()
        )
        costs.append(sum(widths))
    assert costs[0] == 32 * 17 > costs[1] > costs[2] == 16 * 17
    assert alike(before, seen(model), 0)


def test_nothing_is_lost_where_nothing_is_left_out(model):
    assert alike(seen(model), seen(thinned(model, NARROW, VIEWS, 1.0)[0]))


def test_little_is_lost_where_channels_are_there_twice(model):
    assert lost(model, thinned(model, NARROW, VIEWS, 0.5)[0]) > 0.05
    double(model)
    thin, architecture = thinned(model, NARROW, VIEWS, 0.5)
    assert set(architecture["widths"]) == {16} and architecture["rpn_width"] == 16
    assert lost(model, thin) < 0.02


def test_the_usual_widths_are_those_of_efficientnet_lite0():
    assert [block.layers[-1].in_channels for block in build_detector().backbone.blocks] == WIDTHS


def test_other_backbones_stay_as_they_are():
    with pytest.raises(WeightsError, match="only detectors with the backbone efficientnet_lite0"):
        thinned(build_detector("resnet18", 16, 3, 32), {}, VIEWS, 0.5)
