"""What `digits.core.resampling` makes of pictures, beside OpenCV, which the networks were first trained with."""

import cv2
import numpy as np
import pytest

from digits.core.resampling import resize, turn


def smooth(height, width):
    """A picture without sharp edges, in which no two places look alike."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((480, 640), (256, 192)),
        ((480, 640), (639, 479)),
        ((480, 640), (102, 77)),
        ((120, 160), (320, 240)),
        ((300, 7), (1, 48)),
        ((20, 200), (96, 48)),  # narrower and taller
        ((1301, 1999), (100, 65)),  # several strips, and blocks that do not come out even
        ((1, 1), (96, 48)),
        ((90, 70), (1, 1)),
        ((2000, 3), (1, 40)),
    ],
)
def test_a_picture_is_the_same_at_another_size(shape, size):
    image = smooth(*shape)
    resized = resize(image, size)
    assert resized.shape == (size[1], size[0], 3) and resized.dtype == np.uint8 and resized.flags.writeable
    interpolation = cv2.INTER_AREA if size[0] < shape[1] or size[1] < shape[0] else cv2.INTER_LINEAR
    expected = cv2.resize(image, size, interpolation=interpolation).astype(int)
    assert np.abs(expected - resized).mean() < 4


def test_a_picture_of_the_right_size_is_not_copied():
    image = smooth(30, 40)
    assert resize(image, (40, 30)) is image


def test_fine_stripes_become_their_mean():
    stripes = np.zeros((2400, 3200, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resize(stripes, (320, 240)).astype(int) - 100).max() <= 2


def test_a_part_of_a_picture_is_taken_where_it_lies():
    image = smooth(400, 600)
    part = image[50:350, 100:500]
    assert not part.flags.c_contiguous
    assert (resize(part, (80, 60)) == resize(np.ascontiguousarray(part), (80, 60))).all()


@pytest.mark.parametrize("shape", [(90, 140), (141, 60)])
@pytest.mark.parametrize("degrees", [0.0, 8.0, -33.0, 59.0])
def test_a_picture_is_turned_about_its_middle_and_its_edge_goes_on(shape, degrees):
    image = smooth(*shape)
    turned = turn(image, degrees)
    matrix = cv2.getRotationMatrix2D(((shape[1] - 1) / 2, (shape[0] - 1) / 2), degrees, 1.0)
    expected = cv2.warpAffine(image, matrix, shape[::-1], borderMode=cv2.BORDER_REPLICATE).astype(int)
    assert turned.shape == image.shape
    assert np.abs(expected - turned).mean() < 1
