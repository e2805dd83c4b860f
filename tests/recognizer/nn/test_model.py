import pytest
import torch

from digits import WeightsError
from digits.recognizer.crops import HEIGHT, WIDTH
from digits.recognizer.nn.model import NumberNet, build_features, normalise


@pytest.mark.parametrize("backbone", ["residual", "lenet", "resnet18", "mobilenet_v3_small", "vgg11_bn", "densenet121"])
def test_backbones(backbone):
    model = NumberNet(backbone).eval()
    with torch.inference_mode():
        length, digits = model(torch.zeros(2, 3, HEIGHT, WIDTH))
    assert length.shape == (2, 7) and digits.shape == (2, 6, 10)


@pytest.mark.parametrize("name", ["nothing", "vit_b_16"])
def test_unknown_backbones(name):
    with pytest.raises(WeightsError, match=name):
        build_features(name)


def test_normalise_takes_out_brightness_and_contrast():
    crop = torch.randint(60, 120, (1, HEIGHT, WIDTH, 3), dtype=torch.uint8)
    brighter = (crop.int() * 2 + 10).to(torch.uint8)
    assert torch.allclose(normalise(crop), normalise(brighter), atol=0.6)
    assert normalise(torch.full((1, HEIGHT, WIDTH, 3), 200, dtype=torch.uint8)).abs().max() < 1e-3
