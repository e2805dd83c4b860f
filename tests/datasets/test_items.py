import numpy as np
import pytest

from digits.datasets.items import Sample, empty_boxes, is_validation


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


def test_the_split_is_by_id_alone_and_near_its_share():
    names = [f"photo_{i}.jpg" for i in range(5000)]
    chosen = [is_validation(name) for name in names]
    assert chosen == [is_validation(name) for name in names]
    assert np.mean(chosen) == pytest.approx(0.2, abs=0.02)
    assert set(np.array(names)[[is_validation(n, 10) for n in names]]) <= set(np.array(names)[chosen])
