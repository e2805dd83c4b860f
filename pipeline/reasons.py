"""Why a reading is unsure, in stable words: guidance, and whoever prints it, act on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# The picture's edge cuts the number off; it may go on; its digits are small, or blurred; another text is nearly as
# probable; a single digit was found; a letter, or a mark, is there that is not read; it is turned or mirrored.
REASONS = (
    *("cut_left", "cut_right", "cut_top", "cut_bottom"),
    *("part", "small", "blurred", "rival", "lone", "letters", "mark", "turned"),
)
# Of the digits' height: what is nearer to the edge of the picture may be cut off by it. Along its line a number may go
# on there, with a digit of which less than half is in view.
_EDGE, _EDGE_ALONG = 0.12, 0.35
FLAGGED = 0.5  # probability from which on a flag of the recogniser is a reason
_SMALL = 14.0  # pixels: digits lower than this are often misread
_BLURRED = 0.02  # sharpness, see `sharpness`
_NEARLY = np.log(0.1)  # odds of another text, from which on it is a rival


@dataclass(frozen=True)
class Evidence:
    """What was measured of a number.

    box: xyxy in a picture of size (width, height), pixels. digit_height: pixels. stacked: whether its digits are.
    sharpness: of its crop. odds: log odds of the best other text, against that which is read. beside: whether a digit
    stands beside it that is none of it. contained: whether a longer text is read in the same place. digits: how many
    the detector found. unclear: whether a letter is there that cannot be told. flags: the probabilities of
    `heads.FLAGS` and `heads.MARKS`, if the recogniser gives any.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    digit_height: float
    stacked: bool
    sharpness: float
    odds: float
    beside: bool
    contained: bool
    digits: int
    unclear: bool
    flags: Mapping[str, float]


def cut_at(
    box: Sequence[float] | np.ndarray, size: tuple[int, int], digit_height: float, stacked: bool
) -> tuple[str, ...]:
    """At which edges of a picture of this size, (width, height), a number may be cut off: the first four REASONS."""
    across, along = _EDGE * digit_height, _EDGE_ALONG * digit_height
    beside, above = (across, along) if stacked else (along, across)
    (x1, y1, x2, y2), (width, height) = box, size
    at = (x1 <= beside, x2 >= width - beside, y1 <= above, y2 >= height - above)
    return tuple(name for name, is_near in zip(REASONS, at, strict=False) if is_near)


def reasons(seen: Evidence) -> tuple[str, ...]:
    """All that speak against it, in the order of REASONS; where nothing does, other texts, whatever they are."""

    def flagged(*names: str) -> bool:
        return any(seen.flags.get(name, 0.0) >= FLAGGED for name in names)

    found = {
        **dict.fromkeys(cut_at(seen.box, seen.size, seen.digit_height, seen.stacked), True),
        "part": seen.beside or seen.contained or flagged("left", "right"),
        "small": seen.digit_height < _SMALL,
        "blurred": seen.sharpness < _BLURRED,
        "rival": seen.odds > _NEARLY,
        "lone": seen.digits == 1,
        "letters": seen.unclear or flagged("letters"),
        "mark": flagged("hyphen", "slash", "other"),
        "turned": flagged("turned"),
    }
    return tuple(name for name in REASONS if found.get(name)) or ("rival",)


def sharpness(crop: np.ndarray) -> float:
    """Variance of the Laplacian of a crop, RGB uint8 (h, w, 3), over that of its brightness; 0 for a plain one.

    Pech-Pacheco et al. 2000, made independent of contrast.
    """
    grey = crop.astype(np.float64).mean(2)
    if min(grey.shape) < 3 or grey.std() < 1:
        return 0.0
    edges = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return float(edges.var() / grey.var())
