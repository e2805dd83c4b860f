"""Curves drawn from logs."""

import json
import re

import pytest

from digits.training.plots import plot_runs


@pytest.fixture
def runs(tmp_path):
    """Two short runs, written by hand; the second has not been measured yet."""
    folders = [tmp_path / "plain", tmp_path / "mined"]
    for folder in folders:
        folder.mkdir()
        records = [{"step": s, "loss": 2 / s, "rate": 0.1, "images_per_second": 90.0} for s in (5, 10)]
        if folder.name == "plain":
            records.append({"step": 10, "epoch": 1, "length_accuracy": 0.5})
        (folder / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folders


@pytest.mark.parametrize("count", [1, 2])
def test_curves_say_what_they_show(runs, tmp_path, count):
    """A title, a unit and steps on every panel, a legend where there are several runs."""
    plot_runs(runs[:count], tmp_path / "curves.svg")
    picture = (tmp_path / "curves.svg").read_text()
    texts = re.findall("<!-- (.*?) -->", picture)  # an SVG keeps its texts as comments
    assert texts.count("training step") == 4
    assert texts.count("loss") == 2  # title and unit
    for text in ("learning rate", "pictures a second", "length accuracy", "validation data, 0 to 1"):
        assert text in texts
    assert [name in texts for name in ("plain", "mined")] == [count > 1] * 2
    assert ("stroke-dasharray: 7.4" in picture or "stroke-dasharray: 5.55" in picture) == (count > 1)
