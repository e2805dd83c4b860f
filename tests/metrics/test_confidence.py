"""Coverage, thresholds and calibration, by hand."""

import math

import numpy as np
import pytest

from digits.metrics import accuracy_coverage, coverage_at_accuracy, expected_calibration_error, kept_at, reliability

NAN, NONE = math.nan, -math.inf


@pytest.mark.parametrize(
    ("right", "confidence", "accuracy", "coverage", "threshold"),
    [
        ([1, 1, 1], [0.9, 0.8, 0.7], 0.98, 1, 0.7),  # perfect
        ([], [], 0.98, NAN, math.inf),
        ([0, 0], [0.9, 0.8], 0.98, 0, math.inf),  # all wrong
        ([1, 0], [0.5, 0.5], 0.98, 0, math.inf),  # ties are kept or dropped together …
        ([1, 0], [0.5, 0.5], 0.5, 1, 0.5),  # … here kept
        ([1, 1, 0, 1, 1], [0.9, 0.8, 0.7, 0.6, 0.5], 0.8, 1, 0.5),  # the largest, past a dip below the aim
        ([0, 1, 1, 1], [0.9, 0.8, 0.7, 0.6], 0.75, 1, 0.6),  # the surest one is wrong
        ([1, 1], [0.9, NONE], 0.98, 0.5, 0.9),  # one was not found: an input, never kept
        ([0, 0], [NONE, NONE], 0.98, 0, math.inf),  # none was
        ([1] * 49 + [0], [0.9] * 50, 0.98, 1, 0.9),  # at the very accuracy
        ([1] * 48 + [0] * 2, [0.9] * 50, 0.98, 0, math.inf),
    ],
)
def test_coverage_at_accuracy(right, confidence, accuracy, coverage, threshold):
    found = coverage_at_accuracy(np.array(right, bool), np.array(confidence), accuracy)
    assert found == pytest.approx((coverage, threshold), nan_ok=True)


def test_coverage_as_goodfellow_et_al_define_it():
    """Of 100 inputs those with a confidence from a threshold on are transcribed, at least 98 % of them right: coverage
    is their share of all inputs. 60 sure and right, 1 sure and wrong, 39 unsure ones of which half are right."""
    right = np.array([True] * 60 + [False] + [True, False] * 19 + [True])
    confidence = np.array([0.99] * 60 + [0.95] + list(np.linspace(0.6, 0.2, 39)))
    assert coverage_at_accuracy(right, confidence, 0.98) == (0.62, 0.6)  # 61 of 62 right: 98.4 %; of 63, 96.8 %
    assert kept_at(right, confidence, 0.6) == (0.62, pytest.approx(61 / 62))


def test_a_threshold_chosen_elsewhere():
    assert kept_at([True, False, True], [0.9, 0.6, 0.3], 0.5) == (pytest.approx(2 / 3), 0.5)
    assert kept_at([True], [0.4], 0.5) == pytest.approx((0, NAN), nan_ok=True)
    assert kept_at([], [], 0.5) == pytest.approx((NAN, NAN), nan_ok=True)
    assert kept_at([False], [NONE], NONE) == pytest.approx((0, NAN), nan_ok=True)


def test_the_curve():
    coverage, accuracy, threshold = accuracy_coverage([True, False, True, False], [0.9, 0.5, 0.5, NONE])
    assert coverage.tolist() == [0.25, 0.75] and threshold.tolist() == [0.9, 0.5]
    assert accuracy == pytest.approx([1, 2 / 3])
    assert all(len(column) == 0 for column in accuracy_coverage([], []))
    assert [column.tolist() for column in accuracy_coverage([True], [0.9])] == [[1], [1], [0.9]]


@pytest.mark.parametrize(
    ("right", "confidence", "bins", "expected"),
    [
        ([1, 1], [1.0, 1.0], 15, 0),
        ([0, 0], [1.0, 1.0], 15, 1),
        ([1, 0], [0.5, 0.5], 15, 0),
        ([1, 0, 0, 0], [0.9, 0.9, 0.1, 0.1], 10, 0.5 * 0.4 + 0.5 * 0.1),
        ([1, 0], [0.4, 0.8], 1, 0.1),  # one bin: mean against mean
        ([1, 0], [0.4, 0.8], 2, 0.5 * 0.6 + 0.5 * 0.8),
        ([0], [0.0], 10, 0),  # 0 falls into the first bin
        ([], [], 10, NAN),
        ([0, 1], [NONE, 0.7], 10, 0.3),  # who does not answer claims nothing
    ],
)
def test_expected_calibration_error(right, confidence, bins, expected):
    found = expected_calibration_error(np.array(right, bool), np.array(confidence), bins)
    assert found == pytest.approx(expected, nan_ok=True)


def test_edges_of_bins_belong_to_the_lower_one():
    diagram = reliability([True] * 4, [0.0, 0.5, 0.5001, 1.0], bins=2)
    assert diagram.counts.tolist() == [2, 2]
    assert np.isnan(reliability([True], [1.0], bins=2).accuracy[0])


@pytest.mark.parametrize("confidence", [[1.5], [-0.1], [math.inf], [NAN], [0.5, 0.5]])
def test_what_is_no_confidence_is_refused(confidence):
    for measure in (accuracy_coverage, coverage_at_accuracy, reliability, lambda *pair: kept_at(*pair, 0.5)):
        with pytest.raises(ValueError, match="confidence"):
            measure([True], confidence)


def test_what_goes_without_saying():
    """Coverage at 98 %, as Goodfellow et al. report it, and 15 bins."""
    rng = np.random.default_rng(3)
    confidence = rng.random(400)
    right = rng.random(400) < confidence**0.1
    assert coverage_at_accuracy(right, confidence) == coverage_at_accuracy(right, confidence, 0.98)
    assert 0 < coverage_at_accuracy(right, confidence)[0] < 1
    assert expected_calibration_error(right, confidence) == expected_calibration_error(right, confidence, 15)
    assert len(reliability(right, confidence).counts) == 15


def test_empty_bins_divide_nothing():
    with np.errstate(all="raise"):
        diagram = reliability([True, False], [0.1, 0.95], bins=10)
        assert expected_calibration_error([True, False], [0.1, 0.95], bins=10) == pytest.approx((0.9 + 0.95) / 2)
    assert (
        np.isnan(diagram.accuracy).tolist() == np.isnan(diagram.confidence).tolist() == [False] + [True] * 8 + [False]
    )


@pytest.mark.parametrize("seed", range(5))
def test_figures_of_drawn_answers_are_those_of_their_definitions(seed):
    """With ties, and with inputs that have no answer."""
    rng = np.random.default_rng(seed)
    confidence = rng.integers(0, 21, 60) / 20
    right = rng.random(60) < confidence
    confidence[rng.random(60) < 0.1] = NONE
    coverage, accuracy, thresholds = accuracy_coverage(right, confidence)
    assert thresholds.tolist() == sorted({c for c in confidence if c >= 0}, reverse=True)
    for i, threshold in enumerate(thresholds):
        kept = confidence >= threshold
        assert (coverage[i], accuracy[i]) == pytest.approx((kept.sum() / 60, right[kept].mean()))
        assert kept_at(right, confidence, threshold) == pytest.approx((coverage[i], accuracy[i]))
    for aim in (0.5, 0.8, 0.9):
        enough = [(c, t) for c, a, t in zip(coverage, accuracy, thresholds, strict=True) if a >= aim]
        assert coverage_at_accuracy(right, confidence, aim) == pytest.approx(max(enough, default=(0, math.inf)))
    for bins in (1, 4, 10):
        diagram, gaps = reliability(right, confidence, bins), 0
        for k in range(bins):
            held = (confidence > k / bins) & (confidence <= (k + 1) / bins) | (confidence == 0) & (k == 0)
            assert diagram.counts[k] == held.sum()
            if held.any():
                means = confidence[held].mean(), right[held].mean()
                assert (diagram.confidence[k], diagram.accuracy[k]) == pytest.approx(means)
                gaps += held.sum() * abs(means[0] - means[1])
        assert expected_calibration_error(right, confidence, bins) == pytest.approx(gaps / (confidence >= 0).sum())
