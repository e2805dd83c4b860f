import json

import numpy as np
import pytest

from digits import DatasetError
from digits.datasets.pictures import make_record
from digits.datasets.synthesis.layout import Layout, at_level, draw_from, svhn_layout


def numbers(count: int, gap: float = 4.0, height: float = 20.0, slope: float = 0.1):
    """Records of three digits each, of known measures."""
    records = []
    for i in range(count):
        text = f"{i % 1000:03d}"
        boxes = [[10 + k * (10 + gap), 5 + k * (10 + gap) * slope] for k in range(3)]
        boxes = [[x, y, x + 10, y + height] for x, y in boxes]
        records.append(make_record(str(i), "x.png", (0, 0), boxes, [int(c) for c in text], [text]))
    return records


def test_what_is_measured():
    layout = Layout.measure(numbers(1000))
    assert layout.numbers == 1000 and layout.lengths == (0, 0, 1000, 0, 0, 0) and layout.stacked == 0
    assert set(layout.height) == {20.0} and set(layout.gap) == {0.2}
    assert set(np.ravel(layout.aspect)) == {0.5}
    assert layout.slope == pytest.approx([0.1] * len(layout.slope), abs=1e-3)


def test_stacks_have_no_gap_and_no_slope():
    stack = [make_record("s", "x.png", (0, 0), [[0, 25 * k, 10, 25 * k + 20] for k in range(2)], [1, 2], ["12"])]
    layout = Layout.measure(numbers(1000) + stack * 250)
    assert layout.stacked == 0.2 and set(layout.gap) == {0.2}


def test_too_little_to_measure():
    for records in ([], numbers(99), [make_record("n", "x.png", (9, 9))] * 200):
        with pytest.raises(DatasetError, match="too few"):
            Layout.measure(records)


def test_it_is_kept_as_a_small_table(tmp_path):
    layout = Layout.measure(numbers(1000))
    layout.save(tmp_path / "layout.json")
    assert Layout.load(tmp_path / "layout.json") == layout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("[]", "a JSON object"),
        ("{}", "not a layout table"),
        ('{"numbers": 3}', "not a layout table"),
        (lambda table: {**table, "aspect": table["aspect"][:3]}, "not a layout table"),
        (lambda table: {**table, "gap": 3}, "not a layout table"),
        (lambda table: {**table, "gap": [0.1, 0.0]}, "not a layout table"),
        (lambda table: {**table, "gap": [0.1, float("nan")]}, "not a layout table"),
        (lambda table: {**table, "gap": [0.1, 1e300]}, "not a layout table"),
        (lambda table: {**table, "height": ["a", "b"]}, "not a layout table"),
        (lambda table: {**table, "lengths": [1, 2, 3]}, "not a layout table"),
        (lambda table: {**table, "lengths": [-1, 2, 3, 1, 1, 1]}, "not a layout table"),
    ],
)
def test_another_table_is_refused(tmp_path, content, message):
    path = tmp_path / "layout.json"
    if callable(content):
        Layout.measure(numbers(1000)).save(path)
        path.write_text(json.dumps(content(json.loads(path.read_text()))))
    elif content is not None:
        path.write_text(content)
    with pytest.raises(DatasetError, match=message):
        Layout.load(path)


def test_the_shipped_table_is_that_of_svhn():
    layout = svhn_layout()
    assert layout.numbers == 33402 and layout.lengths == (5137, 18130, 8691, 1434, 9, 1)
    assert at_level(layout.height, 0.5) == pytest.approx(29, abs=1)
    middles = [at_level(aspect, 0.5) for aspect in layout.aspect]
    assert middles[1] == min(middles) and np.median(middles) == pytest.approx(0.5, abs=0.02)


def test_values_are_drawn_as_the_quantiles_say():
    rng = np.random.default_rng(0)
    drawn = [draw_from(rng, (0.0, 1.0, 10.0)) for _ in range(4000)]
    assert np.mean(np.array(drawn) < 1) == pytest.approx(0.5, abs=0.03)
    assert at_level((0.0, 1.0, 10.0), 0.0) == 0.0 and at_level((0.0, 1.0, 10.0), 1.0) == 10.0
