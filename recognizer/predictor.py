"""Numbers in crops."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat, starmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digits.core.backend import BasePredictor
from digits.core.batch import check_batch
from digits.core.errors import WeightsError
from digits.recognizer.crops import letterbox, out_of_letterbox
from digits.recognizer.decode import joint_decode, log_softmax, sigmoid
from digits.recognizer.distribution import Distribution
from digits.recognizer.exported import ExportedNetwork
from digits.recognizer.heads import FLAGS, MARKS, SUFFIXES, UNCLEAR

if TYPE_CHECKING:
    from digits.recognizer.nn.eager import EagerNetwork

_BATCH = 64


@dataclass(frozen=True)
class Transcription:
    """What a crop says.

    text: digits and at most a letter behind them, "" if the crop holds no number. confidence: probability of the whole
    string, see `Distribution`. digits: a (digit, probability) pair for each position. suffix: the letter, "" if there
    is none, "?" if it cannot be told; then it is not in the text. distribution: the probabilities of all other texts,
    too. flags: the probability of each of `heads.FLAGS` and of `heads.MARKS`; none of a recogniser that has no such
    head. mark: where a hyphen or slash stands, if the flags say that there is one, as a share of the crop's width.
    """

    text: str
    confidence: float
    digits: tuple[tuple[str, float], ...]
    suffix: str
    distribution: Distribution = field(repr=False, compare=False)
    flags: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)
    mark: float = field(default=0.5, repr=False, compare=False)

    @classmethod
    def of(
        cls, distribution: Distribution, flags: Mapping[str, float] | None = None, mark: float = 0.5
    ) -> Transcription:
        """The most probable string, by joint decoding."""
        number, score = joint_decode(distribution.length, distribution.positions)
        places = zip(number, distribution.positions, strict=False)
        each = tuple((char, float(np.exp(row.max()))) for char, row in places)
        best = int(distribution.suffix.argmax()) if number else 0
        score += distribution.suffix[best] if number else 0.0
        suffix = SUFFIXES[best]
        text = number + (suffix if suffix != UNCLEAR else "")
        return cls(text, float(np.exp(score)), each, suffix, distribution, flags or {}, mark)

    def to_dict(self) -> dict:
        """Plain Python types."""
        digits = [{"digit": char, "probability": probability} for char, probability in self.digits]
        return {"text": self.text, "confidence": self.confidence, "suffix": self.suffix, "digits": digits}


def _marks(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From the logits of marks (B, 2 * w + 1), the probability of each of `MARKS`, (B, 2), and where one would stand.

    The latter, (B,), is the mean of its place as a share of the letterbox's width.
    """
    each = np.exp(log_softmax(logits))[:, :-1].reshape(len(logits), len(MARKS), -1)
    centres = (np.arange(each.shape[2]) + 0.5) / each.shape[2]
    return each.sum(2), each.sum(1) @ centres / each.sum((1, 2)).clip(1e-12, None)


def _by_flag(probabilities: np.ndarray) -> dict[str, float]:
    return dict(zip(FLAGS + MARKS, probabilities.tolist(), strict=True))


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

    @property
    def _letters(self) -> bool:
        """Whether there are heads for the suffix and the flags."""
        return self.header["architecture"].get("letters", False)

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
        crops, results = check_batch(crops, "crops"), list[Transcription]()
        for start in range(0, len(crops), _BATCH):
            batch = crops[start : start + _BATCH]
            heads = list(self._network.heads(np.stack([letterbox(crop) for crop in batch])))
            flags: Iterable[dict[str, float]] = repeat({})
            marks: Iterable[float] = repeat(0.5)
            if self._letters:
                raised, (kinds, positions) = sigmoid(heads.pop()), _marks(heads.pop())
                flags = map(_by_flag, np.concatenate([raised, kinds], 1))
                marks = map(out_of_letterbox, positions, batch)
            each = zip(*(log_softmax(logits / self._temperature) for logits in heads), strict=True)
            results += map(Transcription.of, starmap(Distribution, each), flags, marks)
        return results
