import numpy as np
import pytest

from digits.core.boxes import enclosing, is_stacked, reading_order

LINE = [[20, 0, 25, 10], [0, 1, 5, 11], [10, 0, 15, 10]]
STACK = [[0, 24, 5, 34], [1, 0, 6, 10], [0, 12, 5, 22]]


@pytest.mark.parametrize(
    ("boxes", "order"), [(LINE, [1, 2, 0]), (STACK, [1, 2, 0]), (LINE[:1], [0]), (np.zeros((0, 4)), [])]
)
def test_reading_order(boxes, order):
    assert reading_order(np.asarray(boxes, float)).tolist() == order


def test_enclosing():
    assert enclosing(np.asarray(LINE, float)).tolist() == [0, 0, 25, 11]
    assert is_stacked(np.asarray(STACK)) and not is_stacked(np.asarray(LINE))
