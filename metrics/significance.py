"""Statistical comparison of two models on the same pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_FEWEST = 30  # pictures: with fewer, a bootstrap without a test decides nothing


class Interval(NamedTuple):
    """A difference, B minus A, and its confidence interval."""

    difference: float
    low: float
    high: float


def paired_bootstrap(
    a: Callable[[np.ndarray], float],
    b: Callable[[np.ndarray], float],
    count: int,
    *,
    rounds: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The difference b - a with the percentile interval of the paired bootstrap (Efron & Tibshirani 1993).

    a, b: functions from indices of pictures, int64 (count,), to the figure over these. Both get the same resamples,
    drawn with replacement from `count` pictures. Resamples whose difference is nan are left out; all nan if none
    remains.

    >>> before, after = np.array([1, 0, 0, 1.0]), np.array([1, 1, 1, 1.0])
    >>> paired_bootstrap(lambda i: before[i].mean(), lambda i: after[i].mean(), 4)
    Interval(difference=0.5, low=0.0, high=1.0)
    """
    rng = np.random.default_rng(seed)
    everything = np.arange(count)
    differences = [
        b(chosen) - a(chosen) for chosen in (rng.integers(0, count, count) for _ in range(rounds if count else 0))
    ]
    differences = [value for value in differences if not np.isnan(value)]
    if not differences:
        return Interval(*[float("nan")] * 3)
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return Interval(float(b(everything) - a(everything)), float(low), float(high))


class McNemar(NamedTuple):
    """only_a, only_b: pictures that only one model gets right. p: two-sided p-value."""

    only_a: int
    only_b: int
    p: float


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> McNemar:
    """McNemar's exact test (1947): between equal models, each picture that only one gets right is a fair coin toss.

    right_a, right_b: bool (N,), of the same pictures.

    >>> mcnemar([True, True, False, False], [True, False, True, True])
    McNemar(only_a=1, only_b=2, p=1.0)
    """
    right_a, right_b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    if right_a.shape != right_b.shape:
        raise ValueError(f"the same pictures are needed, got {right_a.shape} and {right_b.shape}")
    from scipy.stats import binomtest  # here: the rest of this module needs no more than the plain install

    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    discordant = only_a + only_b
    return McNemar(only_a, only_b, float(binomtest(only_a, discordant).pvalue) if discordant else 1.0)


def wilson_interval(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval (1927) of the share right / total, from low to high; nan if total is 0.

    z: its half width in standard deviations, 1.96 for 95 %.

    >>> low, high = wilson_interval(88, 99)
    >>> f"{low:.1%} to {high:.1%}"
    '81.2% to 93.7%'
    """
    if not 0 <= right <= total:
        raise ValueError(f"a count of 0 to {total} is needed, got {right}")
    if not total:
        return float("nan"), float("nan")
    share, spread = right / total, z * z / total
    middle = share + spread / 2
    half = (spread * share * (1 - share) + spread**2 / 4) ** 0.5
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)


def verdict(interval: Interval, count: int, margin: float = 0.01, p: float | None = None) -> str:
    """ "better" or "worse" if the interval excludes 0, else "equivalent" if it lies within ±margin, else "open".

    "open": there are too few pictures to show a difference or its absence. Since bootstrap intervals of few pictures
    are too narrow, "better" and "worse" also need p < 0.05, or 30 pictures where there is no test. "equivalent" needs
    3 / margin pictures: what never happened in n pictures may still happen in a share of 3 / n (95 % confidence).

    count: of pictures. p: of McNemar's test, if there is one.

    >>> verdict(Interval(0.03, 0.01, 0.05), 500), verdict(Interval(0.0, -0.05, 0.04), 500)
    ('better', 'open')
    >>> verdict(Interval(0.0, 0.0, 0.0), 500), verdict(Interval(0.0, 0.0, 0.0), 50)
    ('equivalent', 'open')
    """
    significant = count >= _FEWEST if p is None else p < 0.05
    if significant and (interval.low > 0 or interval.high < 0):
        return "better" if interval.low > 0 else "worse"
    within_margin = -margin <= interval.low and interval.high <= margin
    return "equivalent" if within_margin and count * margin >= 3 else "open"
