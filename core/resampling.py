"""Pictures at other sizes and angles, by Pillow: the plain install has no OpenCV."""

from __future__ import annotations

import numpy as np
from PIL import Image

_STRIP = 512  # rows of a large picture that Pillow is given at a time: it takes four bytes a pixel of its own


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image, RGB uint8 (H, W, 3), at another size (width, height), as uint8 (height, width, 3).

    Made smaller, every pixel is a mean of those it stands for (a Hamming window, close to an area's mean); made larger,
    it lies linearly between its neighbours. The image itself is returned if it has that size.
    """
    wide, high = image.shape[1::-1]
    if (wide, high) == size:
        return image
    factor = max(1, int(min(wide / size[0], high / size[1])) // 2)  # at least twofold remains for the window
    if factor > 1:
        image = _reduced(image, factor)
    window = Image.Resampling.HAMMING if size[0] < wide or size[1] < high else Image.Resampling.BILINEAR
    covered = (0, 0, wide / factor, high / factor)  # a last block may be only partly of the image
    return np.array(Image.fromarray(image).resize(size, window, box=covered))  # a copy, which can be written to


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


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of factor × factor pixels."""
    rows = _STRIP // factor * factor or factor
    strips = (image[y : y + rows] for y in range(0, len(image), rows))
    return np.concatenate([np.asarray(Image.fromarray(strip).reduce(factor)) for strip in strips])
