"""Ranges and fractions, read by what sees every character of a painted picture."""

from itertools import pairwise

import numpy as np
import pytest

from digits import Detections, Distribution, Reader, Transcription
from digits.recognizer.decode import log_softmax
from digits.recognizer.heads import FLAGS, MARKS

WALL, HEIGHT, WIDTH = 255, 40, 20
MARK = {"-": 210, "/": 230}  # how bright they are painted; of a digit, 20 times the digit


def painted(text, space=6, size=(120, 700)):
    """Each character a block of its own brightness, spaces a third of its height, and the box of each."""
    image, boxes, x = np.full((*size, 3), WALL, np.uint8), [], 60
    for char in text:
        if char == " ":
            x += 14
            continue
        image[40 : 40 + HEIGHT, x : x + WIDTH] = MARK.get(char) or 20 * int(char)
        boxes.append([x, 40, x + WIDTH, 40 + HEIGHT])
        x += WIDTH + space
    return image, np.float32(boxes)


class Sighted:
    """A recogniser that reads a painted picture without fault; of a crop with a mark inside, the digits alone."""

    def predict(self, crops):
        return [self._seen(crop) for crop in crops]

    def _seen(self, crop):
        row = crop[len(crop) // 2, :, 0].astype(int)
        edges = np.flatnonzero(np.diff(np.concatenate([[WALL], row, [WALL]])))
        runs = [(a, b, row[a]) for a, b in pairwise(edges) if row[a] != WALL and b - a > WIDTH / 2]
        digits = [value // 20 for *_, value in runs if value < 200]
        marks = [((a + b) / 2 / len(row), value) for a, b, value in runs if value in MARK.values()]
        length, places = np.zeros(7), np.zeros((6, 10))
        length[min(6, len(digits))] = 12.0
        for place, digit in zip(places, digits, strict=False):
            place[digit] = 12.0
        flags = dict.fromkeys(FLAGS + MARKS, 0.01)
        for _, value in marks:
            flags["hyphen" if value == MARK["-"] else "slash"] = 0.98
        where = float(np.mean([position for position, _ in marks])) if marks else 0.5
        return Transcription.of(Distribution(log_softmax(length), log_softmax(places)), flags, where)


class Finds:
    """A detector that finds the digits, and takes a slash for a 1 if it is told so."""

    def __init__(self, text, boxes, slashes):
        chars = [char for char in text if char != " "]
        found = [i for i, char in enumerate(chars) if char.isdigit() or (char == "/" and slashes)]
        labels = np.array([int(chars[i]) if chars[i].isdigit() else 1 for i in found], np.int64)
        self._found = Detections(boxes[found], np.full(len(found), 0.95, np.float32), labels)

    def predict(self, images):
        return [self._found for _ in images]

    def passes(self, image, effort):
        return self.predict([image])


def read(text, slashes=False, **picture):
    image, boxes = painted(text, **picture)
    return Reader(Finds(text, boxes, slashes), Sighted()).read(image)


@pytest.mark.parametrize("slashes", [False, True], ids=["marks are no digits", "a slash passes for a 1"])
@pytest.mark.parametrize("text", ["12-14", "3-5", "12/3", "1/2", "16-186", "8 - 10", "120/3", "1234-1238", "24 / 7"])
def test_two_members(text, slashes):
    scene = read(text, slashes)
    first = scene.readings[0]
    assert (first.text, first.status) == (text.replace(" ", ""), "read")
    assert len(scene.readings) == 1 and "".join(first.members) == "".join(filter(str.isdigit, text))
    assert [digit.digit for digit in first.digits] == list(first.members[0])
    assert first.confidence < 0.98  # no more than of the mark


def test_the_box_is_around_both():
    _, boxes = painted("12-14")
    assert read("12-14").readings[0].box == (*boxes[0, :2], *boxes[-1, 2:])


@pytest.mark.parametrize("text", ["12-14-16", "1/2-3", "5-7-9"])
def test_three_members_are_no_range(text):
    assert not any("-" in reading.text or "/" in reading.text for reading in read(text).readings)


@pytest.mark.parametrize("text", ["12", "12-", "-14", "12 14", "1214", "12        -14"])
def test_what_is_no_range(text):
    assert not any("-" in reading.text or "/" in reading.text for reading in read(text).readings)


def test_a_range_that_the_edge_cuts_is_unsure():
    image, boxes = painted("12-14")
    cut = int(boxes[-1, 2]) + 2
    reader = Reader(Finds("12-14", boxes, False), Sighted())
    (reading,) = reader.read(image[:, :cut]).readings
    assert (reading.text, reading.status) == ("12-14", "unsure") and "cut_right" in reading.reasons
