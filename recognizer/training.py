"""Trains the recogniser on numbers cut as a detector would cut them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from digits.core.errors import WeightsError
from digits.core.weights import restore
from digits.datasets.items import Sample
from digits.datasets.synthesis import Synthesizer
from digits.datasets.transforms import detector_jitter
from digits.recognizer.crops import cut_number, letterbox
from digits.recognizer.model import MAX_LENGTH, NumberNet, normalise
from digits.training.loop import fit, move


def jittered_cut(rng: np.random.Generator, sample: Sample) -> np.ndarray:
    """The crop of a sample's number as a detector delivers it: loose, tight, or into the outer digits by a tenth."""
    if not len(sample.boxes):
        return sample.image
    return cut_number(sample.image, *detector_jitter(sample.boxes, rng))


class Crops(Dataset):
    """Crops uint8 (HEIGHT, WIDTH, 3), length, and digits (6,), -1 where there is none."""

    def __init__(self, synthesizer: Synthesizer):
        self.synthesizer = synthesizer

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor]:
        sample = self.synthesizer.number(index)
        rng = np.random.default_rng((self.synthesizer.seed, 3, index))
        digits = torch.full((MAX_LENGTH,), -1, dtype=torch.int64)
        digits[: len(sample.labels)] = torch.from_numpy(sample.labels)
        return torch.from_numpy(letterbox(jittered_cut(rng, sample))), len(sample.labels), digits


def number_losses(model: nn.Module, batch) -> dict[str, Tensor]:
    """Cross entropy of the length, and of the digits that are there: absent ones give no gradient."""
    crops, lengths, digits = batch
    length_logits, digit_logits = model(normalise(crops).contiguous(memory_format=torch.channels_last))
    digit_loss = F.cross_entropy(digit_logits.float().flatten(0, 1), digits.flatten(), ignore_index=-1, reduction="sum")
    return {"length": F.cross_entropy(length_logits.float(), lengths), "digits": digit_loss / len(crops)}


@torch.inference_mode()
def exact_accuracy(model: nn.Module, batch) -> dict[str, float]:
    """Shares of strings and of lengths that are right, the length and each digit taken by itself."""
    crops, lengths, digits = move(batch, model.digit_bias.device)
    length_logits, digit_logits = model(normalise(crops))
    right_length = length_logits.argmax(1) == lengths
    right_digits = ((digit_logits.argmax(2) == digits) | (digits < 0)).all(1)
    return {
        "exact": (right_length & right_digits).float().mean().item(),
        "length_accuracy": right_length.float().mean().item(),
    }


def train_recognizer(
    synthesizer: Synthesizer,
    validation: Synthesizer,
    *,
    backbone: str = "residual",
    start: Path | None = None,
    watched: int = 1000,
    **options,
) -> nn.Module:
    """Train from nothing, or on from the weights in `start`; `options` go to `training.fit`.

    So many samples of `validation` are read now and then. Raises WeightsError if `start` is of another backbone.
    """
    model = NumberNet(backbone)
    if start is not None:
        earlier, header = restore(start, "recognizer", NumberNet)
        if header["architecture"] != {"backbone": backbone}:
            raise WeightsError(f"{start}: of the backbone {header['architecture'].get('backbone')}, not {backbone}")
        model.load_state_dict(earlier.state_dict())
    rate = 2e-3 if start is None else 1e-3  # weights that are good already are not to be thrown about
    model = model.to(memory_format=torch.channels_last)
    held_out = default_collate([Crops(validation)[i] for i in range(watched)])
    return fit(
        model,
        Crops(synthesizer),
        number_losses,
        groups=[{"params": list(model.parameters()), "lr": rate}],
        evaluate=lambda average: exact_accuracy(average, held_out),
        **options,
    )


@torch.inference_mode()
def fit_temperature(model: nn.Module, validation: Synthesizer, samples: range) -> tuple[float, dict[str, float]]:
    """The divisor of the logits that makes the probability of whole strings most truthful (Guo et al. 2017).

    Chosen by the likelihood of these validation samples; returned with the exact accuracy on them.
    """
    items = Crops(validation)
    batches = [default_collate([items[i] for i in samples[k : k + 250]]) for k in range(0, len(samples), 250)]
    scored = [[logits.double() for logits in model(normalise(crops))] for crops, _, _ in batches]

    def cost(temperature: float) -> float:
        total = 0.0
        for (length, digit), (_, lengths, digits) in zip(scored, batches, strict=True):
            total += F.cross_entropy(length / temperature, lengths, reduction="sum").item()
            flat = (digit / temperature).flatten(0, 1)
            total += F.cross_entropy(flat, digits.flatten(), ignore_index=-1, reduction="sum").item()
        return total

    right = sum(exact_accuracy(model, batch)["exact"] * len(batch[1]) for batch in batches)
    metrics = {"validation_exact": round(right / len(samples), 4), "validation_samples": len(samples)}
    return min(np.arange(0.6, 3.01, 0.05).round(2).tolist(), key=cost), metrics
