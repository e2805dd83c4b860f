import copy
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from digits import Digit, ImageError, Reading, Scene
from digits.pipeline.results import format_confidence

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
        {"text": "07C"},  # and no suffix
        {"suffix": "C"},
        {"text": "07C", "suffix": "B"},
        {"text": "07c", "suffix": "c"},
        {"text": "-07"},
        {"text": "07-1-2"},
        {"status": "unsure", "reasons": ("dark",)},
        {"reasons": ("small",)},  # of what is read
    ],
)
def test_readings_are_validated(wrong):
    with pytest.raises(ValueError, match=r"must|digits for|not that of|expected"):
        reading(**wrong)


@pytest.mark.parametrize(
    ("text", "suffix", "number", "members"),
    [
        ("07", "", "07", ("07",)),
        ("07", "?", "07", ("07",)),
        ("07C", "C", "07", ("07C",)),
        ("07-9", "", "07", ("07", "9")),
        ("07/3B", "", "07", ("07", "3B")),
        ("07A/3B", "A", "07", ("07A", "3B")),
    ],
)
def test_parts_of_a_text(text, suffix, number, members):
    made = reading(text=text, suffix=suffix, status="unsure", reasons=("letters",))
    assert (made.number, made.members, made.to_dict()["members"]) == (number, members, list(members))
    assert made.to_dict()["reasons"] == ["letters"]


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
    assert set(again["readings"][0]) == {*GOOD, "number", "suffix", "members", "reasons"}
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
    for result, name in ((reading(), "text"), (GOOD["digits"][0], "digit"), (Scene(64, 48, ()), "width")):
        with pytest.raises(AttributeError):
            setattr(result, name, "8")


@pytest.mark.parametrize(
    ("confidence", "text"),
    [(0, "0.00"), (0.009, "0.00"), (0.5, "0.50"), (0.979, "0.97"), (0.9951, "0.99"), (1, "0.99")],
)
def test_confidences_are_shown_rounded_down_and_never_as_certain(confidence, text):
    assert format_confidence(confidence) == text


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_the_ends_are_probabilities_and_boxes_may_be_points(value):
    assert Digit("7", value, (5, 5, 5, 5)).probability == value
    assert reading(confidence=value, detection_score=value).confidence == value


@pytest.mark.parametrize("box", [(1, 2, 3), (1, 2, 3, 4, 5), (3, 0, 2, 9), (0, 9, 2, 3), (float("nan"), 0, 1, 1)])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(ValueError, match="box must be"):
        Digit("7", 0.5, box)


@pytest.mark.parametrize(
    ("confidence", "status", "seen"), [(0.1, "unsure", True), (0.099, "unsure", False), (0.02, "read", True)]
)
def test_what_is_improbable_and_unsure_is_not_drawn(confidence, status, seen):
    pixels = drawn((200, 150), in_place("35", confidence, (60.0, 60.0, 140.0, 90.0), status))
    assert (pixels != 100).any() == seen


@pytest.mark.parametrize(("status", "colour"), [("read", (0, 114, 178)), ("unsure", (230, 159, 0))])
def test_the_colours_of_what_is_read_and_what_is_unsure(status, colour):
    others = {(0, 114, 178), (230, 159, 0)} - {colour}
    pixels = drawn((200, 150), in_place("35", 0.9, (60.0, 60.0, 140.0, 90.0), status))
    colours = {tuple(map(int, pixel)) for pixel in pixels.reshape(-1, 3)}
    assert colour in colours and not others & colours
    assert ((0, 0, 0) in colours) == (status == "unsure")  # the type


def test_of_outlines_that_cross_that_of_the_likeliest_is_on_top():
    first, second = (
        in_place("1", 0.9, (60.0, 60.0, 140.0, 90.0)),
        in_place("2", 0.8, (100.0, 40.0, 120.0, 110.0), "unsure"),
    )
    pixels, below = drawn((200, 150), first, second), drawn((200, 150), first)
    assert (pixels[91, 64:136] == below[91, 64:136]).all()
    assert (pixels != below).any()


@pytest.mark.parametrize(("size", "boxed"), [(12, False), (13, True), (40, True)])
def test_boxes_of_digits_are_drawn_where_they_are_much_larger_than_their_lines(size, boxed):
    box = (60.0, 60.0, 60.0 + 3 * size, 60.0 + size)
    pixels = drawn((200, 150), in_place("135", 0.9, box))
    between = pixels[60 + size // 2, 60 + size]
    assert (tuple(between) == (0, 114, 178)) == boxed
    inside = pixels[62 : 58 + size, 62 + size : 58 + 2 * size]
    assert (inside == 100).all()


@pytest.mark.parametrize(("size", "boxed"), [(36, False), (37, True)])
@pytest.mark.parametrize("place", [(60.0, 900.0), (900.0, 60.0)])
def test_so_it_is_in_large_pictures_whose_lines_are_wider(place, size, boxed):
    """Three pixels wide here, and half as wide around digits."""
    x, y = place
    pixels = drawn((1400, 1400), in_place("135", 0.9, (x, y, x + 3 * size, y + size)))
    inside = pixels[int(y) : int(y) + size + 1, int(x) : int(x) + 3 * size + 1]
    assert (inside != 100).any() == boxed
    edge = inside[size // 2, [0, 1, size - 1, size, size + 1, size + 2]]
    assert [(pixel == (0, 114, 178)).all() for pixel in edge] == [boxed, False, False, boxed, False, False]


def test_labels_stand_off_the_outline():
    for size in ((200, 150), (1400, 1400)):
        box = (80.0, 80.0, 140.0, 110.0)
        pixels = drawn(size, in_place("35", 0.5, box, "unsure"))
        line = 1 if size[0] == 200 else 3
        above = (pixels[: 80 - 2 * line] != 100).any(2)
        bare = drawn(size, in_place("35", 0.5, box, "unsure"))[80 - 2 * line]
        assert above[-1].any() and (bare == 255).all(1).sum() >= 60  # right upon it, and the line is whole


def test_narrow_digits_have_no_boxes_however_tall():
    pixels = drawn((200, 150), in_place("135", 0.9, (60.0, 60.0, 96.0, 120.0)))
    assert (pixels[60:121, 60:97] == 100).all()


@pytest.mark.parametrize("shift", [(30, 20), (-40, -10)])
def test_what_is_drawn_moves_with_the_number(shift):
    box = np.array((160.0, 120.0, 220.0, 150.0))
    here, there = (drawn((400, 300), in_place("35", 0.9, tuple(map(float, each)))) for each in (box, box + shift * 2))
    assert np.array_equal(np.roll(here, shift[::-1], (0, 1)), there)


COPIES = {"pickle": lambda scene: pickle.loads(pickle.dumps(scene)), "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", ["path", "str", "bytes", "array", "PIL image"])
def test_a_scene_that_travels_takes_a_path_but_no_pixels(tmp_path, kind, copied):
    image = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(image).save(path)
    sources = {"path": path, "str": str(path), "bytes": path.read_bytes()}
    sources |= {"array": image, "PIL image": Image.fromarray(image)}
    scene = Scene(400, 300, (reading(),), 0.1, source=sources[kind])
    drawn_before = np.asarray(scene.render())
    assert len(pickle.dumps(scene)) < 5000
    there = copied(scene)
    assert there == scene and there.to_dict() == scene.to_dict()
    if kind in ("path", "str"):
        assert np.array_equal(np.asarray(there.render()), drawn_before)
    else:
        with pytest.raises(ValueError, match=r"pass the image, render\(image\)"):
            there.render()
    assert np.array_equal(np.asarray(there.render(image)), drawn_before)
    assert np.array_equal(np.asarray(scene.render()), drawn_before)  # what stays here keeps its picture


def test_a_scene_whose_photograph_is_gone(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (64, 48)).save(path)
    scene = pickle.loads(pickle.dumps(Scene(64, 48, (), source=path)))
    path.unlink()
    with pytest.raises(ImageError, match=r"photo\.png"):
        scene.render()
