"""Resizes and turns images with numpy and Pillow: the plain install has no OpenCV."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from PIL import Image

_STRIP = 112  # rows read at a time: bounds memory, and keeps intermediate results in the cache
_ALONE = 2**19  # values of an image: smaller ones are finished before another thread would start


def resize(image: np.ndarray, size: tuple[int, int], threads: int = 1) -> np.ndarray:
    """Resize an image, RGB uint8 (H, W, 3), to `size`, (width, height): uint8 (height, width, 3).

    Reduction takes the mean over the area of each new pixel, enlargement interpolates linearly, each axis separately;
    equal to OpenCV's INTER_AREA and INTER_LINEAR up to one grey level. An image of that size is returned itself.
    threads: maximum number of threads for the reduction.
    """
    high, wide = image.shape[:2]
    smaller = min(wide, size[0]), min(high, size[1])
    if smaller != (wide, high):
        image = _means(image, *smaller, threads)
    if smaller != size:
        image = np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))  # a writable copy
    return image


def turn(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate an image, RGB uint8 (H, W, 3), anticlockwise about its centre; its edge pixels fill the corners."""
    high, wide = image.shape[:2]
    across, up = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    # the size of the rotated frame, and how far it reaches beyond the image
    frame = np.array([wide * abs(across) + high * abs(up), high * abs(across) + wide * abs(up)])
    beside, above = np.ceil((frame - (wide, high)).clip(0) / 2).astype(int) + 1
    framed = np.pad(image, ((above, above), (beside, beside), (0, 0)), mode="edge")
    x, y = wide / 2, high / 2  # the centre, which does not move
    back = (across, -up, x - x * across + y * up + beside, up, across, y - x * up - y * across + above)
    turned = Image.fromarray(framed).transform((wide, high), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
    return np.array(turned)


def _means(image: np.ndarray, width: int, height: int, threads: int) -> np.ndarray:
    """An image (H, W, 3) reduced to height × width by the means of equal areas, rounded to uint8."""
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
    """How `count` equal intervals cover `length` pixels.

    Returns the pixels of each interval, int64 (count, K), and their weights in its mean, float32 (count, K).
    """
    edges = np.arange(count + 1)[:, None] * (length / count)
    pixels = edges[:-1].astype(np.int64) + np.arange(int(np.ceil(length / count)) + 1)
    covered = np.minimum(pixels + 1, edges[1:]) - np.maximum(pixels, edges[:-1])
    return np.minimum(pixels, length - 1), (covered.clip(0) * count / length).astype(np.float32)


def _weighted(lines: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sums of K lines of (N, L, 3) each: float32 (M, L, 3), for indices `places` and weights, (M, K)."""
    chosen = lines[places].reshape(*places.shape, -1).astype(np.float32, copy=False)
    return np.einsum("mk,mkl->ml", weights, chosen).reshape(len(places), *lines.shape[1:])
