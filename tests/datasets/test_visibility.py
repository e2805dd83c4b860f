import numpy as np
import pytest

from digits.datasets.visibility import MIN_HEIGHT, MIN_WIDTH, clip_boxes


@pytest.mark.parametrize(
    ("box", "stays", "clipped"),
    [
        ([10, 10, 20, 30], True, [10, 10, 20, 30]),
        ([-3, 10, 7, 30], True, [0, 10, 7, 30]),
        ([-6, 10, 4, 30], False, [0, 10, 4, 30]),
        ([10, 10, 20, 10 + MIN_HEIGHT], True, [10, 10, 20, 10 + MIN_HEIGHT]),
        ([10, 10, 13, 10 + MIN_HEIGHT - 1], False, [10, 10, 13, 10 + MIN_HEIGHT - 1]),
        ([10, 10, 10 + MIN_WIDTH, 30], True, [10, 10, 10 + MIN_WIDTH, 30]),
        ([10, 10, 9.5 + MIN_WIDTH, 30], False, [10, 10, 9.5 + MIN_WIDTH, 30]),
        ([95, 45, 105, 55], False, [95, 45, 100, 50]),
        ([200, 10, 210, 30], False, [100, 10, 100, 30]),
    ],
)
def test_clipping(box, stays, clipped):
    given = np.float32([box])
    boxes, stay = clip_boxes(given, 50, 100)
    assert stay.tolist() == [stays] and boxes[0].tolist() == clipped
    assert boxes.dtype == np.float32 and given[0].tolist() == box


def test_no_boxes():
    boxes, stay = clip_boxes(np.zeros((0, 4), np.float32), 50, 100)
    assert boxes.shape == (0, 4) and stay.shape == (0,) and stay.dtype == bool
