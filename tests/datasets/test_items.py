import numpy as np
import pytest

from digits.datasets.items import Sample, empty_boxes, split_of


@pytest.mark.parametrize(
    ("image", "boxes", "labels"),
    [
        (np.zeros((4, 4, 3), np.float32), empty_boxes(), []),
        (np.zeros((4, 4), np.uint8), empty_boxes(), []),
        (np.zeros((4, 4, 3), np.uint8), empty_boxes(), [1]),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 5)), [1]),
    ],
)
def test_samples_are_validated(image, boxes, labels):
    with pytest.raises(ValueError, match=r"photo\.jpg"):
        Sample(image, boxes, np.array(labels, np.int64), (), "photo.jpg")


def test_the_split_is_by_id_alone_and_near_its_shares():
    """Pinned: a picture that changed sides between versions would leak from training into measuring."""
    assert [split_of(n) for n in ("facade_0000.jpg", "facade_0002.jpg", "facade_0001.jpg")] == [
        "train",
        "validation",
        "test",
    ]
    splits = [split_of(f"photo_{i}.jpg") for i in range(5000)]
    for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert splits.count(split) / 5000 == pytest.approx(share, abs=0.02)
