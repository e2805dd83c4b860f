"""What the detector saw and what the recogniser read, weighed into one reading with one calibrated probability."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from digits.core.errors import WeightsError
from digits.pipeline.merge import NumberRegion
from digits.recognizer import Transcription

# What the confidence is calibrated from, see `features`.
FEATURES = ("text", "detection", "faintest", "same_count", "agreement", "lone_digit", "stacked", "height", "always")
_FLOOR = 0.05  # a class that the detector did not name is unlikely, not impossible


@dataclass(frozen=True)
class Fusion:
    """How far to trust each part; fitted on validation data, see `pipeline.calibrate`.

    digit_weight: exponent of the detector's opinion of each digit. length_weight: log odds given to the number of
    digits the detector counted over every other length. weights: of each of `FEATURES`, 0 for those left out, in the
    logistic calibration P(right) = sigmoid(sum of weights times features). threshold: confidence below which a reading
    is `unsure`.
    """

    digit_weight: float = 0.5
    length_weight: float = 1.0
    weights: Mapping[str, float] = field(default_factory=lambda: {"text": 1.0})
    threshold: float = 0.5

    def __post_init__(self):
        if unknown := set(self.weights) - set(FEATURES):
            raise ValueError(f"there is no feature {min(unknown)!r}; there are {', '.join(FEATURES)}")

    @classmethod
    def load(cls, path: str | Path) -> Fusion:
        """From a JSON file; WeightsError if it is missing or has other keys."""
        try:
            return cls(**json.loads(Path(path).read_text()))
        except (OSError, TypeError, ValueError) as error:
            raise WeightsError(f"{path}: not a calibration file ({error})") from None

    def save(self, path: str | Path) -> None:
        Path(path).write_text(json.dumps(asdict(self), indent=2) + "\n")


def fuse(seen: Transcription, evidence: np.ndarray, fusion: Fusion) -> Transcription:
    """The recogniser's reading, updated by what the detector saw: a product of experts.

    evidence: (N, 10) detector scores of every digit at each place.
    """
    n = len(evidence)
    length, positions = seen.length.copy(), seen.positions.copy()
    if 0 < n < len(length):
        length[n] += fusion.length_weight
        length -= np.logaddexp.reduce(length)
        opinion = np.log((evidence + _FLOOR) / (evidence + _FLOOR).sum(1, keepdims=True))
        # applied only as far as this length is believed in: at other lengths the places do not correspond
        belief = np.exp(length[n])
        positions[:n] += fusion.digit_weight * belief * opinion
        positions -= np.logaddexp.reduce(positions, axis=1, keepdims=True)
    return Transcription.from_log_probabilities(length, positions)


def features(fused: Transcription, region: NumberRegion) -> np.ndarray:
    """What tells how likely a reading of a region is right, float64 (9,), in the order of `FEATURES`.

    text: log odds of the fused text. detection: of the mean score of the digits, and faintest: of the least.
    same_count: whether text and detector have as many digits; agreement: then, the mean log share that the detector
    gives the digits of the text of its best ones. lone_digit: whether the detector saw one digit only: branches and
    door handles pass for one, rarely for a row. stacked. height: log of the digits' height in pixels. always: 1.
    """
    best = region.evidence.max(1)
    same = len(best) == len(fused.text)
    agreement = 0.0
    if same:
        named = region.evidence[np.arange(len(best)), [int(char) for char in fused.text]]
        agreement = float(np.log((named + _FLOOR) / (best + _FLOOR)).mean())
    tall = float(np.median(region.digit_boxes[:, 3] - region.digit_boxes[:, 1]))
    return np.array(
        [
            _log_odds(fused.confidence),
            _log_odds(region.score),
            _log_odds(float(best.min())),
            same,
            agreement,
            len(best) == 1,
            region.vertical,
            np.log(max(tall, 1.0)),
            1.0,
        ]
    )


def confidence(of: np.ndarray, fusion: Fusion) -> np.ndarray:
    """Probability that the whole string is right, for features (..., 9)."""
    weights = np.array([fusion.weights.get(name, 0.0) for name in FEATURES])
    return 1 / (1 + np.exp(-(of @ weights).clip(-30, 30)))


def _log_odds(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(p / (1 - p)))
