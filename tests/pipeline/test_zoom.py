"""Small numbers in large photographs."""

import cv2
import numpy as np
import pytest

from digits import Detections, Reader
from digits.pipeline.zoom import LARGE, look_closer, parts


@pytest.mark.parametrize(
    ("size", "count"), [((4000, 3000), 4), ((3000, 4000), 4), ((1441, 1441), 4), ((9000, 800), 2), ((20, 2000), 2)]
)
def test_parts_cover_a_photograph_and_every_small_digit_is_whole_in_one(size, count):
    windows = parts(*size)
    assert len(windows) == count
    assert min(min(w[:2]) for w in windows) == 0
    assert (max(w[2] for w in windows), max(w[3] for w in windows)) == size
    rng = np.random.default_rng(1)
    small = max(size) / 30
    for x, y in rng.uniform(0, np.maximum(size - np.float64(small), 0), (500, 2)):
        right, low = min(x + small, size[0]), min(y + small, size[1])
        assert any(x >= w[0] and y >= w[1] and right <= w[2] and low <= w[3] for w in windows)


def bright(images):
    """Takes every bright rectangle for a digit."""
    found = []
    for image in images:
        _, _, places, _ = cv2.connectedComponentsWithStats((image[..., 0] > 128).astype(np.uint8))
        x, y, w, h = np.float32(places[1:, :4]).T
        found.append(
            Detections(np.stack([x, y, x + w, y + h], 1), np.full(len(x), 0.5, np.float32), np.full(len(x), 7))
        )
    return found


@pytest.mark.parametrize(
    ("box", "times"),
    [
        ((500, 600, 540, 660), 1),
        ((0, 0, 30, 60), 1),  # in the corner of the photograph, where nothing is cut
        ((1990, 300, 2030, 360), 2),  # in what two parts share: seen twice, and merged later
        ((1850, 300, 1890, 360), 1),  # whole in one part, cut by the edge of the other
        ((1990, 1480, 2030, 1540), 4),
    ],
)
def test_small_digits_are_found_whole_where_they_are(box, times):
    photo = np.zeros((3000, 4000, 3), np.uint8)
    x1, y1, x2, y2 = box
    photo[y1:y2, x1:x2] = 255
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    assert look_closer(bright, photo, nothing).boxes.tolist() == [list(map(float, box))] * times


def test_large_digits_are_those_of_the_whole_and_small_ones_those_of_the_parts():
    photo = np.zeros((3000, 4000, 3), np.uint8)
    photo[100:400, 100:250] = 255  # as the whole shows it already
    photo[2000:2060, 3000:3040] = 255
    whole = Detections(np.float32([[99, 99, 251, 401], [7, 7, 30, 47]]), np.float32([0.9, 0.3]), np.array([1, 4]))
    found = look_closer(bright, photo, whole)
    assert found.boxes.tolist() == [[99, 99, 251, 401], [3000, 2000, 3040, 2060]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])


class Counting:
    """A detector that notes how large the pictures are that it is shown."""

    def __init__(self, detector):
        self.detector, self.sizes = detector, []

    def predict(self, images):
        self.sizes += [image.shape[1::-1] for image in images]
        return self.detector.predict(images)


@pytest.mark.parametrize(
    ("text", "size", "height", "looks"),
    [
        ("1428", (2400, 1800), 11, 5),  # three pixels of what the whole is scaled to
        ("1428", (2400, 1800), 300, 1),  # read at once
        ("", (2400, 1800), 11, 5),
        ("", (LARGE - 1, 1000), 18, 1),
        ("", (1000, LARGE), 18, 5),
    ],
)
def test_only_large_photographs_that_show_no_sure_number_are_looked_at_in_parts(
    reader, make_photo, text, size, height, looks
):
    detector = Counting(reader.detector)
    scene = Reader(detector, reader.recognizer).read(make_photo(text, size, height))
    assert (scene.text, len(detector.sizes)) == (text, looks)
    for reading in scene.readings:
        x1, y1, x2, y2 = reading.box
        assert x1 < size[0] / 2 < x2
        assert y1 < size[1] / 2 < y2
