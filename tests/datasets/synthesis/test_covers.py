"""What hides an outer digit hides a part of it, and leaves the others alone."""

import numpy as np
import pytest

from digits.datasets.synthesis.covers import cover_end

ROW = np.array([[20 + 40 * k, 30, 50 + 40 * k, 90] for k in range(3)], np.float32)
STACK = np.array([[30, 20 + 70 * k, 60, 80 + 70 * k] for k in range(3)], np.float32)


def changed(before, after, box):
    """The share of a box whose pixels were changed clearly."""
    x1, y1, x2, y2 = box.astype(int)
    return float((np.abs(after[y1:y2, x1:x2].astype(int) - before[y1:y2, x1:x2]).max(2) > 12).mean())


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("boxes", [ROW, STACK], ids=["row", "stack"])
@pytest.mark.parametrize("index", [0, 2])
def test_an_end_is_hidden_and_the_rest_is_not(seed, boxes, index):
    rng = np.random.default_rng(seed)
    before = rng.integers(60, 130, (260, 160, 3)).astype(np.uint8)
    after = before.copy()
    cover_end(rng, after, boxes, index)
    assert after.dtype == np.uint8 and after.shape == before.shape
    assert 0.15 < changed(before, after, boxes[index]) < 0.95  # noise hides some of it, leaves reach beyond
    assert changed(before, after, boxes[2 - index]) == 0
    assert changed(before, after, boxes[1]) < 0.1


def test_it_comes_from_the_outside():
    before = np.full((120, 160, 3), 100, np.uint8)
    for seed in range(40):
        after = before.copy()
        cover_end(np.random.default_rng(seed), after, ROW, 2)
        touched = np.flatnonzero((after != before).any((0, 2)))
        assert not len(touched) or touched.min() > ROW[1, 2]  # what is worn away looks like this wall
