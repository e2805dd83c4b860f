"""Whether one model is better than another, on the same pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_FEWEST = 30  # pictures from which on a bootstrap is believed without a test


class Interval(NamedTuple):
    """A difference, B minus A, and the ends of its confidence interval."""

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
    """How much b is above a, with the percentile interval of the paired bootstrap (Efron & Tibshirani 1993).

    a, b: take indices of pictures, int64 (count,), and give the figure over these; both are asked about the same draws,
    with replacement from `count` pictures. Draws for which either is nan are passed over; all nan if none is left.

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
    """only_a, only_b: pictures that one alone gets right. p: two-sided, that this comes of chance."""

    only_a: int
    only_b: int
    p: float


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> McNemar:
    """McNemar's test (1947), exact: were the two equally good, each lone success would be either's with even odds.

    right_a, right_b: bool (N,), of the same pictures.

    >>> mcnemar([True, True, False, False], [True, False, True, True])
    McNemar(only_a=1, only_b=2, p=1.0)
    """
    right_a, right_b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    if right_a.shape != right_b.shape:
        raise ValueError(f"the same pictures are needed, got {right_a.shape} and {right_b.shape}")
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    lone = only_a + only_b
    ways = tail = 1  # of lone successes, in how many k are a's
    for k in range(min(only_a, only_b)):
        ways = ways * (lone - k) // (k + 1)
        tail += ways
    return McNemar(only_a, only_b, min(1.0, 2 * tail / 2**lone))


def wilson_interval(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Both ends of Wilson's score interval (1927) of a share, in 0 to 1; nan if total is 0.

    right: of total pictures. z: how many standard deviations wide, 1.96 for 95 %.

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
    """ "better" or "worse" if the interval leaves 0 out, else "equivalent" if it stays within the margin, else "open".

    Open is what too few pictures leave: neither a difference nor the want of one is shown. On few the bootstrap is too
    sure of itself, so more is asked of it. count: of pictures. p: of McNemar's test, where there is one. Better and
    worse need p below 0.05, or without a test 30 pictures. Equivalent needs 3 / margin of them: of a difference that
    occurs in n pictures not once, 95 % sure is only that it is below 3 / n.

    >>> verdict(Interval(0.03, 0.01, 0.05), 500), verdict(Interval(0.0, -0.05, 0.04), 500)
    ('better', 'open')
    >>> verdict(Interval(0.0, 0.0, 0.0), 500), verdict(Interval(0.0, 0.0, 0.0), 50)
    ('equivalent', 'open')
    """
    shown = count >= _FEWEST if p is None else p < 0.05
    if shown and (interval.low > 0 or interval.high < 0):
        return "better" if interval.low > 0 else "worse"
    alike = -margin <= interval.low and interval.high <= margin
    return "equivalent" if alike and count * margin >= 3 else "open"
