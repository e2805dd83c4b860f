import json

import numpy as np
import pytest
from PIL import Image

from digits import Digit, ImageError, Reading, Scene

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
    assert list(again) == ["format", "path", "width", "height", "status", "readings", "seconds"]
    assert again["format"] == 1
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
    for wrong in (np.zeros((48, 64), np.uint8), np.zeros((48, 64, 3)), [1], b"junk"):
        with pytest.raises(ImageError):
            Scene(64, 48, ()).render(wrong)


def in_place(text: str, confidence: float, box, status: str = "read") -> Reading:
    """A reading whose digits share its box out evenly."""
    edges = np.linspace(box[0], box[2], len(text) + 1)
    digits = [Digit(c, 0.9, (x1, box[1], x2, box[3])) for c, x1, x2 in zip(text, edges, edges[1:], strict=False)]
    return reading(text=text, confidence=confidence, box=box, status=status, digits=tuple(digits))


def drawn(size, *readings) -> np.ndarray:
    """What is rendered on a grey picture of a size, width and height."""
    return np.asarray(Scene(*size, readings, source=np.full((*size[::-1], 3), 100, np.uint8)).render())


SIZES = [(20, 14), (100, 75), (60, 100), (320, 240), (1600, 100), (4000, 3000)]
PLACES = {
    "in the middle": (0.4, 0.4, 0.6, 0.5),
    "upper left": (0, 0, 0.3, 0.2),
    "lower right": (0.8, 0.9, 1, 1),
    "across": (0, 0.3, 1, 0.6),
    "all of it": (0, 0, 1, 1),
    "a speck": (0.5, 0.5, 0.502, 0.503),
}


def ink(pixels: np.ndarray) -> np.ndarray:
    """bool (H, W): the dark type in labels of what is unsure."""
    return pixels[..., 0] < 60


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_labels_are_legible_and_hide_nothing(size, place):
    """On any picture they are whole, of a fair size, and beside the number."""
    x1, y1, x2, y2 = box = tuple(float(share * side) for share, side in zip(place, size * 2, strict=True))
    pixels = drawn(size, in_place("1", 0.47, box, "unsure"))
    dark = ink(pixels)
    (top, bottom), (left, right) = (np.flatnonzero(dark.any(axis))[[0, -1]] for axis in (1, 0))
    assert bottom - top >= max(7, 0.012 * (size[0] * size[1]) ** 0.5) and right - left >= 2 * (bottom - top)
    assert min(left, top) >= 2 and right < pixels.shape[1] - 2 and bottom < pixels.shape[0] - 2
    assert left > x2 or right < x1 or top > y2 or bottom < y1
    line = max(size) // 100 + 2
    number = pixels[round(y1) : round(y2), round(x1) : round(x2)]
    assert (number[line:-line, line:-line] == 100).all()
    if size[1] >= 240 and place[3] - place[1] < 1:
        assert pixels.shape[:2] == size[::-1]  # there is room in it


def test_labels_do_not_cover_each_other_nor_other_numbers():
    boxes = [(100.0 + 30 * i, 60.0 + 24 * j, 126.0 + 30 * i, 80.0 + 24 * j) for i in range(4) for j in range(4)]
    alone = [drawn((400, 300), in_place("35", 0.5, box, "unsure")) for box in boxes]
    together = drawn((400, 300), *(in_place("35", 0.5, box, "unsure") for box in boxes))
    assert ink(together).sum() == sum(ink(pixels).sum() for pixels in alone)
    for x1, y1, x2, y2 in boxes:
        assert not ink(together[int(y1) : int(y2), int(x1) : int(x2)]).any()


def test_what_is_unsure_is_told_by_more_than_colour():
    """Its box is dashed, its label has a question mark."""
    box = (60.0, 60.0, 140.0, 90.0)
    read, unsure = drawn((200, 150), in_place("35", 0.9, box)), drawn((200, 150), in_place("35", 0.9, box, "unsure"))
    below = 91  # row of the outline
    assert len({tuple(pixel) for pixel in read[below, 64:136]}) == 1
    assert len({tuple(pixel) for pixel in unsure[below, 64:136]}) == 2
    blue, orange = ((pixels[:50] != 100).any(2) for pixels in (read, unsure))
    assert orange.sum() > blue.sum()  # a longer label


@pytest.mark.parametrize("wall", [(0, 114, 178), (230, 159, 0), (255, 255, 255), (0, 0, 0)])
@pytest.mark.parametrize("status", ["read", "unsure"])
def test_outlines_show_on_walls_of_any_colour(wall, status):
    image = np.full((150, 200, 3), wall, np.uint8)
    shown = np.asarray(
        Scene(200, 150, (in_place("35", 0.9, (60.0, 60.0, 140.0, 90.0), status),), source=image).render()
    )
    assert (shown[85:95, 64:136] != wall).any(2).any(0).mean() >= 0.5


def test_results_cannot_be_changed():
    with pytest.raises(AttributeError):
        reading().text = "08"
