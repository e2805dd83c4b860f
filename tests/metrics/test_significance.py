"""Two models on the same pictures."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from digits.metrics import mcnemar, paired_bootstrap, verdict, wilson_interval
from digits.metrics.significance import Interval


def mean_of(values):
    return lambda chosen: float(np.asarray(values, float)[chosen].mean())


def test_the_bootstrap_of_equal_models_is_nothing():
    values = np.arange(50) % 3
    assert paired_bootstrap(mean_of(values), mean_of(values), 50, rounds=100) == (0, 0, 0)


def test_the_bootstrap_is_paired_and_seeded():
    """Pictures differ much, the models by a constant: unpaired, the interval would hide it."""
    values = np.random.default_rng(0).normal(0, 100, 40)
    found = paired_bootstrap(mean_of(values), mean_of(values + 1), 40, rounds=200)
    assert found == pytest.approx((1, 1, 1))
    noisy = mean_of(values + np.arange(40) % 2)
    again = [paired_bootstrap(mean_of(values), noisy, 40, rounds=200, seed=seed) for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_the_interval_has_the_width_that_theory_gives():
    """A mean of differences, standard error s / sqrt(n): 95 % lie within 1.96 of it."""
    rng = np.random.default_rng(5)
    a, b = rng.random(400), rng.random(400) + 0.1
    found = paired_bootstrap(mean_of(a), mean_of(b), 400, rounds=4000)
    half = 1.96 * (b - a).std() / 20
    assert found.difference == pytest.approx((b - a).mean())
    assert (found.low, found.high) == pytest.approx((found.difference - half, found.difference + half), abs=0.1 * half)


def test_the_bootstrap_of_nothing():
    assert all(map(math.isnan, paired_bootstrap(mean_of([]), mean_of([]), 0)))
    assert all(map(math.isnan, paired_bootstrap(lambda i: math.nan, lambda i: 1.0, 5, rounds=10)))


@pytest.mark.parametrize(
    ("only_a", "only_b", "both", "neither"),
    [(0, 0, 5, 5), (5, 0, 0, 0), (0, 6, 20, 1), (3, 9, 2, 2), (7, 7, 1, 1), (40, 70, 100, 100), (0, 0, 0, 0)],
)
def test_mcnemar(only_a, only_b, both, neither):
    a = np.repeat([True, False, True, False], [only_a, only_b, both, neither])
    b = np.repeat([False, True, True, False], [only_a, only_b, both, neither])
    found = mcnemar(a, b)
    lone = only_a + only_b
    expected = binomtest(only_a, lone, 0.5).pvalue if lone else 1
    assert found == pytest.approx((only_a, only_b, expected))


def test_mcnemar_by_hand():
    assert mcnemar([True] * 5, [False] * 5).p == 2 / 32
    with pytest.raises(ValueError, match="same pictures"):
        mcnemar([True], [True, False])


@pytest.mark.parametrize(
    ("low", "high", "count", "p", "expected"),
    [
        (0.01, 0.05, 500, None, "better"),
        (-0.05, -0.01, 500, 0.01, "worse"),
        (-0.005, 0.01, 500, 0.7, "equivalent"),
        (0, 0, 500, None, "equivalent"),
        (-0.02, 0.005, 500, None, "open"),
        (math.nan, math.nan, 500, None, "open"),
        (0.001, 0.002, 500, None, "better"),
        (0, 0.005, 500, 1.0, "equivalent"),
        (1, 1, 1, None, "open"),  # one picture proves nothing …
        (0.5, 1, 29, None, "open"),
        (0.5, 1, 30, None, "better"),
        (0.5, 1, 10, 0.01, "better"),  # … but a test may prove it on few
        (0.01, 0.05, 500, 0.06, "open"),
        (0, 0, 299, None, "open"),  # what did not happen in 299 may yet happen once in a hundred
        (0, 0, 300, None, "equivalent"),
        (0, 0, 0, None, "open"),
        (-0.01, 0.01, 500, None, "equivalent"),  # at the very margin …
        (0.01, 0.05, 500, 0.05, "open"),  # … and at the very level
    ],
)
def test_verdict(low, high, count, p, expected):
    assert verdict(Interval((low + high) / 2, low, high), count, 0.01, p) == expected


def test_equal_models_are_rarely_told_apart():
    """Two that get each picture right with even odds, on few pictures and on more: not more often than 5 % allows."""
    rng = np.random.default_rng(2)
    for count in (1, 5, 40):
        told = 0
        for _ in range(100):
            a, b = rng.random((2, count)) < 0.5
            interval = paired_bootstrap(mean_of(a), mean_of(b), count, rounds=100)
            told += verdict(interval, count, 0.01, mcnemar(a, b).p) != "open"
        assert told <= 8


def test_mcnemar_of_many():
    """In an instant, by a recurrence."""
    alone = np.arange(40_000) < 19_800
    assert mcnemar(alone, ~alone).p == pytest.approx(binomtest(19_800, 40_000, 0.5).pvalue)


@pytest.mark.parametrize(("right", "total"), [(88, 99), (3, 200), (0, 11), (11, 11), (1, 1)])
def test_the_interval_of_a_share_is_wilsons(right, total):
    expected = binomtest(right, total).proportion_ci(method="wilson")
    assert wilson_interval(right, total) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_the_interval_of_nothing_is_unknown_and_impossible_counts_are_refused():
    assert all(map(math.isnan, wilson_interval(0, 0)))
    with pytest.raises(ValueError, match="0 to 5"):
        wilson_interval(6, 5)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95])
def test_as_many_resamples_lie_below_the_interval_as_above_it(confidence):
    """Together the share that is not confidence; each resample is of all pictures, drawn with replacement."""
    values, drawn, means = np.random.default_rng(1).random(30), [], []

    def after(chosen):
        drawn.append(chosen)
        means.append(values[chosen].mean())
        return means[-1]

    found = paired_bootstrap(lambda chosen: 0.0, after, 30, rounds=1000, confidence=confidence)
    *drawn, everything = drawn
    assert len(drawn) == 1000
    assert everything.tolist() == list(range(30))
    assert all(len(chosen) == 30 and set(chosen) < set(range(30)) for chosen in drawn)
    assert set(np.concatenate(drawn)) == set(range(30))
    assert found.difference == values.mean()
    for outside in (np.less(means[:-1], found.low), np.greater(means[:-1], found.high)):
        assert outside.sum() == pytest.approx(500 * (1 - confidence), abs=2)


@pytest.mark.parametrize(("right", "total"), [(0, 7), (3, 10), (50, 60)])
def test_the_interval_of_what_is_wrong_is_that_of_what_is_right_from_the_other_end(right, total):
    low, high = wilson_interval(right, total)
    assert wilson_interval(total - right, total) == pytest.approx((1 - high, 1 - low))
    wider = wilson_interval(right, total, 2.58)
    assert wider[0] <= low <= right / total <= high <= wider[1]
    assert (wider[0] < low) == (right > 0)


def test_turning_models_round_turns_the_verdict_round():
    rng = np.random.default_rng(0)
    turned = {"better": "worse", "worse": "better"}
    for low, high in np.sort(rng.normal(0, 0.02, (200, 2)), axis=1):
        for p in (None, 0.01, 0.2):
            found = verdict(Interval(0, low, high), 400, 0.02, p)
            assert verdict(Interval(0, -high, -low), 400, 0.02, p) == turned.get(found, found)
