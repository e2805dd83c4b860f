"""What `digits.core.resampling` makes of pictures, beside OpenCV, with which the networks were trained."""

import cv2
import numpy as np
import pytest

from digits.core.resampling import resize, turn


def noise(height, width):
    """A picture in which no pixel says anything of its neighbours."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height, width):
    """A picture without sharp edges, in which no two places look alike."""
    return cv2.normalize(cv2.GaussianBlur(noise(height, width), (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize(
    ("shape", "size", "interpolation"),
    [
        ((480, 640), (256, 192), cv2.INTER_AREA),
        ((480, 640), (639, 479), cv2.INTER_AREA),
        ((480, 640), (102, 77), cv2.INTER_AREA),
        ((480, 640), (640, 192), cv2.INTER_AREA),
        ((1300, 1999), (325, 400), cv2.INTER_AREA),
        ((300, 7), (1, 48), cv2.INTER_AREA),
        ((90, 70), (1, 1), cv2.INTER_AREA),
        ((2000, 3), (1, 40), cv2.INTER_AREA),
        ((120, 160), (320, 240), cv2.INTER_LINEAR),
        ((40, 60), (72, 48), cv2.INTER_LINEAR),
        ((1, 1), (96, 48), cv2.INTER_LINEAR),
    ],
)
def test_a_picture_at_another_size_is_as_opencv_makes_it(shape, size, interpolation):
    image = noise(*shape)
    resized = resize(image, size)
    assert resized.shape == (size[1], size[0], 3) and resized.dtype == np.uint8 and resized.flags.writeable
    expected = cv2.resize(image, size, interpolation=interpolation).astype(int)
    assert np.abs(expected - resized).max() <= 1


@pytest.mark.parametrize(("shape", "size"), [((20, 200), (96, 48)), ((200, 20), (48, 96))])
def test_a_picture_narrower_and_taller_is_a_mean_one_way_and_linear_the_other(shape, size):
    image = smooth(*shape)
    narrow = cv2.resize(image, (min(size[0], shape[1]), min(size[1], shape[0])), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(narrow, size, interpolation=cv2.INTER_LINEAR).astype(int)
    assert np.abs(expected - resize(image, size)).max() <= 2


@pytest.mark.parametrize("shape", [(500, 400), (1500, 2100)])
def test_several_threads_make_the_same_of_a_picture(shape):
    image = noise(*shape)
    assert (resize(image, (350, 260), threads=3) == resize(image, (350, 260))).all()


def test_a_picture_of_the_right_size_is_not_copied():
    image = smooth(30, 40)
    assert resize(image, (40, 30)) is image


@pytest.mark.parametrize("size", [(80, 60), (800, 600), (40, 600)])
def test_a_part_of_a_picture_is_taken_where_it_lies(size):
    image = noise(400, 600)
    part = image[50:350, 100:500]
    assert not part.flags.c_contiguous
    assert (resize(part, size) == resize(np.ascontiguousarray(part), size)).all()


@pytest.mark.parametrize("shape", [(90, 140), (141, 60)])
@pytest.mark.parametrize("degrees", [0.0, 8.0, -33.0, 59.0])
def test_a_picture_is_turned_about_its_middle_and_its_edge_goes_on(shape, degrees):
    image = smooth(*shape)
    turned = turn(image, degrees)
    matrix = cv2.getRotationMatrix2D(((shape[1] - 1) / 2, (shape[0] - 1) / 2), degrees, 1.0)
    expected = cv2.warpAffine(image, matrix, shape[::-1], borderMode=cv2.BORDER_REPLICATE).astype(int)
    assert turned.shape == image.shape
    assert np.abs(expected - turned).mean() < 1
