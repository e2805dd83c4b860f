from dataclasses import replace

import numpy as np
import pytest

from digits.pipeline.reasons import REASONS, Evidence, reasons, sharpness

WHOLE = Evidence(
    box=(100, 100, 180, 140), size=(640, 480), digit_height=40, stacked=False, sharpness=0.3, odds=-9.0,
    beside=False, contained=False, digits=3, unclear=False, flags=dict.fromkeys(("left", "right", "turned", "hyphen",
                                                                               "slash", "other", "letters"), 0.1),
)  # fmt: skip


def flagged(name, probability=0.8):
    return {"flags": {**WHOLE.flags, name: probability}}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, ("rival",)),  # nothing that is measured here: then it is other texts
        ({"box": (0, 100, 80, 140)}, ("cut_left",)),
        ({"box": (13, 100, 80, 140)}, ("cut_left",)),
        ({"box": (15, 100, 80, 140)}, ("rival",)),
        ({"box": (100, 4, 180, 44)}, ("cut_top",)),
        ({"box": (100, 6, 180, 46)}, ("rival",)),  # no digit is above it
        ({"box": (100, 13, 180, 246), "stacked": True}, ("cut_top",)),
        ({"box": (100, 15, 180, 246), "stacked": True}, ("rival",)),
        ({"box": (6, 100, 80, 300), "stacked": True}, ("rival",)),
        ({"box": (560, 100, 640, 140)}, ("cut_right",)),
        ({"box": (100, 0, 180, 40)}, ("cut_top",)),
        ({"box": (100, 440, 180, 480)}, ("cut_bottom",)),
        ({"box": (0, 0, 640, 480)}, ("cut_left", "cut_right", "cut_top", "cut_bottom")),
        ({"beside": True}, ("part",)),
        ({"contained": True}, ("part",)),
        (flagged("left"), ("part",)),
        (flagged("right"), ("part",)),
        (flagged("right", 0.49), ("rival",)),
        ({"digit_height": 13.9}, ("small",)),
        ({"digit_height": 14.0}, ("rival",)),
        ({"sharpness": 0.001}, ("blurred",)),
        ({"odds": np.log(0.2)}, ("rival",)),
        ({"odds": -np.inf, "beside": True}, ("part",)),
        ({"digits": 1}, ("lone",)),
        ({"unclear": True}, ("letters",)),
        (flagged("letters"), ("letters",)),
        (flagged("hyphen"), ("mark",)),
        (flagged("slash"), ("mark",)),
        (flagged("other"), ("mark",)),
        (flagged("turned"), ("turned",)),
        ({"flags": {}, "digits": 1}, ("lone",)),  # a recogniser without such a head
        ({"digits": 1, "digit_height": 9, **flagged("turned")}, ("small", "lone", "turned")),
    ],
)
def test_reasons_are_what_is_measured(change, found):
    assert reasons(replace(WHOLE, **change)) == found


def test_reasons_are_listed_once():
    assert len(set(REASONS)) == len(REASONS) == 12


@pytest.mark.parametrize("contrast", [1.0, 0.4])
def test_blur_lowers_sharpness_and_contrast_does_not_matter(make_photo, contrast):
    crop = np.asarray(make_photo("1428", size=(160, 80), height=48)).astype(np.float64)
    sharp = (128 + (crop - 128) * contrast).astype(np.uint8)
    blurred = sharp.astype(np.float64)
    for _ in range(12):
        blurred[1:-1, 1:-1] = (blurred[:-2, 1:-1] + blurred[2:, 1:-1] + blurred[1:-1, :-2] + blurred[1:-1, 2:]) / 4
    assert sharpness(blurred.astype(np.uint8)) < 0.2 * sharpness(sharp)
    assert sharpness(sharp) == pytest.approx(sharpness(crop.astype(np.uint8)), rel=0.3)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (40, 40)])
def test_plain_crops_are_not_sharp(shape):
    assert sharpness(np.full((*shape, 3), 90, np.uint8)) == 0
