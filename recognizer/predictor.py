"""Numbers in crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from digits.core.device import resolve_device
from digits.core.weights import restore, shipped, to_device
from digits.recognizer.crops import letterbox
from digits.recognizer.decode import joint_decode, log_softmax
from digits.recognizer.model import NumberNet, normalise

_BATCH = 64


@dataclass(frozen=True)
class Transcription:
    """What a crop says.

    text: digits, "" if the crop holds no number. confidence: probability of the whole string, P(length) · Π P(digit).
    digits: a (digit, probability) pair for each position. length: float64 (7,), log probabilities of lengths 0 to 6.
    positions: float64 (6, 10), log probabilities of the ten digits at each position.
    """

    text: str
    confidence: float
    digits: tuple[tuple[str, float], ...]
    length: np.ndarray = field(repr=False, compare=False)
    positions: np.ndarray = field(repr=False, compare=False)

    @classmethod
    def from_log_probabilities(cls, length: np.ndarray, positions: np.ndarray) -> Transcription:
        """The most probable string under the two heads, by joint decoding."""
        text, score = joint_decode(length, positions)
        each = tuple((char, float(np.exp(row.max()))) for char, row in zip(text, positions, strict=False))
        return cls(text, float(np.exp(score)), each, length, positions)

    def to_dict(self) -> dict:
        """Plain Python types."""
        digits = [{"digit": char, "probability": probability} for char, probability in self.digits]
        return {"text": self.text, "confidence": self.confidence, "digits": digits}


class Recognizer:
    """Transcribes crops of numbers.

    weights: a weights file, or None for the one that ships. device: see `resolve_device`.
    """

    def __init__(self, weights: str | Path | None = None, device: str = "auto"):
        path = weights or shipped("digits.recognizer.weights", "recognizer.safetensors")
        model, self.header = restore(path, "recognizer", NumberNet)
        self.device = resolve_device(device)
        self._model = to_device(model, self.device)
        self._temperature = float(self.header.get("temperature", 1.0))

    @torch.inference_mode()
    def predict(self, crops: Sequence[np.ndarray]) -> list[Transcription]:
        """Transcriptions of crops, RGB uint8 (h, w, 3) of any size; horizontal, see `crops.cut_number`."""
        results = []
        for start in range(0, len(crops), _BATCH):
            framed = np.stack([letterbox(crop) for crop in crops[start : start + _BATCH]])
            inputs = normalise(torch.from_numpy(framed).to(self.device)).contiguous(memory_format=torch.channels_last)
            length, positions = (
                log_softmax(logits.float().cpu().numpy() / self._temperature) for logits in self._model(inputs)
            )
            results += [Transcription.from_log_probabilities(*pair) for pair in zip(length, positions, strict=True)]
        return results
