"""What a number is mounted on. Each mount paints itself onto the canvas and returns the brightness seen behind the ink.

All have one signature: `(rng, canvas, lettering, surface, light)`, where `surface` is the brightness of the wall and
`light` the direction of shadows, a unit vector (2,).
"""

from __future__ import annotations

import cv2
import numpy as np

from digits.datasets.synthesis.lettering import Lettering
from digits.datasets.synthesis.patch import Canvas, blur, cloud, grain, ink_against, random_colour, shift


def bare(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """Nothing: the digits are on the wall itself."""
    return surface


def _rounded(shape: tuple[int, int], box, radius: int) -> np.ndarray:
    """A filled rectangle with rounded corners, float32 (h, w), 0 to 1."""
    x1, y1, x2, y2 = (round(v) for v in box)
    mask = np.zeros(shape, np.uint8)
    radius = min(radius, (x2 - x1) // 2, (y2 - y1) // 2)
    if radius < 2:
        cv2.rectangle(mask, (x1, y1), (x2, y2), 255, -1)
    else:
        cv2.rectangle(mask, (x1 + radius, y1), (x2 - radius, y2), 255, -1)
        cv2.rectangle(mask, (x1, y1 + radius), (x2, y2 - radius), 255, -1)
        for x in (x1 + radius, x2 - radius):
            for y in (y1 + radius, y2 - radius):
                cv2.circle(mask, (x, y), radius, 255, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def _cast(rng, canvas: Canvas, mask: np.ndarray, height: float, light: np.ndarray) -> None:
    """The shadow of a raised sheet."""
    dx, dy = light * height * rng.uniform(0.02, 0.12)
    canvas.over(
        blur(shift(mask, dx, dy), height * rng.uniform(0.01, 0.08)) * rng.uniform(0.2, 0.7),
        np.array([8, 8, 8], np.float32),
    )


def _line(canvas: Canvas, draw, colour: np.ndarray) -> None:
    """Paint what `draw(mask)` draws with cv2 into a mask, in one colour."""
    mask = np.zeros(canvas.shape, np.uint8)
    draw(mask)
    canvas.over(mask.astype(np.float32) / 255, colour)


def _around(rng, text: Lettering, low: float, high: float) -> tuple[float, float, float, float]:
    """The box of all glyphs with a margin of so many digit heights."""
    x1, y1, x2, y2 = text.extent
    across, down = rng.uniform(low, high, 2) * text.height
    limit = np.array(text.ink.shape)[::-1] - 1
    return max(0, x1 - across), max(0, y1 - down), min(limit[0], x2 + across), min(limit[1], y2 + down)


def _screws(rng, canvas: Canvas, box, height: float, rust: float) -> None:
    """Round heads at two or four places, some with a streak of rust running down. They are no digits."""
    x1, y1, x2, y2 = box
    radius = max(1, round(height * rng.uniform(0.03, 0.08)))
    inset = 2.2 * radius
    middle = (y1 + y2) / 2
    ys = [middle] if rng.random() < 0.5 else [y1 + inset, y2 - inset]
    spots = [(round(x), round(y)) for x in (x1 + inset, x2 - inset) for y in ys]
    if rng.random() < rust:
        streak = np.zeros(canvas.shape, np.uint8)
        for x, y in spots:
            end = y + round(height * rng.uniform(0.2, 0.9))
            cv2.line(streak, (x, y), (x + int(rng.integers(-1, 2)), end), 255, max(1, radius))
        stain = blur(streak.astype(np.float32) / 255, radius * 0.8)
        canvas.over(stain * rng.uniform(0.2, 0.6) * canvas.alpha, np.array([110, 60, 25], np.float32))
    head = random_colour(rng, float(rng.uniform(0, 255)))
    _line(canvas, lambda m: [cv2.circle(m, spot, radius, 255, -1, cv2.LINE_AA) for spot in spots], head)
    if radius > 2:  # the slot
        turn = rng.uniform(0, np.pi)
        dx, dy = round(np.cos(turn) * radius * 0.7), round(np.sin(turn) * radius * 0.7)

        def slots(mask):
            for x, y in spots:
                cv2.line(mask, (x - dx, y - dy), (x + dx, y + dy), 200, 1)

        _line(canvas, slots, np.clip(head - 90, 0, 255))


def _rim(rng, canvas: Canvas, box, text: Lettering, ground: float) -> None:
    x1, y1, x2, y2 = (round(v) for v in box)
    thick = max(1, round(text.height * rng.uniform(0.02, 0.08)))
    inset = thick + round(text.height * rng.uniform(0.0, 0.06))
    corners = (x1 + inset, y1 + inset), (x2 - inset, y2 - inset)
    colour = random_colour(rng, ink_against(rng, ground))
    _line(canvas, lambda m: cv2.rectangle(m, *corners, 255, thick, cv2.LINE_AA), colour)


def plaque(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """A sheet with or without rim and screws."""
    luma = float(rng.uniform(10, 245))
    box = _around(rng, text, 0.08, 0.45)
    radius = round(rng.uniform(0.05, 0.3) * text.height) if rng.random() < 0.4 else 0
    sheet = _rounded(canvas.shape, box, radius)
    if rng.random() < 0.6:
        _cast(rng, canvas, sheet, text.height, light)
    canvas.over(sheet, random_colour(rng, luma), cloud(rng, canvas.shape, rng.uniform(0, 16)))
    if rng.random() < 0.4:
        _rim(rng, canvas, box, text, luma)
    if rng.random() < 0.3:
        _screws(rng, canvas, box, text.height, rust=0.35)
    return luma


def enamel(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """A domed, glossy plate in the colours of enamel, with rim and screws."""
    white_ink = rng.random() < 0.75
    grounds = [(25, 45, 120), (20, 40, 85), (30, 80, 50), (120, 25, 25), (25, 25, 28)]
    colour = np.array(grounds[rng.integers(len(grounds))] if white_ink else (236, 234, 225), np.float32)
    colour = np.clip(colour * rng.uniform(0.8, 1.2), 0, 255)
    box = _around(rng, text, 0.2, 0.45)
    sheet = _rounded(canvas.shape, box, round(text.height * rng.uniform(0, 0.2)))
    _cast(rng, canvas, sheet, text.height, light)
    canvas.over(sheet, colour)
    luma = float(colour @ np.array([0.299, 0.587, 0.114], np.float32))
    _rim(rng, canvas, box, text, luma)
    _screws(rng, canvas, box, text.height, rust=0.5)
    if rng.random() < 0.6:  # the reflected sky
        gloss = np.zeros(canvas.shape, np.uint8)
        centre = (round(box[0] + (box[2] - box[0]) * rng.uniform(0.1, 0.9)), round(box[1]))
        axes = (
            max(1, round((box[2] - box[0]) * rng.uniform(0.2, 0.6))),
            max(1, round(text.height * rng.uniform(0.2, 0.6))),
        )
        cv2.ellipse(gloss, centre, axes, rng.uniform(-20, 20), 0, 360, 255, -1)
        shine = blur(gloss.astype(np.float32) / 255, text.height * 0.12)
        canvas.shade(sheet * shine, rng.uniform(20, 90))
    return luma


def oval(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    luma = float(rng.uniform(10, 245))
    x1, y1, x2, y2 = text.extent
    centre = (round((x1 + x2) / 2), round((y1 + y2) / 2))
    axes = (
        max(2, min(round((x2 - x1) * 0.62 + 0.1 * text.height), centre[0] - 1)),
        max(2, min(round((y2 - y1) * 0.8), centre[1] - 1)),
    )
    mask = np.zeros(canvas.shape, np.uint8)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    sheet = mask.astype(np.float32) / 255
    _cast(rng, canvas, sheet, text.height, light)
    canvas.over(sheet, random_colour(rng, luma), cloud(rng, canvas.shape, 8))
    if rng.random() < 0.5:
        thick = max(1, round(text.height * rng.uniform(0.02, 0.07)))
        inner = tuple(max(1, axis - 2 * thick) for axis in axes)
        colour = random_colour(rng, ink_against(rng, luma))
        _line(canvas, lambda m: cv2.ellipse(m, centre, inner, 0, 0, 360, 255, thick, cv2.LINE_AA), colour)
    return luma


def stone(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """A slab, or the wall itself, of speckled stone."""
    luma = float(rng.uniform(70, 225))
    box = _around(rng, text, 0.2, 0.48)
    sheet = _rounded(canvas.shape, box, round(text.height * 0.05))
    if rng.random() < 0.5:
        _cast(rng, canvas, sheet, text.height, light)
    else:  # no visible edge
        sheet = blur(sheet, text.height * 0.15)
    specks = grain(rng, canvas.shape, rng.uniform(4, 18), 1) + grain(rng, canvas.shape, rng.uniform(0, 12), 4)
    tint = np.array([1.04, 1.0, 0.93], np.float32) if rng.random() < 0.6 else np.array([1, 1, 1], np.float32)
    canvas.over(sheet, luma * tint, specks)
    return luma


def tiles(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """One tile per glyph, with joints between them."""
    luma = float(rng.uniform(10, 245))
    colour = random_colour(rng, luma)
    mask = np.zeros(canvas.shape, np.uint8)
    gap, across, down = (rng.uniform(0.0, 0.06) * text.height for _ in range(3))
    down += 0.12 * text.height
    spans = text.spans[np.argsort(text.spans[:, 1 if text.vertical else 0])]
    for x1, y1, x2, y2 in spans:
        corners = (round(x1 - across + gap), round(y1 - down)), (round(x2 + across - gap), round(y2 + down))
        cv2.rectangle(mask, *corners, 255, -1)
    sheet = mask.astype(np.float32) / 255
    _cast(rng, canvas, sheet, text.height, light)
    canvas.over(sheet, colour, cloud(rng, canvas.shape, rng.uniform(0, 14)))
    edge = max(1, round(0.03 * text.height))

    def borders(m):
        for x1, y1, x2, y2 in spans:
            corners = (round(x1 - across + gap), round(y1 - down)), (round(x2 + across - gap), round(y2 + down))
            cv2.rectangle(m, *corners, 255, edge)

    if rng.random() < 0.5:
        _line(canvas, borders, random_colour(rng, ink_against(rng, luma)))
    return luma


def band(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """A strip that continues beyond the number: awning, beam, gate."""
    luma = float(rng.uniform(10, 245))
    _, y1, _, y2 = _around(rng, text, 0.1, 0.4)
    sheet = np.zeros(canvas.shape, np.float32)
    sheet[round(y1) : round(y2)] = 1
    canvas.over(sheet, random_colour(rng, luma), cloud(rng, canvas.shape, rng.uniform(0, 16)))
    return luma


def mailbox(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """A box with an arched or flat top, a flap, and shading across its body."""
    luma = float(rng.choice([rng.uniform(10, 60), rng.uniform(60, 250)]))
    x1, y1, x2, y2 = _around(rng, text, 0.3, 0.9)
    body = np.zeros(canvas.shape, np.uint8)
    if rng.random() < 0.5:
        arch = min((x2 - x1) / 2, y2 - y1)
        cv2.ellipse(body, (round((x1 + x2) / 2), round(y1 + arch * 0.5)), (round((x2 - x1) / 2), round(arch * 0.5)),
                    0, 180, 360, 255, -1, cv2.LINE_AA)  # fmt: skip
        y1 += arch * 0.5
    cv2.rectangle(body, (round(x1), round(y1)), (round(x2), round(y2)), 255, -1)
    sheet = body.astype(np.float32) / 255
    _cast(rng, canvas, sheet, text.height, light)
    across = np.linspace(-1, 1, canvas.shape[1], dtype=np.float32) * rng.uniform(-30, 30)
    canvas.over(sheet, random_colour(rng, luma), across)
    seam = (
        round(text.extent[1] - 0.2 * text.height) if rng.random() < 0.5 else round(text.extent[3] + 0.2 * text.height)
    )
    if y1 < seam < y2:
        thick = max(1, round(0.05 * text.height))
        ends = (round(x1), seam), (round(x2), seam)
        _line(canvas, lambda m: cv2.line(m, *ends, 255, thick), random_colour(rng, max(0.0, luma - 45)))
    if rng.random() < 0.3:  # the flag: a small red bar at the side, not a 1
        side = x2 if rng.random() < 0.5 else x1
        top, end = round(y1), round(y1 + text.height * rng.uniform(0.4, 0.9))
        width = max(1, round(0.1 * text.height))
        _line(
            canvas,
            lambda m: cv2.line(m, (round(side), top), (round(side), end), 255, width),
            np.array([170, 30, 30], np.float32),
        )
    return luma


def kerb(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """A painted block on the face of a kerbstone, between the lit edge above and the gutter."""
    _, y1, _, y2 = _around(rng, text, 0.3, 0.7)
    top, bottom = round(y1), round(y2)
    concrete = rng.uniform(110, 200)
    face = np.zeros(canvas.shape, np.float32)
    face[top:bottom] = 1
    specks = grain(rng, canvas.shape, rng.uniform(3, 12), 2) + cloud(rng, canvas.shape, 8)
    canvas.over(face, concrete * np.array([1, 0.99, 0.95], np.float32), specks)
    edge = max(1, round(0.12 * text.height))
    canvas.planes[:, top : top + edge] = np.clip(canvas.planes[:, top : top + edge] + 35, 0, 255)
    canvas.planes[:, bottom - edge : bottom] *= 0.45
    if rng.random() < 0.2:
        return concrete
    grounds = [(235, 235, 230), (235, 235, 230), (40, 110, 60), (30, 60, 140), (20, 20, 20), (230, 200, 40)]
    colour = np.array(grounds[rng.integers(len(grounds))], np.float32)
    block = _rounded(canvas.shape, _around(rng, text, 0.1, 0.28), 0)
    block *= np.clip(rng.uniform(0.75, 1.3) - np.abs(grain(rng, canvas.shape, 0.25, 2)), 0.2, 1)
    canvas.over(block, colour)
    return float(colour @ np.array([0.299, 0.587, 0.114], np.float32))


def glass(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """The pane above a door: dark, framed, with bright reflections."""
    luma = float(rng.uniform(5, 70))
    box = _around(rng, text, 0.25, 0.48)
    pane = _rounded(canvas.shape, box, 0)
    canvas.over(pane, np.clip(random_colour(rng, luma), 0, 255))
    h, w = canvas.shape
    lean = rng.uniform(-0.6, 0.6)
    x = np.arange(w, dtype=np.float32)[None] + lean * np.arange(h, dtype=np.float32)[:, None]
    bands = np.sin(x / (text.height * rng.uniform(0.3, 1.5)) + rng.uniform(0, 6))
    canvas.shade(pane, np.clip(bands + cloud(rng, canvas.shape, 0.5), 0, 1) * rng.uniform(0, 55))
    x1, y1, x2, y2 = (round(v) for v in box)
    thick = max(1, round(text.height * rng.uniform(0.05, 0.2)))
    frame = random_colour(rng, float(rng.uniform(20, 240)))
    _line(canvas, lambda m: cv2.rectangle(m, (x1, y1), (x2, y2), 255, thick), frame)
    return luma


def panel(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """The black face of a display."""
    box = _around(rng, text, 0.15, 0.4)
    canvas.over(_rounded(canvas.shape, box, round(0.06 * text.height)), random_colour(rng, rng.uniform(4, 26)))
    if rng.random() < 0.5:
        _rim(rng, canvas, box, text, 15.0)
    return 15.0


def lightbox(rng, canvas: Canvas, text: Lettering, surface: float, light: np.ndarray) -> float:
    """A box lit from within, brightest at its middle, spilling light onto the wall."""
    box = _around(rng, text, 0.15, 0.4)
    sheet = _rounded(canvas.shape, box, round(text.height * rng.uniform(0, 0.15)))
    colour = np.array([255, 250, 235], np.float32) * np.array(
        [1, rng.uniform(0.85, 1), rng.uniform(0.6, 1)], np.float32
    )
    canvas.over(np.clip(blur(sheet, text.height * 0.25) * rng.uniform(0.2, 0.7), 0, 1), colour * 0.9)
    h, w = canvas.shape
    x = (np.arange(w, dtype=np.float32) - (box[0] + box[2]) / 2) / max(1, box[2] - box[0])
    y = (np.arange(h, dtype=np.float32) - (box[1] + box[3]) / 2) / max(1, box[3] - box[1])
    canvas.over(sheet, colour, -rng.uniform(0, 250) * (x[None] ** 2 + y[:, None] ** 2))
    return 225.0
