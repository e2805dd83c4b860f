"""Checks of the images given to the two predictors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from digits.core.errors import ImageError


def check_picture(image: np.ndarray, name: str) -> np.ndarray:
    """The same image; ImageError, with its name, unless it is RGB uint8 (H, W, 3) and not empty."""
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{name}: RGB uint8 (H, W, 3) expected, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(f"{name}: RGB uint8 (H, W, 3) expected, got {image.dtype} {image.shape}")
    return image


def check_batch(images: Iterable[np.ndarray], name: str) -> list[np.ndarray]:
    """The same images as a list. Raises ImageError for an invalid one, with its index: "images[3]: …"."""
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise ImageError(f"{name}: a list of pictures expected, got one picture")
    try:
        each = iter(images)
    except TypeError:
        raise ImageError(f"{name}: a list of pictures expected, got {type(images).__name__}") from None
    return [check_picture(image, f"{name}[{i}]") for i, image in enumerate(each)]
