"""What holds of the tiles and zoom crops of any photograph."""

import numpy as np
import pytest

from digits.detector.tiles import Tile, find_tiles
from digits.detector.zoom import BEST_HEIGHT, ZoomCrop, find_zoom_crops, zoom_crop

SIZES = [(4000, 3000), (3001, 3999), (640, 641), (9000, 800), (777, 5000)]


@pytest.mark.parametrize("size", SIZES)
def test_all_tiles_are_looked_at_as_closely_as_the_largest_of_them(size):
    asked = []

    def scale_of(width, height):
        asked.append((width, height))
        return 720 / (width + 2 * height)

    tiles = find_tiles(*size, scale_of)
    sizes = [(x2 - x1, y2 - y1) for x1, y1, x2, y2 in (tile.window for tile in tiles)]
    assert sorted(asked) == sorted(sizes)
    assert {tile.scale for tile in tiles} == {min(720 / (width + 2 * height) for width, height in sizes)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("share", "covered"), [(1 / 200, True), (1 / 31, True), (1 / 29, False), (1 / 10, False)])
def test_a_tile_covers_digits_below_a_thirtieth_of_the_longer_side(size, share, covered):
    """Of those that it holds; how wide they are does not matter."""
    rng = np.random.default_rng(0)
    height = share * max(size)
    boxes = np.concatenate([lattice(rng.uniform(0, size, (50, 2)), width, height) for width in (height / 5, height)])
    for tile in find_tiles(*size, lambda width, height: 1.0):
        assert tile.covers(boxes).tolist() == (tile.holds(boxes) & covered).tolist()
        assert 0 < tile.holds(boxes).sum() < len(boxes)


def lattice(middles, width, height):
    """Boxes of this size around each middle, (N, 4)."""
    half = np.array([width, height]) / 2
    return np.concatenate([middles - half, middles + half], 1)


@pytest.mark.parametrize(
    "view", [ZoomCrop((0, 0, 16, 16), (2, 4, 14, 12), 4.0, 1.0), Tile((0, 0, 16, 16), (2, 4, 14, 12), 4.0, 1.0)]
)
def test_what_a_view_holds_is_the_same_from_either_side(view):
    """Of boxes on and beside the very edges; they are whole numbers and halves of them, which are exact."""
    middles = np.stack(np.meshgrid(np.arange(0, 16.5, 0.5), np.arange(0, 16.5, 0.5)), -1).reshape(-1, 2)
    boxes = lattice(middles, 2, 3)
    for mirrored in (
        16 - boxes[:, [2, 3, 0, 1]],
        np.stack([16 - boxes[:, 2], boxes[:, 1], 16 - boxes[:, 0], boxes[:, 3]], 1),
    ):
        assert view.holds(boxes).tolist() == view.holds(mirrored).tolist()
    assert 0 < view.holds(boxes).sum() < len(boxes)


def scattered(seed: int) -> tuple:
    """Small digits all over a picture of 800 by 600 pixels, at halves of pixels, no two of one score."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(-20, 1600, (30, 2)) / 2 * (1, 0.75)
    heights = rng.integers(12, 40, (30, 1))
    boxes = np.concatenate([corners, corners + heights * [[0.5, 1]]], 1).clip(0, [800, 600] * 2)
    return boxes, rng.permutation(np.linspace(0.05, 0.9, 30))


SEEDS = range(8)


def places(crops, back=lambda box: box) -> list:
    return sorted(tuple(back(np.array(crop.window, float)).tolist()) for crop in crops)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_every_zoom_crop_is(seed):
    boxes, scores = scattered(seed)
    crops = find_zoom_crops(boxes, scores, 800, 600, 0.5)
    assert 1 < len(crops) <= 8
    order = np.random.default_rng(seed).permutation(30)
    assert [c.window for c in find_zoom_crops(boxes[order], scores[order], 800, 600, 0.5)] == [c.window for c in crops]
    best = []
    for crop in crops:
        x1, y1, x2, y2 = crop.window
        assert 0 <= x1 < x2 <= 800
        assert 0 <= y1 < y2 <= 600
        assert crop.scale <= min(4, 640 / max(x2 - x1, y2 - y1))
        assert crop.scale * crop.height <= BEST_HEIGHT * 1.0001
        assert crop.scale >= 0.6  # it enlarges what was found at 0.5
        best.append(scores[crop.covers(boxes)].max())
    assert best[0] == scores[np.any([crop.covers(boxes) for crop in crops], 0)].max()
    fewer = find_zoom_crops(boxes, scores, 800, 600, 1.5)
    assert all(crop.scale >= 1.8 for crop in fewer)


CHANGES = {
    "mirrored": lambda b: np.stack([800 - b[..., 2], b[..., 1], 800 - b[..., 0], b[..., 3]], -1),
    "upside down": lambda b: np.stack([b[..., 0], 600 - b[..., 3], b[..., 2], 600 - b[..., 1]], -1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_mirrored_picture_has_mirrored_zoom_crops(seed, change):
    boxes, scores = scattered(seed)
    crops, others = (find_zoom_crops(each, scores, 800, 600, 0.5) for each in (boxes, change(boxes)))
    assert [tuple(change(np.array(other.window))) for other in others] == [crop.window for crop in crops]
    assert [other.scale for other in others] == pytest.approx([crop.scale for crop in crops])
    for crop, other in zip(crops, others, strict=True):
        assert other.holds(change(boxes)).tolist() == crop.holds(boxes).tolist()
        assert other.covers(change(boxes)).tolist() == crop.covers(boxes).tolist()


@pytest.mark.parametrize(
    ("window", "shown"),
    [
        ((10, 10, 30, 30), (10, 10, 30, 30)),
        ((-10, -10, 30, 30), (0, 0, 30, 30)),
        ((90, 40, 130, 90), (90, 40, 100, 50)),
        ((-1, -1, 101, 51), (0, 0, 100, 50)),
        ((99, 49, 120, 80), (99, 49, 100, 50)),
        ((10.9, 10.1, 10.95, 10.2), (10, 10, 11, 11)),  # every pixel that is touched
        ((100, 10, 120, 30), None),  # beside the photograph
        ((-20, 10, 0, 30), None),
        ((10, 50, 30, 70), None),
        ((10, -20, 30, 0), None),
        ((200, 10, 220, 30), None),
        ((10, 10, 10, 30), None),  # of no width, or no height
        ((10, 10, 30, 10), None),
    ],
)
def test_which_part_of_a_window_is_inside_the_photograph(window, shown):
    crop = zoom_crop(window, 20, 100, 50)
    assert (crop and crop.window) == shown


@pytest.mark.parametrize("away", [0, 1, 5])
def test_a_window_has_a_rim_where_it_ends_before_the_photograph_does(away):
    """A tenth of the height of a digit; the middle of a digit is not expected there."""
    crop = zoom_crop((away, away, 100 - away, 50 - away), 20, 100, 50)
    x1, y1, x2, y2 = crop.window
    ends = np.array([[x1 + 1, 25], [x2 - 1, 25], [50, y1 + 1], [50, y2 - 1]])
    assert crop.holds(lattice(ends, 10, 20)).tolist() == [not away] * 4
    assert crop.holds(lattice((ends - (50, 25)) * 0.8 + (50, 25), 10, 20)).all()


@pytest.mark.parametrize(
    ("window", "height", "scale"),
    [
        ((0, 0, 100, 50), 36, 1),
        ((0, 0, 100, 50), 18, 2),
        ((0, 0, 100, 50), 72, 0.5),
        ((0, 0, 100, 50), 5, 4),  # no more than four times
        ((0, 0, 320, 50), 9, 2),  # nor longer than 640 pixels, to either side
        ((0, 0, 50, 320), 9, 2),
        ((0, 0, 1280, 640), 36, 0.5),
        ((1000, 1000, 1100, 1050), 18, 2),
    ],
)
def test_by_how_much_a_window_is_enlarged(window, height, scale):
    assert zoom_crop(window, height, 2000, 2000).scale == pytest.approx(scale)
