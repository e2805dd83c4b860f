"""Where outlines and labels lie, pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from digits.core.drawing import BLACK, BLUE, WHITE, Label, grown, outline, type_size, with_labels

WALL = (100, 100, 100)
ROOM = (400, 300)


@pytest.fixture
def picture() -> Image.Image:
    return Image.new("RGB", ROOM, WALL)


def changed(picture: Image.Image, colour=WALL) -> tuple[int, int, int, int]:
    """The box, both ends in it, of what is not of this colour."""
    y, x = (np.asarray(picture) != colour).any(2).nonzero()
    return int(x.min()), int(y.min()), int(x.max()), int(y.max())


def distance(box) -> np.ndarray:
    """How many pixels each one of the picture is from the box, int (H, W), the larger of both directions."""
    y, x = np.mgrid[: ROOM[1], : ROOM[0]]
    return np.max([box[0] - x, x - box[2], box[1] - y, y - box[3], 0 * x], 0)


@pytest.mark.parametrize(("size", "expected"), [((10, 10), 12), ((420, 420), 12), ((700, 700), 20), ((1400, 350), 20)])
def test_type_is_the_same_share_of_every_picture_but_never_tiny(size, expected):
    assert type_size(size) == type_size(size[::-1]) == expected


def test_grown():
    assert grown((10, 20, 30, 50), 2) == (8, 18, 32, 52)


@pytest.mark.parametrize("box", [(100, 80, 260, 150), (100, 80, 110, 81), (40, 40, 40, 200)])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_an_outline_lies_around_its_box_and_a_white_one_around_that(picture, box, width):
    outline(picture, box, width, BLUE)
    away = distance(box)[..., None]
    expected = np.where(away == 0, WALL, np.where(away <= width, BLUE, np.where(away <= 2 * width, WHITE, WALL)))
    assert np.array_equal(np.asarray(picture), expected)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_of_a_dashed_outline_every_other_dash_is_left_out(picture, width):
    box = (100, 80, 260, 150)
    outline(picture, box, width, BLUE, dashed=True)
    away = distance(box)
    y, x = np.mgrid[: ROOM[1], : ROOM[0]]
    across, down = ((place - start + width) // (4 * width) % 2 == 0 for place, start in ((x, 100), (y, 80)))
    above_or_below, beside = (y < box[1]) | (y > box[3]), (x < box[0]) | (x > box[2])
    line = (away > 0) & (away <= width) & ((above_or_below & across) | (beside & down))
    white = (away > 0) & (away <= 2 * width) & ~line
    expected = np.where(line[..., None], BLUE, np.where(white[..., None], WHITE, WALL))
    assert np.array_equal(np.asarray(picture), expected)


@pytest.mark.parametrize("dashed", [False, True])
@pytest.mark.parametrize("box", [(0, 0, 399, 299), (-50, -50, 60, 60), (350, 250, 900, 900), (-9, -9, 999, 999)])
def test_outlines_at_the_edge_stay_inside_on_every_side(picture, box, dashed):
    outline(picture, box, 3, BLUE, dashed)
    x1, y1, x2, y2 = max(0, box[0] - 6), max(0, box[1] - 6), min(399, box[2] + 6), min(299, box[3] + 6)
    assert changed(picture) == (x1, y1, x2, y2)
    pixels = np.asarray(picture)
    middle = pixels[y1 + 6 : y2 - 5, x1 + 6 : x2 - 5]
    assert middle.size and (middle == WALL).all()
    blue = (pixels == BLUE).all(2)
    for side in (blue[y1 + 3 : y1 + 6], blue[y2 - 5 : y2 - 2], blue[:, x1 + 3 : x1 + 6], blue[:, x2 - 5 : x2 - 2]):
        assert np.count_nonzero(side) > 0.4 * side.size * (0.1 if max(side.shape) in ROOM and x2 - x1 < 200 else 1)


@pytest.mark.parametrize(
    ("box", "seen"),
    [
        ((400, 20, 420, 60), False),
        ((399, 20, 420, 60), True),
        ((20, 300, 60, 320), False),
        ((20, 299, 60, 320), True),
        ((-30, 20, -1, 60), False),
        ((-30, 20, 0, 60), True),
        ((20, -30, 60, -1), False),
        ((20, -30, 60, 0), True),
    ],
)
@pytest.mark.parametrize("dashed", [False, True])
def test_nothing_is_drawn_of_a_box_beyond_the_picture(picture, box, seen, dashed):
    outline(picture, box, 2, BLUE, dashed)
    assert (np.asarray(picture) != WALL).any() == seen
    assert (np.asarray(picture) == BLUE).all(2).any() == seen


@pytest.mark.parametrize("size", [12, 20, 45])
@pytest.mark.parametrize("text", ["1428 0.97", "7? 0.10", "888"])
def test_a_label_fills_its_box_and_its_text_stands_in_the_middle(picture, text, size):
    label = Label(text, size, BLUE, WHITE)
    label.draw(picture, 30, 40)
    x1, y1, x2, y2 = label.covers(30, 40)
    assert changed(picture) == (x1, y1, x2, y2) == (30, 40, 29 + label.size[0], 39 + label.size[1])
    ground = picture.crop((x1, y1, x2 + 1, y2 + 1))
    left, top, right, bottom = changed(ground, BLUE)
    pad = max(2, size // 6)
    assert (top, label.size[1] - 1 - bottom) == pytest.approx((pad, pad), abs=1)
    for beside in (left, label.size[0] - 1 - right):
        assert pad - 1 <= beside <= pad + 1 + size / 8  # types have room of their own at the sides
    assert np.asarray(ground)[..., 0].max() > 200


BOX = (150, 120, 280, 180)


def test_the_places_by_a_box_in_their_order():
    """Above, below, right, left, at either end; then farther off; then none is left."""
    label = Label("7", 12, BLUE, WHITE)
    wide, high = label.size
    x1, y1, x2, y2 = 150, 120, 281, 181
    taken, places = [BOX], []
    while (place := label.place(BOX, taken, ROOM)) is not None:
        places.append(place)
        taken.append(label.covers(*place))
    near = [(x1, y1 - high), (x2 - wide, y1 - high), (x1, y2), (x2 - wide, y2)]
    near += [(x2, y1), (x2, y2 - high), (x1 - wide, y1), (x1 - wide, y2 - high)]
    assert places[:8] == near
    farther = [(x, y) for off in (high, 2 * high) for y in (y1 - high - off, y2 + off) for x in (x1, x2 - wide)]
    sides = [(x, y) for off in (high, 2 * high) for x in (x2 + off, x1 - wide - off) for y in (y1, y2 - high)]
    assert [place for place in places[8:] if place not in sides] == farther
    assert set(places[8:]) - set(farther) <= set(sides)


def test_boxes_between_pixels_reach_to_whole_ones():
    label = Label("7", 12, BLUE, WHITE)
    for taken in ([], [(0, 0, 399, 119)], [(0, 0, 399, 119), (0, 181, 399, 299)]):
        whole, between = (label.place(box, [*taken, BOX], ROOM) for box in (BOX, (150.6, 120.6, 279.4, 179.4)))
        assert whole == between is not None


@pytest.mark.parametrize("side", ["right", "left", "above", "below"])
def test_a_label_stands_a_little_farther_off_where_there_is_no_room_beside_the_box(side):
    """Each time all else is taken."""
    label = Label("7", 12, BLUE, WHITE)
    wide, high = label.size
    taken, place = {
        "right": ((0, 0, 280 + high, 299), (281 + high, 120)),
        "left": ((150 - high, 0, 399, 299), (150 - wide - high, 120)),
        "above": ((0, 120 - high, 399, 299), (150, 120 - 2 * high)),
        "below": ((0, 0, 399, 180 + high), (150, 181 + high)),
    }[side]
    assert label.place(BOX, [taken], ROOM) == place


@pytest.mark.parametrize("seed", range(8))
def test_labels_lie_in_the_picture_by_their_boxes_and_cover_nothing_that_is_taken(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-20, (380, 280), (60, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 60, (60, 2))], 1)
    taken, placed = [*boxes[:8]], 0
    for box in boxes:
        label = Label("35 0.97", 12, BLUE, WHITE)
        if (place := label.place(box, [*taken, box], ROOM)) is None:
            continue
        x1, y1, x2, y2 = label.covers(*place)
        assert 0 <= x1 < x2 < ROOM[0] and 0 <= y1 < y2 < ROOM[1]
        for other in [*taken, box]:
            assert x2 < other[0] or x1 > other[2] or y2 < other[1] or y1 > other[3]
        # not far off, even where the box reaches beyond the picture
        assert max(box[0] - x2, x1 - box[2], box[1] - y2, y1 - box[3]) <= 3 * label.size[1] + 22
        taken.append((x1, y1, x2, y2))
        placed += 1
    assert placed >= 5


@pytest.mark.parametrize(("short", "fits"), [((0, 0), True), ((1, 0), False), ((0, 1), False)])
def test_a_label_needs_a_picture_of_its_size(short, fits):
    label = Label("1428 0.97", 12, BLUE, WHITE)
    room = label.size[0] - short[0], label.size[1] - short[1]
    assert label.place((500, 500, 510, 510), [], room) == ((0, 0) if fits else None)


def test_labels_without_a_place_stand_in_a_strip_one_below_the_other():
    picture = Image.new("RGB", (50, 40), WALL)
    labels = [Label(text, 12, BLUE, WHITE) for text in ("14", "1428 0.97", "7")]
    assert labels[1].size[0] > 50
    whole = (0, 0, 49, 39)
    assert with_labels(picture, [(label, whole) for label in labels], (), strip=False) is picture
    assert (np.asarray(picture) == WALL).all()
    longer = with_labels(picture, [(label, whole) for label in labels], (), strip=True)
    assert longer.size == (labels[1].size[0], 40 + sum(label.size[1] for label in labels))
    expected = Image.new("RGB", longer.size, WHITE)
    expected.paste(picture, (0, 0))
    y = 40
    for label in labels:
        label.draw(expected, 0, y)
        y += label.size[1]
    assert longer.tobytes() == expected.tobytes()


def test_labels_keep_off_what_is_taken_and_each_other_and_the_boxes_of_those_to_come(picture):
    label = Label("35", 12, BLUE, BLACK)
    high = label.size[1]
    boxes = [(100, 100, 140, 120), (100, 100 - high, 140, 98), (100, 121, 140, 160)]
    taken = [(141, 0, 399, 299)]
    assert with_labels(picture, [(label, box) for box in boxes], taken, strip=True) is picture
    blue = (np.asarray(picture) == BLUE).all(2)
    for x1, y1, x2, y2 in (*boxes, *taken):
        assert not blue[y1 : y2 + 1, x1 : x2 + 1].any()
    alone = Image.new("RGB", ROOM, WALL)
    label.draw(alone, 0, 0)
    assert blue.sum() == 3 * (np.asarray(alone) == BLUE).all(2).sum()
