import numpy as np
import pytest

from digits.core.boxes import cut_region, is_stacked
from digits.recognizer.crops import HEIGHT, WIDTH, cut_both, cut_number, cut_with_room, letterbox


def numbered(height=120, width=200):
    """An image whose red channel is the column and whose green channel is the row."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.zeros_like(rows)], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("boxes", "stacked"),
    [
        ([[0, 0, 10, 20]], False),
        ([[0, 0, 10, 20], [12, 0, 22, 20]], False),
        ([[0, 0, 10, 20], [0, 24, 10, 44]], True),
        ([[0, 0, 10, 20], [14, 12, 24, 32]], False),
        ([[0, 0, 10, 20], [4, 24, 14, 44], [8, 48, 18, 68]], True),
    ],
)
def test_is_stacked(boxes, stacked):
    assert is_stacked(np.array(boxes)) is stacked


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((10, 20, 40, 50), (30, 30, 3)),
        ((-10, -10, 20, 20), (20, 20, 3)),
        ((190, 110, 300, 300), (10, 10, 3)),
        ((500, 500, 600, 600), (1, 1, 3)),
        ((30.2, 30.2, 30.4, 30.4), (1, 1, 3)),
    ],
)
def test_regions_are_clipped_and_never_empty(box, shape):
    assert cut_region(numbered(), box).shape == shape


def test_a_line_is_cut_with_margins_of_its_height():
    boxes = np.array([[50, 40, 60, 60], [65, 40, 75, 60]])
    crop = cut_number(numbered(), boxes, (0.5, 0.25, 0.1, 0))
    assert crop.shape == (25, 37, 3)
    assert crop[0, 0].tolist() == [40, 35, 0]


@pytest.mark.parametrize(
    ("boxes", "beside"),
    [
        ([[80, 40, 90, 60], [95, 40, 105, 60]], [68, 117]),  # one more digit of this line, before and after
        ([[90, 20, 100, 40], [90, 45, 100, 65]], [13, 72]),  # of this stack, above and below
    ],
)
def test_with_room_the_next_digits_would_be_seen(boxes, beside):
    channel = 1 if is_stacked(np.array(boxes)) else 0
    for cut, seen in ((cut_number, False), (cut_with_room, True)):
        values = cut(numbered(), np.array(boxes))[..., channel]
        assert [values.min() <= beside[0], values.max() >= beside[1]] == [seen, seen]


def test_a_stack_is_laid_side_by_side_top_digit_first():
    image = np.zeros((150, 100, 3), np.uint8)
    boxes = np.array([[40, y, 60, y + 36] for y in (10, 55, 100)])
    for value, (x1, y1, x2, y2) in zip((80, 160, 240), boxes, strict=True):
        image[y1:y2, x1:x2] = value
    crop = cut_number(image, boxes)
    assert crop.shape[0] == HEIGHT and crop.shape[1] > crop.shape[0]
    seen = crop[HEIGHT // 2, :, 0].astype(int)
    thirds = [seen[k * len(seen) // 3 : (k + 1) * len(seen) // 3].max() for k in range(3)]
    assert thirds == [80, 160, 240]


def slanted():
    """Squares that rise by 30 degrees, and their boxes."""
    image = np.zeros((200, 200, 3), np.uint8)
    boxes = []
    for i in range(4):
        x, y = 40 + i * 30, 140 - round(i * 30 * np.tan(np.deg2rad(30)))
        image[y - 8 : y + 8, x - 8 : x + 8] = 255
        boxes.append([x - 8, y - 8, x + 8, y + 8])
    return image, np.array(boxes)


@pytest.mark.parametrize(
    ("image", "boxes"),
    [
        slanted(),
        (numbered(), np.array([[80, 40, 90, 60], [95, 40, 105, 60]])),
        (numbered(), np.array([[90, 20, 100, 40], [90, 45, 100, 65]])),
        (numbered(), np.array([[90, 20, 100, 40]])),
    ],
    ids=["slanted", "level", "stacked", "one digit"],
)
def test_both_cuts_are_those_that_are_cut_one_by_one(image, boxes):
    for one, other in zip(cut_both(image, boxes), (cut_number(image, boxes), cut_with_room(image, boxes)), strict=True):
        assert np.array_equal(one, other)


def test_a_slanted_line_is_turned_level():
    image, boxes = slanted()
    crop = cut_number(image, boxes, (0.2, 0.2, 0.2, 0.2))
    assert crop.shape[1] > 3 * crop.shape[0]
    lit = np.argwhere(crop[..., 0] > 128)
    left, right = lit[lit[:, 1] < crop.shape[1] / 3], lit[lit[:, 1] > crop.shape[1] * 2 / 3]
    assert abs(left[:, 0].mean() - right[:, 0].mean()) < 2


@pytest.mark.parametrize("shape", [(1, 1), (300, 7), (7, 300), (48, 96), (20, 30), (2000, 3000), (24, 11)])
def test_letterbox_fits_any_size(shape):
    crop = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    framed = letterbox(crop)
    assert framed.shape == (HEIGHT, WIDTH, 3) and framed.dtype == np.uint8
    assert abs(framed.mean() - crop.mean()) < 25


def test_letterbox_keeps_the_aspect_ratio():
    framed = letterbox(np.pad(np.full((40, 18, 3), 255, np.uint8), ((0, 0), (12, 12), (0, 0))))
    lit = np.flatnonzero((framed[24] > 200).all(1))
    assert len(lit) == pytest.approx(18 * 48 / 40, abs=2)
    assert lit.mean() == pytest.approx(WIDTH / 2, abs=1)
