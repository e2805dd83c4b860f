import numpy as np
import pytest
import torch
from torch import nn

from digits import Recognizer, WeightsError
from digits.core.weights import save_weights
from digits.datasets.synthesis import Synthesizer
from digits.recognizer.crops import HEIGHT, WIDTH
from digits.recognizer.model import NumberNet, build_features, normalise
from digits.recognizer.training import Crops, fit_temperature, number_losses


@pytest.mark.parametrize("backbone", ["residual", "mobilenet_v3_small", "vgg11_bn", "densenet121"])
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


def test_absent_digits_give_no_gradient():
    model = NumberNet().train()
    crops = torch.randint(0, 255, (4, HEIGHT, WIDTH, 3), dtype=torch.uint8)
    digits = torch.full((4, 6), -1)
    digits[:, 0] = torch.tensor([1, 2, 3, 4])
    losses = number_losses(model, (crops, torch.ones(4, dtype=torch.int64), digits))
    sum(losses.values()).backward()
    assert model.digit_weight.grad[0].abs().sum() > 0
    assert model.digit_weight.grad[1:].abs().sum() == 0


def test_training_items(synthesizer):
    items = Crops(synthesizer)
    for index in range(40):
        crop, length, digits = items[index]
        assert crop.shape == (HEIGHT, WIDTH, 3) and crop.dtype == torch.uint8
        assert (digits[:length] >= 0).all() and (digits[length:] == -1).all()
    one, again = items[7], Crops(synthesizer)[7]
    assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(one, again, strict=True))


def test_temperature_is_fitted_on_samples(sources, reader):
    """Logits blown up want as much more temperature."""
    validation, samples = Synthesizer(sources, seed=1), range(60, 360)

    class Blown(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.net, self.factor = reader.recognizer._model, factor
            self.digit_bias = self.net.digit_bias

        def forward(self, x):
            return tuple(self.factor * logits for logits in self.net(x))

    plain, metrics = fit_temperature(Blown(1.0), validation, samples)
    blown, _ = fit_temperature(Blown(1.5), validation, samples)
    assert blown / plain == pytest.approx(1.5, rel=0.07)
    assert metrics["validation_exact"] > 0.5 and metrics["validation_samples"] == 300


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    header = {"kind": "recognizer", "architecture": {"backbone": "residual"}, "training": {}, "metrics": {}}
    save_weights(path, NumberNet().eval(), header)
    return Recognizer(path, device="cpu")


def test_predictions_are_probabilities_whatever_the_crop(small):
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in [(1, 1), (10, 500), (500, 10), (48, 96)]]
    for seen in small.predict(crops):
        assert 0 <= seen.confidence <= 1
        assert len(seen.digits) == len(seen.text)
        assert np.exp(seen.length).sum() == pytest.approx(1)
        assert np.exp(seen.positions).sum(1) == pytest.approx(np.ones(6))
        assert set(seen.to_dict()) == {"text", "confidence", "digits"}


def test_a_batch_reads_as_its_crops_do(small):
    crops = [np.random.default_rng(i).integers(0, 256, (30, 40 + i, 3), np.uint8) for i in range(70)]
    together = small.predict(crops)
    assert [t.text for t in together] == [small.predict([crop])[0].text for crop in crops]
    assert small.predict([]) == []


def test_shipped_weights_read_numbers(reader, make_photo):
    texts = ["1428", "7", "35", "906"]
    crops = [np.asarray(make_photo(text, size=(60 + 45 * len(text), 100))) for text in texts]
    assert [seen.text for seen in reader.recognizer.predict(crops)] == texts
