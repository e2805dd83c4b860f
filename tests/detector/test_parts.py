"""Small numbers, for which a photograph is looked at in parts."""

import numpy as np
import pytest

from digits import Detections, Detector, Reader
from digits.detector.parts import SMALL, find_parts


@pytest.mark.parametrize(
    ("size", "count"), [((4000, 3000), 4), ((300, 400), 4), ((1441, 1441), 4), ((9000, 800), 2), ((20, 2000), 2)]
)
def test_parts_cover_a_photograph_and_every_small_digit_is_whole_in_one(size, count):
    parts = find_parts(*size)
    assert len(parts) == count
    windows = np.array([part.window for part in parts])
    assert windows[:, :2].min(0).tolist() == [0, 0]
    assert windows[:, 2:].max(0).tolist() == list(size)
    small = SMALL * max(size)
    corners = np.random.default_rng(1).uniform(0, np.maximum(size - np.float64(small), 0), (500, 2))
    boxes = np.concatenate([corners, np.minimum(corners + small, size)], 1)
    assert np.any([part.holds(boxes) for part in parts], 0).all()


@pytest.mark.parametrize(
    ("box", "holding"),
    [
        ((500, 600, 540, 660), [0]),
        ((0, 0, 30, 60), [0]),  # in the corner of the photograph, where nothing is cut
        ((1990, 300, 2030, 360), [0, 1]),
        ((1850, 300, 1890, 360), [0]),  # cut by the edge of the next one
        ((2100, 300, 2124, 360), [1]),  # up to the edge: it may be a piece of a digit
        ((1990, 1480, 2030, 1540), [0, 1, 2, 3]),
    ],
)
def test_which_parts_hold_a_digit(box, holding):
    parts = find_parts(4000, 3000)
    assert [i for i, part in enumerate(parts) if part.holds(np.float32([box]))[0]] == holding


NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def test_small_digits_are_those_of_the_parts_and_large_ones_as_found_before(reader, make_photo):
    photo = np.asarray(make_photo("1428", (2400, 1800), 11))
    large = Detections(np.float32([[100, 100, 180, 200]]), np.float32([0.4]), np.array([7]))
    small = Detections(np.float32([[100, 100, 108, 110]]), np.float32([0.4]), np.array([7]))
    found = reader.detector.look_closer(photo, Detections.joined([small, large]))
    assert np.all(np.diff(found.scores) <= 0)
    kept = [box.tolist() for box in found.boxes]
    assert large.boxes[0].tolist() in kept and small.boxes[0].tolist() not in kept
    sure = found[found.scores > 0.5]
    assert sorted(sure.labels[np.argsort(sure.boxes[:, 0])]) == [1, 2, 4, 8]
    middles = (sure.boxes[:, :2] + sure.boxes[:, 2:]) / 2
    assert np.abs(middles - [1200, 900]).max() < 40


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (900, 1, 3)])
def test_the_parts_of_slivers(reader, shape):
    assert isinstance(reader.detector.look_closer(np.zeros(shape, np.uint8), NOTHING), Detections)


class Counting:
    """A detector that notes how it was asked."""

    def __init__(self, detector: Detector):
        self.detector, self.asked = detector, []

    def predict(self, images):
        self.asked.append("whole")
        return self.detector.predict(images)

    def look_closer(self, image, found):
        self.asked.append("parts")
        return self.detector.look_closer(image, found)


@pytest.mark.parametrize(
    ("text", "height", "quick", "asked", "expected"),
    [
        ("1428", 11, False, ["whole", "parts"], "1428"),  # three pixels of what the whole is scaled to
        ("1428", 11, True, ["whole"], ""),
        ("1428", 300, False, ["whole"], "1428"),
        ("", 11, False, ["whole", "parts"], ""),
    ],
)
def test_parts_are_looked_at_where_nothing_is_read_surely(reader, make_photo, text, height, quick, asked, expected):
    detector = Counting(reader.detector)
    scene = Reader(detector, reader.recognizer, quick=quick).read(make_photo(text, (2400, 1800), height))
    assert (scene.text, detector.asked) == (expected, asked)
    for reading in scene.readings:
        x1, y1, x2, y2 = reading.box
        assert x1 < 1200 < x2
        assert y1 < 900 < y2
