"""Draws examples/misread.jpg: a garden door, number 47, whose pull handle is read as a 1.

python examples/draw_misread.py
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT = 640, 720
NUMBER = "47"
PLANK = 128  # pixels across


def planks(rng: np.random.Generator) -> Image.Image:
    """Painted boards with a groove between them, the grain showing through."""
    grain = cv2.resize(rng.normal(0, 5, (HEIGHT // 60, WIDTH // 2)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    shade = grain + np.repeat(rng.normal(0, 5, WIDTH // PLANK), PLANK)
    across = np.arange(WIDTH) % PLANK
    shade = shade - 45 * (across < 4) + 22 * ((across >= 4) & (across < 7))
    return Image.fromarray((np.array([44, 92, 98]) + shade[..., None]).clip(0, 255).astype(np.uint8))


def fittings(size: tuple[int, int]) -> Image.Image:
    """What is of brass, as a mask: the figures, and a handle as tall as they are."""
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    font = ImageFont.load_default(132)
    draw.text((284, 330), NUMBER, font=font, anchor="mm", fill=255)
    _, top, right, bottom = draw.textbbox((284, 330), NUMBER, font=font, anchor="mm")
    x = right + 30
    draw.rounded_rectangle((x - 7, top - 2, x + 7, bottom + 2), 6, fill=255)
    for y in (top + 2, bottom - 2):
        draw.ellipse((x - 12, y - 12, x + 12, y + 12), fill=255)
    return mask


def fasten(picture: Image.Image, mask: Image.Image) -> None:
    """Brass, bright at the edges that face the light, over its shadow on the boards."""
    shape = np.asarray(mask, np.float32) / 255
    shadow = cv2.GaussianBlur(np.roll(shape, (9, 7), (0, 1)), (0, 0), 5)
    picture.paste((10, 24, 28), mask=Image.fromarray((shadow * 170).astype(np.uint8)))
    soft = cv2.GaussianBlur(shape, (0, 0), 2.5)
    relief = (soft - np.roll(soft, (3, 3), (0, 1)))[..., None] * 150
    brass = np.array([196, 160, 84]) + relief
    picture.paste(Image.fromarray(brass.clip(0, 255).astype(np.uint8)), mask=mask)


def photograph(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """In the light of the morning, a little out of focus, with the grain of a small sensor. RGB uint8."""
    light = np.linspace(1.12, 0.78, WIDTH)[None, :, None] * np.linspace(1.05, 0.9, HEIGHT)[:, None, None]
    image = cv2.GaussianBlur(np.asarray(picture, np.float32) * light, (0, 0), 1.0)
    return (image + rng.normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8)


def main() -> None:
    rng = np.random.default_rng(47)
    picture = planks(rng)
    fasten(picture, fittings(picture.size))
    picture = picture.filter(ImageFilter.UnsharpMask(2, 40))
    Image.fromarray(photograph(picture, rng)).save(Path(__file__).with_name("misread.jpg"), quality=85)


if __name__ == "__main__":
    main()
