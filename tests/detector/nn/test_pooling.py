import pytest
import torch
from torchvision.ops import roi_align

from digits.detector.nn.pooling import pooled

SIZES = [(40, 30), (20, 15), (10, 8)]  # widths and heights of the maps


@pytest.fixture(scope="module")
def maps():
    torch.manual_seed(0)
    return [torch.randn(1, 6, high, wide) for wide, high in SIZES]


def cut(maps, boxes, level, grid=7, samples=2):
    pixels = [each.permute(0, 2, 3, 1).reshape(-1, each.shape[1]) for each in maps]
    return pooled(pixels, torch.tensor(SIZES[: len(maps)]), boxes, level, grid, samples)


@pytest.mark.parametrize("grid, samples", [(7, 2), (3, 1), (5, 4), (1, 2)])
@pytest.mark.parametrize(
    "boxes",
    [
        pytest.param([[3.2, 4.1, 9.7, 14.9], [0, 0, 2.5, 7.25]], id="digits"),
        pytest.param([[5, 5, 5.1, 5.2], [7.5, 2, 7.5, 2]], id="less than a pixel"),
        pytest.param([[39.9, 29.8, 40, 30], [39.2, 0, 40, 1], [0, 29.5, 1, 30]], id="in the corners"),
        pytest.param([[8, 0, 40, 30]], id="as large as it may be"),
        pytest.param([[10, 12, 18, 13.5], [12, 3, 14, 29]], id="long"),
        pytest.param([], id="none"),
    ],
)
def test_boxes_are_pooled_as_by_roi_align(boxes, grid, samples, maps):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    found, order = cut(maps[:1], boxes, torch.zeros(len(boxes), dtype=torch.int64), grid, samples)
    assert order.tolist() == list(range(len(boxes)))
    assert torch.allclose(found, roi_align(maps[0], [boxes], grid, 1.0, samples), atol=1e-5)


def test_each_box_is_cut_from_its_map(maps):
    boxes = torch.tensor([[1.0, 2, 4, 6], [0.5, 1, 3, 7], [2, 2, 9, 12], [5, 1, 8, 7.5]])
    level = torch.tensor([2, 1, 0, 2])
    found, order = cut(maps, boxes, level)
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    for cells, i in zip(found, order, strict=True):
        expected = roi_align(maps[level[i]], [boxes[i, None]], 7, 1.0, 2)[0]
        assert torch.allclose(cells, expected, atol=1e-5)


def test_a_strip_is_seen_in_part(maps):
    """What is longer than any digit does not grow the windows of all the others."""
    long, digit = torch.tensor([[0.0, 10, 40, 12], [3.0, 4, 9, 14]])
    found, _ = cut(maps[:1], torch.stack([long, digit]), torch.tensor([0, 0]), grid=8)
    both = roi_align(maps[0], [torch.stack([long, digit])], 8, 1.0, 2)
    assert torch.allclose(found[1], both[1], atol=1e-5)
    assert torch.allclose(found[0, ..., :6], both[0, ..., :6], atol=1e-5)  # 30 of 40 pixels
    assert not found[0, ..., 7].any()
