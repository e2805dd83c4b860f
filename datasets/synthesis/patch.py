"""A transparent picture of a sign, and the functions that paint it.

Everything is premultiplied: `colour + background * (1 - alpha)` puts it on a wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass
class Patch:
    """colour: float32 (h, w, 3), premultiplied, 0 to 255; alpha: float32 (h, w), 0 to 1.

    outlines: the convex hull of each character, float32 (K, 2); text: these characters, in capitals; vertical: stacked.
    """

    colour: np.ndarray
    alpha: np.ndarray
    outlines: list[np.ndarray]
    text: str
    vertical: bool


def turned(patch: Patch, quarters: int, mirrored: bool) -> Patch:
    """A patch, mirrored if asked for, then turned left by `quarters` times 90 degrees."""
    colour, alpha, outlines = patch.colour, patch.alpha, patch.outlines
    if mirrored:
        colour, alpha = colour[:, ::-1], alpha[:, ::-1]
        outlines = [outline * [-1, 1] + [alpha.shape[1], 0] for outline in outlines]
    for _ in range(quarters):
        width = alpha.shape[1]
        colour, alpha = np.rot90(colour), np.rot90(alpha)
        outlines = [np.stack([outline[:, 1], width - outline[:, 0]], 1) for outline in outlines]
    colour, alpha = np.ascontiguousarray(colour), np.ascontiguousarray(alpha)
    return Patch(colour, alpha, [outline.astype(np.float32) for outline in outlines], patch.text, patch.vertical)


class Canvas:
    """Layers painted over one another.

    planes: float32 (3, h, w), premultiplied: plane by plane, numpy is several times as fast as interleaved.
    alpha: float32 (h, w).
    """

    def __init__(self, height: int, width: int):
        self.planes = np.zeros((3, height, width), np.float32)
        self.alpha = np.zeros((height, width), np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        return self.alpha.shape

    @property
    def colour(self) -> np.ndarray:
        """Float32 (h, w, 3)."""
        return cv2.merge(tuple(self.planes))

    def over(self, mask: np.ndarray, colour: np.ndarray, light: np.ndarray | float = 0.0) -> None:
        """Lay `colour` (3,) over what is there, where `mask` (h, w), 0 to 1, is set.

        light: grey levels by which the colour is brighter, float32 (h, w) or a number.
        """
        keep = 1 - mask
        for plane, value in zip(self.planes, colour, strict=True):
            plane *= keep
            plane += mask * np.clip(value + light, 0, 255)
        self.alpha *= keep
        self.alpha += mask

    def shade(self, mask: np.ndarray, gain: np.ndarray | float) -> None:
        """Brighten or darken what is there by `gain` grey levels where `mask` is set."""
        self.planes += mask * gain
        np.clip(self.planes, 0, 255 * self.alpha, out=self.planes)


def random_colour(rng: np.random.Generator, luma: float, gaudy: float = 0.15) -> np.ndarray:
    """RGB float32 (3,) of about the given brightness: mostly grey, else muted, or gaudy with that probability."""
    kind = rng.random()
    tint = rng.normal(0, 1, 3) * (55 if kind < gaudy else 22 if kind < gaudy + 0.25 else 4)
    tint -= tint @ np.array([0.299, 0.587, 0.114])
    return np.clip(luma + tint, 0, 255).astype(np.float32)


def ink_against(rng: np.random.Generator, under: float) -> float:
    """A brightness that contrasts with `under`, now and then weakly."""
    low, high = (20, 45) if rng.random() < 0.1 else (45, 230)
    room = {-1: under, 1: 255 - under}
    sign = 1 if rng.random() < (room[1] + 40) / 335 else -1
    if room[sign] < low:
        sign = -sign
    return float(under + sign * min(rng.uniform(low, high), room[sign]))


def shift(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]))


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.3 else image


def cloud(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> np.ndarray:
    """Smooth random light, float32 (h, w) around 0."""
    coarse = rng.standard_normal((int(rng.integers(2, 6)), int(rng.integers(2, 6))), np.float32) * np.float32(strength)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def grain(rng: np.random.Generator, shape: tuple[int, int], strength: float, size: int) -> np.ndarray:
    """Specks of about `size` pixels, float32 (h, w) around 0."""
    rough = rng.standard_normal((max(2, shape[0] // size), max(2, shape[1] // size)), np.float32)
    return cv2.resize(rough * np.float32(strength), shape[::-1])
