import numpy as np
import pytest

from digits.core.boxes import cut_region, enclosing, intersection_over_smaller, is_stacked, reading_order

LINE = [[20, 0, 25, 10], [0, 1, 5, 11], [10, 0, 15, 10]]
STACK = [[0, 24, 5, 34], [1, 0, 6, 10], [0, 12, 5, 22]]


@pytest.mark.parametrize(
    ("boxes", "order"),
    [
        (LINE, [1, 2, 0]),
        (STACK, [1, 2, 0]),
        (LINE[:1], [0]),
        (np.zeros((0, 4)), []),
        ([[20, 0, 25, 10], [0, 15, 5, 25], [10, 8, 15, 18]], [1, 2, 0]),  # a row that climbs
    ],
)
def test_reading_order(boxes, order):
    assert reading_order(np.asarray(boxes, float)).tolist() == order


def test_enclosing():
    assert enclosing(np.asarray(LINE, float)).tolist() == [0, 0, 25, 11]
    assert is_stacked(np.asarray(STACK)) and not is_stacked(np.asarray(LINE))


def row(dx: float, dy: float, count: int = 3, width: float = 6, height: float = 10) -> np.ndarray:
    """Boxes of digits, each this far from the one before."""
    corners = np.arange(count)[:, None] * (dx, dy) + 50.0
    return np.concatenate([corners, np.add(corners, (width, height))], 1)


@pytest.mark.parametrize(
    ("boxes", "stacked"),
    [
        (row(0, 12, count=0), False),
        (row(0, 12, count=1), False),
        (row(0, 12, count=2), True),
        (row(0, 12), True),
        (row(0, -12), True),  # given from bottom to top
        (row(8, 12), True),
        (row(-8, 12), True),
        (row(10, 11.5), False),  # as far across as down
        (row(11, 12), False),
        (row(12, 8), False),
        (row(0, 8), True),  # digits may overlap a little …
        (row(0, 7.2), True),
        (row(0, 6), False),  # … but those that overlap by half stand side by side
        (row(3, 4), False),
        (np.concatenate([row(0, 12), np.add(row(0, 12)[-1:], (0, 5, 0, 5))]), False),  # one pair of them does
        (row(10, 11.5, width=20), False),  # whatever the width
        (row(5, 12, width=20), True),
    ],
)
def test_stacks_are_told_from_rows_wherever_they_stand_and_however_large(boxes, stacked):
    assert is_stacked(boxes) is stacked
    for scale, shift in ((1, 300), (1, -300), (0.1, 0), (8, 0)):
        assert is_stacked(boxes * scale + shift) is stacked
    assert is_stacked(boxes[::-1]) is stacked


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((3, 2, 7, 5), (2, 5), (3, 7)),
        ((2.2, 1.2, 6.1, 4.1), (1, 5), (2, 7)),  # a pixel that is touched is in it
        ((2.8, 1.8, 6.9, 4.9), (1, 5), (2, 7)),
        ((-4, -3, 5, 4), (0, 4), (0, 5)),
        ((5, 4, 40, 40), (4, 8), (5, 12)),
        ((-9, -9, 99, 99), (0, 8), (0, 12)),
        ((0, 0, 12, 8), (0, 8), (0, 12)),
        ((20, 20, 30, 30), (7, 8), (11, 12)),  # outside: the pixel that is nearest
        ((-30, -30, -20, -20), (0, 1), (0, 1)),
        ((12, 8, 12, 8), (7, 8), (11, 12)),
        ((4, 3, 4, 3), (3, 4), (4, 5)),
    ],
)
def test_a_region_is_cut_where_the_box_says(box, rows, columns):
    image = np.arange(8 * 12 * 3).reshape(8, 12, 3)
    assert np.array_equal(cut_region(image, box), image[slice(*rows), slice(*columns)])


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ([10, 20, 20, 50], 1),
        ([15, 20, 25, 50], 0.5),  # shifted across
        ([5, 20, 15, 50], 0.5),
        ([10, 35, 20, 65], 0.5),  # and down
        ([15, 35, 25, 65], 0.25),
        ([0, 0, 100, 100], 1),  # all of the smaller one
        ([12, 30, 14, 35], 1),
        ([18, 30, 22, 40], 0.5),
        ([20, 20, 30, 50], 0),  # they touch
        ([30, 60, 40, 90], 0),  # apart both ways: no product of two negatives
        ([30, 20, 40, 50], 0),
        ([12, 30, 12, 35], 0),  # no area
        ([10.1, 20.1, 10.2, 20.2], 1),
    ],
)
def test_shares_of_the_smaller_box(other, share):
    box, other = np.array([10, 20, 20, 50.0]), np.array(other, float)
    assert intersection_over_smaller(box, other[None]) == pytest.approx([share])
    assert intersection_over_smaller(other, box[None]) == pytest.approx([share])
    assert intersection_over_smaller(box * 3 + 7, other[None] * 3 + 7) == pytest.approx([share])
