"""What the detector saw and what the recogniser read, weighed into one reading with one calibrated probability."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from digits.core.errors import WeightsError


@dataclass(frozen=True)
class Fusion:
    """How far to trust each part; fitted on validation data, see `pipeline.calibrate`.

    digit_weight: exponent of the detector's opinion of each digit. length_weight: log odds given to the number of
    digits the detector counted over every other length. slope, detection_slope, lone_digit, offset: logistic
    calibration, P(right) = sigmoid(slope * logit(P(text)) + detection_slope * logit(score) + lone_digit + offset),
    where lone_digit counts only if the detector saw a single digit. threshold: confidence below which a reading is
    `unsure`.
    """

    digit_weight: float = 0.5
    length_weight: float = 1.0
    slope: float = 1.0
    detection_slope: float = 0.0
    lone_digit: float = 0.0
    offset: float = 0.0
    threshold: float = 0.5

    @classmethod
    def load(cls, path: str | Path) -> Fusion:
        """From a JSON file; WeightsError if it is missing or has other keys."""
        try:
            return cls(**json.loads(Path(path).read_text()))
        except (OSError, TypeError, json.JSONDecodeError) as error:
            raise WeightsError(f"{path}: not a calibration file ({error})") from None

    def save(self, path: str | Path) -> None:
        Path(path).write_text(json.dumps(asdict(self), indent=2) + "\n")


def fuse(
    length: np.ndarray, positions: np.ndarray, evidence: np.ndarray, fusion: Fusion
) -> tuple[np.ndarray, np.ndarray]:
    """The recogniser's log probabilities, updated by what the detector saw: a product of experts.

    length: (7,) log probabilities of lengths 0 to 6; positions: (6, 10) of digits; evidence: (N, 10) detector scores.
    The detector's count raises its own length; where that length is assumed, its classes weigh on each digit. Returns
    arrays of the same shapes, normalised.
    """
    n = len(evidence)
    length, positions = length.copy(), positions.copy()
    if 0 < n < len(length):
        length[n] += fusion.length_weight
        length -= np.logaddexp.reduce(length)
        floor = 0.05  # a class the detector did not name is unlikely, not impossible
        opinion = np.log((evidence + floor) / (evidence + floor).sum(1, keepdims=True))
        # applied only as far as this length is believed in: at other lengths the places do not correspond
        belief = np.exp(length[n])
        positions[:n] += fusion.digit_weight * belief * opinion
        positions -= np.logaddexp.reduce(positions, axis=1, keepdims=True)
    return length, positions


def features(text_probability: float, detection_score: float, digits_seen: int) -> np.ndarray:
    """What the confidence is calibrated from, float64 (4,).

    The log odds of the text and of the detector's score, whether the detector saw a single digit (branches and door
    handles pass for one, rarely for a row), and 1.
    """
    odds = [min(max(p, 1e-6), 1 - 1e-6) for p in (text_probability, detection_score)]
    return np.array([*(np.log(p / (1 - p)) for p in odds), float(digits_seen == 1), 1.0])


def confidence(calibrated_from: np.ndarray, fusion: Fusion) -> np.ndarray:
    """Probability that the whole string is right, for features (..., 4)."""
    weights = np.array([fusion.slope, fusion.detection_slope, fusion.lone_digit, fusion.offset])
    return 1 / (1 + np.exp(-(calibrated_from @ weights)))
