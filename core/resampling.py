"""Pictures at other sizes and angles, by numpy and Pillow: the plain install has no OpenCV."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from PIL import Image

_STRIP = 112  # rows read at a time: memory is bounded, and what is between the passes stays in the cache
_ALONE = 2**19  # values of an image, of which fewer are done before another thread has started


def resize(image: np.ndarray, size: tuple[int, int], threads: int = 1) -> np.ndarray:
    """An image, RGB uint8 (H, W, 3), at another size (width, height), as uint8 (height, width, 3).

    Made smaller, every pixel is the mean of the area it stands for; made larger, it lies linearly between its
    neighbours; each direction by itself. These are OpenCV's INTER_AREA and INTER_LINEAR, to a grey level. The image
    itself is returned if it has that size. threads: that make it smaller, at most.
    """
    high, wide = image.shape[:2]
    smaller = min(wide, size[0]), min(high, size[1])
    if smaller != (wide, high):
        image = _means(image, *smaller, threads)
    if smaller != size:
        image = np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))  # a copy, to be written to
    return image


def turn(image: np.ndarray, degrees: float) -> np.ndarray:
    """An image, RGB uint8 (H, W, 3), turned about its middle, anticlockwise; where nothing was, its edge goes on."""
    high, wide = image.shape[:2]
    across, up = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    # what is seen of the plane, and by how much it reaches beyond the image
    seen = np.array([wide * abs(across) + high * abs(up), high * abs(across) + wide * abs(up)])
    beside, above = np.ceil((seen - (wide, high)).clip(0) / 2).astype(int) + 1
    framed = np.pad(image, ((above, above), (beside, beside), (0, 0)), mode="edge")
    x, y = wide / 2, high / 2  # the middle, which stays where it is
    back = (across, -up, x - x * across + y * up + beside, up, across, y - x * up - y * across + above)
    turned = Image.fromarray(framed).transform((wide, high), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
    return np.array(turned)


def _means(image: np.ndarray, width: int, height: int, threads: int) -> np.ndarray:
    """The means of height × width equal areas of an image (H, W, 3), fewer than it has pixels, rounded to uint8."""
    rows, of_rows = _shares(image.shape[0], height)
    columns, of_columns = _shares(image.shape[1], width)
    small = np.empty((height, width, image.shape[2]), np.uint8)
    step = max(1, _STRIP // rows.shape[1])

    def fill(top: int) -> None:
        strip = slice(top, top + step)
        narrowed = _weighted(image, rows[strip], of_rows[strip]).swapaxes(0, 1)
        means = _weighted(np.ascontiguousarray(narrowed), columns, of_columns)
        small[strip] = np.rint(means, out=means).swapaxes(0, 1)

    tops = range(0, height, step)
    if threads == 1 or image.size < _ALONE:
        for top in tops:
            fill(top)
    else:
        with ThreadPoolExecutor(threads, "digits-resize") as pool:
            for _ in pool.map(fill, tops):
                pass
    return small


@lru_cache(64)
def _shares(length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """How `count` equal stretches cover `length` pixels.

    Returns the pixels of every stretch, int64 (count, K), and the share that each has of it, float32 (count, K).
    """
    edges = np.arange(count + 1)[:, None] * (length / count)
    pixels = edges[:-1].astype(np.int64) + np.arange(int(np.ceil(length / count)) + 1)
    covered = np.minimum(pixels + 1, edges[1:]) - np.maximum(pixels, edges[:-1])
    return np.minimum(pixels, length - 1), (covered.clip(0) * count / length).astype(np.float32)


def _weighted(lines: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of K of the lines (N, L, 3), weighted: float32 (M, L, 3) for places and weights (M, K)."""
    chosen = lines[places].reshape(*places.shape, -1).astype(np.float32, copy=False)
    return np.einsum("mk,mkl->ml", weights, chosen).reshape(len(places), *lines.shape[1:])
