"""Pictures whose labels are known to be wrong are left out of training, and said to be."""

from pathlib import Path

import numpy as np
import pytest

from digits.datasets.items import empty_boxes
from digits.datasets.pictures import Pictures, Record
from digits.training.data import trusted

LISTED = (Path(__file__).parents[2] / "training" / "wrong_labels.txt").read_text().split()


def record(path):
    return Record(Path(path).name, Path(path), 9, 9, empty_boxes(), np.zeros(0, np.int64), ())


def test_the_list_names_each_picture_once():
    assert len(LISTED) == len(set(LISTED)) > 50
    assert all(len(Path(line).parts) == 2 and Path(line).suffix for line in LISTED)


@pytest.mark.parametrize(
    ("folder", "kept"), [("svhn_train_color", False), ("elsewhere", True)], ids=["listed", "of another source"]
)
def test_listed_pictures_are_left_out(tmp_path, folder, kept):
    name = Path(next(line for line in LISTED if line.startswith("svhn_train_color/"))).name
    wrong, right = (record(tmp_path / folder / "images" / each) for each in (name, "right.png"))
    pictures = trusted(Pictures("source", [wrong, right], []))
    assert pictures.records == ([wrong, right] if kept else [right])
    assert [problem.image_id for problem in pictures.problems] == ([] if kept else [name])
