"""Photographs, by hand."""

import math

import numpy as np
import pytest

from digits.metrics import all_digits_right, judge, paired_count, precision_recall_f1

DOOR, SIGN, AFAR = [0, 0, 40, 20], [100, 0, 140, 20], [300, 300, 340, 320]
HALF = [0, 0, 40, 10]  # IoU 0.5 with DOOR
CORNER = [0, 0, 8, 12]  # IoU 0.12 with DOOR
SLIVER = [0, 0, 4, 4]  # IoU 0.02
TENTH = [0, 0, 8, 10]  # IoU 0.1


@pytest.mark.parametrize(
    ("truths", "truth_boxes", "texts", "boxes", "numbers", "readings"),
    [
        (["1"], [DOOR], ["1"], [DOOR], ["right"], ["right"]),
        ([], [], [], [], [], []),
        (["1"], [DOOR], [], [], ["missed"], []),
        ([], [], ["1"], [DOOR], [], ["invented"]),
        (["1"], [DOOR], ["2"], [DOOR], ["misread"], ["misread"]),
        (["1"], [DOOR], ["1"], [HALF], ["right"], ["right"]),  # at the very overlap
        (["12"], [DOOR], ["12"], [CORNER], ["misplaced"], ["misplaced"]),
        (["12"], [DOOR], ["1"], [CORNER], ["misread"], ["misread"]),
        (["12"], [DOOR], ["1"], [TENTH], ["misread"], ["misread"]),  # just touches it
        (["12"], [DOOR], ["1"], [SLIVER], ["missed"], ["invented"]),  # hardly touches it
        (["12"], [DOOR], ["12"], [AFAR], ["missed"], ["invented"]),  # the right text, elsewhere
        (["07"], [DOOR], ["7"], [DOOR], ["misread"], ["misread"]),
        # read twice: one is right, the other is made up
        (["1"], [DOOR], ["1", "1"], [HALF, DOOR], ["right"], ["invented", "right"]),
        # the right text goes before the better box
        (["1"], [DOOR], ["2", "1"], [DOOR, HALF], ["right"], ["invented", "right"]),
        (["1", "2"], [DOOR, SIGN], ["2", "1"], [DOOR, SIGN], ["misread"] * 2, ["misread"] * 2),
        (["1", "1"], [DOOR, SIGN], ["1"], [SIGN], ["missed", "right"], ["right"]),
    ],
)
def test_judge(truths, truth_boxes, texts, boxes, numbers, readings):
    found = judge(truths, np.reshape(truth_boxes, (-1, 4)), texts, np.reshape(boxes, (-1, 4)))
    assert (list(found.numbers), list(found.readings)) == (numbers, readings)


@pytest.mark.parametrize(
    ("right", "answered", "there", "expected"),
    [(2, 2, 2, (1, 1, 1)), (0, 3, 2, (0, 0, 0)), (0, 0, 2, (math.nan, 0, 0)), (0, 3, 0, (0, math.nan, 0)),
     (0, 0, 0, (math.nan,) * 3), (1, 2, 4, (0.5, 0.25, 1 / 3))],
)  # fmt: skip
def test_precision_recall_f1(right, answered, there, expected):
    assert precision_recall_f1(right, answered, there) == pytest.approx(expected, nan_ok=True)


TOP, LOW = [0, 0, 10, 20], [0, 12, 10, 32]  # they overlap by 0.25
BETWEEN = [0, 5, 10, 25]  # IoU 0.6 with TOP, 0.48 with LOW


@pytest.mark.parametrize(
    ("truth_boxes", "truth_labels", "boxes", "labels", "expected"),
    [
        ([TOP], [1], [TOP], [1], True),
        ([], [], [], [], True),
        ([TOP], [1], [], [], False),
        ([], [], [TOP], [1], False),
        ([TOP], [1], [TOP], [2], False),
        ([TOP], [1], [DOOR], [1], False),
        ([DOOR], [1], [HALF], [1], True),  # at the very overlap
        ([TOP, LOW], [1, 1], [LOW, TOP], [1, 1], True),  # in any order
        ([TOP, LOW], [1, 1], [TOP, TOP], [1, 1], False),  # one found twice, the other not at all
        ([TOP, LOW], [1, 2], [TOP, LOW], [2, 1], False),
        # the first could take either box; only one choice leaves the second its own
        ([[0, 2, 10, 22], TOP], [1, 1], [TOP, [0, 5, 10, 25]], [1, 1], True),
    ],
)
def test_all_digits_right(truth_boxes, truth_labels, boxes, labels, expected):
    truth_boxes, boxes = (np.reshape(each, (-1, 4)) for each in (truth_boxes, boxes))
    assert all_digits_right(truth_boxes, truth_labels, boxes, labels) is expected


@pytest.mark.parametrize(
    ("fits", "expected"),
    [
        ([[1, 1], [1, 1]], 2), ([[1, 1], [1, 0]], 2), ([[1], [1]], 1), ([[1, 1]], 1), ([[0, 0], [0, 0]], 0),
        (np.zeros((0, 3)), 0), (np.zeros((3, 0)), 0), ([[1, 0, 0], [1, 1, 0], [0, 1, 1]], 3),
        ([[1, 0], [1, 0], [0, 1]], 2),
    ],
)  # fmt: skip
def test_paired_count(fits, expected):
    assert paired_count(np.array(fits, bool)) == expected
