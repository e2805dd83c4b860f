"""What the street, the lens and the file do to a picture; none of it changes what a digit is."""

from __future__ import annotations

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing must not ask the network for a newer version

import albumentations as A
import numpy as np


def _shared() -> list:
    return [
        A.RandomBrightnessContrast(brightness_limit=(-0.25, 0.2), contrast_limit=(-0.45, 0.3), p=0.5),
        A.RandomGamma(gamma_limit=(65, 160), p=0.3),
        A.HueSaturationValue(hue_shift_limit=25, sat_shift_limit=40, val_shift_limit=15, p=0.3),
        A.RandomShadow(shadow_roi=(0, 0, 1, 1), num_shadows_limit=(1, 1), p=0.15),
    ]


def for_crops() -> A.Compose:
    """Degradations of a small crop, whose digits are 12 to 70 pixels high."""
    return A.Compose(
        [
            *_shared(),
            A.OneOf(
                [
                    A.GaussianBlur(blur_limit=0, sigma_limit=(0.4, 1.9)),
                    A.MotionBlur(blur_limit=(3, 7)),
                    A.Defocus(radius=(1, 3), alias_blur=(0.1, 0.4)),
                    A.Downscale(scale_range=(0.4, 0.8)),
                ],
                p=0.55,
            ),
            A.OneOf([A.ShotNoise(scale_range=(0.01, 0.12)), A.GaussNoise(std_range=(0.01, 0.08))], p=0.4),
            A.UnsharpMask(blur_limit=(3, 5), alpha=(0.3, 1.0), p=0.12),
            A.ImageCompression(quality_range=(25, 95), p=0.55),
            A.ToGray(p=0.3),
        ]
    )


def for_scenes() -> A.Compose:
    """Degradations of a window of a photograph, whose smallest digits are 8 pixels high: gentler."""
    return A.Compose(
        [
            *_shared(),
            A.OneOf(
                [
                    A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.1)),
                    A.MotionBlur(blur_limit=(3, 5)),
                    A.Downscale(scale_range=(0.55, 0.9)),
                ],
                p=0.35,
            ),
            A.OneOf([A.ShotNoise(scale_range=(0.005, 0.06)), A.GaussNoise(std_range=(0.005, 0.04))], p=0.3),
            A.RandomRain(slant_range=(-15, 15), drop_length=8, blur_value=3, p=0.02),
            A.UnsharpMask(blur_limit=(3, 5), alpha=(0.2, 0.8), p=0.1),
            A.ImageCompression(quality_range=(35, 95), p=0.5),
            A.ToGray(p=0.1),
        ]
    )


def degrade(transform: A.Compose, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply `transform` with randomness drawn from `rng` alone. RGB uint8 in and out, same shape."""
    transform.set_random_seed(int(rng.integers(2**31)))
    return np.ascontiguousarray(transform(image=image)["image"])
