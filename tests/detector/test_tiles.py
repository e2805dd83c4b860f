"""Ever closer passes, and the tiles of a photograph in which small numbers are found."""

import numpy as np
import pytest

from digits import Detector, Reader
from digits.detector.tiles import SMALL, find_tiles
from digits.detector.views import cut


def tiles_of(width: int, height: int):
    return find_tiles(width, height, lambda *size: 720 / max(size))


@pytest.mark.parametrize(
    ("size", "count"), [((4000, 3000), 4), ((300, 400), 4), ((1441, 1441), 4), ((9000, 800), 2), ((20, 2000), 2)]
)
def test_tiles_cover_a_photograph_and_every_small_digit_is_whole_in_one(size, count):
    tiles = tiles_of(*size)
    assert len(tiles) == count
    windows = np.array([tile.window for tile in tiles])
    assert windows[:, :2].min(0).tolist() == [0, 0]
    assert windows[:, 2:].max(0).tolist() == list(size)
    small = SMALL * max(size)
    corners = np.random.default_rng(1).uniform(0, np.maximum(size - np.float64(small), 0), (500, 2))
    boxes = np.concatenate([corners, np.minimum(corners + small, size)], 1)
    assert np.any([tile.holds(boxes) for tile in tiles], 0).all()


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
def test_which_tiles_hold_a_digit(box, holding):
    tiles = tiles_of(4000, 3000)
    assert [i for i, tile in enumerate(tiles) if tile.holds(np.float32([box]))[0]] == holding


@pytest.mark.parametrize(
    "size", [(4000, 3000), (3000, 4000), (301, 399), (9000, 800), (800, 9000), (1000, 501), (7, 5)]
)
def test_tiles_are_alike_from_either_end_and_share_a_strip(size):
    """Of a sixteenth of the longer side, in the middle; a side not half as long as the other is not parted."""
    windows = np.array([tile.window for tile in tiles_of(*size)])
    turned = np.array([*size, *size]) - windows[::-1][:, [2, 3, 0, 1]]
    assert windows.tolist() == turned.tolist()
    for axis, side in enumerate(size):
        starts, ends = np.unique(windows[:, axis]), np.unique(windows[:, axis + 2])
        if 2 * side <= max(size):
            assert (starts.tolist(), ends.tolist()) == ([0], [side])
        else:
            (_, start), (end, _) = starts, ends
            assert end - start == pytest.approx(max(size) / 16, abs=3)


@pytest.mark.parametrize(("size", "count"), [((1000, 500), 2), ((1000, 501), 4), ((500, 1000), 2)])
def test_a_side_half_as_long_as_the_other_is_not_parted(size, count):
    assert len(tiles_of(*size)) == count


@pytest.mark.parametrize("scale", [1, 3])
def test_a_tile_does_not_hold_what_reaches_into_its_rim(scale):
    """A 250th of the longer side, here 4 pixels; there is none along the edge of the photograph."""
    tiles = tiles_of(1000 * scale, 800 * scale)
    x1, y1, x2, y2 = np.array(tiles[3].window) / scale
    assert (x2, y2) == (1000, 800)
    for box, held in (
        ((x1 + 4.5, y1 + 4.5, x1 + 9, y1 + 20), True),
        ((x1 + 3.5, y1 + 4.5, x1 + 9, y1 + 20), False),
        ((x1 + 4.5, y1 + 3.5, x1 + 9, y1 + 20), False),
        ((990, 780, 1000, 800), True),
        ((990, 780, 1001, 801), True),  # boxes may stick out
    ):
        assert tiles[3].holds(np.array([box]) * scale).tolist() == [held]
        mirrored = np.array([[1000, 800, 1000, 800]]) - np.array([box])[:, [2, 3, 0, 1]]
        assert tiles[0].holds(mirrored * scale).tolist() == [held]


def test_a_tile_shows_its_window_of_the_picture():
    image = np.arange(90 * 120 * 3).reshape(90, 120, 3)
    for tile in tiles_of(120, 90):
        x1, y1, x2, y2 = tile.window
        assert np.array_equal(cut(image, tile), image[y1:y2, x1:x2])


@pytest.fixture
def two_numbers(make_photo):
    """A photograph of 4.3 megapixels with 1428 in its middle, 11 pixels high, and 25 in a corner, 300 pixels high."""
    photo = np.array(make_photo("1428", (2400, 1800), 11))
    photo[:800, :900] = np.asarray(make_photo("25", (900, 800), 300))
    return photo


def test_ever_closer_passes(reader, two_numbers):
    """Small digits are those of the tiles, large ones as found before."""
    shown = []
    for found in reader.detector.passes(two_numbers):
        assert np.all(np.diff(found.scores) <= 0)
        sure = found[found.scores > 0.5]
        sure = sure[np.argsort(sure.boxes[:, 0])]
        small = sure.heights < 30
        shown.append("".join(map(str, [*sure.labels[~small], *sure.labels[small]])))
        middles = (sure.boxes[small, :2] + sure.boxes[small, 2:]) / 2
        assert np.all(np.abs(middles - [1200, 900]) < 40)
    assert shown == ["25", "25", "251428"]


def test_the_full_pass_is_what_predict_finds(reader, two_numbers):
    _, full, _ = reader.detector.passes(two_numbers)
    [found] = reader.detector.predict([two_numbers])
    assert full.to_dict() == found.to_dict()


@pytest.mark.parametrize(("effort", "count"), [("quick", 2), ("normal", 3), ("thorough", 3)])
def test_the_passes_of_an_effort(reader, make_photo, effort, count):
    """A quick one leaves out the tiles; a pass is the same whatever follows it."""
    photo = np.asarray(make_photo("25"))
    passes = [found.to_dict() for found in reader.detector.passes(photo, effort)]
    assert passes == [found.to_dict() for found in reader.detector.passes(photo)][:count]
    assert len(passes) == count


def test_the_passes_of_no_effort(reader):
    with pytest.raises(ValueError, match="effort must be one of quick, normal, thorough, got 'huge'"):
        reader.detector.passes(np.zeros((9, 9, 3), np.uint8), "huge")


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (900, 1, 3)])
def test_passes_over_slivers(reader, shape):
    assert len([*reader.detector.passes(np.zeros(shape, np.uint8))]) == 3


class Counting:
    """A detector that notes which passes it was asked for."""

    def __init__(self, detector: Detector):
        self.detector, self.asked = detector, []

    def passes(self, image, effort):
        for name, found in zip(("coarse", "full", "tiles"), self.detector.passes(image, effort), strict=False):
            self.asked.append(name)
            yield found


@pytest.mark.parametrize(
    ("text", "height", "effort", "asked", "expected"),
    [
        ("1428", 11, "normal", "coarse full tiles", ["1428"]),  # three pixels in the full pass
        ("1428", 11, "quick", "coarse full", []),
        ("1428", 25, "normal", "coarse full", ["1428"]),  # four pixels in the coarse pass
        ("1428", 300, "normal", "coarse", ["1428"]),
        ("", 11, "normal", "coarse full tiles", []),
        ("", 11, "quick", "coarse full", []),
        ("1428", 300, "thorough", "coarse full tiles", ["1428"]),
    ],
)
def test_passes_are_as_close_as_it_takes(reader, make_photo, text, height, effort, asked, expected):
    detector = Counting(reader.detector)
    scene = Reader(detector, reader.recognizer, effort=effort).read(make_photo(text, (2400, 1800), height))
    assert ([r.text for r in scene.readings], " ".join(detector.asked)) == (expected, asked)
    for reading in scene.readings:
        x1, y1, x2, y2 = reading.box
        assert x1 < 1200 < x2
        assert y1 < 900 < y2


@pytest.mark.parametrize(("effort", "expected"), [("normal", ["25"]), ("thorough", ["25", "1428"])])
def test_small_numbers_beside_a_large_one_take_effort(reader, two_numbers, effort, expected):
    scene = Reader(reader.detector, reader.recognizer, effort=effort).read(two_numbers)
    assert [r.text for r in scene.readings if r.status == "read"] == expected


def test_thorough_is_what_any_pass_shows(reader, two_numbers):
    class Apart:
        """A detector that sees the large number in its first pass only, the small one in its last."""

        def passes(self, image, effort):
            *_, found = reader.detector.passes(image)
            large = found.heights > 100
            yield found[large]
            yield found[large & ~large]
            yield found[~large]

    scene = Reader(Apart(), reader.recognizer, effort="thorough").read(two_numbers)
    assert [r.text for r in scene.readings if r.status == "read"] == ["25", "1428"]


def test_an_unknown_effort():
    with pytest.raises(ValueError, match="effort must be one of quick, normal, thorough, got 'huge'"):
        Reader(effort="huge")
