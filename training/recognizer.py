"""Trains the recogniser on crops like those that the detector delivers."""

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
from digits.datasets.pictures import Pictures, Record
from digits.datasets.synthesis import Synthesizer
from digits.datasets.transforms import detector_jitter
from digits.nn.weights import restore
from digits.recognizer.crops import HEIGHT, WIDTH, cut_number, letterbox
from digits.recognizer.decode import joint_decode, log_softmax
from digits.recognizer.nn.model import NumberNet, normalise
from digits.training.config import Config, Loss
from digits.training.data import Examples, chosen, draw_picture, stream_seed
from digits.training.losses import class_losses
from digits.training.targets import IGNORED, Target, cut_with_target, negative, target_of, turn_number, turned
from digits.training.task import DigitTask

_VALIDATION_CROPS = 1000
_VALIDATION_SEED = 2  # not the run's seed: all runs are compared on the same crops
_SHOWN = 64  # crops
_TURNED = 0.06  # share of the numbers without a letter that are turned or mirrored


class Crop(NamedTuple):
    """A crop, uint8 (HEIGHT, WIDTH, 3), and its target."""

    image: np.ndarray
    target: Target
    image_id: str


def drawn_crop(synthesizer: Synthesizer, index: int) -> Crop:
    """A synthetic number, cropped as the detector crops: loosely, tightly, or up to a tenth into the outer digits."""
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
    """A number of a picture (a random one of several), cropped as the detector crops; of a negative, a random window.

    Without `rng`: the first number, cropped as at reading time, or the whole negative.
    """
    known = [k for k, number in enumerate(sample.numbers) if is_house_number(number)]
    if not known:
        image = sample.image if rng is None else _random_window(sample.image, rng)
        return Crop(letterbox(image), negative(), sample.image_id)
    k = known[0] if rng is None else int(rng.choice(known))
    text, image = sample.numbers[k], sample.image
    plain = is_digits(text)  # letters and marks beside the digits may be missing in the annotation
    if rng is None or not len(sample.boxes):
        image = cut_number(image, sample.number_boxes()[k]) if len(sample.boxes) else image
        return Crop(letterbox(image), target_of(text, np.ones(len(text)), plain=plain), sample.image_id)
    image, boxes = _varied(image, sample.number_boxes()[k], rng)
    return _cut(image, boxes, text, None, rng, sample.image_id, plain=plain)


def _varied(image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A number with its surroundings, randomly scaled, turned, sheared and degraded, and its boxes there."""
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    x1, y1, x2, y2 = enclosing(boxes) + np.array([-1.3, -1.0, 1.3, 1.0]) * height
    left, top = max(0, int(x1)), max(0, int(y1))
    region = image[top : max(top + 2, int(y2) + 1), left : max(left + 2, int(x2) + 1)]
    boxes = boxes - np.array([left, top, left, top], np.float32)
    scale = min(1.0, 64 / height)  # a crop shows no finer detail
    if rng.random() < 0.3:
        scale = min(scale, max(8.0, height * rng.uniform(0.4, 0.9)) / height)
    turn, shear, wide = np.deg2rad(rng.normal(0, 2.5)), rng.normal(0, 0.06), float(np.exp(rng.normal(0, 0.09)))
    linear = scale * np.array([[np.cos(turn) * wide, shear - np.sin(turn)], [np.sin(turn) * wide, np.cos(turn)]])
    h, w = region.shape[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]]) @ linear.T
    origin, size = corners.min(0), np.maximum(2, np.ceil(np.ptp(corners, axis=0))).astype(int)
    matrix = np.column_stack([linear, -origin])
    if scale < 0.7:  # the warp would alias
        region = cv2.GaussianBlur(region, (0, 0), 0.4 / scale)
    width_height = tuple(map(int, size))
    warped = cv2.warpAffine(region, matrix, width_height, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # only the centres of boxes are turned: such a small angle hardly changes their sides
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T - origin
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * [scale * wide, scale]
    if rng.random() < 0.7:
        warped = degrade(_camera(), warped, rng)
    return warped, np.concatenate([middle - half, middle + half], 1)


@lru_cache(maxsize=1)
def _camera() -> A.Compose:
    return for_scenes()


def _random_window(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random window of a picture, up to all of it, with the aspect ratio of a number."""
    height, width = image.shape[:2]
    h = min(height, max(12, round(height * float(np.exp(rng.uniform(np.log(0.06), 0))))))
    w = min(width, max(8, round(h * rng.uniform(0.5, 3.5))))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    return image[top : top + h, left : left + w]


def number_losses(
    model: nn.Module, batch: dict, recipe: Loss | None = None, weight: Tensor | None = None
) -> dict[str, Tensor]:
    """Cross entropy of the length, of the digits, of the suffix, of a mark, and of the flags.

    Unknown or absent targets give no gradient. batch: see `collate`. weight: class weights of the digits, (10,).
    """
    recipe = recipe or Loss()
    lengths, digits = batch["lengths"], batch["digits"]
    logits = model(normalise(batch["crops"]).contiguous(memory_format=torch.channels_last))
    length_logits, digit_logits, suffix_logits, mark_logits, flag_logits = logits
    digit_losses = class_losses(digit_logits.flatten(0, 1), digits.flatten(), recipe, weight)
    length_losses = class_losses(length_logits, lengths, recipe.model_copy(update={"focal": 0.0}))
    suffix_losses = F.cross_entropy(suffix_logits.float(), batch["suffixes"], ignore_index=IGNORED, reduction="none")
    known_marks = ~torch.isnan(batch["marks"])
    columns = (batch["marks"][known_marks] * (mark_logits.shape[1] // 2)).long()
    mark_loss = F.cross_entropy(mark_logits.float()[known_marks], columns, reduction="sum")
    known = ~torch.isnan(batch["flags"])
    flag_loss = F.binary_cross_entropy_with_logits(flag_logits.float()[known], batch["flags"][known], reduction="sum")
    return {
        "length": length_losses.mean(),
        "digits": digit_losses.sum() / len(lengths),
        "suffix": 2.0 * suffix_losses.mean(),  # only one crop in ten has a suffix
        "mark": mark_loss / len(lengths),
        "flags": flag_loss / len(lengths),
    }


def collate(crops: Sequence[Crop]) -> dict:
    """A batch: crops uint8 (B, HEIGHT, WIDTH, 3); lengths (B,), digits (B, 6), suffixes (B,), int64; flags float32
    (B, 5); marks float32 (B,); ids. See `targets.Target`.
    """
    targets = [crop.target for crop in crops]
    return {
        "crops": torch.from_numpy(np.stack([crop.image for crop in crops])),
        "lengths": torch.tensor([target.length for target in targets]),
        "digits": torch.tensor([target.digits for target in targets]),
        "suffixes": torch.tensor([target.suffix for target in targets]),
        "flags": torch.tensor([target.flags for target in targets], dtype=torch.float32),
        "marks": torch.tensor([target.mark for target in targets], dtype=torch.float32),
        "ids": [crop.image_id for crop in crops],
    }


@torch.inference_mode()
def right_counts(model: nn.Module, batch: dict) -> dict[str, float]:
    """How many strings, lengths, suffixes and flags of a batch are right; each head is counted by itself."""
    length_logits, digit_logits, suffix_logits, _, flag_logits = model(normalise(batch["crops"]))
    known = batch["lengths"] != IGNORED
    right_length = (length_logits.argmax(1) == batch["lengths"]) & known
    right_digits = ((digit_logits.argmax(2) == batch["digits"]) | (batch["digits"] < 0)).all(1)
    right_suffix = suffix_logits.argmax(1) == batch["suffixes"]
    lettered = batch["suffixes"] > 0
    known_flags = ~torch.isnan(batch["flags"])
    right_flags = ((flag_logits > 0) == (batch["flags"] > 0.5)) & known_flags
    return {
        "crops": int(known.sum()),
        "exact": int((right_length & right_digits).sum()),
        "lengths": int(right_length.sum()),
        "lettered": int(lettered.sum()),
        "suffixes": int((right_suffix & lettered).sum()),
        "plain": int((batch["suffixes"] == 0).sum()),
        "no_suffix": int((right_suffix & (batch["suffixes"] == 0)).sum()),
        "flags": int(known_flags.sum()),
        "right_flags": int(right_flags.sum()),
    }


def _unvaried(pictures: Pictures, index: int) -> Crop:
    return picture_crop(pictures[index], None)


class RecognizerTask(DigitTask):
    """Metrics: shares of right strings, lengths, suffixes (with and without one) and flags."""

    kind = "recognizer"
    model: NumberNet
    metrics = ("exact", "length_accuracy", "suffix_accuracy", "no_suffix_accuracy", "flag_accuracy")

    @staticmethod
    def usable(record: Record) -> bool:
        """Whether a number of it is known, or it shows none."""
        return any(map(is_house_number, record.numbers)) or record.negative

    @staticmethod
    def network(config: Config) -> tuple[dict[str, Any], NumberNet]:
        backbone, start = config.model.backbone or "residual", config.model.start
        architecture: dict[str, Any] = {"backbone": backbone, "letters": True}
        if start is None:
            return architecture, NumberNet(**architecture, pretrained=config.model.pretrained)
        path = shipped("digits.recognizer.weights", "recognizer.safetensors") if start == "shipped" else start
        before, header = restore(path, "recognizer", NumberNet)
        if header["architecture"].get("backbone") != backbone:
            raise WeightsError(f"{path}: of the backbone {header['architecture'].get('backbone')}, not {backbone}")
        model = NumberNet(**architecture)
        model.load_state_dict(before.state_dict(), strict=False)  # weights without letters lack two heads
        return architecture, model

    @staticmethod
    def stream(config: Config, number: int, examples: Examples) -> Callable[[int], Crop]:
        if not isinstance(examples.data, Pictures):
            return partial(drawn_crop, Synthesizer(examples.data, seed=stream_seed(config.seed, number)))
        return partial(_crop, examples.data, config.seed, number)

    @staticmethod
    def validation_makers(examples: Examples) -> list[Callable[[], Crop]]:
        if isinstance(examples.data, Pictures):
            return [partial(_unvaried, examples.data, i) for i in chosen(examples)]
        synthesizer = Synthesizer(examples.data, seed=_VALIDATION_SEED)
        return [partial(drawn_crop, synthesizer, i) for i in range(examples.count or _VALIDATION_CROPS)]

    def stages(self) -> Sequence[nn.Module]:
        return self.model.stages()

    def collate(self, examples: Sequence[Crop]) -> dict:
        return collate(examples)

    def losses(self, batch: dict) -> dict[str, Tensor]:
        return number_losses(self.model, batch, self.recipe, self.class_weights_on(batch["crops"].device))

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
        """Validation crops with the model's readings."""
        crops = [self.validation_examples()[index] for index in spread(_SHOWN, len(self.validation_examples()))]
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
            header["temperature"] = fit_temperature(model, self._calibration_crops())
        return header

    def _calibration_crops(self) -> Sequence[Crop]:
        """Crops to fit the temperature on: fresh synthetic ones, or the validation pictures if none are synthetic."""
        fresh = [partial(drawn_crop, Synthesizer(each.data, seed=_VALIDATION_SEED)) for each in self.held_out
                 if not isinstance(each.data, Pictures)]  # fmt: skip
        if not fresh:
            return [self.validation_examples()[i] for i in range(len(self.validation_examples()))]
        first = max(each.count or _VALIDATION_CROPS for each in self.held_out)
        return [drawn(i) for drawn in fresh for i in range(first, first + 2 * _VALIDATION_CROPS)]

    @staticmethod
    def build(**architecture: Any) -> nn.Module:
        return NumberNet(**architecture)

    @staticmethod
    def example() -> tuple:
        return (torch.zeros(1, 3, HEIGHT, WIDTH),)


def _crop(pictures: Pictures, seed: int, stream: int, draw: int) -> Crop:
    return picture_crop(*draw_picture(pictures, seed, stream, draw))


@torch.inference_mode()
def fit_temperature(model: nn.Module, crops: Sequence[Crop]) -> float:
    """The divisor of the logits that gives these validation crops the highest likelihood (Guo et al. 2017)."""
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
