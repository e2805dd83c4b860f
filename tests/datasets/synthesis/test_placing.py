import cv2
import numpy as np
import pytest

from digits.datasets.synthesis.patch import Patch
from digits.datasets.synthesis.placing import Backdrop, find_spot, warp


def test_boxes_follow_the_warp():
    """A patch that is its digit's ink and nothing else, warped: the box is the ink's, to a pixel or two."""
    ink = np.zeros((80, 120), np.uint8)
    cv2.circle(ink, (50, 40), 20, 255, -1)
    hull = cv2.convexHull(cv2.findNonZero(ink)).reshape(-1, 2).astype(np.float32) + 0.5
    alpha = ink.astype(np.float32) / 255
    for seed in range(50):
        patch = Patch(np.repeat(alpha[..., None] * 255, 3, 2), alpha, [hull], "0", False)
        warped = warp(np.random.default_rng(seed), patch, 0.2, 0.1)
        rows, columns = np.nonzero(warped.alpha > 0.5)
        x1, y1 = warped.outlines[0].min(0)
        x2, y2 = warped.outlines[0].max(0)
        assert [x1, y1, x2, y2] == pytest.approx([columns.min(), rows.min(), columns.max(), rows.max()], abs=2.5)


def street(sky) -> np.ndarray:
    """Above a sky, below a wall of bricks."""
    rng = np.random.default_rng(0)
    picture = np.empty((400, 600, 3), np.uint8)
    picture[:200] = np.clip(np.float32(sky) + rng.normal(0, 2, (200, 600, 1)), 0, 255)
    bricks = np.indices((200, 600))
    joints = (bricks[0] % 40 < 4) | ((bricks[1] + bricks[0] // 40 * 25) % 60 < 4)
    picture[200:] = np.where(joints[..., None], (190, 185, 170), (150, 70, 50))
    return picture


@pytest.mark.parametrize("sky", [(90, 150, 230), (235, 238, 240), (150, 180, 215)])
def test_nothing_hangs_in_the_sky(sky):
    backdrop = Backdrop(street(sky))
    assert backdrop.sky[:22].mean() > 0.95 and backdrop.sky[27:].mean() < 0.05
    rng = np.random.default_rng(1)
    window = backdrop.window(rng, 400, 600, (1.0, 1.0))
    assert window.pixels().shape == (400, 600, 3)
    spots = [find_spot(rng, (80, 40), window, []) for _ in range(200)]
    assert sum(spot is not None for spot in spots) > 150
    assert all(y + 20 > 190 for _, y in filter(None, spots))


@pytest.mark.parametrize("colour", [(120, 90, 70), (90, 150, 230), (240, 240, 240)])
def test_a_plain_wall_is_no_sky(colour):
    """Even a blue one: a picture that is all wall must leave room for a sign."""
    wall = np.full((240, 320, 3), colour, np.uint8)
    assert not Backdrop(wall).sky.any()


def test_signs_do_not_cover_each_other():
    backdrop = Backdrop(np.full((200, 300, 3), 120, np.uint8))
    rng = np.random.default_rng(2)
    window = backdrop.window(rng, 200, 300, (1.0, 1.0))
    taken = []
    while (spot := find_spot(rng, (60, 40), window, taken)) is not None:
        x, y = spot
        assert all(x >= c or a >= x + 60 or y >= d or b >= y + 40 for a, b, c, d in taken)
        taken.append((x, y, x + 60, y + 40))
    assert len(taken) >= 4
    assert find_spot(rng, (60, 40), window, [(0, 0, 300, 200)]) is None


def test_smooth_places_are_preferred():
    half = np.full((200, 400, 3), 120, np.uint8)
    half[:, 200:] = np.random.default_rng(0).integers(0, 255, (25, 25, 1)).repeat(8, 0).repeat(8, 1)
    backdrop = Backdrop(half)
    rng = np.random.default_rng(3)
    window = backdrop.window(rng, 200, 400, (1.0, 1.0))
    xs = [find_spot(rng, (40, 30), window, [])[0] for _ in range(200)]
    assert np.mean(np.array(xs) < 180) > 0.65


def test_the_maps_follow_a_zoomed_window():
    backdrop = Backdrop(street((90, 150, 230)))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        window = backdrop.window(rng, 100, 150, (0.5, 1.5))
        blue = (window.pixels()[..., 2] > 200).mean()
        assert window.sky_share((0, 0, 150, 100)) == pytest.approx(blue, abs=0.12)
