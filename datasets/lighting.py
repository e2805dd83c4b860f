"""Outdoor light: hard shadows, low sun, night, and reflections in glass. RGB uint8 (H, W, 3) in and out."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np


@cache
def _strip() -> np.ndarray:
    """A long strip of noise, float32: drawing new noise for each picture would cost more than the rest of it."""
    return np.random.default_rng(0).standard_normal(2**21, np.float32)


def _ramp(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Float32 (h, w) that rises from 0 to 1 across the picture in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.linspace(-1, 1, shape[0], dtype=np.float32), np.linspace(-1, 1, shape[1], dtype=np.float32)
    plane = np.float32(np.cos(angle)) * x[None] + np.float32(np.sin(angle)) * y[:, None]
    return (plane - plane.min()) / max(float(np.ptp(plane)), 1e-6)


def shadow_edge(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """A shadow with a straight edge, sharp or soft, as of a wall, or in stripes, as of railings and branches."""
    ramp = _ramp(rng, image.shape[:2])
    if rng.random() < 0.3:
        ramp = 0.5 + 0.5 * np.sin(ramp * rng.uniform(6, 30))
    softness = rng.uniform(0.01, 0.2)
    lit = np.clip((ramp - rng.uniform(0.2, 0.8)) / softness, 0, 1)
    gain = 1 - rng.uniform(0.3, 0.65) * (1 - lit)
    return (image * gain[..., None]).astype(np.uint8)


def low_sun(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Warm light from one side, with veiling glare."""
    ramp = _ramp(rng, image.shape[:2])[..., None]
    warm = np.array([1, rng.uniform(0.84, 0.97), rng.uniform(0.55, 0.88)], np.float32)
    veil = ramp**2 * rng.uniform(0, 100)
    lit = image * (warm * (0.75 + rng.uniform(0, 0.6) * ramp)) + veil * warm
    return np.clip(lit, 0, 255).astype(np.uint8)


def night(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Little light, with a lamp or a flash somewhere; the camera's noise comes with it."""
    h, w = image.shape[:2]
    x, y = np.arange(w, dtype=np.float32) / w - rng.random(), np.arange(h, dtype=np.float32) / h - rng.random()
    lamp = np.exp(-(x[None] ** 2 + y[:, None] ** 2) / rng.uniform(0.03, 0.5)) * rng.uniform(0.2, 1.2)
    tint = np.array([1, rng.uniform(0.75, 1), rng.uniform(0.45, 1)], np.float32)  # sodium to daylight
    ambient = np.array([0.9, 0.95, 1.05], np.float32) * np.float32(rng.uniform(0.22, 0.55))
    dark = np.clip(image * (ambient + lamp[..., None] * tint), 0, 255).astype(np.uint8)
    return sensor_noise(rng, dark, rng.uniform(0, 0.6))


def reflection(rng: np.random.Generator, image: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Another picture reflected over the image, as by a pane in front of it. `mirrored`: RGB uint8, any size."""
    other = cv2.resize(mirrored, image.shape[1::-1], interpolation=cv2.INTER_AREA)
    strength = rng.uniform(0.08, 0.35) * _ramp(rng, image.shape[:2])[..., None]
    return np.clip(image * (1 - 0.5 * strength) + other * strength, 0, 255).astype(np.uint8)


def sensor_noise(rng: np.random.Generator, image: np.ndarray, strength: float) -> np.ndarray:
    """Noise whose variance grows with the signal, above a floor (Foi et al. 2008). strength: 0.1 by day, 1 at dusk."""
    spread = np.sqrt((np.arange(256, dtype=np.float32) + 20) * np.float32(strength))
    strip = _strip()
    if 2 * image.size > len(strip):
        strip = np.resize(strip, 2 * image.size)
    start = int(rng.integers(len(strip) - image.size))
    noise = strip[start : start + image.size].reshape(image.shape)
    return np.clip(image + noise * spread[image], 0, 255).astype(np.uint8)
