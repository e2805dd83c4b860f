import numpy as np
import pytest

from digits.detector.views import cut
from digits.detector.zoom import BEST_HEIGHT, find_zoom_crops


def row(x=100.0, y=100.0, height=20.0, count=3):
    return np.array([[x + 14 * i, y, x + 14 * i + 10, y + height] for i in range(count)])


def crops_of(*groups, scores=0.5, width=400, height=300, scale=0.0):
    boxes = np.concatenate([np.zeros((0, 4)), *groups])
    return find_zoom_crops(boxes, np.broadcast_to(np.asarray(scores, float), len(boxes)), width, height, scale)


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
    assert len(crops_of(*groups, scores=scores, height=900)) == expected


@pytest.mark.parametrize("height", [8.0, 20.0, 36.0, 120.0])
def test_digits_are_shown_at_the_height_that_is_found_best(height):
    [crop] = crops_of(row(x=400, y=400, height=height, count=1), width=900, height=900)
    assert crop.scale * crop.height == pytest.approx(min(BEST_HEIGHT, 4 * height))


@pytest.mark.parametrize(("scale", "expected"), [(0.4, 1), (1.4, 1), (1.6, 0), (3.0, 0)])
def test_what_a_crop_would_not_enlarge_is_left(scale, expected):
    """At 1.8 a digit 20 pixels high has the height that is found best."""
    assert len(crops_of(row(), scale=scale)) == expected


def test_large_digits_do_not_take_the_place_of_small_ones():
    large = [row(x=10, y=10 + 100 * i, height=60, count=1) for i in range(8)]
    [crop] = crops_of(*large, row(x=200), scores=[0.9] * 8 + [0.3] * 3, height=900, scale=1.0)
    assert crop.height == pytest.approx(20)


def test_the_most_promising_come_first():
    crops = crops_of(row(), row(x=300), scores=[0.3, 0.3, 0.3, 0.2, 0.9, 0.2])
    assert [crop.window[0] > 200 for crop in crops] == [True, False]


@pytest.mark.parametrize("corner", [(0, 0), (358, 0), (0, 280), (358, 280)])
def test_windows_stay_inside_and_cover_up_to_the_edge_of_the_photograph(corner):
    image = np.zeros((300, 400, 3), np.uint8)
    [crop] = crops_of(row(*corner))
    x1, y1, x2, y2 = crop.window
    assert 0 <= x1 < x2 <= 400 and 0 <= y1 < y2 <= 300
    assert cut(image, crop).shape == (y2 - y1, x2 - x1, 3)
    assert crop.covers(row(*corner)).all()


@pytest.mark.parametrize(
    ("box", "covered"),
    [
        ([114, 100, 124, 120], True),
        ([85, 100, 95, 120], True),  # a digit that was not found before
        ([80, 100, 81, 120], False),  # half of one, at the edge of the window
        ([300, 100, 310, 120], False),
        ([114, 105, 119, 114], False),  # too small for this crop
        ([104, 80, 134, 130], False),  # too large
    ],
)
def test_what_a_crop_covers(box, covered):
    [crop] = crops_of(row())
    assert crop.covers(np.array([box], float)).tolist() == [covered]


def test_a_long_line_of_text_is_not_enlarged_beyond_measure():
    [crop] = crops_of(row(x=20, count=130), width=2000)
    assert crop.scale * (crop.window[2] - crop.window[0]) <= 640


PLACES = [(100, 100), (3, 100), (100, 2), (362, 100), (100, 277), (0, 0), (362, 280)]


@pytest.mark.parametrize("place", PLACES)
def test_a_window_leaves_room_for_a_digit_more_on_every_side(place):
    boxes = row(*place)
    [crop] = crops_of(boxes)
    x1, y1 = boxes[:, :2].min(0) - (20, 14)
    x2, y2 = np.add(boxes[:, 2:].max(0), (20, 14))
    assert crop.window == (max(0, x1), max(0, y1), min(400, x2), min(300, y2))
    shown = (
        [boxes[:, 0] - 14, boxes[:, 1], boxes[:, 2] - 14, boxes[:, 3]],
        [boxes[:, 0] + 14, boxes[:, 1], boxes[:, 2] + 14, boxes[:, 3]],
    )
    for beside in (boxes, *(np.transpose(each) for each in shown)):
        middles = (beside[:, :2] + beside[:, 2:]) / 2
        inside = ((middles > 0) & (middles < (400, 300))).all(1)
        assert (crop.covers(beside) == inside)[inside].all()


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_pixel_that_is_touched_is_in_the_window(part):
    [crop] = crops_of(row(100 + part, 100 + part))
    assert crop.window == (80, 86, 159, 135)


@pytest.mark.parametrize("place", PLACES)
def test_a_crop_covers_up_to_the_edge_of_the_photograph_but_not_up_to_that_of_its_window(place):
    [crop] = crops_of(row(*place))
    x1, y1, x2, y2 = crop.window
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    edges = {"left": (x1, y), "above": (x, y1), "right": (x2, y), "below": (x, y2)}
    ends = {"left": x1 == 0, "above": y1 == 0, "right": x2 == 400, "below": y2 == 300}
    inwards = {"left": (1, 0), "above": (0, 1), "right": (-1, 0), "below": (0, -1)}
    for side, middle in edges.items():
        for by, covered in ((-3, ends[side]), (1, ends[side]), (1.9, ends[side]), (2.1, True)):
            cx, cy = np.add(middle, np.multiply(inwards[side], by))
            assert crop.covers(np.array([[cx - 5, cy - 10, cx + 5, cy + 10]])).tolist() == [covered], (side, by)


@pytest.mark.parametrize(
    ("height", "covered"), [(9, False), (10.5, True), (20, True), (37.5, True), (38.5, False), (80, False)]
)
def test_a_crop_covers_digits_of_about_its_height(height, covered):
    [crop] = crops_of(row())
    assert crop.covers(np.array([[110, 110 - height / 2, 120, 110 + height / 2]])).tolist() == [covered]


@pytest.mark.parametrize(
    ("second", "crops"),
    [
        ((123, 100, 133, 120), 1),  # each is widened by 7 pixels
        ((125, 100, 135, 120), 2),
        ((100, 133, 110, 153), 1),
        ((100, 135, 110, 155), 2),
        ((77, 100, 87, 120), 1),
        ((75, 100, 85, 120), 2),
        ((123, 133, 133, 153), 1),  # across a corner
        ((125, 133, 135, 153), 2),
        ((123, 135, 133, 155), 2),
        ((112, 100, 122, 133), 1),  # of like height
        ((112, 100, 122, 135), 2),
        ((112, 100, 122, 112), 1),
        ((112, 100, 122, 111), 2),
        ((102, 102, 108, 118), 1),  # one within the other
    ],
)
@pytest.mark.parametrize("scale", [1, 4])
def test_digits_that_meet_share_a_crop(second, crops, scale):
    boxes = np.array([(100, 100, 110, 120), second], float) * scale
    assert len(crops_of(boxes, width=2000, height=2000)) == crops
    assert len(crops_of(boxes[::-1], width=2000, height=2000)) == crops


def test_a_group_is_as_far_connected_as_its_digits_meet_one_by_one():
    rng = np.random.default_rng(0)
    boxes = row(count=12, x=60)
    [crop] = crops_of(boxes[rng.permutation(12)])
    assert crop.window == (40, 86, 244, 134)


def test_faint_digits_weigh_less_in_the_height_of_a_group():
    boxes = np.concatenate([row(count=1, height=20), row(x=114, count=1, height=30)])
    [crop] = crops_of(boxes, scores=[0.9, 0.1])
    assert crop.height == pytest.approx(21)


@pytest.mark.parametrize(("score", "crops"), [(0.14, 0), (0.16, 1)])
def test_a_group_needs_one_digit_that_is_sure_enough(score, crops):
    assert len(crops_of(row(), scores=[0.11, score, 0.11])) == crops


def test_what_is_hardly_there_makes_no_window_wider():
    windows = [crops_of(row(), scores=[0.9, 0.9, score])[0].window for score in (0.09, 0.11)]
    assert windows == [(80, 86, 144, 134), (80, 86, 158, 134)]


@pytest.mark.parametrize("shift", [0, 37])
def test_a_picture_twice_as_large_has_crops_in_the_same_places(shift):
    near, far = crops_of(row(x=100 + shift)), crops_of(row(x=100 + shift) * 2, width=800, height=600)
    assert np.multiply(near[0].window, 2).tolist() == list(far[0].window)
    assert near[0].scale == pytest.approx(2 * far[0].scale)


def test_a_spot_shows_its_window_of_the_picture():
    image = np.arange(300 * 400 * 3).reshape(300, 400, 3)
    [crop] = crops_of(row())
    assert np.array_equal(cut(image, crop), image[86:134, 80:158])
