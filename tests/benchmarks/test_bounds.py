"""Where the time of a photograph goes, as the benchmark says it."""

import re

import pytest
from click.testing import CliRunner

STEPS = ["loading", "coarse pass", "full pass", "zoom crops", "tiles", "crops", "the rest", "all"]


@pytest.fixture(scope="module")
def bounds(script):
    return script("bounds")


@pytest.mark.parametrize(
    ("text", "idle"),
    [
        ("35", ["full pass", "tiles"]),  # read in the coarse pass
        ("", ["zoom crops", "crops"]),
    ],
)
def test_the_table(bounds, make_photo, tmp_path, text, idle):
    make_photo(text, height=40).save(tmp_path / "door.png")
    done = CliRunner().invoke(bounds.main, ["--photos", str(tmp_path), "--backend", "onnx"], catch_exceptions=False)
    title, _, _, _, *rows = done.stdout.splitlines()
    assert re.fullmatch(r"\d+ cores, onnx: \d+ billion multiplications a second", title)
    cells = [row[2:-2].split(" | ") for row in rows]
    steps = {name: [float(value or 0) for value in values] for name, *values in cells}
    assert list(steps) == STEPS
    assert all(spent >= 0 for spent, *_ in steps.values())
    assert [name for name in STEPS[1:-2] if steps[name][1] == 0] == idle
    assert steps["loading"][1] == steps["the rest"][1] == 0
    for column, within in ((0, 0.5), (1, 0.05), (2, 0.5)):
        *parts, total = (values[column] for values in steps.values())
        assert sum(parts) == pytest.approx(total, abs=within)
