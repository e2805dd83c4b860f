"""The script that measures how fast the networks train, on the least of data."""

import pytest


@pytest.fixture(scope="module")
def bench(script):
    return script("training")


def test_all_variants_are_sound(bench, data):
    """Every setting exists: a misspelt one would be refused."""
    chosen = bench.variants(2, "cpu")
    assert len({variant.name for variant in chosen}) == len(chosen) == 9
    for variant in chosen:
        config = bench.configured(variant, data)
        assert config.epoch_steps == variant.steps and not config.data.validation
        assert config.data.train[0].mined is None  # there are none in this folder


def test_a_rate_is_that_of_the_run(bench, data):
    small = ("data.batch_size=4", "data.workers=0", "data.train.0.fonts=fonts", "machine.device=cpu")
    assert bench.images_a_second(bench.Variant("few", "recognizer", small, 4), data) > 0
