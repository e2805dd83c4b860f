import numpy as np
import pytest
import torch

from digits.detector.imitation import imitation_losses
from digits.detector.model import build_detector


@pytest.fixture(scope="module")
def whole(torch_reader):
    return torch_reader.detector.eager.model


@pytest.fixture(scope="module")
def images(make_photo):
    photos = [np.asarray(make_photo(text, (160, 128), 40).convert("RGB")) for text in ("1428", "77")]
    return [torch.from_numpy(photo.copy()).permute(2, 0, 1) / 255 for photo in photos]


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
def test_who_sees_the_same_loses_nothing(half, whole, images):
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        losses = imitation_losses(whole, whole, images)
    assert len(losses) == 5
    assert all(float(loss) == pytest.approx(0, abs=1e-4) for loss in losses.values())


def test_where_nothing_is_proposed_losses_are_numbers(whole):
    model = build_detector(widths=[16] * 16)
    losses = imitation_losses(model, whole, [torch.full((3, 64, 96), 0.35)])
    assert losses["loss_classifier"] == losses["loss_box_reg"] == 0  # of no proposal
    assert all(torch.isfinite(loss) for loss in losses.values()) and losses["loss_pyramid"] > 0


def test_imitating_brings_the_other_one_closer(torch_reader, whole, images):
    torch.manual_seed(0)
    model = build_detector(**torch_reader.detector.header["architecture"]).train()
    model.load_state_dict(whole.state_dict())
    with torch.no_grad():
        for parameter in model.backbone.blocks[8:].parameters():
            parameter += 0.05 * parameter.std() * torch.randn_like(parameter) if parameter.numel() > 1 else 0
    optimiser = torch.optim.Adam(model.parameters(), 2e-5)
    sums = []
    for _ in range(8):
        losses = imitation_losses(model, whole, images)
        sums.append(float(sum(losses.values()).detach()))
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert sums[-1] < 0.7 * sums[0]
