"""Small numbers in large photographs, as the benchmark makes them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image


@pytest.fixture(scope="module")
def large(script):
    return script("large")


@pytest.mark.parametrize("pixels", [20, 60, 400])
def test_a_number_is_as_high_as_asked_for_wherever_it_is_put(large, reader, make_photo, pixels):
    """Of the last one, only a part of the photograph has room."""
    photo = np.asarray(make_photo("35"))
    box = reader.read(photo).readings[0].box
    for seed in range(3):
        canvas = large.filling(np.full((30, 30, 3), 120, np.uint8), (1000, 800))
        assert canvas.shape == (800, 1000, 3)
        large.put(np.random.default_rng(seed), canvas, photo, {"text": "35", "box": box}, pixels)
        found = reader.read(canvas).readings[0]
        assert found.text == "35"
        assert found.box[3] - found.box[1] == pytest.approx(pixels, rel=0.15)


def test_digits_of_a_stack_share_its_height(large):
    assert large.digit_height({"text": "1428", "box": [0, 0, 80, 40]}) == 40
    assert large.digit_height({"text": "14", "box": [0, 0, 20, 80]}) == pytest.approx(40, rel=0.1)


def test_the_table(large, make_photo, tmp_path):
    for folder in ("wild/images", "negatives"):
        (tmp_path / folder).mkdir(parents=True)
    make_photo("35").save(tmp_path / "wild" / "images" / "door.png")
    for i in range(30):  # a tenth of which are of the test part
        Image.new("RGB", (40, 30), (90 + i, 90, 90)).save(tmp_path / "negatives" / f"{i}.png")
    record = {"file": "door.png", "numbers": [{"text": "35", "box": [285, 210, 355, 270]}]}
    (tmp_path / "wild" / "annotations.json").write_text(json.dumps([record]))
    done = CliRunner().invoke(
        large.main, ["--data", str(tmp_path), "--size", "1600", "1200", "--share", "5"], catch_exceptions=False
    )
    *_, five, none = done.stdout.splitlines()
    assert five.startswith("| 5 % | 1 of 1 | 1 of 1 |")
    assert none.startswith("| no number | 1 of 1 | 0 of 0 |")
