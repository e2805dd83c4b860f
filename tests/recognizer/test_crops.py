from itertools import pairwise

import numpy as np
import pytest

from digits.core.boxes import cut_region, is_stacked
from digits.recognizer.crops import (
    HEIGHT,
    WIDTH,
    cut_both,
    cut_number,
    cut_with_room,
    into_letterbox,
    letterbox,
    level,
    out_of_letterbox,
    position_in_image,
)


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


def test_a_huge_slanted_line_is_made_smaller_before_it_is_turned():
    image, boxes = slanted()
    huge = image.repeat(30, 0).repeat(30, 1)  # 36 megapixels
    crop = cut_number(huge, boxes * 30, (0.2, 0.2, 0.2, 0.2))
    assert crop.shape[0] * crop.shape[1] < 4_000_000 and crop.shape[1] > 3 * crop.shape[0]
    smaller = image.repeat(8, 0).repeat(8, 1)
    same = letterbox(cut_number(smaller, boxes * 8, (0.2, 0.2, 0.2, 0.2)))
    assert np.abs(letterbox(crop).astype(int) - same).mean() < 12


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


def one_by_one(cut, boxes, size=(240, 260)) -> np.ndarray:
    """Crops of one number, float (N, h, w), 0 to 1: in each only one of its digits is painted, white on black."""
    crops = []
    for x1, y1, x2, y2 in np.asarray(boxes, int):
        image = np.zeros((*size, 3), np.uint8)
        image[y1:y2, x1:x2] = 255
        crops.append(cut(image, boxes)[..., 0] / 255)
    return np.array(crops)


def middles(crops) -> np.ndarray:
    """Where the painted digit of each crop is, (N, 2), x and y."""
    y, x = np.mgrid[: crops.shape[1], : crops.shape[2]] + 0.5
    return np.array([[(crop * x).sum(), (crop * y).sum()] / crop.sum() for crop in crops])


def row(angle=0.0, start=(80, 120), count=4, step=18.0, width=10, height=16) -> np.ndarray:
    """Boxes of a row of digits that rises to the right by an angle in degrees."""
    corners = np.arange(count)[:, None] * (step * np.cos(np.deg2rad(angle)), -step * np.sin(np.deg2rad(angle)))
    corners = np.rint(corners + start)
    return np.concatenate([corners, np.add(corners, (width, height))], 1)


def stack(step=32, start=(90, 60), width=14, height=24) -> np.ndarray:
    corners = np.arange(3)[:, None] * (0, step) + np.array(start)
    return np.concatenate([corners, np.add(corners, (width, height))], 1).astype(float)


@pytest.mark.parametrize("margins", [(0.5, 0.25, 0.75, 1.0), (0, 0, 0, 0), (-0.25, -0.25, -0.25, -0.25)])
def test_every_side_has_its_margin(margins):
    crop = cut_number(numbered(), row(start=(60, 80)), margins)
    left, top, right, bottom = (16 * margin for margin in margins)
    assert crop[0, 0, :2].tolist() == [60 - left, 80 - top]
    assert crop[-1, -1, :2].tolist() == [123 + right, 95 + bottom]


@pytest.mark.parametrize("start", [(80, 120), (0, 120), (80, 0), (0, 0), (196, 224)])
@pytest.mark.parametrize("cut", [cut_number, cut_with_room])
def test_a_level_number_is_whole_even_at_the_edge_of_the_picture(cut, start):
    assert one_by_one(cut, row(start=start)).sum((1, 2)).tolist() == [160] * 4


@pytest.mark.parametrize("angle", [-35, -20, -10, 10, 20, 35])
@pytest.mark.parametrize("x", [80, 6, 192], ids=["middle", "left edge", "right edge"])
@pytest.mark.parametrize(("cut", "margin"), [(cut_number, 0.15), (cut_with_room, 0.9)])
def test_a_slanted_number_is_turned_level_and_is_whole(cut, margin, x, angle):
    boxes = row(angle, (x, 120))
    crops = one_by_one(cut, boxes)
    across, down = middles(crops).T
    assert np.abs(down - crops.shape[1] / 2).max() < 2
    assert np.diff(across) == pytest.approx(18, abs=1.5)
    assert crops.sum((1, 2)).min() > 0.8 * 160  # its corners stick out of a turned digit's box
    if x == 80 and (margin < 0.5 or abs(angle) <= 20):  # nothing of the margins is beyond what was turned
        assert crops.shape[2] == pytest.approx(3 * 18 + 10 + 2 * margin * 16, abs=3)
        assert across.mean() == pytest.approx(crops.shape[2] / 2, abs=1.5)


@pytest.mark.parametrize("angle", [-4, 4, -70, 70], ids=["falling a little", "rising a little", "down", "up"])
def test_what_is_nearly_level_or_no_row_is_cut_as_it_stands(angle):
    boxes = row(angle, (80, 120), step=12)
    assert not is_stacked(boxes)
    image = np.random.default_rng(0).integers(0, 256, (240, 260, 3), np.uint8)
    box = (*(boxes[:, :2].min(0) - 0.15 * 16), *(boxes[:, 2:].max(0) + 0.15 * 16))
    assert np.array_equal(cut_number(image, boxes), cut_region(image, box))


def test_letters_say_nothing_of_the_slope():
    """A small raised letter behind a level number."""
    boxes = np.concatenate([row(count=3), [[134, 95, 140, 103]]])
    image = np.zeros((240, 260, 3), np.uint8)
    same, there = level(image, boxes, np.array([True, True, True, False]))
    assert same is image and there is boxes
    assert level(image, boxes, np.ones(4, bool))[0] is not image


@pytest.mark.parametrize("angle", [-30, 30])
@pytest.mark.parametrize("start", [(80, 120), (6, 60), (192, 180)], ids=["middle", "left edge", "right edge"])
def test_boxes_go_where_their_digits_are_turned_to(angle, start):
    boxes = row(angle, start)
    boxes[0, 3] += 4
    _, there = level(np.zeros((240, 260, 3), np.uint8), boxes, np.ones(4, bool))
    assert there[:, 2:] - there[:, :2] == pytest.approx(boxes[:, 2:] - boxes[:, :2])
    turned = one_by_one(lambda image, boxes: level(image, boxes, np.ones(4, bool))[0], boxes)
    assert middles(turned) == pytest.approx((there[:, :2] + there[:, 2:]) / 2, abs=0.8)
    assert turned.sum((1, 2)) == pytest.approx([200, 160, 160, 160], rel=0.15)  # whole, in what was cut out


@pytest.mark.parametrize("step", [32, 25], ids=["apart", "close"])
@pytest.mark.parametrize("start", [(90, 60), (0, 0), (246, 140)], ids=["middle", "corner", "right edge"])
@pytest.mark.parametrize("cut", [cut_number, cut_with_room])
def test_of_a_stack_each_digit_has_a_tile_of_its_own(cut, start, step):
    crops = one_by_one(cut, stack(step, start))
    columns = [np.flatnonzero(crop.max(0) > 0.5) for crop in crops]
    high = [np.count_nonzero(crop[:, seen].max(1) > 0.5) for crop, seen in zip(crops, columns, strict=True)]
    assert crops.shape[1] == HEIGHT
    for left, right in pairwise(columns):
        assert left[-1] < right[0]
    assert [np.ptp(seen) + 1 for seen in columns] == [len(seen) for seen in columns]
    assert [len(seen) / tall for seen, tall in zip(columns, high, strict=True)] == pytest.approx(
        [14 / 24] * 3, rel=0.08
    )


def test_a_narrow_digit_of_a_stack_has_a_tile_as_wide_as_the_others_and_stands_in_its_middle():
    boxes = stack()
    boxes[1, [0, 2]] += 4, -4
    crops = one_by_one(cut_number, boxes)
    assert crops.shape == one_by_one(cut_number, stack()).shape
    assert middles(crops)[1] == pytest.approx(np.divide(crops.shape[:0:-1], 2), abs=0.6)


def test_a_wide_digit_of_a_stack_is_whole():
    boxes = stack()
    boxes[1, [0, 2]] += -6, 6
    narrow, wide = (one_by_one(cut_number, each).sum((1, 2)) for each in (stack(), boxes))
    assert wide / narrow == pytest.approx([1, 26 / 14, 1], rel=0.05)


@pytest.mark.parametrize(
    ("margins", "sides"),
    [
        ((0, 0, 0, 0), (0, 1, 0, 1)),
        ((0.5, 0, 0, 0), (7.2, 1, 0, 1)),
        ((0, 0.5, 0, 0), (0, 12, 0, 1)),
        ((0, 0, 0.5, 0), (0, 1, 7.2, 1)),
        ((0, 0, 0, 0.5), (0, 1, 0, 12)),
        ((-0.2, -0.2, -0.2, -0.2), (0, 1, 0, 1)),
    ],
)
def test_every_side_of_a_stacks_tiles_has_its_margin(margins, sides):
    """In pixels of the picture, for digits of 14 by 24 pixels, 24 apart; six tenths of it to the left and right."""
    left, top, right, bottom = sides
    crop = one_by_one(lambda image, boxes: cut_number(image, boxes, margins), stack(48))[1]
    scale = HEIGHT / (24 + top + bottom)
    lit = np.argwhere(crop > 0.5)
    assert crop.shape[1] / 3 == pytest.approx((14 + left + right) * scale, abs=scale + 0.5)
    first, last = lit.min(0), lit.max(0) + 1
    assert first[0] == pytest.approx(top * scale, abs=1.2)
    assert HEIGHT - last[0] == pytest.approx(bottom * scale, abs=1.2)
    assert first[1] - crop.shape[1] / 3 == pytest.approx(left * scale, abs=scale)
    assert crop.shape[1] * 2 / 3 - last[1] == pytest.approx(right * scale, abs=scale)


@pytest.mark.parametrize(
    ("shape", "wide"), [((48, 40), 40), ((24, 20), 40), ((48, 96), 96), ((48, 200), 96), ((90, 1), 1)]
)
def test_letterbox_is_centred_on_the_mean_colour(shape, wide):
    crop = np.empty((*shape, 3), np.uint8)
    crop[:], crop[: shape[0] // 2] = (200, 150, 100), (100, 150, 200)
    framed = letterbox(crop)
    left = (WIDTH - wide) // 2
    assert (framed[:, :left] == 150).all() and (framed[:, left + wide :] == 150).all()
    assert (framed[:20, left : left + wide] == (100, 150, 200)).all()
    assert (framed[-20:, left : left + wide] == (200, 150, 100)).all()


@pytest.mark.parametrize("shape", [(40, 20), (40, 80), (40, 300), (7, 3)])
@pytest.mark.parametrize("position", [0.0, 0.3, 0.5, 1.0])
def test_positions_in_a_letterbox(shape, position):
    """A line at that position is where it is said to be, and back."""
    crop = np.full((*shape, 3), 200, np.uint8)
    there = into_letterbox(position, crop)
    assert out_of_letterbox(there, crop) == pytest.approx(position)
    x = position * shape[1]
    crop[:, int(max(0, x - 0.02 * shape[1])) : int(np.ceil(x + 0.02 * shape[1]))] = 0
    seen = 200.0 - letterbox(crop)[HEIGHT // 2, :, 0]
    seen[seen < 30] = 0  # the frame is of the mean colour
    assert abs(seen @ (np.arange(WIDTH) + 0.5) / seen.sum() / WIDTH - there) < 1 / shape[1] + 0.02


@pytest.mark.parametrize("room", [False, True])
@pytest.mark.parametrize("left", [0, 3, 200])
def test_positions_in_an_image(room, left):
    """A red line of the image is found in either crop, also where the image's edge cuts it."""
    boxes = np.float32([[left, 20, left + 20, 60], [left + 40, 20, left + 60, 60]])
    image = np.full((90, 320, 3), 200, np.uint8)
    image[:, left + 30 : left + 32] = 255, 0, 0
    crop = cut_both(image, boxes)[room]
    at = np.flatnonzero(crop[0].astype(int) @ [1, -1, 0] > 100).mean() + 0.5
    assert position_in_image(boxes, at / crop.shape[1], 320, room) == pytest.approx(left + 31, abs=1)
