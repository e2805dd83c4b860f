import json

import numpy as np
import pytest
from PIL import Image

from digits import Digit, Reading, Scene

BOX = (10.0, 20.0, 50.0, 40.0)
GOOD = {
    "text": "07",
    "confidence": 0.9,
    "detection_score": 0.8,
    "box": BOX,
    "orientation": "horizontal",
    "status": "read",
    "digits": (Digit("0", 0.9, BOX), Digit("7", 0.95, BOX)),
}


def reading(**changes) -> Reading:
    return Reading(**{**GOOD, **changes})


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "7a"},
        {"text": ""},
        {"text": "123"},
        {"confidence": 1.2},
        {"detection_score": -0.1},
        {"box": (50.0, 20.0, 10.0, 40.0)},
        {"orientation": "diagonal"},
        {"status": "none"},
    ],
)
def test_readings_are_validated(wrong):
    with pytest.raises(ValueError, match=r"must|digits for"):
        reading(**wrong)


@pytest.mark.parametrize(
    ("readings", "status", "text"),
    [
        ((), "none", ""),
        ((reading(),), "read", "07"),
        ((reading(status="unsure"),), "unsure", "07"),
        ((reading(), reading(status="unsure")), "read", "07"),
    ],
)
def test_scene_speaks_for_its_first_reading(readings, status, text):
    scene = Scene(64, 48, readings)
    assert (scene.status, scene.text) == (status, text)


def test_to_dict_is_plain_json():
    scene = Scene(64, 48, (reading(),), 0.1, "a.jpg")
    again = json.loads(json.dumps(scene.to_dict()))
    assert again == scene.to_dict()
    assert list(again) == ["path", "width", "height", "status", "readings", "seconds"]
    assert list(again["readings"][0]) == list(GOOD)
    assert again["readings"][0]["digits"][0] == {"digit": "0", "probability": 0.9, "box": list(BOX)}


def test_render_draws_on_a_copy():
    image = np.zeros((48, 64, 3), np.uint8)
    for scene in (
        Scene(64, 48, (reading(),), source=image),
        Scene(64, 48, (reading(),), source=Image.fromarray(image)),
    ):
        picture = scene.render()
        assert picture.size == (64, 48)
        assert np.asarray(picture).any() and not image.any()


def test_render_without_source():
    with pytest.raises(ValueError, match="pass the image"):
        Scene(64, 48, ()).render()
    assert Scene(64, 48, ()).render(np.zeros((48, 64, 3), np.uint8)).size == (64, 48)


def test_results_cannot_be_changed():
    with pytest.raises(AttributeError):
        reading().text = "08"
