"""What the detector saw and what the recogniser read, weighed into one reading with one calibrated probability."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.core.boxes import intersection_over_smaller
from digits.core.errors import WeightsError, reason
from digits.core.text import parse_json, read_text
from digits.pipeline.merge import NumberRegion
from digits.recognizer import Transcription
from digits.recognizer.distribution import Distribution
from digits.recognizer.heads import SUFFIXES

# What the confidence is calibrated from, see `features`.
FEATURES = (
    *("text", "with_room", "detection", "rival", "whole", "beside", "lone_digit", "always"),
    *("suffix", "ends", "letters", "mark", "turned", "height"),
)
_COLUMN = {name: column for column, name in enumerate(FEATURES)}
_UNFLAGGED = -5.0  # log odds of what the recogniser does not see
_FLAGGED = (("left", "right"), ("letters",), ("hyphen", "slash", "other"), ("turned",))  # ends, letters, mark, turned
_PLAIN_HEIGHT = 24.0  # pixels
_MOST = 100  # of a weight, either way; those that are fitted are below 10
_FLOOR = 0.05  # a class that the detector did not name is unlikely, not impossible
_NO_RIVAL = -5.0  # log odds: of a text that nobody believes in
_SAME_PLACE = 0.3  # of the smaller box: regions that share so much hold one number
_NOT_SEEN = -2.0  # log odds: of about the faintest digit that is taken for one
_LIKE = 2.0  # largest ratio of the heights of a number's digits and of one that may belong to it


class Mark(NamedTuple):
    """A hyphen or a slash between two numbers: the sign, its probability, and its place along x in the photograph."""

    sign: str
    probability: float
    x: float


@dataclass(frozen=True, eq=False)
class TranscribedRegion:
    """A region of a photograph, and what the recogniser saw there.

    close: in the crop as it was trained on. with_room: in one with room at both ends. parted_at: the mark at which a
    region was parted, of which this one is a half.
    """

    region: NumberRegion
    close: Transcription
    with_room: Transcription
    parted_at: Mark | None = field(default=None, kw_only=True)

    @property
    def flags(self) -> dict[str, float]:
        """The probability of each flag, that of the crop in which it is likelier; none of a recogniser without any."""
        close, room = self.close.flags, self.with_room.flags
        return {name: max(close.get(name, 0.0), room.get(name, 0.0)) for name in {**close, **room}}


@dataclass(frozen=True)
class Fusion:
    """How far to trust each part; fitted on validation data, see `training.calibrate`.

    digit_weight: exponent of the detector's opinion of each digit. length_weight: log odds given to the number of
    digits the detector counted over every other length. weights: of each of `FEATURES`, 0 for those left out, in the
    logistic calibration P(right) = sigmoid(sum of weights times features). threshold: confidence below which a reading
    is `unsure`. Raises ValueError for what is no number, or far from all that was ever fitted.
    """

    digit_weight: float = 0.5
    length_weight: float = 1.0
    weights: Mapping[str, float] = field(default_factory=lambda: {"text": 1.0})
    threshold: float = 0.5

    def __post_init__(self) -> None:
        _check_number("digit_weight", self.digit_weight, 0, _MOST)
        _check_number("length_weight", self.length_weight, 0, _MOST)
        _check_number("threshold", self.threshold, 0, 1)
        if not isinstance(self.weights, Mapping) or not self.weights:
            raise ValueError(f"weights: one or more numbers by name expected, got {reprlib.repr(self.weights)}")
        for name, weight in self.weights.items():
            if name not in FEATURES:
                raise ValueError(f"there is no feature {reprlib.repr(name)}; there are {', '.join(FEATURES)}")
            _check_number(f"weights.{name}", weight, -_MOST, _MOST)

    @classmethod
    def load(cls, path: str | Path) -> Fusion:
        """From a JSON file; WeightsError if it is missing, or has not just these keys, with values that may be."""
        try:
            given = parse_json(read_text(path))
            keys = {each.name for each in fields(cls)}
            if not isinstance(given, dict) or set(given) != keys:
                raise ValueError(f"the keys {', '.join(sorted(keys))} expected")
            return cls(**given)
        except (OSError, TypeError, ValueError, RecursionError) as error:
            raise WeightsError(f"{path}: not a calibration file ({reason(error)})") from None

    def save(self, path: str | Path) -> None:
        """As `load` reads it; WeightsError if it cannot be written."""
        try:
            Path(path).write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")
        except OSError as error:
            raise WeightsError(f"{path}: cannot be written ({reason(error)})") from None


def _check_number(name: str, value: float, least: float, most: float) -> None:
    """Raises ValueError unless it is a number within these bounds; no NaN is."""
    if not isinstance(value, Real) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name}: a number from {least} to {most} expected, got {reprlib.repr(value)}")


def fuse(close: Transcription, with_room: Transcription, evidence: np.ndarray, fusion: Fusion) -> Transcription:
    """The recogniser's reading, updated by what the detector saw: a product of experts.

    evidence: (N, 10) detector scores of every digit at each place. The detector's count raises its own length; where
    that length is assumed, its classes weigh on each digit. The letter behind the digits is read with room, since the
    detector may not have found it. As far as one is seen, the last of the N digits is taken for it.
    """
    n = len(evidence)
    length, positions = close.distribution.length.copy(), close.distribution.positions.copy()
    if 0 < n < len(length):
        lettered = 1 - float(np.exp(with_room.distribution.suffix[SUFFIXES.index("")])) if n > 1 else 0.0
        length[n] += fusion.length_weight * (1 - lettered)
        length[n - 1] += fusion.length_weight * lettered
        length -= np.logaddexp.reduce(length)
        opinion = np.log((evidence + _FLOOR) / (evidence + _FLOOR).sum(1, keepdims=True))
        # applied only as far as this length is believed in: at other lengths the places do not correspond
        positions[:n] += fusion.digit_weight * np.exp(length[n]) * opinion
        positions[: n - 1] += fusion.digit_weight * np.exp(length[n - 1]) * lettered * opinion[: n - 1]
        positions -= np.logaddexp.reduce(positions, axis=1, keepdims=True)
    return Transcription.of(Distribution(length, positions, with_room.distribution.suffix), close.flags)


def features(seen: Sequence[TranscribedRegion], fused: Sequence[Transcription]) -> np.ndarray:
    """What tells how likely the readings of a photograph's regions are right, float64 (N, 14), as `FEATURES` names it.

    seen: all of the photograph. fused: of each, what `fuse` makes of it.

    text: log odds of the fused text. with_room: of the same text where the number is cut with room at both ends: part
    of a number is read otherwise there. detection: of the mean score of the digits. rival: of the likeliest text that
    is read in a region in the same place and contradicts it: neither is a part of the other. whole: of the likeliest
    that this one is a part of; that parts of a text are read too says nothing against it. beside: of the score of the
    surest digit that stands next to this number and is none of it: a part of it may be missing. lone_digit: whether the
    detector saw one digit only: branches and door handles pass for one, rarely for a row. always: 1.

    suffix: log odds of the letter behind the digits, or of there being none. ends: of the number's going on beyond an
    end of either crop. letters, mark, turned: of the flags of that kind. All are 0 of a recogniser without such heads.
    height: of the digits, logarithm of their pixels over 24.
    """
    regions = [each.region for each in seen]
    boxes = np.array([region.box for region in regions]).reshape(-1, 4)
    texts = [each.text for each in fused]
    odds = np.array([_log_odds(each.confidence) for each in fused])
    beside = _beside(regions, boxes)
    rows = np.zeros((len(regions), len(FEATURES)))
    for row, each, text, own, next_to in zip(rows, seen, texts, odds, beside, strict=True):
        region = each.region
        here = same_place(region.box, boxes)
        longer = np.array([text != other and text in other for other in texts]) & here
        rivals = np.array([text not in other and other not in text for other in texts]) & here
        against = (odds[which].max(initial=_NO_RIVAL) for which in (rivals, longer))
        roomy = _log_odds(float(np.exp(each.with_room.distribution.log_probability(text))))
        row[:8] = own, roomy, _log_odds(region.score), *against, next_to, len(region.digit_boxes) == 1, 1.0
        flags = each.flags
        row[8:13] = _suffix_odds(each.with_room), *(_flag_odds(flags, names) for names in _FLAGGED)
        row[13] = np.log(max(1.0, region.digit_height) / _PLAIN_HEIGHT)
    return rows


def standing_alone(rows: np.ndarray) -> np.ndarray:
    """Features (..., 14) of numbers that have another beside them, as if there were none: those of a range's members.

    Their crops with room show the mark and the other member.
    """
    alone = rows.copy()
    alone[..., _COLUMN["with_room"]] = rows[..., _COLUMN["text"]]
    nothing = {"whole": _NO_RIVAL, "beside": _NOT_SEEN, "lone_digit": 0.0, "ends": _UNFLAGGED, "mark": _UNFLAGGED}
    for name, odds in nothing.items():
        alone[..., _COLUMN[name]] = odds
    return alone


def _suffix_odds(seen: Transcription) -> float:
    return _log_odds(float(np.exp(seen.distribution.suffix.max()))) if seen.flags else 0.0


def _flag_odds(flags: Mapping[str, float], names: Sequence[str]) -> float:
    """Log odds of the likeliest of these flags; 0 without any."""
    found = [flags[name] for name in names if name in flags]
    return _log_odds(max(found)) if found else 0.0


def _beside(regions: Sequence[NumberRegion], boxes: np.ndarray) -> np.ndarray:
    """Of each region, (N,), the log odds of the surest digit next to its box, not a digit's height away."""
    if not regions:
        return np.zeros(0)
    digits = np.concatenate([region.digit_boxes for region in regions])
    scores = np.concatenate([region.evidence.max(1) for region in regions])
    first, last = digits[:, :2], digits[:, 2:]
    heights = digits[:, 3] - digits[:, 1]
    own = np.array([np.ptp(region.digit_boxes[:, 1::2], 1).mean() for region in regions])[:, None]
    # how far they are from a box to the sides, and up or down, (N, M, 2); less than nothing beside it
    far = np.maximum(first - boxes[:, None, 2:], boxes[:, None, :2] - last)
    centre = (first + last) / 2
    inside = ((centre > boxes[:, None, :2]) & (centre < boxes[:, None, 2:])).all(2)
    near = ~inside & (far.min(2) < 0) & (far.max(2) < own)
    near &= np.maximum(heights, own) < _LIKE * np.minimum(heights, own)
    surest = np.where(near, scores, 0.0).max(1)
    return np.array([max(_NOT_SEEN, _log_odds(float(score))) for score in surest])


def same_place(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which of `boxes` (N, 4) are of the same number as `box`, bool (N,)."""
    return intersection_over_smaller(box, boxes) >= _SAME_PLACE


def confidence(of: np.ndarray, fusion: Fusion) -> np.ndarray:
    """Probability that the whole string is right, for features (..., 14)."""
    weights = np.array([fusion.weights.get(name, 0.0) for name in FEATURES])
    return 1 / (1 + np.exp(-(of @ weights).clip(-30, 30)))


def _log_odds(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(p / (1 - p)))
