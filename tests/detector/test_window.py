"""A number that was found once is found again in a window of the next frame."""

import numpy as np
import pytest
from PIL import Image

from digits import Detections, ImageError
from digits.detector.exported import ExportedNetwork


def surest(found: Detections) -> tuple[str, np.ndarray]:
    """The digits found surely, from left to right, and their boxes (N, 4); one box a place."""
    found = found[found.scores > 0.5]
    found = found[np.argsort(found.boxes[:, 0])]
    apart = np.diff(found.boxes[:, 0], prepend=-1e9) > 0.2 * found.heights
    return "".join(map(str, found.labels[apart])), found.boxes[apart]


def around(boxes: np.ndarray, room: float) -> tuple[float, ...]:
    """A window around boxes (N, 4), with so many heights of a digit on every side."""
    by = room * np.median(boxes[:, 3] - boxes[:, 1])
    return (*(boxes[:, :2].min(0) - by), *(boxes[:, 2:].max(0) + by))


@pytest.mark.parametrize("text", ["1428", "72"])
@pytest.mark.parametrize("size", [(640, 480), (1600, 1200)], ids=str)
@pytest.mark.parametrize("height", [24, 60, 200])
def test_a_number_is_found_where_predict_finds_it(reader, make_photo, text, size, height):
    detector, photo = reader.detector, np.asarray(make_photo(text, size, height))
    expected, boxes = surest(detector.predict([photo])[0])
    assert expected == text
    digit_height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    for room, believed in (
        (0.5, digit_height),
        (1.5, digit_height),
        (1.0, 0.8 * digit_height),
        (1.0, 1.25 * digit_height),
    ):
        found = detector.predict_window(photo, around(boxes, room), believed)
        assert np.all(np.diff(found.scores) <= 0)
        again, there = surest(found)
        assert again == text
        assert np.abs(there - boxes).max() < max(3, 0.15 * digit_height)


@pytest.mark.parametrize("shift", [(0, 0), (31, 17), (-250, 90), (240, -160)])
def test_boxes_move_with_window_and_number(reader, make_photo, shift):
    photo = np.asarray(make_photo("35", (640, 480), 40))
    moved = np.roll(photo, shift[::-1], (0, 1))
    window = np.array((250, 200, 390, 280))
    here, there = (
        reader.detector.predict_window(image, where, 40)
        for image, where in ((photo, window), (moved, window + shift * 2))
    )
    assert surest(here)[0] == "35"
    assert np.allclose(here.boxes + shift * 2, there.boxes, atol=1e-3)
    assert np.array_equal(here.scores, there.scores) and np.array_equal(here.labels, there.labels)


def test_the_height_is_what_digits_are_looked_for_at(reader, make_photo):
    """A number too small for `predict`, in a large photograph, is found in its window."""
    photo = np.asarray(make_photo("1428", (4000, 3000), 14))
    assert surest(reader.detector.predict([photo])[0])[0] != "1428"
    assert surest(reader.detector.predict_window(photo, (1930, 1470, 2070, 1530), 14))[0] == "1428"


def test_only_what_is_in_the_window_is_found(reader, make_photo):
    """One number of two; of a number that is cut, no digit whose middle is outside."""
    photo = np.asarray(make_photo("35", (640, 480), 60))
    both = np.concatenate([photo, np.asarray(make_photo("1428", (640, 480), 60))], 1)
    window = (640 + 150, 150, 640 + 490, 330)
    text, boxes = surest(reader.detector.predict_window(both, window, 60))
    assert text == "1428" and boxes[:, 0].min() > 790
    _, whole = surest(reader.detector.predict([photo])[0])
    between = float(whole[0, 2] + whole[1, 0]) / 2
    found = reader.detector.predict_window(photo, (200, 180, between, 300), 60)
    assert surest(found)[0] == "3"
    assert (found.boxes[:, 2] <= np.ceil(between)).all()


WINDOWS = {
    "all of it": (0, 0, 640, 480),
    "far beyond it": (-1e6, -1e6, 1e6, 1e6),
    "beyond all measure": (-1e300, -1e300, 1e300, 1e300),
    "a corner of it": (400, 300, 900, 900),
    "from the left": (-500, 200, 350.5, 280.25),
    "a pixel": (320, 240, 321, 241),
    "less than a pixel": (320.2, 240.2, 320.4, 240.4),
    "its last pixel": (639, 479, 2000, 2000),
    "a row": (0, 240, 640, 241),
    "a column": (320, 0, 321, 480),
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("digit_height", [1e-300, 5e-324, 0.01, 60, 1e6, 1e300])
def test_any_window_and_height_are_bounded(reader, make_photo, monkeypatch, window, digit_height):
    """The network is shown no more than 640 pixels on the longer side; boxes stay in the window."""
    photo = np.asarray(make_photo("1428"))
    shown = []

    def noting(network, views):
        views = list(views)
        shown.extend(view.shape for view in views)
        return find(network, views)

    find = ExportedNetwork.find
    monkeypatch.setattr(ExportedNetwork, "find", noting)
    found = reader.detector.predict_window(photo, window, digit_height)
    [(height, width, _)] = shown
    assert 1 <= height <= 640 and 1 <= width <= 640
    x1, y1 = (max(0, np.floor(v)) for v in window[:2])
    x2, y2 = (min(side, np.ceil(v)) for side, v in zip((640, 480), window[2:], strict=True))
    assert (found.boxes >= [x1, y1, x1, y1]).all() and (found.boxes <= [x2, y2, x2, y2]).all()
    assert found.boxes.dtype == np.float32 and np.isfinite(found.boxes).all()


@pytest.mark.parametrize(
    "window",
    [
        (640, 0, 700, 100),
        (-50, 0, 0, 100),
        (0, 480, 100, 500),
        (0, -9, 100, 0),
        (300, 200, 300, 280),
        (350, 200, 300, 280),
        (300, 200, 350, 180),
        (0, 0, np.nan, 100),
        (0, 0, np.inf, 100),
        (0, 0, 100),
        (0, 0, 100, 100, 100),
        np.zeros((1, 4)),
    ],
    ids=str,
)
def test_windows_that_may_not_be(reader, window):
    with pytest.raises(ValueError, match=r"window .*(nothing in common with the image, 640x480|finite numbers)"):
        reader.detector.predict_window(np.zeros((480, 640, 3), np.uint8), window, 20)


@pytest.mark.parametrize("height", [0, -1, np.nan, np.inf, -np.inf])
def test_heights_that_may_not_be(reader, height):
    with pytest.raises(ValueError, match="digit_height must be a finite number above 0"):
        reader.detector.predict_window(np.zeros((480, 640, 3), np.uint8), (0, 0, 9, 9), height)


@pytest.mark.parametrize("picture", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), None, Image.new("RGB", (9, 9))])
def test_what_is_no_picture(reader, picture):
    with pytest.raises(ImageError, match="image: RGB"):
        reader.detector.predict_window(picture, (0, 0, 9, 9), 5)
