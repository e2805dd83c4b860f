"""The script that measures drawing and reading of examples, in small."""

import numpy as np
import pytest

from digits.datasets import open_source
from digits.datasets.pictures import make_record


@pytest.fixture(scope="module")
def bench(script):
    return script("data")


def test_what_is_written_is_read_back(bench, tmp_path):
    records = [
        make_record("a/1.png", "1.png", (0, 0), [[1, 2, 11, 22]], [0], ["0"]),
        make_record("a/2.png", "2.png", (0, 0), [[1, 2, 11, 22], [12, 2, 20, 22]], [3, 7], ["37"]),
    ]
    bench.write_structure(tmp_path / "digitStruct.mat", records)
    back = open_source(tmp_path / "digitStruct.mat", annotations_only=True).records
    for one, other in zip(records, back, strict=True):
        assert one.numbers == other.numbers and np.array_equal(one.boxes, other.boxes)


def test_a_rate_counts_what_is_measured_alone(bench):
    made = []
    assert bench.rate(made.append, 5, 2, "things") > 0
    assert made == [10**6, 10**6 + 1, 0, 1, 2, 3, 4]
