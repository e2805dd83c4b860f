"""Photometric augmentation as albumentations pipelines: light, blur, noise, compression. Labels stay valid."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing must not ask the network for a newer version

import albumentations as A
import cv2
import numpy as np

from digits.datasets import lighting

__all__ = ["A", "Effect", "degrade", "for_crops", "for_scenes", "reseed"]


class Effect(A.ImageOnlyTransform):
    """One of this project's effects, `effect(rng, image)`, as an albumentations transform."""

    def __init__(self, effect: Callable[[np.random.Generator, np.ndarray], np.ndarray], p: float = 0.5):
        super().__init__(p=p)
        self.effect = effect

    def apply(self, img: np.ndarray, **params: object) -> np.ndarray:
        return self.effect(self.random_generator, img)


# as in cameras and viewers; the default, nearest neighbour both ways, gives blocks
_SMOOTH = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}


def _fine_noise(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    return lighting.sensor_noise(rng, image, rng.uniform(0.01, 0.35))


def _coarse_noise(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    return lighting.sensor_noise(rng, image, np.exp(rng.uniform(np.log(0.02), np.log(0.8))))


def _light() -> list:
    return [
        A.OneOf(
            [
                Effect(lighting.shadow_edge, p=0.5),
                Effect(lighting.low_sun, p=0.3),
                Effect(lighting.night, p=0.2),
            ],
            p=0.22,
        ),
        # relative to the mean, not the range: dark pictures must not be clipped to black
        A.RandomBrightnessContrast((-0.3, 0.25), (-0.45, 0.3), brightness_by_max=False, p=0.4),
        A.RandomGamma(gamma_limit=(65, 160), p=0.2),
        A.HueSaturationValue(hue_shift_limit=25, sat_shift_limit=40, val_shift_limit=15, p=0.25),
    ]


def for_crops() -> A.Compose:
    """Degradations of a small crop, whose digits are 8 to 70 pixels high."""
    return A.Compose(
        [
            *_light(),
            A.OneOf(
                [
                    A.GaussianBlur(blur_limit=0, sigma_limit=(0.4, 2.0), p=0.7),
                    A.MotionBlur(blur_limit=(3, 7), p=0.4),
                    A.Defocus(radius=(1, 3), alias_blur=(0.1, 0.4), p=0.4),
                    A.Downscale(scale_range=(0.4, 0.8), interpolation_pair=_SMOOTH, p=0.3),
                    A.Downscale(scale_range=(0.4, 0.8), p=0.2),
                ],
                p=0.6,
            ),
            Effect(_coarse_noise, p=0.3),
            A.UnsharpMask(blur_limit=(3, 5), alpha=(0.3, 1.0), p=0.12),
            A.ImageCompression(quality_range=(25, 95), p=0.5),
            A.ToGray(p=0.25),
        ]
    )


def for_scenes() -> A.Compose:
    """Degradations of a window of a photograph, whose smallest digits are 8 pixels high: gentler."""
    return A.Compose(
        [
            *_light(),
            A.OneOf(
                [
                    A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.1)),
                    A.MotionBlur(blur_limit=(3, 5)),
                    A.Downscale(scale_range=(0.55, 0.9)),
                ],
                p=0.3,
            ),
            Effect(_fine_noise, p=0.25),
            A.RandomRain(slant_range=(-15, 15), drop_length=8, blur_value=3, p=0.02),
            A.UnsharpMask(blur_limit=(3, 5), alpha=(0.2, 0.8), p=0.1),
            A.ImageCompression(quality_range=(35, 95), p=0.45),
            A.ToGray(p=0.08),
        ]
    )


def degrade(transform: A.Compose, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply `transform` with randomness drawn from `rng` alone. RGB uint8 in and out, same shape."""
    reseed(transform, rng)
    return np.ascontiguousarray(transform(image=image)["image"])


def reseed(transform: A.Compose, rng: np.random.Generator) -> None:
    """Let every transform draw from one stream, `rng`.

    `set_random_seed` would give each the same seed: their first draws, which decide what is applied, would be equal,
    so that a picture got all of the effects or none.
    """
    transform.set_random_state(rng, random.Random(int(rng.integers(2**63))))
