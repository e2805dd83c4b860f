import numpy as np
import pytest

from digits.datasets import lighting
from digits.datasets.degrade import degrade, for_crops, for_scenes


@pytest.mark.parametrize("preset", [for_crops, for_scenes])
def test_degrading_is_repeatable_and_keeps_the_shape(preset):
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    transform = preset()
    results = [degrade(transform, image, np.random.default_rng(seed)) for seed in (1, 1, 2, 3, 4)]
    assert (results[0] == results[1]).all()
    assert any((results[0] != other).any() for other in results[2:])
    assert all(r.shape == image.shape and r.dtype == np.uint8 for r in results)


def test_effects_are_drawn_one_by_one():
    """Not all of them or none: what befalls a picture is independent of what else does."""
    transform = for_crops()
    image = np.random.default_rng(0).integers(60, 200, (48, 64, 3), np.uint8)
    changed = [(degrade(transform, image, np.random.default_rng(seed)) != image).any() for seed in range(100)]
    assert np.mean(changed) > 0.85


@pytest.mark.parametrize("effect", [lighting.shadow_edge, lighting.low_sun, lighting.night])
@pytest.mark.parametrize("shape", [(40, 60, 3), (9, 200, 3), (1, 1, 3)])
def test_light(effect, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for seed in range(5):
        seen = effect(np.random.default_rng(seed), image)
        assert seen.shape == shape and seen.dtype == np.uint8
        assert (seen == effect(np.random.default_rng(seed), image)).all()


def test_night_is_darker_and_shadows_darken_one_side():
    image = np.full((60, 80, 3), 160, np.uint8)
    rng = np.random.default_rng(0)
    assert np.median([lighting.night(rng, image).mean() for _ in range(20)]) < 130
    spread = [np.ptp(lighting.shadow_edge(rng, image)[..., 0].astype(int)) for _ in range(20)]
    assert min(spread) > 30


def test_noise_grows_with_the_light_and_has_no_bias():
    rng = np.random.default_rng(0)
    dark, bright = (lighting.sensor_noise(rng, np.full((80, 80, 3), v, np.uint8), 0.3).astype(float) for v in (40, 200))
    assert bright.std() > 1.4 * dark.std() > 2
    assert dark.mean() == pytest.approx(40, abs=1) and bright.mean() == pytest.approx(200, abs=1)


def test_noise_covers_pictures_larger_than_its_strip():
    image = np.full((1200, 1200, 3), 128, np.uint8)
    assert lighting.sensor_noise(np.random.default_rng(0), image, 0.3).std() > 3


def test_reflections_show_the_other_picture():
    image, other = np.zeros((50, 70, 3), np.uint8), np.full((10, 10, 3), 250, np.uint8)
    seen = lighting.reflection(np.random.default_rng(0), image, other)
    assert 0 < seen.max() < 120
