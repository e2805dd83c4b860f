import numpy as np
import pytest

from digits import Detections, Detector


@pytest.mark.parametrize(
    ("boxes", "scores", "labels"),
    [((2, 4), (3,), (3,)), ((3, 3), (3,), (3,)), ((3, 4), (3,), (2,)), ((3, 4), (3, 1), (3,))],
)
def test_detections_are_validated(boxes, scores, labels):
    with pytest.raises(ValueError, match="expected"):
        Detections(np.zeros(boxes, np.float32), np.zeros(scores, np.float32), np.zeros(labels, np.int64))


@pytest.mark.parametrize("size", [(1, 1), (20, 30), (31, 1200), (480, 640)])
def test_any_size_gives_boxes_inside_it(reader, size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    found = reader.detector.predict([image])[0]
    assert found.boxes.shape == (len(found), 4)
    assert (found.boxes >= 0).all() and (found.boxes <= [size[1], size[0], size[1], size[0]]).all()
    assert ((found.labels >= 0) & (found.labels <= 9)).all()
    assert (np.diff(found.scores) <= 0).all()


def test_a_tiny_first_image_does_not_spoil_the_next(make_photo):
    """torchvision's RoI pooling guesses its strides from the first image, and keeps them."""
    fresh = Detector(backend="torch")
    photo = np.asarray(make_photo("25"))
    expected = Detector(backend="torch").predict([photo])[0]
    _, found = fresh.predict([np.zeros((1, 1, 3), np.uint8), photo])
    assert len(expected) and np.allclose(found.boxes, expected.boxes, atol=1e-3)


@pytest.mark.parametrize("height", [10, 16, 60, 200, 330])
def test_shipped_weights_find_digits_of_any_size(reader, make_photo, height):
    found = reader.detector.predict([np.asarray(make_photo("25", height=height))])[0]
    sure = found.scores > 0.5
    best = found.boxes[sure]
    assert {2, 5} <= set(found.labels[sure].tolist())
    digit_height = best[:, 3] - best[:, 1]
    assert np.median(digit_height) == pytest.approx(height, rel=0.25)
    x, y = ((best[:, :2] + best[:, 2:]) / 2).mean(0)
    assert max(abs(x - 320), abs(y - 240)) < 0.5 * height


def test_to_dict_is_plain():
    found = Detections(np.float32([[1, 2, 3, 4]]), np.float32([0.5]), np.array([7]))
    assert found.to_dict() == {"boxes": [[1, 2, 3, 4]], "scores": [0.5], "labels": [7]}
