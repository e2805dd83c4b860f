"""The kinds of sign a number is found on, and the drawing of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from digits.datasets.synthesis import materials, mounts
from digits.datasets.synthesis.displays import displays
from digits.datasets.synthesis.fonts import Typeface
from digits.datasets.synthesis.layout import Layout, svhn_layout
from digits.datasets.synthesis.lettering import Lettering, Suffix, set_text
from digits.datasets.synthesis.patch import Canvas, Patch, blur, cloud, grain, ink_against, random_colour


@dataclass(frozen=True)
class Kind:
    """A kind of sign. weight: how often it is drawn. materials: with weights. room: the margin, in digit heights."""

    weight: float
    mount: Callable
    materials: dict[Callable, float]
    room: float = 0.5
    stencil: bool = False
    display: bool = False


KINDS = {
    "paint": Kind(0.20, mounts.bare, {materials.flat: 0.65, materials.outlined: 0.15, materials.worn: 0.2}),
    "stencil": Kind(0.025, mounts.bare, {materials.flat: 0.5, materials.worn: 0.5}, stencil=True),
    "metal": Kind(0.20, mounts.bare, {materials.metal: 1.0}),
    "plaque": Kind(
        0.24,
        mounts.plaque,
        {materials.flat: 0.55, materials.metal: 0.25, materials.outlined: 0.08, materials.worn: 0.12},
    ),
    "enamel": Kind(0.07, mounts.enamel, {materials.flat: 0.85, materials.worn: 0.15}),
    "oval": Kind(0.04, mounts.oval, {materials.flat: 0.7, materials.metal: 0.3}),
    "stone": Kind(0.05, mounts.stone, {materials.engraved: 0.75, materials.metal: 0.15, materials.flat: 0.1}),
    "tiles": Kind(0.05, mounts.tiles, {materials.flat: 0.8, materials.outlined: 0.2}),
    "band": Kind(0.02, mounts.band, {materials.flat: 0.8, materials.outlined: 0.2}),
    "mailbox": Kind(0.03, mounts.mailbox, {materials.flat: 0.7, materials.metal: 0.15, materials.worn: 0.15}, 1.0),
    "kerb": Kind(0.02, mounts.kerb, {materials.flat: 0.4, materials.worn: 0.6}, 0.9),
    "glass": Kind(0.02, mounts.glass, {materials.flat: 0.8, materials.outlined: 0.2}),
    "lightbox": Kind(0.01, mounts.lightbox, {materials.dark: 1.0}, 0.7),
    "halo": Kind(0.015, mounts.bare, {materials.halo: 1.0}, 0.7),
    "led": Kind(0.01, mounts.panel, {materials.led: 1.0}, display=True),
}
_NAMES = tuple(KINDS)
_REACH = np.cumsum([kind.weight for kind in KINDS.values()])


def _by_weight(rng, weighted: dict[Callable, float]) -> Callable:
    point = rng.random() * sum(weighted.values())
    for choice, weight in weighted.items():
        point -= weight
        if point <= 0:
            return choice
    return choice


def draw(
    rng: np.random.Generator,
    face: Typeface,
    text: str,
    height: float,
    surface: float,
    *,
    kind: str | None = None,
    layout: Layout | None = None,
    vertical: bool = False,
    caption: str = "",
    suffix: Suffix | None = None,
) -> Patch:
    """Draw `text` with digits about `height` pixels high, to be put on a wall of mean brightness `surface`.

    kind: one of KINDS, by default drawn by weight. caption: a smaller line of words above or beneath, which is not
    labelled, as spaces are not. suffix: a letter behind. layout: of real numbers, by default those of SVHN.
    """
    sign = KINDS[kind or _NAMES[min(int(np.searchsorted(_REACH, rng.random() * _REACH[-1])), len(_NAMES) - 1)]]
    if sign.display:
        face = displays()[int(rng.integers(len(displays())))]
    lettering = set_text(
        rng,
        face,
        text,
        height,
        layout or svhn_layout(),
        vertical=vertical,
        caption=caption,
        suffix=suffix,
        stencil=sign.stencil,
        room=sign.room,
    )
    if lettering is None:
        return Patch(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.float32), [], "", vertical)
    canvas = Canvas(*lettering.ink.shape)
    angle = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(angle), np.sin(angle)])
    ground = sign.mount(rng, canvas, lettering, surface, light)
    if rng.random() < 0.1:
        _decoy(rng, canvas, lettering, ground)
    ink = _weighted_strokes(rng, lettering)
    _by_weight(rng, sign.materials)(rng, canvas, ink, height, ground, light)
    if rng.random() < 0.12:
        _dirt(rng, canvas)
    return Patch(canvas.colour, canvas.alpha, lettering.outlines, lettering.text, vertical)


def _weighted_strokes(rng, text: Lettering) -> np.ndarray:
    """Now and then heavier or lighter strokes than the font has."""
    if text.height <= 12 or rng.random() >= 0.15:
        return text.ink
    size = max(2, round(text.height * 0.04))
    if rng.random() < 0.7:
        return cv2.dilate(text.ink, np.ones((size, size), np.uint8))
    return cv2.GaussianBlur(text.ink, (0, 0), size * 0.5)


def _decoy(rng, canvas: Canvas, text: Lettering, ground: float) -> None:
    """A bar, a ring or a knob at the side of the number: a frame, a hook, a bell. It is no digit."""
    left, top, right, bottom = text.extent
    height = text.height
    size = rng.uniform(0.06, 0.16)
    # beside the digits, and whole: there is half a height of room
    apart = height * rng.uniform(size + 0.1, 0.48 - size)
    x = round(left - apart if rng.random() < 0.5 else right + apart)
    middle = round((top + bottom) / 2 + height * rng.normal(0, 0.15))
    mask = np.zeros(canvas.shape, np.uint8)
    shape = rng.integers(3)
    thick = max(1, round(height * rng.uniform(0.03, 0.12)))
    if shape == 0:  # unlike a 1, higher than the digits
        cv2.line(mask, (x, round(top - 0.3 * height)), (x, round(bottom + 0.3 * height)), 255, thick, cv2.LINE_AA)
    else:  # unlike a 0, round and small
        cv2.circle(mask, (x, middle), max(1, round(height * size)), 255, thick if shape == 1 else -1, cv2.LINE_AA)
    canvas.over(mask.astype(np.float32) / 255, random_colour(rng, ink_against(rng, ground)))


def _dirt(rng, canvas: Canvas) -> None:
    """Dirt all over the sign: blotches, or streaks left by rain."""
    if rng.random() < 0.5:
        cover = np.clip(cloud(rng, canvas.shape, 0.5) + grain(rng, canvas.shape, 0.25, 3), 0, 1)
    else:
        h, w = canvas.shape
        streaks = rng.standard_normal((2, max(2, w // 3)), np.float32)
        cover = np.clip(cv2.resize(streaks, (w, h)) * 0.5, 0, 1)
    brown = np.array([70, 58, 42], np.float32) * rng.uniform(0.5, 1.5)
    canvas.over(blur(cover, 1.0) * canvas.alpha * rng.uniform(0.2, 0.6), brown)
