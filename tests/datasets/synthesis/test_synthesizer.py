import re

import cv2
import numpy as np
import pytest
from torch.utils.data import DataLoader

from digits.datasets.items import Sample, empty_boxes
from digits.datasets.synthesis import Sources, Synthesizer, Synthetic, plate_patch
from digits.datasets.synthesis.patch import Patch, turned
from digits.datasets.synthesis.synthesizer import SUBURBS
from digits.datasets.visibility import MIN_HEIGHT


def same(a: Sample, b: Sample) -> bool:
    return (
        a.image.shape == b.image.shape
        and (a.image == b.image).all()
        and np.array_equal(a.boxes, b.boxes)
        and a.numbers == b.numbers
    )


@pytest.mark.parametrize("kind", ["scene", "number", "composed", "crop"])
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


def test_some_scenes_are_sheets_of_close_looks(sources):
    scenes = map(Synthesizer(sources, seed=4).scene, range(80))
    sheets = [s for s in scenes if (s.image == 127).all(2).mean() > 0.03]  # the gaps between the views
    assert 0.25 < len(sheets) / 80 < 0.55
    heights = np.concatenate([s.boxes[:, 3] - s.boxes[:, 1] for s in sheets])
    assert 28 < np.median(heights) < 44  # what a detector enlarges suspected digits to
    assert max(len(s.numbers) for s in sheets) > 2
    for s in sheets:
        assert s.image.shape == (256, 320, 3)
        assert "".join(s.numbers) == "".join(map(str, s.labels))


def test_stacks_fit_into_whole_scenes(sources):
    def is_tall(boxes):
        low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
        return len(boxes) > 2 and high[1] - low[1] > 2 * (high[0] - low[0])

    composed = [Synthesizer(sources, seed=6, scene_size=(240, 320)).composed(i) for i in range(120)]
    stacks = [boxes for s in composed for boxes in s.number_boxes() if is_tall(boxes)]
    assert len(stacks) > 8
    assert (
        max((boxes[:, 3] - boxes[:, 1]).max() for boxes in stacks) > 30
    )  # large ones too, not just what fits by chance


def test_numbers_keep_their_promises(synthesizer):
    samples = [synthesizer.number(i) for i in range(200)]
    lengths = [len(s.labels) for s in samples]
    assert 0.05 < lengths.count(0) / 200 < 0.3
    assert {1, 2, 3, 4} <= set(lengths) <= set(range(len(SUBURBS) + 1))
    for s in samples:
        assert "".join(s.numbers) == "".join(map(str, s.labels))
        assert s.boxes.shape == (len(s.labels), 4)


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


def test_a_blank_negative_has_the_right_shapes():
    blank = Sample(np.zeros((4, 4, 3), np.uint8), empty_boxes(), np.zeros(0, np.int64), (), "blank")
    assert blank.boxes.shape == (0, 4) and blank.numbers == ()


def test_crops_are_cut_as_detectors_cut(synthesizer):
    """All digits are there and inside; margins differ, and some cut into the outer digits."""
    crops = [synthesizer.crop(i) for i in range(150)]
    cut = 0
    for crop in crops:
        height, width = crop.image.shape[:2]
        assert "".join(crop.numbers) == "".join(map(str, crop.labels))
        assert (crop.boxes >= 0).all() and (crop.boxes <= [width, height, width, height]).all()
        assert (crop.boxes[:, 2:] > crop.boxes[:, :2]).all()
        if len(crop.boxes):
            edges = [*crop.boxes[:, :2].min(0), width - crop.boxes[:, 2].max(), height - crop.boxes[:, 3].max()]
            cut += min(edges) < 0.01
    assert 15 < cut < 100


@pytest.mark.parametrize(("boxes", "numbers"), [([], ("7",)), ([[1, 2, 9, 20]], ()), ([[1, 2, 9, 20]] * 2, ("7", "7"))])
def test_plates_must_show_one_number_that_is_boxed(sources, boxes, numbers):
    """Else a number would be called a negative, or two numbers one."""
    boxes = np.float32(boxes).reshape(-1, 4)
    plate = Sample(np.zeros((30, 40, 3), np.uint8), boxes, np.full(len(boxes), 7), numbers, "p")
    with pytest.raises(ValueError, match="p: a plate must show one number"):
        Sources(sources.typefaces, sources.backgrounds, plates=[plate])


@pytest.mark.parametrize("shape", [(1, 1, 3), (500, 1, 3), (1, 500, 3), (30, 40, 3), (3000, 2000, 3)])
@pytest.mark.parametrize("kind", ["scene", "composed", "number", "crop"])
def test_backgrounds_of_any_size(sources, shape, kind):
    small = Sources(sources.typefaces, [np.full(shape, 90, np.uint8)])
    synthesizer = Synthesizer(small, seed=1, scene_size=(96, 128))
    for index in range(4):
        assert getattr(synthesizer, kind)(index).image.size


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_any_number_of_workers_draws_the_same(sources, workers):
    data = Synthetic(Synthesizer(sources, seed=4), "crop")
    loader = DataLoader(data, batch_size=4, num_workers=workers, collate_fn=list)
    drawn = [sample for _, batch in zip(range(3), loader, strict=False) for sample in batch]
    assert [s.image_id for s in drawn] == [f"crop-4-{i}" for i in range(12)]
    assert all(same(s, data[i]) for i, s in enumerate(drawn))


def test_a_count_ends_it(sources):
    data = Synthetic(Synthesizer(sources, seed=4), "number", count=3)
    assert len(data) == len(list(data)) == 3
    with pytest.raises(IndexError):
        data[3]


def test_half_of_the_lengths_are_those_of_the_layout(sources):
    total = sum(sources.layout.lengths)
    assert sources.lengths[1] == pytest.approx(0.5 * sources.layout.lengths[1] / total + 0.5 * SUBURBS[1])
    assert sum(sources.lengths) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["composed", "scene", "number", "crop"])
def test_the_members_of_a_range_are_two_numbers(sources, monkeypatch, kind):
    """Even where the mark between them is too low to be labelled; a crop shows the first."""
    monkeypatch.setattr("digits.datasets.synthesis.synthesizer.random_range", lambda rng: "4717-93")
    draw = getattr(Synthesizer(sources, seed=3, scene_size=(160, 240)), kind)
    numbers = [number for i in range(100) for number in draw(i).numbers]
    assert "4717" in numbers and ("93" in numbers or kind == "crop")
    assert not any("1793" in number for number in numbers)


TEXTS = {
    "plain": "[0-9]+",
    "suffix": "[0-9]+[A-Z]",
    "range": "[0-9]+[-/][0-9]+",
    "hidden": "[0-9]{2,}",
    "turned": "[0-9]+",
}


@pytest.mark.parametrize(("kind", "pattern"), TEXTS.items(), ids=TEXTS)
def test_a_portrait_shows_one_number_of_its_kind(sources, kind, pattern):
    for i in range(12):
        image, number = Synthesizer(sources, seed=5).portrait(i, kind)
        assert re.fullmatch(pattern, number.text) and number.upright == (kind != "turned")
        assert image.shape == (240, 320, 3) and len(number.boxes) == len(number.text)
        assert (number.boxes[:, 2:] > number.boxes[:, :2]).all()


def test_photographs_say_what_can_be_read(sources):
    drawn = [Synthesizer(sources, seed=5, scene_size=(240, 320)).photograph(i) for i in range(400)]
    numbers = [number for _, placed in drawn for number in placed]
    assert 0.0 < np.mean([not number.upright for number in numbers]) < 0.2
    assert any("-" in number.text for number in numbers) and any(number.text[-1:].isalpha() for number in numbers)
    for number in numbers:
        assert len(number.boxes) == len(number.text) == len(number.labelled)
        assert (number.boxes >= 0).all() and (number.boxes <= [320, 240, 320, 240]).all()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_outlines_are_turned_with_their_patch(quarters, mirrored):
    alpha = np.zeros((40, 70), np.float32)
    alpha[5:15, 50:66] = 1
    corners = np.float32([[50, 5], [66, 5], [66, 15], [50, 15]])
    patch = turned(Patch(alpha[..., None].repeat(3, 2), alpha, [corners], "7", False), quarters, mirrored)
    (x1, y1), (x2, y2) = patch.outlines[0].min(0).astype(int), patch.outlines[0].max(0).astype(int)
    assert (
        patch.alpha[y1:y2, x1:x2].all() and patch.alpha.sum() == 160 and patch.colour.shape == (*patch.alpha.shape, 3)
    )
