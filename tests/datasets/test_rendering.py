import os

import numpy as np
import pytest

from digits import DatasetError
from digits.datasets import open_source
from digits.datasets.rendering import render
from digits.datasets.synthesis import Synthesizer, Synthetic


@pytest.fixture
def drawn(sources):
    return lambda kind, count=5: Synthetic(Synthesizer(sources, seed=6, scene_size=(96, 128)), kind, count)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_written_is_what_is_drawn(drawn, tmp_path, workers):
    assert render(drawn("crop"), tmp_path / "out", suffix=".png", workers=workers) == 5
    back = open_source(tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["images", "instances.json", "labels.csv"]
    for one, other in zip(drawn("crop"), back, strict=True):
        assert np.array_equal(one.image, other.image) and one.numbers == other.numbers
        assert np.array_equal(one.boxes, other.boxes) and np.array_equal(one.labels, other.labels)
    assert [r.numbers for r in open_source(tmp_path / "out" / "labels.csv").records] == [
        r.numbers for r in back.records
    ]


def test_scenes_have_no_list_of_texts(drawn, tmp_path):
    render(drawn("composed", 2), tmp_path / "out", suffix=".jpg", workers=0)
    assert sorted(os.listdir(tmp_path / "out")) == ["images", "instances.json"]
    assert open_source(tmp_path / "out")[0].image.shape == (96, 128, 3)


@pytest.mark.parametrize("workers", [0, 1])
def test_interrupted_it_keeps_what_is_whole(drawn, tmp_path, workers, monkeypatch):
    def interrupted(items, what, total, quiet):
        for i, item in enumerate(items):
            if i == 3:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr("digits.datasets.rendering.progress", interrupted)
    assert render(drawn("crop"), tmp_path / "out", suffix=".png", workers=workers) == 3
    back = open_source(tmp_path / "out")
    assert len(back) == 3 and len(os.listdir(tmp_path / "out" / "images")) == 3
    assert os.listdir(tmp_path) == ["out"]


def test_interrupted_at_once_it_leaves_nothing(drawn, tmp_path, monkeypatch):
    def interrupted(items, what, total, quiet):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("digits.datasets.rendering.progress", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render(drawn("crop"), tmp_path / "out", suffix=".png", workers=0)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(drawn, tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(DatasetError, match="cannot be written"):
        render(drawn("crop"), tmp_path / "out", suffix=".png", workers=1)
    assert not list(tmp_path.iterdir())
