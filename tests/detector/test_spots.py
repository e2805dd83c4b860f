import numpy as np
import pytest

from digits.detector.spots import TALL, find_spots


def row(x=100.0, y=100.0, height=20.0, count=3):
    return np.array([[x + 14 * i, y, x + 14 * i + 10, y + height] for i in range(count)])


def spots_of(*groups, scores=0.5, width=400, height=300, scale=0.0):
    boxes = np.concatenate([np.zeros((0, 4)), *groups])
    return find_spots(boxes, np.broadcast_to(np.asarray(scores, float), len(boxes)), width, height, scale)


CASES = {
    "nothing": ((), 0.5, 0),
    "a row": ((row(),), 0.5, 1),
    "two rows": ((row(), row(x=300)), 0.5, 2),
    "a stack": ((row(count=1), row(y=125, count=1), row(y=150, count=1)), 0.5, 1),
    "digits of unlike height": ((row(count=1), row(x=112, height=60, count=1)), 0.5, 2),
    "faint digits": ((row(),), 0.05, 0),
    "no digit that is sure enough": ((row(),), 0.12, 0),
    "one that is": ((row(),), [0.12, 0.2, 0.12], 1),
    "boxes without area": ((np.array([[50.0, 50, 50, 70], [80, 60, 90, 60]]),), 0.5, 0),
    "more than anyone reads": (tuple(row(x=10, y=10 + 40 * i, count=1) for i in range(20)), 0.5, 8),
}


@pytest.mark.parametrize(("groups", "scores", "expected"), CASES.values(), ids=CASES)
def test_groups(groups, scores, expected):
    assert len(spots_of(*groups, scores=scores, height=900)) == expected


@pytest.mark.parametrize("height", [8.0, 20.0, 36.0, 120.0])
def test_digits_are_shown_at_the_height_that_is_found_best(height):
    [spot] = spots_of(row(x=400, y=400, height=height, count=1), width=900, height=900)
    assert spot.scale * spot.tall == pytest.approx(min(TALL, 4 * height))


@pytest.mark.parametrize(("scale", "expected"), [(0.4, 1), (1.4, 1), (1.6, 0), (3.0, 0)])
def test_what_a_look_would_not_enlarge_is_left(scale, expected):
    """At 1.8 a digit 20 pixels high has the height that is found best."""
    assert len(spots_of(row(), scale=scale)) == expected


def test_large_digits_do_not_take_the_place_of_small_ones():
    large = [row(x=10, y=10 + 100 * i, height=60, count=1) for i in range(8)]
    [spot] = spots_of(*large, row(x=200), scores=[0.9] * 8 + [0.3] * 3, height=900, scale=1.0)
    assert spot.tall == pytest.approx(20)


def test_the_most_promising_come_first():
    spots = spots_of(row(), row(x=300), scores=[0.3, 0.3, 0.3, 0.2, 0.9, 0.2])
    assert [spot.window[0] > 200 for spot in spots] == [True, False]


@pytest.mark.parametrize("corner", [(0, 0), (358, 0), (0, 280), (358, 280)])
def test_windows_stay_inside_and_answer_to_the_edge_of_the_photograph(corner):
    image = np.zeros((300, 400, 3), np.uint8)
    [spot] = spots_of(row(*corner))
    x1, y1, x2, y2 = spot.window
    assert 0 <= x1 < x2 <= 400 and 0 <= y1 < y2 <= 300
    assert spot.cut(image).shape == (y2 - y1, x2 - x1, 3)
    assert spot.covers(row(*corner)).all()


@pytest.mark.parametrize(
    ("box", "covered"),
    [
        ([114, 100, 124, 120], True),
        ([85, 100, 95, 120], True),  # a digit that was not found before
        ([80, 100, 81, 120], False),  # half of one, at the edge of the window
        ([300, 100, 310, 120], False),
        ([114, 105, 119, 114], False),  # too small for this look
        ([104, 80, 134, 130], False),  # too large
    ],
)
def test_what_a_look_answers_for(box, covered):
    [spot] = spots_of(row())
    assert spot.covers(np.array([box], float)).tolist() == [covered]


def test_a_long_line_of_text_is_not_enlarged_beyond_measure():
    [spot] = spots_of(row(x=20, count=130), width=2000)
    assert spot.scale * (spot.window[2] - spot.window[0]) <= 640
