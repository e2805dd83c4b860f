"""Numbers in crops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digits.core.backend import BasePredictor
from digits.core.batch import check_batch
from digits.core.errors import WeightsError
from digits.recognizer.crops import letterbox
from digits.recognizer.decode import joint_decode, log_softmax
from digits.recognizer.distribution import Distribution
from digits.recognizer.exported import ExportedNetwork

if TYPE_CHECKING:
    from digits.recognizer.nn.eager import EagerNetwork

_BATCH = 64


@dataclass(frozen=True)
class Transcription:
    """What a crop says.

    text: digits, "" if the crop holds no number. confidence: probability of the whole string, P(length) · Π P(digit).
    digits: a (digit, probability) pair for each position. distribution: the probabilities of all other texts, too.
    """

    text: str
    confidence: float
    digits: tuple[tuple[str, float], ...]
    distribution: Distribution = field(repr=False, compare=False)

    @classmethod
    def from_log_probabilities(cls, length: np.ndarray, positions: np.ndarray) -> Transcription:
        """The most probable string under the two heads, by joint decoding.

        length: float64 (7,), log probabilities of lengths 0 to 6. positions: float64 (6, 10), of the ten digits at
        each position.
        """
        text, score = joint_decode(length, positions)
        each = tuple((char, float(np.exp(row.max()))) for char, row in zip(text, positions, strict=False))
        return cls(text, float(np.exp(score)), each, Distribution(length, positions))

    def to_dict(self) -> dict:
        """Plain Python types."""
        digits = [{"digit": char, "probability": probability} for char, probability in self.digits]
        return {"text": self.text, "confidence": self.confidence, "digits": digits}


class Recognizer(BasePredictor):
    """Transcribes crops of numbers.

    weights, device, backend, threads: as of a `Detector`.

    Raises WeightsError if the file cannot be used, DeviceError if the device or the backend is not here, ValueError for
    such a number of threads.
    """

    kind = "recognizer"
    exported_network = ExportedNetwork

    @staticmethod
    def eager_network() -> type[EagerNetwork]:
        from digits.recognizer.nn.eager import EagerNetwork

        return EagerNetwork

    def __init__(
        self,
        weights: str | Path | None = None,
        device: str = "auto",
        *,
        backend: str = "auto",
        threads: int | None = None,
    ):
        super().__init__(weights, device, backend, threads)
        if not isinstance(self._temperature, int | float) or not 0 < self._temperature < math.inf:
            raise WeightsError(f"{self._path}: the temperature is {self._temperature!r}, not a number above 0")

    @property
    def _temperature(self) -> float:
        return self.header.get("temperature", 1.0)

    def sample(self, crop: np.ndarray, passes: int, seed: int = 0) -> list[Transcription]:
        """`passes` transcriptions of one crop with dropout at work, for Monte-Carlo dropout (Gal and Ghahramani 2016).

        Only dropout is switched on, and off again afterwards; batch normalisation stays as it was trained. The same
        seed gives the same transcriptions; torch's own random numbers go on as if nothing had been drawn. Raises
        DeviceError if the backend is not PyTorch.
        """
        with self.eager.dropout(seed):
            return self.predict([crop] * passes)

    def predict(self, crops: Sequence[np.ndarray]) -> list[Transcription]:
        """Transcriptions of crops, RGB uint8 (h, w, 3) of any size; horizontal, see `crops.cut_number`.

        Raises ImageError, saying which, if one is anything else.
        """
        crops, results = check_batch(crops, "crops"), []
        for start in range(0, len(crops), _BATCH):
            framed = np.stack([letterbox(crop) for crop in crops[start : start + _BATCH]])
            length, positions = (log_softmax(logits / self._temperature) for logits in self._network.heads(framed))
            results += [Transcription.from_log_probabilities(*pair) for pair in zip(length, positions, strict=True)]
        return results
