"""What digits are made of. Each material paints the ink of a lettering onto the canvas.

All have one signature: `(rng, canvas, ink, height, ground, light)`: `ink` float32 (h, w), `height` the height of a
digit in pixels, `ground` the brightness behind it, `light` the direction of shadows, a unit vector (2,).
"""

from __future__ import annotations

import cv2
import numpy as np

from digits.datasets.synthesis.patch import Canvas, blur, cloud, grain, ink_against, random_colour, shift


def _shadow(rng, canvas: Canvas, ink: np.ndarray, height: float, light: np.ndarray) -> None:
    dx, dy = light * height * rng.uniform(0.03, 0.16)
    cast = blur(shift(ink, dx, dy), height * rng.uniform(0.005, 0.05))
    canvas.over(cast * rng.uniform(0.25, 0.85), np.array([10, 10, 12], np.float32))


def _paint(rng, canvas: Canvas, ink: np.ndarray, luma: float) -> None:
    canvas.over(ink, random_colour(rng, luma), cloud(rng, ink.shape, rng.uniform(0, 22)))


def flat(rng, canvas: Canvas, ink: np.ndarray, height: float, ground: float, light: np.ndarray) -> None:
    """Paint, vinyl or print."""
    if rng.random() < 0.25:
        _shadow(rng, canvas, ink, height, light)
    _paint(rng, canvas, ink, ink_against(rng, ground))


def metal(rng, canvas: Canvas, ink: np.ndarray, height: float, ground: float, light: np.ndarray) -> None:
    """Raised digits with bevelled edges and a cast shadow; some of brass, some rusting."""
    if rng.random() < 0.75:
        _shadow(rng, canvas, ink, height, light)
    luma = ink_against(rng, ground)
    if rng.random() < 0.25:
        brass = np.array([1.25, 1.0, 0.55], np.float32) * luma
        canvas.over(ink, brass, cloud(rng, ink.shape, rng.uniform(0, 25)))
    else:
        _paint(rng, canvas, ink, luma)
    if rng.random() < 0.1:
        rust = np.clip(cloud(rng, ink.shape, 1.0) + grain(rng, ink.shape, 0.5, 3), 0, 1)
        canvas.over(ink * rust * rng.uniform(0.3, 0.9), np.array([115, 62, 28], np.float32))
    soft = blur(ink, height * rng.uniform(0.012, 0.04))
    dx, dy = light * height * 0.03
    canvas.shade(ink, (shift(soft, dx, dy) - shift(soft, -dx, -dy)) * rng.uniform(40, 150))


def outlined(rng, canvas: Canvas, ink: np.ndarray, height: float, ground: float, light: np.ndarray) -> None:
    luma = ink_against(rng, ground)
    size = max(2, round(height * rng.uniform(0.04, 0.1)))
    edge = cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size + 1, size + 1)))
    canvas.over(edge, random_colour(rng, ink_against(rng, luma)))
    _paint(rng, canvas, ink, luma)


def engraved(rng, canvas: Canvas, ink: np.ndarray, height: float, ground: float, light: np.ndarray) -> None:
    """Cut in: one wall of the groove in shade, the other lit, the floor painted or bare."""
    soft = blur(ink, height * 0.02)
    dx, dy = light * height * 0.025
    slope = shift(soft, dx, dy) - shift(soft, -dx, -dy)
    canvas.over(ink * rng.uniform(0.3, 0.9), random_colour(rng, ink_against(rng, ground)))
    depth = rng.uniform(30, 110)
    for side, luma in ((slope, ground + depth), (-slope, ground - depth)):
        canvas.over(np.clip(side, 0, 1) * 0.7, np.full(3, np.clip(luma, 0, 255), np.float32))


def worn(rng, canvas: Canvas, ink: np.ndarray, height: float, ground: float, light: np.ndarray) -> None:
    """Paint that has flaked and faded."""
    wear = cloud(rng, ink.shape, 1.0) + grain(rng, ink.shape, 1.0, 3)
    _paint(rng, canvas, ink * np.clip(1.3 - 0.55 * np.clip(wear, 0, None), 0.15, 1), ink_against(rng, ground))


def halo(rng, canvas: Canvas, ink: np.ndarray, height: float, ground: float, light: np.ndarray) -> None:
    """Lit from behind: light around digits that are themselves dark or bright."""
    warm = np.array([255, rng.uniform(215, 255), rng.uniform(150, 255)], np.float32)
    around = np.clip(blur(ink, height * rng.uniform(0.08, 0.25)) * rng.uniform(1.0, 2.0), 0, 1)
    canvas.over(around * rng.uniform(0.4, 0.9), warm)
    luma = rng.uniform(0, 60) if rng.random() < 0.6 else 255.0
    canvas.over(ink, random_colour(rng, luma))


def led(rng, canvas: Canvas, ink: np.ndarray, height: float, ground: float, light: np.ndarray) -> None:
    """Self-luminous and single-coloured, with a glow and an overexposed core."""
    colours = [(255, 40, 25), (255, 150, 30), (60, 255, 90), (80, 150, 255), (245, 245, 255)]
    colour = np.array(colours[rng.integers(len(colours))], np.float32)
    canvas.over(np.clip(blur(ink, height * rng.uniform(0.05, 0.15)) * rng.uniform(0.3, 0.8), 0, 1), colour * 0.8)
    canvas.over(ink, colour)
    canvas.shade(blur(ink, height * 0.02) ** 3, rng.uniform(0, 120))


def dark(rng, canvas: Canvas, ink: np.ndarray, height: float, ground: float, light: np.ndarray) -> None:
    """Cut out of, or printed on, something bright."""
    canvas.over(ink, random_colour(rng, rng.uniform(0, 70)))
