"""Trains the recogniser on numbers cut as a detector would cut them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from digits.core.errors import WeightsError
from digits.core.resources import shipped
from digits.core.weights import restore
from digits.datasets.contact import contact_sheet
from digits.datasets.items import Sample, empty_boxes, spread
from digits.datasets.mixture import Listed, Mixture
from digits.datasets.pictures import Pictures, Record
from digits.datasets.synthesis import Synthesizer
from digits.datasets.transforms import detector_jitter
from digits.recognizer.crops import HEIGHT, WIDTH, cut_number, letterbox
from digits.recognizer.decode import joint_decode, log_softmax
from digits.recognizer.model import MAX_LENGTH, NumberNet, normalise
from digits.training.config import Config, Loss
from digits.training.data import (
    Examples,
    check_apart,
    chosen,
    digit_counts,
    draw_picture,
    open_examples,
    pass_length,
    stream_seed,
)
from digits.training.losses import balancing_weights, class_losses
from digits.training.task import Task

_VALIDATION_CROPS = 1000
_VALIDATION_SEED = 2  # whatever the run's, so that runs are compared on the same crops
_SHOWN = 64


class Crop(NamedTuple):
    """A crop, uint8 (HEIGHT, WIDTH, 3), and the number it shows, "" for none."""

    image: np.ndarray
    text: str
    image_id: str


def usable(record: Record) -> bool:
    """Whether a recogniser can learn from it: what its digits spell is known, or there are none."""
    spelt = [number for number in record.numbers if len(number) <= MAX_LENGTH]
    return bool(spelt) or record.negative


def drawn_crop(synthesizer: Synthesizer, index: int) -> Crop:
    """A number of the synthesiser as a detector delivers it: loose, tight, or into the outer digits by a tenth."""
    sample = synthesizer.number(index)
    image = sample.image
    if len(sample.boxes):
        rng = np.random.default_rng((synthesizer.seed, 3, index))
        image = cut_number(image, *detector_jitter(sample.boxes, rng))
    return Crop(letterbox(image), "".join(sample.numbers), sample.image_id)


def picture_crop(sample: Sample, rng: np.random.Generator | None) -> Crop:
    """A number of a picture, one of several at random, as a detector delivers it; of a negative, any place in it.

    Without `rng`, the first number, cut as at reading time; a negative as a whole.
    """
    known = [k for k, number in enumerate(sample.numbers) if len(number) <= MAX_LENGTH]
    if not known:
        return Crop(letterbox(sample.image if rng is None else _place(sample.image, rng)), "", sample.image_id)
    k = known[0] if rng is None else int(rng.choice(known))
    image = sample.image
    if len(sample.boxes):
        boxes = sample.number_boxes()[k]
        image = cut_number(image, boxes) if rng is None else cut_number(image, *detector_jitter(boxes, rng))
    return Crop(letterbox(image), sample.numbers[k], sample.image_id)


def _place(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of a picture, up to all of it, shaped as numbers are."""
    height, width = image.shape[:2]
    h = min(height, max(12, round(height * float(np.exp(rng.uniform(np.log(0.06), 0))))))
    w = min(width, max(8, round(h * rng.uniform(0.5, 3.5))))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    return image[top : top + h, left : left + w]


def number_losses(
    model: nn.Module, batch: dict, recipe: Loss | None = None, weight: Tensor | None = None
) -> dict[str, Tensor]:
    """Cross entropy of the length, and of the digits that are there: absent ones give no gradient.

    batch: as of `RecognizerTask.collate`. weight: of each digit, (10,).
    """
    recipe = recipe or Loss()
    lengths, digits = batch["lengths"], batch["digits"]
    length_logits, digit_logits = model(normalise(batch["crops"]).contiguous(memory_format=torch.channels_last))
    of_digits = class_losses(digit_logits.flatten(0, 1), digits.flatten(), recipe, weight)
    of_length = class_losses(length_logits, lengths, recipe.model_copy(update={"focal": 0.0}))
    return {"length": of_length.mean(), "digits": of_digits.sum() / len(lengths)}


def collate(crops: Sequence[Crop]) -> dict:
    """Crops uint8 (B, HEIGHT, WIDTH, 3), lengths int64 (B,), digits int64 (B, 6), -1 where there is none; ids."""
    digits = torch.full((len(crops), MAX_LENGTH), -1, dtype=torch.int64)
    for row, crop in zip(digits, crops, strict=True):
        row[: len(crop.text)] = torch.tensor([int(char) for char in crop.text], dtype=torch.int64)
    return {
        "crops": torch.from_numpy(np.stack([crop.image for crop in crops])),
        "lengths": torch.tensor([len(crop.text) for crop in crops]),
        "digits": digits,
        "ids": [crop.image_id for crop in crops],
    }


@torch.inference_mode()
def right_counts(model: nn.Module, batch: dict) -> dict[str, float]:
    """How many strings and lengths of a batch are right, the length and each digit taken by itself."""
    length_logits, digit_logits = model(normalise(batch["crops"]))
    right_length = length_logits.argmax(1) == batch["lengths"]
    right_digits = ((digit_logits.argmax(2) == batch["digits"]) | (batch["digits"] < 0)).all(1)
    return {
        "crops": len(right_length),
        "exact": int((right_length & right_digits).sum()),
        "lengths": int(right_length.sum()),
    }


def _still(pictures: Pictures, index: int) -> Crop:
    return picture_crop(pictures[index], None)


def _unvaried(examples: Examples) -> list[Callable[[], Crop]]:
    """Makers of the crops of a validation source, always the same ones."""
    if isinstance(examples.data, Pictures):
        return [partial(_still, examples.data, i) for i in chosen(examples)]
    synthesizer = Synthesizer(examples.data, seed=_VALIDATION_SEED)
    return [partial(drawn_crop, synthesizer, i) for i in range(examples.count or _VALIDATION_CROPS)]


class RecognizerTask(Task):
    """Metrics: shares of whole strings, and of lengths, that are right.

    Raises DatasetError or WeightsError if what the configuration names cannot be used.
    """

    kind = "recognizer"
    metrics = ("exact", "length_accuracy")

    def __init__(self, config: Config, quiet: bool = False):
        self.examples = open_examples(config, "train", usable, quiet)
        self.watched = open_examples(config, "validation", usable, quiet)
        check_apart(self.examples, self.watched)
        self.model = _network(config)
        self.architecture = {"backbone": config.model.backbone or "residual"}
        streams = [self._stream(config, k, each) for k, each in enumerate(self.examples)]
        self.train = Mixture(streams, config.data.shares())
        makers = [maker for each in self.watched for maker in _unvaried(each)]
        self.validation = Listed(makers) if makers else None
        self.epoch_samples = pass_length(self.examples, config.data.shares())
        self._loss = config.loss
        self._weight = None
        if config.loss.balance:
            counts = digit_counts(self.examples, config.data.shares())
            self._weight = balancing_weights(torch.from_numpy(counts))

    @staticmethod
    def _stream(config: Config, k: int, examples: Examples) -> Callable[[int], Crop]:
        if not isinstance(examples.data, Pictures):
            return partial(drawn_crop, Synthesizer(examples.data, seed=stream_seed(config.seed, k)))
        return partial(_crop, examples.data, config.seed, k)

    def stages(self) -> list[nn.Module]:
        return self.model.stages()

    def collate(self, examples: Sequence[Crop]) -> dict:
        return collate(examples)

    def losses(self, batch: dict) -> dict[str, Tensor]:
        weight = None if self._weight is None else self._weight.to(batch["crops"].device)
        return number_losses(self.model, batch, self._loss, weight)

    def score(self, model: nn.Module, batch: dict) -> dict[str, float]:
        return right_counts(model, batch)

    def measured(self, counts: dict[str, float]) -> dict[str, float]:
        total = max(1, counts["crops"])
        return {"exact": counts["exact"] / total, "length_accuracy": counts["lengths"] / total}

    @torch.inference_mode()
    def picture(self, model: nn.Module) -> Image.Image:
        """What the model reads in crops."""
        crops = [self.validation[index] for index in spread(_SHOWN, len(self.validation))]
        inputs = collate(crops)["crops"].to(next(model.parameters()).device)
        heads = (log_softmax(logits.float().cpu().numpy()) for logits in model(normalise(inputs)))
        shown = []
        for crop, (length, digit) in zip(crops, zip(*heads, strict=True), strict=True):
            text, _ = joint_decode(length, digit)
            shown.append(Sample(crop.image, empty_boxes(), np.zeros(0, np.int64), (text,) * bool(text), crop.image_id))
        return contact_sheet(shown, height=HEIGHT)

    def header(self, model: nn.Module) -> dict:
        header = {"architecture": self.architecture}
        if self.validation is not None:
            header["temperature"] = fit_temperature(model, self._unwatched())
        return header

    def _unwatched(self) -> Sequence[Crop]:
        """Crops for fitting what training is not steered by: new ones where they are drawn, else the same pictures."""
        fresh = [partial(drawn_crop, Synthesizer(each.data, seed=_VALIDATION_SEED)) for each in self.watched
                 if not isinstance(each.data, Pictures)]  # fmt: skip
        if not fresh:
            return [self.validation[i] for i in range(len(self.validation))]
        first = max(each.count or _VALIDATION_CROPS for each in self.watched)
        return [drawn(i) for drawn in fresh for i in range(first, first + 2 * _VALIDATION_CROPS)]

    @staticmethod
    def build(**architecture) -> nn.Module:
        return NumberNet(**architecture)

    @staticmethod
    def example() -> tuple:
        return (torch.zeros(1, 3, HEIGHT, WIDTH),)


def _crop(pictures: Pictures, seed: int, stream: int, draw: int) -> Crop:
    return picture_crop(*draw_picture(pictures, seed, stream, draw))


def _network(config: Config) -> nn.Module:
    """With the weights to start from."""
    backbone, start = config.model.backbone or "residual", config.model.start
    if start is None:
        return NumberNet(backbone, pretrained=config.model.pretrained)
    path = shipped("digits.recognizer.weights", "recognizer.safetensors") if start == "shipped" else start
    model, header = restore(path, "recognizer", NumberNet)
    if header["architecture"] != {"backbone": backbone}:
        raise WeightsError(f"{path}: of the backbone {header['architecture'].get('backbone')}, not {backbone}")
    return model


@torch.inference_mode()
def fit_temperature(model: nn.Module, crops: Sequence[Crop]) -> float:
    """The divisor of the logits that makes the probability of whole strings most truthful (Guo et al. 2017).

    Chosen by the likelihood of these validation crops.
    """
    batches = [collate(crops[k : k + 250]) for k in range(0, len(crops), 250)]
    scored = [[logits.double() for logits in model(normalise(batch["crops"]))] for batch in batches]

    def cost(temperature: float) -> float:
        total = 0.0
        for (length, digit), batch in zip(scored, batches, strict=True):
            total += F.cross_entropy(length / temperature, batch["lengths"], reduction="sum").item()
            flat = (digit / temperature).flatten(0, 1)
            total += F.cross_entropy(flat, batch["digits"].flatten(), ignore_index=-1, reduction="sum").item()
        return total

    return min(np.arange(0.6, 3.01, 0.05).round(2).tolist(), key=cost)
