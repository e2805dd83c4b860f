"""Drawn walls, for use without photographs to put numbers into: plaster, brick, boards."""

from __future__ import annotations

import numpy as np

from digits.datasets.synthesis.patch import cloud, grain, random_colour


def plaster(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Float32 (h, w, 3): one colour, unevenly lit, rough."""
    light = cloud(rng, (height, width), 12) + grain(rng, (height, width), rng.uniform(2, 10), int(rng.integers(1, 4)))
    return random_colour(rng, rng.uniform(40, 225), gaudy=0) + light[..., None]


def _mortar(rng, wall: np.ndarray, joints: np.ndarray) -> np.ndarray:
    return np.where(joints[..., None], random_colour(rng, rng.uniform(80, 200)), wall)


def brick(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    course_height = int(rng.integers(10, 36))
    long, joint = round(course_height * rng.uniform(2.5, 3.5)), max(1, course_height // 8)
    y, x = np.indices((height, width))
    course = y // course_height
    along = x + course % 2 * (long // 2)
    shade = rng.normal(0, 14, (course.max() + 1, along.max() // long + 1))[course, along // long]
    wall = plaster(rng, height, width) * 0.4 + np.array([140, 80, 60], np.float32) * 0.6 + shade[..., None]
    return _mortar(rng, wall, (y % course_height < joint) | (along % long < joint))


def boards(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Horizontal or vertical, with a shadow at every seam and a grain along them."""
    upright = rng.random() < 0.4
    h, w = (width, height) if upright else (height, width)
    wide = int(rng.integers(12, 60))
    place = np.arange(h) % wide
    fibre = np.repeat(rng.normal(0, rng.uniform(1, 9), (h, 1)), w, 1) + grain(rng, (h, w), 3, 2)
    seam = np.where(place < max(1, wide // 12), -55.0, 0.0) + np.linspace(10, -10, wide)[place]
    wall = random_colour(rng, rng.uniform(50, 220), gaudy=0) + (fibre + seam[:, None])[..., None]
    return wall.swapaxes(0, 1) if upright else wall


def draw_walls(rng: np.random.Generator, count: int, height: int = 480, width: int = 640) -> list[np.ndarray]:
    """`count` walls, RGB uint8 (height, width, 3)."""
    makers = (plaster, plaster, brick, boards)
    made = (makers[rng.integers(len(makers))](rng, height, width) for _ in range(count))
    return [np.clip(wall, 0, 255).astype(np.uint8) for wall in made]
