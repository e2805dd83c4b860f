import cv2
import numpy as np
import pytest

from digits.datasets.degrade import degrade, for_crops, for_scenes
from digits.datasets.fonts import builtin_typefaces
from digits.datasets.items import Sample, empty_boxes
from digits.datasets.lettering import Patch, draw, ink_against, random_number
from digits.datasets.synthesis import LENGTHS, MIN_HEIGHT, Sources, Synthesizer, _warp, clip_boxes, plate_patch

FACE = builtin_typefaces()[0]


def same(a: Sample, b: Sample) -> bool:
    return (
        a.image.shape == b.image.shape
        and (a.image == b.image).all()
        and np.array_equal(a.boxes, b.boxes)
        and a.numbers == b.numbers
    )


@pytest.mark.parametrize("kind", ["scene", "number", "composed"])
def test_seed_and_index_decide_everything(sources, kind):
    one, other = (Synthesizer(sources, seed=9, scene_size=(96, 128)) for _ in range(2))
    forwards = [getattr(one, kind)(i) for i in range(8)]
    backwards = [getattr(other, kind)(i) for i in reversed(range(8))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not all(same(a, getattr(Synthesizer(sources, seed=10), kind)(i)) for i, a in enumerate(forwards))


def test_scenes_keep_their_promises(synthesizer):
    samples = [synthesizer.scene(i) for i in range(150)]
    for s in samples:
        height, width = s.image.shape[:2]
        assert height <= 128 and width <= 160
        assert (s.boxes >= 0).all() and (s.boxes <= [width, height, width, height]).all()
        size = s.boxes[:, 2:] - s.boxes[:, :2]
        assert (size[:, 1] >= MIN_HEIGHT).all() and (size[:, 0] > 0).all()
        assert len(s.labels) == len(s.boxes) and ((s.labels >= 0) & (s.labels <= 9)).all()
    empty = np.mean([not len(s.boxes) for s in samples])
    assert 0.05 < empty < 0.5  # negatives are part of every epoch
    assert len({s.image.shape for s in samples}) > 10
    assert set(np.concatenate([s.labels for s in samples])) == set(range(10))


def test_numbers_keep_their_promises(synthesizer):
    samples = [synthesizer.number(i) for i in range(200)]
    lengths = [len(s.labels) for s in samples]
    assert 0.05 < lengths.count(0) / 200 < 0.3
    assert {1, 2, 3, 4} <= set(lengths) <= set(range(len(LENGTHS) + 1))
    for s in samples:
        assert "".join(s.numbers) == "".join(map(str, s.labels))
        assert s.boxes.shape == (len(s.labels), 4)


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("height", [10, 40, 90])
def test_outlines_fit_the_ink(vertical, height):
    """A flat white number on nothing: every digit's ink lies inside its outline's box, and fills it."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        patch = draw(rng, FACE, "2075", height, surface=0, vertical=vertical)
        assert patch.digits == "2075" and len(patch.outlines) == 4
        assert patch.colour.shape == (*patch.alpha.shape, 3)
        assert patch.alpha.min() >= 0 and patch.alpha.max() <= 1.001
        boxes = np.array([[*o.min(0), *o.max(0)] for o in patch.outlines])
        tall = boxes[:, 3] - boxes[:, 1]
        assert np.median(tall) == pytest.approx(height, rel=0.2)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert (np.diff(centres[:, 1 if vertical else 0]) > 0).all()
        inside = (boxes[:, :2] >= -1).all() and (boxes[:, 2:] <= np.array(patch.alpha.shape[::-1]) + 1).all()
        assert inside
        for x1, y1, x2, y2 in boxes.astype(int):
            assert patch.alpha[y1 : y2 + 1, x1 : x2 + 1].max() > 0.3


def test_letters_are_drawn_but_not_reported():
    patch = draw(np.random.default_rng(0), FACE, "12 A", 40, 120, caption="OAK LANE")
    assert patch.digits == "12" and len(patch.outlines) == 2


def test_boxes_follow_the_warp():
    """A patch that is its digit's ink and nothing else, warped: the box is the ink's, to a pixel or two."""
    ink = np.zeros((80, 120), np.uint8)
    cv2.circle(ink, (50, 40), 20, 255, -1)
    hull = cv2.convexHull(cv2.findNonZero(ink)).reshape(-1, 2).astype(np.float32) + 0.5
    alpha = ink.astype(np.float32) / 255
    for seed in range(50):
        patch = Patch(np.repeat(alpha[..., None] * 255, 3, 2), alpha, [hull], "0", False)
        warped = _warp(np.random.default_rng(seed), patch, 0.2)
        rows, columns = np.nonzero(warped.alpha > 0.5)
        x1, y1 = warped.outlines[0].min(0)
        x2, y2 = warped.outlines[0].max(0)
        assert [x1, y1, x2, y2] == pytest.approx([columns.min(), rows.min(), columns.max(), rows.max()], abs=2.5)


@pytest.mark.parametrize(
    ("box", "stays", "clipped"),
    [
        ([10, 10, 20, 30], True, [10, 10, 20, 30]),
        ([-3, 10, 7, 30], True, [0, 10, 7, 30]),
        ([-6, 10, 4, 30], False, [0, 10, 4, 30]),
        ([10, 10, 13, 10 + MIN_HEIGHT - 1], False, [10, 10, 13, 10 + MIN_HEIGHT - 1]),
        ([95, 45, 105, 55], False, [95, 45, 100, 50]),
        ([200, 10, 210, 30], False, [100, 10, 100, 30]),
    ],
)
def test_clipping(box, stays, clipped):
    boxes, stay = clip_boxes(np.float32([box]), 50, 100)
    assert stay.tolist() == [stays] and boxes[0].tolist() == clipped


def test_real_plates_keep_their_boxes():
    image = np.zeros((40, 80, 3), np.uint8)
    cv2.rectangle(image, (10, 8), (29, 31), (255, 255, 255), -1)
    plate = Sample(image, np.float32([[10, 8, 30, 32]]), np.array([5]), ("5",), "plate")
    patch = plate_patch(np.random.default_rng(1), plate, 48)
    x1, y1 = patch.outlines[0].min(0).astype(int)
    x2, y2 = patch.outlines[0].max(0).astype(int)
    assert y2 - y1 == pytest.approx(48, abs=1)
    assert patch.colour[y1 + 3 : y2 - 3, x1 + 3 : x2 - 3].min() > 200


def test_every_source_is_drawn_from(sources):
    """Real scenes, plates and words are used where they are given."""
    marked = np.full((60, 100, 3), (255, 0, 255), np.uint8)
    scene = Sample(marked, np.float32([[40, 20, 52, 44], [54, 20, 66, 44]]), np.array([3, 4]), ("34",), "scene")
    full = Sources(sources.typefaces, sources.backgrounds, [scene], [scene], [marked], [marked])
    synthesizer = Synthesizer(full, seed=1, scene_size=(96, 128))

    def magenta(image):
        return (np.abs(image.astype(int) - (255, 0, 255)).max(2) < 90).mean() > 0.02

    assert sum(magenta(synthesizer.scene(i).image) for i in range(60)) > 10
    assert sum(magenta(synthesizer.number(i).image) for i in range(60)) > 5
    assert any(synthesizer.number(i).numbers == ("34",) for i in range(60))


@pytest.mark.parametrize("preset", [for_crops, for_scenes])
def test_degrading_is_repeatable_and_keeps_the_shape(preset):
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    transform = preset()
    results = [degrade(transform, image, np.random.default_rng(seed)) for seed in (1, 1, 2, 3, 4)]
    assert (results[0] == results[1]).all()
    assert any((results[0] != other).any() for other in results[2:])
    assert all(r.shape == image.shape and r.dtype == np.uint8 for r in results)


def test_ink_can_be_told_from_what_is_under_it():
    rng = np.random.default_rng(0)
    for under in (0, 60, 128, 200, 255):
        inks = np.array([ink_against(rng, under) for _ in range(200)])
        assert (np.abs(inks - under) > 10).all() and (inks >= 0).all() and (inks <= 255).all()


def test_number_lengths_follow_their_weights():
    rng = np.random.default_rng(0)
    numbers = [random_number(rng, (0.5, 0.5)) for _ in range(2000)]
    assert np.mean([len(n) == 1 for n in numbers]) == pytest.approx(0.5, abs=0.05)
    assert any(n[0] == "0" and len(n) == 2 for n in numbers)


def test_a_blank_negative_has_the_right_shapes():
    blank = Sample(np.zeros((4, 4, 3), np.uint8), empty_boxes(), np.zeros(0, np.int64), (), "blank")
    assert blank.boxes.shape == (0, 4) and blank.numbers == ()
