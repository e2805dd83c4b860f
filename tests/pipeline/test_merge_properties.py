"""What holds of any digits: how they are grouped does not depend on where, how large or in which order they are."""

import numpy as np
import pytest

from digits.pipeline.merge import candidates, merge

SEEDS = range(12)


def scattered(seed: int, count: int = 24) -> tuple:
    """Digits of like height all over a picture of 400 by 300 pixels, no two of one score, none below 0.12."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 1, (count, 2)) * (360, 250)
    heights = rng.uniform(24, 40, (count, 1))
    boxes = np.concatenate([corners, corners + heights * [[0.55, 1]]], 1)
    return boxes, rng.permutation(np.linspace(0.13, 0.99, count)), rng.integers(0, 10, count)


def groups(regions, back=lambda boxes: boxes) -> set:
    """Which boxes are one number, whatever its direction, each taken `back` to where it came from."""
    return {(frozenset(map(tuple, back(each.digit_boxes).round().tolist())), each.stacked) for each in regions}


FLIP, AWAY = np.array([400, 300, 400, 300]), np.array([70, -40, 70, -40])
CHANGES = {
    "moved": (lambda b: b + AWAY, lambda b: b - AWAY),
    "enlarged": (lambda b: b * 8, lambda b: b / 8),
    "reduced": (lambda b: b / 50, lambda b: b * 50),
    "mirrored": (lambda b: (b * [-1, 1, -1, 1] + FLIP * [1, 0, 1, 0])[:, [2, 1, 0, 3]],) * 2,
    "upside down": (lambda b: (b * [1, -1, 1, -1] + FLIP * [0, 1, 0, 1])[:, [0, 3, 2, 1]],) * 2,
}


@pytest.mark.parametrize(("change", "back"), CHANGES.values(), ids=CHANGES)
def test_digits_are_grouped_alike_wherever_and_however_large_they_are(change, back):
    for seed in SEEDS:
        boxes, scores, labels = scattered(seed)
        order = np.random.default_rng(seed).permutation(len(boxes))
        changed = merge(change(boxes)[order], scores[order], labels[order])
        assert groups(changed, back) == groups(merge(boxes, scores, labels))
        assert len(changed) > 3


@pytest.mark.parametrize("find", [merge, candidates])
def test_what_every_number_is(find):
    """One to six digits in reading order, one of them sure; scores and evidence are those of its digits."""
    for seed in SEEDS:
        boxes, scores, labels = scattered(seed)
        regions = find(boxes, scores, labels)
        assert [each.score for each in regions] == sorted((each.score for each in regions), reverse=True)
        own = dict(zip(map(tuple, np.float32(boxes).tolist()), scores, strict=True))
        for each in regions:
            middles = (each.digit_boxes[:, :2] + each.digit_boxes[:, 2:]) / 2
            assert (np.diff(middles[:, int(each.stacked)]) > 0).all()
            assert each.box.tolist() == [*each.digit_boxes[:, :2].min(0), *each.digit_boxes[:, 2:].max(0)]
            found = [own[tuple(box)] for box in each.digit_boxes.tolist()]
            assert 1 <= len(found) <= 6
            assert max(found) >= 0.3
            assert each.score == pytest.approx(np.mean(found))
            assert each.evidence.max(1) == pytest.approx(found)
            assert each.stacked == (each.orientation == "vertical") <= (len(found) > 1)
        if find is merge:  # every digit is of one number
            all_boxes = [tuple(box) for each in regions for box in each.digit_boxes.tolist()]
            assert len(all_boxes) == len(set(all_boxes))


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_drawn_apart_are_found_whole(seed):
    """Four plates, level or slanted lines or stacks, of any digit height and of up to six digits."""
    rng = np.random.default_rng(seed)
    digits, expected = [], []
    for place in np.array([[0, 0], [1000, 0], [0, 1000], [1000, 1000]]):
        count, height, stacked = rng.integers(1, 7), rng.uniform(20, 60), rng.random() < 0.3
        pitch = height * (rng.uniform(1.05, 1.6) if stacked else rng.uniform(0.6, 1.2))
        step = (0, pitch) if stacked else (pitch, pitch * rng.uniform(-0.4, 0.4))
        corners = place + (200, 200) + np.arange(count)[:, None] * step + rng.uniform(-0.04, 0.04, (count, 2)) * height
        digits.append(np.concatenate([corners, corners + height * np.array([0.55, 1])], 1))
        expected.append((frozenset(map(tuple, np.float32(digits[-1]).round().tolist())), bool(stacked and count > 1)))
    boxes = np.concatenate(digits)
    shuffled = rng.permutation(len(boxes))
    scores = rng.uniform(0.5, 1, len(boxes))
    regions = merge(boxes[shuffled], scores[shuffled], rng.integers(0, 10, len(boxes)))
    assert groups(regions) == set(expected)


def numbers(*boxes, scores=None) -> list[str]:
    """The numbers that boxes 1, 2, … make, as strings of these digits."""
    scores = np.full(len(boxes), 0.9) if scores is None else np.array(scores)
    regions = merge(np.array(boxes, float), scores, np.arange(1, len(boxes) + 1))
    return sorted("".join(map(str, each.evidence.argmax(1))) for each in regions)


@pytest.mark.parametrize("scale", [1, 7])
@pytest.mark.parametrize(("overlap", "expected"), [(0.25, ["12"]), (0.5, ["1", "2"]), (0.8, ["1", "2"])])
def test_wide_boxes_that_overlap_much_are_not_neighbours(overlap, expected, scale):
    """Overlaps in heights of the boxes, which are twice as wide as high."""
    second = 2 - overlap
    assert numbers(*np.array([[0, 0, 2, 1], [second, 0, second + 2, 1]]) * scale) == expected
    assert numbers(*np.array([[0, 0, 2, 1], [-second, 0, 2 - second, 1]]) * scale) == [e[::-1] for e in expected]


@pytest.mark.parametrize(("overlap", "expected"), [(0.2, ["12"]), (0.35, ["1", "2"]), (0.45, ["1", "2"])])
def test_boxes_of_a_stack_overlap_little(overlap, expected):
    assert numbers([0, 0, 22, 40], [2, 40 - 40 * overlap, 24, 80 - 40 * overlap]) == expected


def test_a_digit_is_of_the_number_of_its_nearest_neighbour_even_if_a_further_one_is_surer():
    """The third, higher up, is next to the second as well."""
    near = [100, 100, 120, 140], [126, 100, 146, 140]
    for further in ([98, 73, 118, 113], [98, 127, 118, 167]):
        assert numbers(*near, further, scores=[0.5, 0.9, 0.9]) == ["12", "3"]
