import numpy as np
import pytest
import torch
from torch import nn

from digits.datasets.items import Sample, empty_boxes
from digits.datasets.synthesis import Synthesizer
from digits.recognizer.crops import HEIGHT, WIDTH
from digits.recognizer.nn.model import NumberNet
from digits.training.recognizer import collate, drawn_crop, fit_temperature, number_losses, picture_crop
from digits.training.targets import IGNORED


def test_absent_digits_give_no_gradient():
    model = NumberNet(letters=True).train()
    crops = torch.randint(0, 255, (4, HEIGHT, WIDTH, 3), dtype=torch.uint8)
    digits = torch.full((4, 6), -1)
    digits[:, 0] = torch.tensor([1, 2, 3, 4])
    known = {
        "suffixes": torch.full((4,), -1),
        "flags": torch.full((4, 5), torch.nan),
        "marks": torch.full((4,), torch.nan),
    }
    losses = number_losses(
        model, {"crops": crops, "lengths": torch.ones(4, dtype=torch.int64), "digits": digits, **known}
    )
    sum(losses.values()).backward()
    assert model.digit_weight.grad[0].abs().sum() > 0
    assert model.digit_weight.grad[1:].abs().sum() == 0


def test_drawn_crops(synthesizer):
    crops = [drawn_crop(synthesizer, index) for index in range(40)]
    batch = collate(crops)
    assert batch["crops"].shape == (40, HEIGHT, WIDTH, 3) and batch["crops"].dtype == torch.uint8
    for length, digits in zip(batch["lengths"], batch["digits"], strict=True):
        assert (digits[max(0, length) :] == -1).all()
    assert len(set(batch["ids"])) == 40 and {0, 1, 2, 3} < set(batch["lengths"].tolist())
    assert np.array_equal(drawn_crop(synthesizer, 7).image, crops[7].image)


def pictured(numbers, boxes=True):
    """A white picture in which every digit is a black box, the digits of a number side by side."""
    image = np.full((200, 300, 3), 255, np.uint8)
    found = []
    for row, number in enumerate(numbers):
        for column in range(len(number)):
            found.append([20 + 24 * column, 20 + 60 * row, 40 + 24 * column, 60 + 60 * row])
            image[20 + 60 * row : 60 + 60 * row, 20 + 24 * column : 40 + 24 * column] = 0
    labels = np.array([int(char) for number in numbers for char in number], np.int64)
    if not boxes:
        return Sample(image, empty_boxes(), np.zeros(0, np.int64), tuple(numbers), "picture")
    return Sample(image, np.array(found, np.float32).reshape(-1, 4), labels, tuple(numbers), "picture")


def spelled(crop):
    """The digits that are asked of a crop."""
    return "".join(map(str, crop.target.digits[: crop.target.length]))


@pytest.mark.parametrize(
    ("numbers", "boxes", "always", "readings"),
    [
        (["17"], True, "17", {"17", "1", "7"}),  # parts of numbers, too
        (["17", "305"], True, "17", {"17", "1", "7", "305", "30", "05", "3", "5"}),
        (["17"], False, "17", {"17"}),
        ([], True, "", {""}),
        (["1234567", "8"], True, "8", {"8"}),  # longer than can be read
    ],
)
def test_crops_of_pictures(numbers, boxes, always, readings):
    sample = pictured(numbers, boxes)
    crops = [picture_crop(sample, np.random.default_rng(k)) for k in range(30)]
    told = {spelled(crop) for crop in crops if crop.target.length != IGNORED}
    assert set(numbers) & readings <= told | {""} and told <= readings
    assert all(crop.image.shape == (HEIGHT, WIDTH, 3) for crop in crops)
    dark = [(crop.image < 128).mean() for crop in crops]
    if numbers and boxes:
        assert min(dark) > 0.02  # it is the number that was cut
    still = picture_crop(sample, None)
    assert spelled(still) == always and np.array_equal(still.image, picture_crop(sample, None).image)


def test_temperature_is_fitted_on_samples(sources, torch_reader):
    """Logits blown up want as much more temperature."""
    validation = Synthesizer(sources, seed=1)
    crops = [drawn_crop(validation, index) for index in range(60, 360)]

    class Blown(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.net, self.factor = torch_reader.recognizer.eager.model, factor

        def forward(self, x):
            return tuple(self.factor * logits for logits in self.net(x))

    assert fit_temperature(Blown(1.5), crops) / fit_temperature(Blown(1.0), crops) == pytest.approx(1.5, rel=0.07)
