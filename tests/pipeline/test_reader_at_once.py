"""How many photographs are read at once, and in which pixels; with a detector and a recogniser that see what they are
told."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from digits import Detections, Distribution, Reader, Transcription
from digits.pipeline.fuse import Fusion
from digits.pipeline.merge import candidates

LINE = np.float32([[20, 3, 30, 23], [32, 3, 42, 23], [44, 3, 54, 23]])
PLAIN = Fusion(digit_weight=0, length_weight=0)


class Told:
    """A detector of given boxes, and a recogniser of the same text in every crop; `watch` is called with each picture
    that is looked at."""

    def __init__(self, text="306", boxes=LINE, scores=0.9, watch=lambda image: None):
        count = len(boxes)
        self.found = Detections(boxes, np.full(count, scores, np.float32), np.arange(count) % 10)
        length, places = np.full(7, 0.001), np.full((6, 10), 0.001)
        length[len(text)] = 0.994
        for place, char in zip(places, text, strict=False):
            place[int(char)] = 0.991
        self.said = Transcription.of(Distribution(np.log(length), np.log(places)))
        self.watch = watch

    def passes(self, image, effort):
        self.watch(image)
        yield self.found

    def predict(self, given):
        """A list of photographs, or of crops."""
        return [self.found if picture.shape[0] == HEIGHT else self.said for picture in given]

    def reader(self, **options):
        return Reader(self, self, fusion=PLAIN, **options)


HEIGHT, WIDTH = 500, 200
PHOTO = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


class Meeting:
    """Waits until two photographs are looked at at once; notes how many were at most."""

    def __init__(self, expected: int):
        self.barrier, self.lock, self.now, self.most = threading.Barrier(expected), threading.Lock(), 0, 0

    def __call__(self, image):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.barrier.wait(30)
        with self.lock:
            self.now -= 1


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (2, 2), (16, 2), (None, 2)])
def test_two_photographs_are_read_at_once_unless_there_is_one_thread(threads, at_once):
    """No more, however many threads there are."""
    meeting = Meeting(at_once)
    scenes = list(Told(watch=meeting).reader(threads=threads).read_all(PHOTO for _ in range(4)))
    assert [scene.text for scene in scenes] == ["306"] * 4
    assert meeting.most == at_once


@pytest.mark.parametrize(("most", "at_once"), [(200_000, 2), (199_999, 1), (100_000, 1)])
def test_two_photographs_have_as_many_pixels_as_one_may_have(monkeypatch, most, at_once):
    """Two of 100,000 pixels each."""
    monkeypatch.setattr("digits.pipeline.reader.MAX_PIXELS", most)
    meeting = Meeting(at_once)
    assert len(list(Told(watch=meeting).reader().read_all(PHOTO for _ in range(4)))) == 4
    assert meeting.most == at_once


@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_photographs_are_taken_than_are_read_at_once(threads):
    taken = []

    def photos():
        for i in range(8):
            taken.append(i)
            yield PHOTO

    for done, _ in enumerate(Told().reader(threads=threads).read_all(photos()), start=1):
        assert len(taken) == min(8, done + threads - (threads == 1))
    assert done == 8


@pytest.mark.parametrize("boxes", [LINE, LINE[:0]], ids=["a number", "nothing"])
def test_where_numbers_may_be(boxes):
    """What `candidates` makes of the full pass; given a pass, that is what is looked at."""
    told = Told(boxes=boxes)
    found = told.reader().find(PHOTO)
    expected = candidates(told.found.boxes, told.found.scores, told.found.labels)
    assert [each.digit_boxes.tolist() for each in found] == [each.digit_boxes.tolist() for each in expected]
    seen = told.reader().observe_pass(PHOTO, told.found)
    assert [each.region.digit_boxes.tolist() for each in seen] == [each.digit_boxes.tolist() for each in found]
    assert tuple(each.reading for each in seen) == told.reader().read(PHOTO).readings


def test_of_very_many_regions_the_best_are_looked_at():
    corners = np.float32([[100 * (i % 8), 100 * (i // 8)] for i in range(60)])
    scores = np.random.default_rng(0).permutation(np.linspace(0.4, 0.9, 60))
    found = Told(boxes=np.repeat(corners, 2, 0).reshape(-1, 4) + np.float32([0, 0, 10, 20]), scores=scores)
    best = [each.score for each in found.reader().find(PHOTO)]
    assert best == pytest.approx(sorted(scores, reverse=True)[: len(best)])
    assert 20 <= len(best) < 60


@pytest.mark.parametrize(("size", "reduced"), [((8000, 60), 1), ((9000, 60), 2), ((60, 9000), 2), ((18000, 120), 4)])
@pytest.mark.parametrize("turned", [False, True])
def test_boxes_of_a_picture_that_is_decoded_smaller_are_in_its_own_pixels(size, reduced, turned):
    out, exif, looked_at = io.BytesIO(), Image.Exif(), []
    exif[0x0112] = 6 if turned else 1  # stored on its side
    Image.new("RGB", size[::-1] if turned else size).save(out, "JPEG", exif=exif)
    scene = Told(watch=lambda image: looked_at.append(image.shape[1::-1])).reader().read(out.getvalue())
    assert looked_at == [(size[0] // reduced, size[1] // reduced)]
    assert (scene.width, scene.height) == size
    right, low = looked_at[0]
    boxes = np.minimum(LINE, [right, low, right, low]) * reduced
    assert [digit.box for digit in scene.readings[0].digits] == [tuple(box) for box in boxes.tolist()]


@pytest.mark.parametrize("value", [0, 1, 0.25, np.float32(0.5), True])
def test_thresholds_that_may_be(value):
    assert Told().reader(min_confidence=value).min_confidence == value
