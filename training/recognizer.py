"""Trains the recogniser on numbers cut as a detector would cut them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from digits.core.alphabet import is_digits, is_house_number
from digits.core.boxes import enclosing, reading_order
from digits.core.errors import WeightsError
from digits.core.resources import shipped
from digits.datasets.contact import contact_sheet
from digits.datasets.degrade import A, degrade, for_scenes
from digits.datasets.items import Sample, empty_boxes, spread
from digits.datasets.mixture import Listed, Mixture
from digits.datasets.pictures import Pictures, Record
from digits.datasets.synthesis import Synthesizer
from digits.datasets.transforms import detector_jitter
from digits.nn.weights import restore
from digits.recognizer.crops import HEIGHT, WIDTH, cut_number, letterbox
from digits.recognizer.decode import joint_decode, log_softmax
from digits.recognizer.nn.model import NumberNet, normalise
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
from digits.training.targets import IGNORED, Target, cut_with_target, negative, target_of, turn_number, turned
from digits.training.task import Task

_VALIDATION_CROPS = 1000
_VALIDATION_SEED = 2  # whatever the run's, so that runs are compared on the same crops
_SHOWN = 64
_TURNED = 0.06  # of the numbers without a letter, turned or mirrored


class Crop(NamedTuple):
    """A crop, uint8 (HEIGHT, WIDTH, 3), and what the heads should say of it."""

    image: np.ndarray
    target: Target
    image_id: str


def usable(record: Record) -> bool:
    """Whether a recogniser can learn from it: what its digits spell is known, or there are none."""
    return any(map(is_house_number, record.numbers)) or record.negative


def drawn_crop(synthesizer: Synthesizer, index: int) -> Crop:
    """A number of the synthesiser as a detector delivers it: loose, tight, or into the outer digits by a tenth."""
    picture = synthesizer.number_picture(index)
    rng = np.random.default_rng((synthesizer.seed, 3, index))
    return _cut(
        picture.image, picture.boxes, picture.text, picture.covered, rng, f"number-{index}", plain=picture.plain
    )


def _cut(
    image: np.ndarray,
    boxes: np.ndarray,
    text: str,
    covered: int | None,
    rng: np.random.Generator,
    image_id: str,
    *,
    plain: bool,
) -> Crop:
    if not text:
        return Crop(letterbox(image), negative(), image_id)
    if is_digits(text) and rng.random() < _TURNED:
        around = turn_number(image, boxes, text, rng)
        if around is not None:
            image, boxes = around
            boxes = boxes[reading_order(boxes)]
            return Crop(letterbox(cut_number(image, *detector_jitter(boxes, rng))), turned(), image_id)
    return Crop(*cut_with_target(image, boxes, text, covered, rng, plain=plain), image_id)


def picture_crop(sample: Sample, rng: np.random.Generator | None) -> Crop:
    """A number of a picture, one of several at random, as a detector delivers it; of a negative, any place in it.

    Without `rng`, the first number, cut as at reading time; a negative as a whole.
    """
    known = [k for k, number in enumerate(sample.numbers) if is_house_number(number)]
    if not known:
        return Crop(letterbox(sample.image if rng is None else _place(sample.image, rng)), negative(), sample.image_id)
    k = known[0] if rng is None else int(rng.choice(known))
    text, image = sample.numbers[k], sample.image
    plain = is_digits(text)  # whether letters and marks are annotated at all is not known
    if rng is None or not len(sample.boxes):
        image = cut_number(image, sample.number_boxes()[k]) if len(sample.boxes) else image
        return Crop(letterbox(image), target_of(text, np.ones(len(text)), plain=plain), sample.image_id)
    image, boxes = _varied(image, sample.number_boxes()[k], rng)
    return _cut(image, boxes, text, None, rng, sample.image_id, plain=plain)


def _varied(image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The surroundings of a number, each time seen a little otherwise, and its boxes there."""
    tall = float(np.median(boxes[:, 3] - boxes[:, 1]))
    x1, y1, x2, y2 = enclosing(boxes) + np.array([-1.3, -1.0, 1.3, 1.0]) * tall
    left, top = max(0, int(x1)), max(0, int(y1))
    part = image[top : max(top + 2, int(y2) + 1), left : max(left + 2, int(x2) + 1)]
    boxes = boxes - np.array([left, top, left, top], np.float32)
    scale = min(1.0, 64 / tall)  # no more than a crop shows
    if rng.random() < 0.3:
        scale = min(scale, max(8.0, tall * rng.uniform(0.4, 0.9)) / tall)
    turn, shear, wide = np.deg2rad(rng.normal(0, 2.5)), rng.normal(0, 0.06), float(np.exp(rng.normal(0, 0.09)))
    linear = scale * np.array([[np.cos(turn) * wide, shear - np.sin(turn)], [np.sin(turn) * wide, np.cos(turn)]])
    h, w = part.shape[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]]) @ linear.T
    origin, size = corners.min(0), np.maximum(2, np.ceil(np.ptp(corners, axis=0))).astype(int)
    matrix = np.column_stack([linear, -origin])
    if scale < 0.7:  # the warp would alias
        part = cv2.GaussianBlur(part, (0, 0), 0.4 / scale)
    seen = cv2.warpAffine(part, matrix, tuple(map(int, size)), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # the middles move with the picture; a turn this small leaves boxes as they are
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T - origin
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * [scale * wide, scale]
    if rng.random() < 0.7:
        seen = degrade(_camera(), seen, rng)
    return seen, np.concatenate([middle - half, middle + half], 1)


@lru_cache(maxsize=1)
def _camera() -> A.Compose:
    return for_scenes()


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
    """Cross entropy of the length, of the digits that are there, of the suffix and of the flags.

    What is not known or not there gives no gradient.

    batch: as of `RecognizerTask.collate`. weight: of each digit, (10,).
    """
    recipe = recipe or Loss()
    lengths, digits = batch["lengths"], batch["digits"]
    logits = model(normalise(batch["crops"]).contiguous(memory_format=torch.channels_last))
    length_logits, digit_logits, suffix_logits, flag_logits = logits
    of_digits = class_losses(digit_logits.flatten(0, 1), digits.flatten(), recipe, weight)
    of_length = class_losses(length_logits, lengths, recipe.model_copy(update={"focal": 0.0}))
    of_suffix = F.cross_entropy(suffix_logits.float(), batch["suffixes"], ignore_index=IGNORED, reduction="none")
    asked = ~torch.isnan(batch["flags"])
    of_flags = F.binary_cross_entropy_with_logits(flag_logits.float()[asked], batch["flags"][asked], reduction="sum")
    return {
        "length": of_length.mean(),
        "digits": of_digits.sum() / len(lengths),
        "suffix": 2.0 * of_suffix.mean(),  # one crop in ten has a suffix
        "flags": of_flags / len(lengths),
    }


def collate(crops: Sequence[Crop]) -> dict:
    """Crops uint8 (B, HEIGHT, WIDTH, 3); lengths (B,), digits (B, 6), suffixes (B,), int64; flags float32 (B, 5); ids.

    See `targets.Target`.
    """
    targets = [crop.target for crop in crops]
    return {
        "crops": torch.from_numpy(np.stack([crop.image for crop in crops])),
        "lengths": torch.tensor([target.length for target in targets]),
        "digits": torch.tensor([target.digits for target in targets]),
        "suffixes": torch.tensor([target.suffix for target in targets]),
        "flags": torch.tensor([target.flags for target in targets], dtype=torch.float32),
        "ids": [crop.image_id for crop in crops],
    }


@torch.inference_mode()
def right_counts(model: nn.Module, batch: dict) -> dict[str, float]:
    """How many strings, lengths, suffixes and flags of a batch are right, each head taken by itself."""
    length_logits, digit_logits, suffix_logits, flag_logits = model(normalise(batch["crops"]))
    asked = batch["lengths"] != IGNORED
    right_length = (length_logits.argmax(1) == batch["lengths"]) & asked
    right_digits = ((digit_logits.argmax(2) == batch["digits"]) | (batch["digits"] < 0)).all(1)
    right_suffix = suffix_logits.argmax(1) == batch["suffixes"]
    lettered = batch["suffixes"] > 0
    wanted = ~torch.isnan(batch["flags"])
    right_flags = ((flag_logits > 0) == (batch["flags"] > 0.5)) & wanted
    return {
        "crops": int(asked.sum()),
        "exact": int((right_length & right_digits).sum()),
        "lengths": int(right_length.sum()),
        "lettered": int(lettered.sum()),
        "suffixes": int((right_suffix & lettered).sum()),
        "plain": int((batch["suffixes"] == 0).sum()),
        "no_suffix": int((right_suffix & (batch["suffixes"] == 0)).sum()),
        "flags": int(wanted.sum()),
        "right_flags": int(right_flags.sum()),
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
    model: NumberNet
    metrics = ("exact", "length_accuracy", "suffix_accuracy", "no_suffix_accuracy", "flag_accuracy")

    def __init__(self, config: Config, quiet: bool = False):
        self.examples = open_examples(config, "train", usable, quiet)
        self.watched = open_examples(config, "validation", usable, quiet)
        check_apart(self.examples, self.watched)
        self.model = _network(config)
        self.architecture = {"backbone": config.model.backbone or "residual", "letters": True}
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

    def stages(self) -> Sequence[nn.Module]:
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
        return {
            "exact": counts["exact"] / total,
            "length_accuracy": counts["lengths"] / total,
            "suffix_accuracy": counts["suffixes"] / max(1, counts["lettered"]),
            "no_suffix_accuracy": counts["no_suffix"] / max(1, counts["plain"]),
            "flag_accuracy": counts["right_flags"] / max(1, counts["flags"]),
        }

    @torch.inference_mode()
    def picture(self, model: nn.Module) -> Image.Image:
        """What the model reads in crops."""
        crops = [self.watched_examples()[index] for index in spread(_SHOWN, len(self.watched_examples()))]
        inputs = collate(crops)["crops"].to(next(model.parameters()).device)
        heads = [log_softmax(logits.float().cpu().numpy()) for logits in model(normalise(inputs))][:2]
        shown = []
        for crop, (length, digit) in zip(crops, zip(*heads, strict=True), strict=True):
            text, _ = joint_decode(length, digit)
            shown.append(Sample(crop.image, empty_boxes(), np.zeros(0, np.int64), (text,) * bool(text), crop.image_id))
        return contact_sheet(shown, height=HEIGHT)

    def header(self, model: nn.Module) -> dict:
        header: dict[str, Any] = {"architecture": self.architecture}
        if self.validation is not None:
            header["temperature"] = fit_temperature(model, self._unwatched())
        return header

    def _unwatched(self) -> Sequence[Crop]:
        """Crops for fitting what training is not steered by: new ones where they are drawn, else the same pictures."""
        fresh = [partial(drawn_crop, Synthesizer(each.data, seed=_VALIDATION_SEED)) for each in self.watched
                 if not isinstance(each.data, Pictures)]  # fmt: skip
        if not fresh:
            return [self.watched_examples()[i] for i in range(len(self.watched_examples()))]
        first = max(each.count or _VALIDATION_CROPS for each in self.watched)
        return [drawn(i) for drawn in fresh for i in range(first, first + 2 * _VALIDATION_CROPS)]

    @staticmethod
    def build(**architecture: Any) -> nn.Module:
        return NumberNet(**architecture)

    @staticmethod
    def example() -> tuple:
        return (torch.zeros(1, 3, HEIGHT, WIDTH),)


def _crop(pictures: Pictures, seed: int, stream: int, draw: int) -> Crop:
    return picture_crop(*draw_picture(pictures, seed, stream, draw))


def _network(config: Config) -> NumberNet:
    """With the weights to start from."""
    backbone, start = config.model.backbone or "residual", config.model.start
    if start is None:
        return NumberNet(backbone, letters=True, pretrained=config.model.pretrained)
    path = shipped("digits.recognizer.weights", "recognizer.safetensors") if start == "shipped" else start
    before, header = restore(path, "recognizer", NumberNet)
    if header["architecture"].get("backbone") != backbone:
        raise WeightsError(f"{path}: of the backbone {header['architecture'].get('backbone')}, not {backbone}")
    model = NumberNet(backbone, letters=True)
    model.load_state_dict(before.state_dict(), strict=False)  # weights of digits alone lack the heads of letters
    return model


@torch.inference_mode()
def fit_temperature(model: nn.Module, crops: Sequence[Crop]) -> float:
    """The divisor of the logits that makes the probability of whole strings most truthful (Guo et al. 2017).

    Chosen by the likelihood of these validation crops.
    """
    batches = [collate(crops[k : k + 250]) for k in range(0, len(crops), 250)]
    scored = [[logits.double() for logits in model(normalise(batch["crops"]))[:2]] for batch in batches]

    def cost(temperature: float) -> float:
        total = 0.0
        summed = partial(F.cross_entropy, ignore_index=IGNORED, reduction="sum")
        for (length, digit), batch in zip(scored, batches, strict=True):
            total += summed(length / temperature, batch["lengths"]).item()
            flat = (digit / temperature).flatten(0, 1)
            total += summed(flat, batch["digits"].flatten()).item()
        return total

    return min(np.arange(0.6, 3.01, 0.05).round(2).tolist(), key=cost)
