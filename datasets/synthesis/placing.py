"""Puts signs into a photograph: the place, the perspective and the light."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from digits.datasets.synthesis.patch import Patch

_STEP = 8  # pixels of the photograph per pixel of its maps


class Backdrop:
    """A photograph without digits, with maps of where a sign would be out of place.

    pixels: RGB uint8 (H, W, 3).
    """

    def __init__(self, pixels: np.ndarray):
        self.pixels = pixels

    @cached_property
    def _small(self) -> np.ndarray:
        h, w = self.pixels.shape[:2]
        return cv2.resize(self.pixels, (max(1, w // _STEP), max(1, h // _STEP)), interpolation=cv2.INTER_AREA)

    @cached_property
    def sky(self) -> np.ndarray:
        """Bool (h, w), an eighth of the photograph's size: what looks like sky.

        Sky is smooth, reaches the upper edge, and is blue, or bright and grey. If nearly all of a
        picture is, it is taken for a wall.
        """
        small = self._small
        red, green, blue = (small[..., i].astype(np.int16) for i in range(3))
        bright = (red + green + blue) / 3
        spread = small.max(2).astype(np.int16) - small.min(2)
        colour = ((blue > red + 12) & (blue >= green) & (bright > 80)) | ((bright > 175) & (spread < 36))
        smooth = self.roughness < 14
        _, parts = cv2.connectedComponents((colour & smooth).astype(np.uint8), connectivity=4)
        # a frame around the picture, or a roof, at the very edge must not cut the sky off
        upper = np.unique(parts[: max(3, len(parts) // 12)])
        found = np.isin(parts, upper[upper > 0])
        return found if 0.02 < found.mean() < 0.85 else np.zeros_like(found)

    @cached_property
    def roughness(self) -> np.ndarray:
        """Float32 (h, w): local change of brightness, in grey levels per pixel of the map."""
        grey = self._small.mean(2).astype(np.float32)
        dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25)
        return cv2.blur(np.hypot(dx, dy), (3, 3))

    def window(self, rng: np.random.Generator, height: int, width: int, zoom: tuple[float, float]) -> Window:
        """A random window; `zoom` is output over input pixels."""
        full_height, full_width = self.pixels.shape[:2]
        scale = float(np.exp(rng.uniform(np.log(zoom[0]), np.log(zoom[1]))))
        scale = max(scale, height / full_height, width / full_width)
        h, w = (max(1, min(full, round(side / scale))) for full, side in ((full_height, height), (full_width, width)))
        y, x = int(rng.integers(full_height - h + 1)), int(rng.integers(full_width - w + 1))
        return Window(self, (x, y, x + w, y + h), (width, height), scale)


class Window:
    """A part of a Backdrop, scaled to a frame (width, height), with sky and roughness of boxes in it."""

    def __init__(self, backdrop: Backdrop, part: tuple[int, int, int, int], frame: tuple[int, int], scale: float):
        self._backdrop, self._cut, self._scale = backdrop, part, scale
        self.frame = frame

    def pixels(self) -> np.ndarray:
        """RGB uint8 (height, width, 3), to be drawn on."""
        x1, y1, x2, y2 = self._cut
        interpolation = cv2.INTER_AREA if self._scale < 1 else cv2.INTER_LINEAR
        return cv2.resize(self._backdrop.pixels[y1:y2, x1:x2], self.frame, interpolation=interpolation)

    def _part(self, plane: np.ndarray, box) -> np.ndarray:
        offsets = self._cut[:2] * 2
        x1, y1, x2, y2 = ((v / self._scale + offset) / _STEP for v, offset in zip(box, offsets, strict=True))
        height, width = plane.shape
        left, top = min(max(0, int(x1)), width - 1), min(max(0, int(y1)), height - 1)
        return plane[top : max(top + 1, min(height, int(y2) + 1)), left : max(left + 1, min(width, int(x2) + 1))]

    def sky_share(self, box) -> float:
        """Share of a box (xyxy, pixels of the window) that is sky."""
        return float(self._part(self._backdrop.sky, box).mean())

    def roughness(self, box) -> float:
        return float(self._part(self._backdrop.roughness, box).mean())


def find_spot(rng: np.random.Generator, size, window: Window, taken) -> tuple[int, int] | None:
    """Top left corner for a sign of `size` (w, h) in a window; None if there is no room.

    The sign covers nothing of `taken` (boxes) and no sky. Of a few places the smoothest is chosen: doors and walls, not
    branches and traffic. Now and then the frame cuts the sign.
    """
    w, h = size
    width, height = window.frame
    slack = 0.25 if rng.random() < 0.15 else 0.0
    wanted = 1 if rng.random() < 0.3 else 3
    found: list[tuple[float, int, int]] = []
    for _ in range(12):
        x = int(rng.integers(-int(w * slack), max(1, width - int(w * (1 - slack)) + 1)))
        y = int(rng.integers(-int(h * slack), max(1, height - int(h * (1 - slack)) + 1)))
        if any(x < c and a < x + w and y < d and b < y + h for a, b, c, d in taken):
            continue
        free = 0.25 * min(w, h)  # the patch has a margin around the sign
        core = (x + free, y + free, x + w - free, y + h - free)
        if window.sky_share(core) < 0.1:
            found.append((window.roughness(core), x, y))
        if len(found) == wanted:
            break
    return min(found)[1:] if found else None


def warp(rng: np.random.Generator, patch: Patch, strength: float, slope: float) -> Patch:
    """Turn, foreshorten and tilt a patch as a camera beside the door would see it.

    strength: how far the corners move, as a share of the shorter side. slope: rise over run of the camera's roll.
    """
    h, w = patch.alpha.shape
    angle = np.arctan(slope) if rng.random() < 0.95 else np.deg2rad(rng.uniform(-22, 22))
    stretch = np.array([rng.uniform(0.75, 1.1), 1.0]) if rng.random() < 0.3 else np.ones(2)
    shear = rng.normal(0, 0.07)
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = (corners - (w / 2, h / 2)) * stretch @ np.array([[1, 0], [shear, 1]]) @ rotate.T
    target += rng.uniform(-1, 1, (4, 2)) * strength * min(h, w) * 0.5
    target -= target.min(0)
    size = tuple(int(v) + 1 for v in target.max(0))
    matrix = cv2.getPerspectiveTransform(corners, target.astype(np.float32))
    colour = cv2.warpPerspective(patch.colour, matrix, size)
    alpha = cv2.warpPerspective(patch.alpha, matrix, size)
    outlines = [cv2.perspectiveTransform(o[None].astype(np.float32), matrix)[0] for o in patch.outlines]
    return Patch(colour, alpha, outlines, patch.text, patch.vertical)


def paste(rng: np.random.Generator, image: np.ndarray, patch: Patch, x: int, y: int) -> None:
    """Blend a patch into `image` (in place) with its top left corner at (x, y), often in the light of that place."""
    h, w = patch.alpha.shape
    x0, y0, x1, y1 = max(0, x), max(0, y), min(image.shape[1], x + w), min(image.shape[0], y + h)
    if x0 >= x1 or y0 >= y1:
        return
    under = image[y0:y1, x0:x1].astype(np.float32)
    colour = patch.colour[y0 - y : y1 - y, x0 - x : x1 - x]
    alpha = patch.alpha[y0 - y : y1 - y, x0 - x : x1 - x, None]
    if rng.random() < 0.5:
        light = cv2.resize(under.mean(2), (3, 3), interpolation=cv2.INTER_AREA) + 40
        light = cv2.resize(np.clip(light / light.mean(), 0.6, 1.4), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        colour = colour * light[..., None]
    image[y0:y1, x0:x1] = np.clip(colour + under * (1 - alpha), 0, 255).astype(np.uint8)
