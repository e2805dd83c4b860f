import pytest
import torch
from torch import nn

from digits.training.config import Loss, Optimiser, Stage
from digits.training.losses import balancing_weights, class_losses
from digits.training.schedule import factor, peak_rates, spans


def test_stages_follow_one_another():
    found = spans([Stage(epochs=2, rate=1.0), Stage(epochs=3, rate=0.1)], 7)
    assert [(span.first, span.last) for span in found] == [(0, 14), (14, 35)]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"schedule": "constant", "warmup": 4}, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]),
        ({"schedule": "step", "warmup": 0, "step_at": (0.3, 0.8)}, [1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        ({"schedule": "step", "warmup": 0, "step_at": ()}, [1] * 10),
        ({"schedule": "constant", "warmup": 100}, [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1]),  # half of it at most
    ],
)
def test_factors(recipe, expected):
    assert [factor(Optimiser(**recipe), step, 10) for step in range(10)] == pytest.approx(expected)


def test_the_cosine_ends_at_its_floor():
    recipe = Optimiser(warmup=0, floor=0.2)
    values = [factor(recipe, step, 1000) for step in range(1001)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1 and values[500] == pytest.approx(0.6) and values[1000] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({"features": "all"}, [1, 1, 1, 1]),
        ({"features": 0}, [0, 0, 0, 1]),
        ({"features": 1, "features_rate": 0.1}, [0, 0, 0.1, 1]),
        ({"features": "all", "decay": 0.5}, [0.25, 0.5, 1, 1]),
        ({"features": 7}, [1, 1, 1, 1]),
    ],
)
def test_peak_rates(stage, expected):
    assert peak_rates(Stage(rate=1.0, **stage), 3) == pytest.approx(expected)


def test_focal_loss_by_hand():
    """-(1 - p)^2 log p, with p = 0.8: Lin et al. 2017, equation 4."""
    logits = torch.log(torch.tensor([[0.8, 0.2]]))
    assert class_losses(logits, torch.tensor([0]), Loss(focal=2)).item() == pytest.approx(0.04 * 0.22314, rel=1e-4)


def test_smoothing_weights_and_absent_labels():
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]]))
    label = torch.tensor([0])
    plain = class_losses(logits, label, Loss())
    assert plain.item() == pytest.approx(0.35667, rel=1e-4)
    smooth = class_losses(logits, label, Loss(smoothing=0.3))
    assert smooth.item() == pytest.approx(0.7 * 0.35667 + 0.1 * (0.35667 + 1.60944 + 2.30259), rel=1e-4)
    assert class_losses(logits, label, Loss(), torch.tensor([3.0, 1, 1])).item() == pytest.approx(3 * 0.35667, rel=1e-4)
    assert class_losses(logits, torch.tensor([-1]), Loss(smoothing=0.1, focal=1)).item() == 0


def test_absent_labels_give_no_gradient():
    logits = nn.Parameter(torch.randn(4, 10))
    class_losses(logits, torch.tensor([-1, 3, -1, 5]), Loss(focal=2, smoothing=0.1)).sum().backward()
    assert logits.grad.abs().sum(1).gt(0).tolist() == [False, True, False, True]


def test_rare_classes_weigh_more_and_the_mean_weight_is_one():
    counts = torch.tensor([900.0, 100, 1, 0])
    weights = balancing_weights(counts)
    assert (weights.diff() >= 0).all() and weights[2] == weights[3]
    assert (weights * counts).sum().item() == pytest.approx(counts.sum().item(), rel=1e-5)
    assert (weights[1] / weights[0]).item() == pytest.approx(3)
