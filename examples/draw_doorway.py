"""Draws examples/doorway.jpg: a front door in a brick wall, in the evening sun, with its number beside it.

python examples/draw_doorway.py
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT = 900, 1200
NUMBER = "1428"


def bricks(rng: np.random.Generator) -> Image.Image:
    """A wall in running bond, every brick of its own shade."""
    wall = Image.new("RGB", (WIDTH, HEIGHT), (168, 160, 150))
    draw = ImageDraw.Draw(wall)
    for row, y in enumerate(range(0, HEIGHT, 36)):
        for x in range(-40 if row % 2 else 0, WIDTH, 84):
            shade = rng.normal(0, 10)
            colour = tuple(int(np.clip(c + shade + rng.normal(0, 4), 0, 255)) for c in (146, 78, 62))
            draw.rectangle((x, y, x + 79, y + 31), fill=colour)
    return wall


def door(draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((90, 180, 530, 1080), fill=(226, 222, 210))  # frame
    draw.rectangle((120, 210, 500, 1080), fill=(28, 66, 58))
    for top, bottom in ((250, 520), (560, 760), (800, 1040)):
        for left, right in ((150, 296), (324, 470)):
            draw.rectangle((left, top, right, bottom), fill=(24, 56, 50), outline=(58, 104, 94), width=5)
    for left, right in ((150, 296), (324, 470)):  # panes with a reflection
        draw.rectangle((left + 8, 258, right - 8, 512), fill=(62, 78, 92))
        draw.polygon([(left + 8, 400), (right - 8, 290), (right - 8, 340), (left + 8, 450)], fill=(120, 138, 150))
    draw.rectangle((240, 776, 380, 792), fill=(196, 164, 84))  # letter slot
    draw.ellipse((462, 640, 486, 664), fill=(214, 182, 96))  # knob
    draw.rectangle((50, 1080, 580, 1120), fill=(132, 130, 126))
    draw.rectangle((20, 1120, 610, 1170), fill=(112, 110, 107))
    draw.rectangle((0, 1170, WIDTH, HEIGHT), fill=(88, 88, 90))


def plaque(picture: Image.Image) -> None:
    """An enamel plate with raised numerals and a cast shadow, screwed to the wall."""
    left, top, right, bottom = 610, 470, 830, 580
    shadow = Image.new("L", picture.size, 0)
    ImageDraw.Draw(shadow).rectangle((left + 8, top + 10, right + 8, bottom + 10), fill=150)
    picture.paste((20, 14, 12), mask=shadow.filter(ImageFilter.GaussianBlur(6)))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((left, top, right, bottom), 12, fill=(24, 44, 98), outline=(232, 230, 222), width=4)
    for x, y in ((left + 16, top + 16), (right - 16, top + 16), (left + 16, bottom - 16), (right - 16, bottom - 16)):
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(170, 170, 168))
    font = ImageFont.load_default(80)
    middle = ((left + right) / 2, (top + bottom) / 2)
    draw.text((middle[0] + 3, middle[1] + 3), NUMBER, font=font, anchor="mm", fill=(10, 18, 44))
    draw.text(middle, NUMBER, font=font, anchor="mm", fill=(240, 238, 230))


def lamp(draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((704, 210, 736, 240), fill=(36, 36, 38))
    draw.polygon([(680, 240), (760, 240), (744, 350), (696, 350)], fill=(250, 226, 160), outline=(36, 36, 38), width=6)
    draw.rectangle((690, 350, 750, 362), fill=(36, 36, 38))


def photograph(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Seen from a little to the left, lit from the right, with the grain of a small sensor. RGB uint8."""
    image = np.asarray(picture, np.float32)
    light = np.linspace(0.72, 1.12, WIDTH)[None, :, None] * np.linspace(1.05, 0.85, HEIGHT)[:, None, None]
    image = image * light * (1.06, 1.0, 0.9)
    corners = np.float32([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]])
    seen = np.float32([[-20, -30], [WIDTH + 10, 12], [WIDTH + 10, HEIGHT - 20], [-20, HEIGHT + 40]])
    image = cv2.warpPerspective(image, cv2.getPerspectiveTransform(corners, seen), (WIDTH, HEIGHT), borderMode=1)
    image = cv2.GaussianBlur(image, (0, 0), 1.1) + rng.normal(0, 5, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def main() -> None:
    rng = np.random.default_rng(1428)
    picture = bricks(rng)
    draw = ImageDraw.Draw(picture)
    door(draw)
    lamp(draw)
    plaque(picture)
    Image.fromarray(photograph(picture, rng)).save(Path(__file__).with_name("doorway.jpg"), quality=88)


if __name__ == "__main__":
    main()
