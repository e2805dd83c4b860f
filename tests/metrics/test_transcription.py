"""Texts: cases worked out by hand, and scikit-learn where it computes the same."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_confusion

from digits.metrics import (
    character_error_rate,
    class_scores,
    confusion_matrix,
    digit_accuracy,
    edit_distance,
    exact_accuracy,
    length_accuracy,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("truths", "texts", "exact", "length", "digit", "errors"),
    [
        (["1428", "07"], ["1428", "07"], 1, 1, 1, 0),
        ([], [], NAN, NAN, NAN, NAN),
        (["12", "3"], ["99", "9"], 0, 1, 0, 1),  # all wrong
        (["12", "3"], ["", ""], 0, 0, 0, 1),  # nothing read
        (["07"], ["7"], 0, 0, 0, 0.5),  # a leading zero is a digit
        (["26"], ["261"], 0, 0, 1, 0.5),  # one made up behind: both that are there are read
        (["26"], ["126"], 0, 0, 0, 0.5),  # in front: neither stands at its position
        (["1", "2"], ["1", "3"], 0.5, 1, 0.5, 0.5),
        ([""], [""], 1, 1, NAN, NAN),  # no number, none read
        (["", "5"], ["7", "5"], 0.5, 0.5, 1, 1),
    ],
)
def test_figures(truths, texts, exact, length, digit, errors):
    assert exact_accuracy(truths, texts) == pytest.approx(exact, nan_ok=True)
    assert length_accuracy(truths, texts) == pytest.approx(length, nan_ok=True)
    assert digit_accuracy(truths, texts) == pytest.approx(digit, nan_ok=True)
    assert character_error_rate(truths, texts) == pytest.approx(errors, nan_ok=True)


def test_as_many_texts_as_truths():
    for measure in (exact_accuracy, length_accuracy, digit_accuracy, character_error_rate, confusion_matrix):
        with pytest.raises(ValueError):
            measure(["1", "2"], ["1"])


@pytest.mark.parametrize(
    ("truth", "text", "expected"),
    [
        ("", "", 0),
        ("1", "", 1),
        ("", "12", 2),
        ("1428", "1428", 0),
        ("12", "21", 2),
        ("1234", "234", 1),
        ("11", "1", 1),
    ],
)
def test_edit_distance(truth, text, expected):
    assert edit_distance(truth, text) == edit_distance(text, truth) == expected


def test_edit_distance_is_that_of_its_definition():
    def fewest(truth, text):
        if not truth or not text:
            return len(truth) + len(text)
        same = fewest(truth[1:], text[1:]) + (truth[0] != text[0])
        return min(same, fewest(truth[1:], text) + 1, fewest(truth, text[1:]) + 1)

    rng = np.random.default_rng(6)
    for _ in range(60):
        truth, text = ("".join(map(str, rng.integers(0, 3, rng.integers(0, 6)))) for _ in range(2))
        assert edit_distance(truth, text) == fewest(truth, text)
        table = confusion_matrix([truth], [text])
        assert table.sum() - np.trace(table) == fewest(truth, text)


@pytest.mark.parametrize(
    ("truth", "text", "cells"),
    [
        ("17", "17", {(1, 1): 1, (7, 7): 1}),
        ("17", "117", {(1, 1): 1, (7, 7): 1, (10, 1): 1}),
        ("17", "7", {(1, 10): 1, (7, 7): 1}),
        ("17", "", {(1, 10): 1, (7, 10): 1}),
        ("", "4", {(10, 4): 1}),
        ("12", "34", {(1, 3): 1, (2, 4): 1}),  # changed, not dropped and made up
        ("26", "261", {(2, 2): 1, (6, 6): 1, (10, 1): 1}),
    ],
)
def test_confusion(truth, text, cells):
    table = confusion_matrix([truth], [text])
    assert {tuple(map(int, place)): int(table[tuple(place)]) for place in np.argwhere(table)} == cells


def test_it_agrees_with_scikit_learn():
    """On texts of the right length, in which digits are paired by position, as scikit-learn is given them."""
    rng = np.random.default_rng(4)
    truths = ["".join(map(str, rng.integers(0, 8, rng.integers(1, 6)))) for _ in range(400)]  # no 8 and no 9 …
    flips = str.maketrans("17", "71")
    texts = [
        text.translate(flips) if i % 3 == 0 else text[:-1] + "9" if i % 7 == 0 else text
        for i, text in enumerate(truths)
    ]  # fmt: skip … and 9s made up
    labels = list(range(10))
    there, read = ([int(char) for text in each for char in text] for each in (truths, texts))
    table = confusion_matrix(truths, texts)
    pairs_differ = table[:10, :10] != sklearn_confusion(there, read, labels=labels)
    # "17" read as "71" takes as many edits as one dropped and one made up; changes come first, so all agree
    assert not pairs_differ.any() and not table[10].any() and not table[:, 10].any()
    scores = class_scores(table)
    expected = precision_recall_fscore_support(there, read, labels=labels, zero_division=0)
    for ours, theirs in zip(scores[:4], expected, strict=True):
        assert np.allclose(np.nan_to_num(ours), theirs)
    assert np.isnan(scores.f1).nonzero()[0].tolist() == [8]  # neither there nor read; a 9 is read
    for average in ("macro", "micro", "weighted"):
        expected = precision_recall_fscore_support(there, read, average=average, zero_division=0)
        assert getattr(scores, average) == pytest.approx(expected[:3])
    assert exact_accuracy(truths, texts) == pytest.approx(accuracy_score(truths, texts))
    assert digit_accuracy(truths, texts) == pytest.approx(accuracy_score(there, read))


def test_digits_made_up_or_left_out_count_in_the_scores():
    """As scikit-learn with "nothing" for an eleventh label that is not averaged over."""
    table = confusion_matrix(["17", "5", ""], ["117", "", "4"])
    there, read = [1, 7, 10, 5, 10], [1, 7, 1, 10, 4]
    expected = precision_recall_fscore_support(there, read, labels=range(10), average="micro", zero_division=0)
    assert class_scores(table).micro == pytest.approx(expected[:3])


def test_scores_of_nothing():
    scores = class_scores(np.zeros((11, 11), np.int64))
    assert scores.macro == scores.micro == scores.weighted == (0, 0, 0) and np.isnan(scores.f1).all()


def test_digits_that_do_not_occur_spoil_no_average():
    assert class_scores(confusion_matrix(["11", "1"], ["11", "1"])).macro == (1, 1, 1)


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_scikit_learn_on_a_few_digits(seed):
    """Of which most occur once, or never."""
    there, read = np.random.default_rng(seed).integers(0, 10, (2, 6)) // [[1], [1 + seed % 2]]
    scores = class_scores(confusion_matrix(list(map(str, there)), list(map(str, read))))
    expected = precision_recall_fscore_support(there, read, labels=range(10), zero_division=0)
    for ours, theirs in zip(scores[:4], expected, strict=True):
        assert np.nan_to_num(ours) == pytest.approx(theirs)
    for average in ("macro", "micro", "weighted"):
        expected = precision_recall_fscore_support(there, read, average=average, zero_division=0)
        assert getattr(scores, average) == pytest.approx(expected[:3])


@pytest.mark.parametrize(("text", "expected"), [("7", 1), ("1", 0)])
def test_scores_of_one_digit(text, expected):
    scores = class_scores(confusion_matrix(["7"], [text]))
    assert scores.macro == scores.micro == scores.weighted == (expected,) * 3
    assert (scores.precision[int(text)], scores.recall[7], scores.f1[7]) == (expected,) * 3


def test_letters_and_marks_are_no_digits_of_a_confusion_matrix():
    assert (confusion_matrix(["12B", "3-5"], ["12", "35C"]) == confusion_matrix(["12", "35"], ["12", "35"])).all()
    assert exact_accuracy(["12B", "3-5"], ["12", "3-5"]) == 0.5
