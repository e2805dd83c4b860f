import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.core.boxes import enclosing
from digits.datasets.degrade import A, reseed
from digits.datasets.items import Sample, empty_boxes
from digits.datasets.transforms import (
    DetectionTransform,
    detector_jitter,
    goodfellow_crop,
    keep_digits,
    windows,
)
from digits.datasets.visibility import MIN_HEIGHT, MIN_WIDTH, clip_boxes

HEIGHT, WIDTH = 120, 160
TRANSFORM = DetectionTransform(HEIGHT, WIDTH)
COLOURS = np.eye(3, dtype=np.uint8) * 255  # of the digits 0, 1 and 2


def painted(boxes, numbers=(), height: int = 200, width: int = 260) -> Sample:
    """Black, but digit k is a filled rectangle of COLOURS[k]."""
    image = np.zeros((height, width, 3), np.uint8)
    for colour, (x1, y1, x2, y2) in zip(COLOURS, boxes, strict=False):
        image[y1:y2, x1:x2] = colour
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return Sample(image, boxes, np.arange(len(boxes)), numbers, "painted")


def negative() -> Sample:
    return Sample(np.full((90, 130, 3), 77, np.uint8), empty_boxes(), np.zeros(0, np.int64), (), "negative")


@st.composite
def samples(draw) -> Sample:
    """Pictures of any size and shape with up to three rectangles side by side in them."""
    height, width = draw(st.integers(24, 400)), draw(st.integers(24, 400))
    edges = 4 * np.sort(draw(st.lists(st.integers(0, width // 4), min_size=6, max_size=6, unique=True)))
    boxes = []
    for k in range(draw(st.integers(0, 3))):
        y1, y2 = 4 * np.sort(draw(st.lists(st.integers(0, height // 4), min_size=2, max_size=2, unique=True)))
        boxes.append((edges[2 * k], y1, edges[2 * k + 1], y2))
    numbers = draw(st.sampled_from([(), ("012"[: len(boxes)],), tuple("012"[: len(boxes)])])) if boxes else ()
    return painted(boxes, numbers, height, width)


@settings(deadline=None, max_examples=100)
@given(samples(), st.integers(0, 2**32))
def test_boxes_stay_true(sample, seed):
    """Where the colour of a digit is, there its box is: around the ink, and no looser unless the frame cut it."""
    moved = TRANSFORM.geometry(sample, np.random.default_rng(seed))
    size = moved.boxes[:, 2:] - moved.boxes[:, :2]
    assert moved.image.shape == (HEIGHT, WIDTH, 3)
    assert (moved.boxes >= 0).all() and (moved.boxes <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    assert (size[:, 0] > MIN_WIDTH - 1e-3).all() and (size[:, 1] > MIN_HEIGHT - 1e-3).all()
    assert len(moved.boxes) == len(moved.labels) <= len(sample.boxes)
    assert (np.diff(moved.labels) > 0).all()
    assert "".join(moved.numbers) == ("".join(map(str, moved.labels)) if sample.numbers else "")
    for box, label in zip(moved.boxes, moved.labels, strict=True):
        wall = sample.image[..., label].mean()
        if wall > 150:  # the digit fills most of the picture, and the wall around it has its colour
            continue
        rows, columns = np.nonzero(moved.image[..., label] > (255 + wall) / 2)
        if min(box[2] - box[0], box[3] - box[1]) < 6:  # too thin to keep its colour when it is reduced and turned
            continue
        ink = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (ink[:2] > box[:2] - 1.5).all() and (ink[2:] < box[2:] + 1.5).all()
        if (box > 0.5).all() and (box < [WIDTH - 0.5, HEIGHT - 0.5] * 2).all():
            assert np.abs(ink - box).max() < 1.5


def test_the_rule_is_that_of_clip_boxes():
    """For windows that do not turn, where every box can be followed by hand."""
    transform = windows(HEIGHT, WIDTH)
    crop = A.Compose([A.RandomCrop(HEIGHT, WIDTH)], bbox_params=transform.processors["bboxes"].params)
    coordinates = np.indices((300, 400)).transpose(1, 2, 0).astype(np.float32)  # a picture of where it is
    rng = np.random.default_rng(0)
    stayed = []
    for _ in range(200):
        corners = rng.uniform(0, 360, 2), rng.uniform(0, 260, 2)
        sizes = rng.uniform(1, 40, 2), rng.uniform(3, 40, 2)
        boxes = np.stack([corners[0], corners[1], corners[0] + sizes[0], corners[1] + sizes[1]], 1).astype(np.float32)
        reseed(crop, rng)
        seen = crop(image=coordinates, bboxes=boxes, order=np.arange(2))
        top, left = seen["image"][0, 0]
        clipped, stay = clip_boxes(boxes - np.float32([left, top, left, top]), HEIGHT, WIDTH)
        assert np.flatnonzero(stay).tolist() == np.asarray(seen["order"], int).tolist()
        assert np.allclose(np.asarray(seen["bboxes"]).reshape(-1, 4), clipped[stay], atol=1e-3)
        stayed.append(stay.mean())
    assert 0.05 < np.mean(stayed) < 0.8


def test_most_windows_show_a_digit():
    sample = painted([(300, 200, 320, 240)], ("0",), 480, 640)
    shown = [len(TRANSFORM.geometry(sample, np.random.default_rng(seed)).boxes) for seed in range(100)]
    assert 55 < sum(shown) < 100


@pytest.mark.parametrize("backgrounds", [(), [np.full((300, 300, 3), 200, np.uint8)]])
def test_beyond_the_picture(backgrounds):
    """A picture smaller than the window lies on a background, or on its own mean colour; never on black."""
    transform = DetectionTransform(HEIGHT, WIDTH, backgrounds)
    beyond = []
    for seed in range(40):
        image = transform.geometry(negative(), np.random.default_rng(seed)).image
        assert image.min() >= 76
        beyond.append((image == 200).all(2).mean())
    assert (max(beyond) > 0.5) == bool(backgrounds)


def test_all_randomness_is_drawn_from_the_generator():
    sample = painted([(30, 40, 60, 100), (70, 40, 100, 100)], ("01",))
    backgrounds = [np.full((150, 150, 3), value, np.uint8) for value in (60, 200)]
    first, second = (DetectionTransform(HEIGHT, WIDTH, backgrounds) for _ in range(2))
    results = [first(sample, np.random.default_rng(seed)) for seed in range(12)]
    np.random.seed(1)
    again = [second(sample, np.random.default_rng(seed)) for seed in reversed(range(12))][::-1]
    for a, b in zip(results, again, strict=True):
        assert (a.image == b.image).all() and (a.boxes == b.boxes).all() and a.numbers == b.numbers
        assert a.image.dtype == np.uint8 and a.image.shape == (HEIGHT, WIDTH, 3) and a.image_id == "painted"
    assert len({a.image.tobytes() for a in results}) == 12
    rng = np.random.default_rng(3)
    assert (first(sample, rng).image != first(sample, rng).image).any()


@pytest.mark.parametrize(
    ("numbers", "keep", "left"),
    [
        ((), [0, 1], ()),
        (("12", "7"), [0, 1, 2], ("12", "7")),
        (("12", "7"), [0, 1], ("12",)),
        (("12", "7"), [1, 2], ("2", "7")),
        (("105", "7"), [0, 2], ("15",)),
        (("12", "7"), [], ()),
    ],
)
def test_numbers_keep_the_digits_that_stay(numbers, keep, left):
    assert keep_digits(numbers, keep) == left


def test_a_crop_without_boxes_is_refused():
    crop = Sample(np.zeros((20, 30, 3), np.uint8), empty_boxes(), np.zeros(0, np.int64), ("12",), "crop-7")
    with pytest.raises(ValueError, match="crop-7: has digits but no boxes"):
        TRANSFORM(crop, np.random.default_rng(0))


def test_detector_jitter():
    boxes = np.float32([[10, 20, 20, 60], [22, 20, 32, 60]])
    results = [detector_jitter(boxes, np.random.default_rng(seed)) for seed in range(600)]
    off = np.stack([moved - boxes for moved, _ in results])
    assert off.std() == pytest.approx(0.035 * 40, rel=0.05) and abs(off.mean()) < 0.1
    margins = np.stack([margins for _, margins in results])
    assert -0.08 <= margins.min() < -0.05
    assert 0.9 < margins[:, [0, 2]].max() <= 1.1 and 0.5 < margins[:, [1, 3]].max() <= 0.6  # more at the ends
    assert boxes[0].tolist() == [10, 20, 20, 60]
    again = detector_jitter(boxes, np.random.default_rng(5))
    assert all((a == b).all() for a, b in zip(again, results[5], strict=True))


def test_goodfellow_crop_takes_thirty_per_cent_more():
    """Of a picture that shows where it is: the middle 54 of 64 pixels of a box 1.3 times that of the number."""
    rows, columns = np.indices((200, 250))
    image = np.stack([rows, columns, rows], 2).astype(np.uint8)
    boxes = np.float32([[60, 80, 90, 120], [100, 76, 140, 116]])
    x1, y1, x2, y2 = enclosing(boxes)
    crop = goodfellow_crop(image, boxes).astype(float)
    assert crop.shape == (54, 54, 3)
    for place, low, high in ((1, x1, x2), (0, y1, y2)):
        middle, side = (low + high) / 2 - 0.5, 1.3 * (high - low)
        seen = crop[27, :, 1] if place else crop[:, 27, 0]
        assert seen.mean() == pytest.approx(middle, abs=1)
        assert seen[-1] - seen[0] == pytest.approx(side * 53 / 64, abs=2)


def test_goodfellow_crop_is_drawn_from_the_generator():
    image = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    boxes = np.float32([[20, 20, 60, 80]])
    crops = [goodfellow_crop(image, boxes, np.random.default_rng(seed)) for seed in range(60)]
    assert len({crop.tobytes() for crop in crops}) > 30
    assert (crops[7] == goodfellow_crop(image, boxes, np.random.default_rng(7))).all()


@pytest.mark.parametrize(
    "box", [[-10, -5, 40, 30], [0, 0, 40, 30], [35, 25, 60, 50], [5, 5, 5.2, 5.2], [80, 80, 90, 90]]
)
def test_goodfellow_crop_repeats_the_edge(box):
    image = np.full((30, 40, 3), (9, 90, 200), np.uint8)
    crop = goodfellow_crop(image, np.float32([box]), np.random.default_rng(0))
    assert crop.shape == (54, 54, 3) and crop.dtype == np.uint8
    assert (crop == (9, 90, 200)).all()
