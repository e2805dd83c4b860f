import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from digits import DatasetError
from digits.datasets.items import part_of
from digits.datasets.real import list_pictures, load_annotated, load_pictures, split_evenly
from digits.training.data import load_sources

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real training data is not here")

NAME = next(f"{i}.png" for i in range(99) if part_of(f"{i}.png") == "train")
BOX = [2.0, 3.0, 12.0, 23.0]


def write(folder: Path, records) -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "images" / NAME), np.full((40, 60, 3), (200, 100, 50), np.uint8))
    (folder / "annotations.json").write_text(records if isinstance(records, str) else json.dumps(records))
    return folder


@pytest.mark.parametrize(
    ("record", "numbers", "labels"),
    [
        ({"words": [{"text": "42", "boxes": [BOX, BOX]}]}, ("42",), [4, 2]),
        ({"words": [{"text": "4a", "boxes": [BOX]}, {"text": "Bar", "boxes": []}]}, ("4",), [4]),
        ({"text": "7PM", "boxes": [BOX] * 3}, ("7",), [7]),
        ({"text": "Hello", "boxes": [BOX] * 5}, (), []),
        ({"numbers": [{"text": "105", "box": BOX}]}, ("105",), [1, 0, 5]),
        ({"numbers": []}, (), []),
    ],
)
def test_annotation_formats(tmp_path, record, numbers, labels):
    (sample,) = load_annotated(write(tmp_path, [{"file": NAME, **record}]), "train")
    assert sample.numbers == numbers and sample.labels.tolist() == labels
    assert sample.boxes.shape == (len(labels), 4) and sample.boxes.dtype == np.float32
    assert sample.image[0, 0].tolist() == [50, 100, 200]
    assert load_annotated(tmp_path, "test") == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ("{", "not JSON"),
        ([{"file": NAME, "text": "12", "boxes": [BOX]}], "malformed annotation"),
        ([{"file": NAME, "caption": "12"}], "malformed annotation"),
    ],
)
def test_bad_annotations(tmp_path, records, message):
    with pytest.raises(DatasetError, match=message):
        load_annotated(write(tmp_path, records), "train")


def test_missing_things(tmp_path):
    with pytest.raises(DatasetError, match=r"annotations\.json: missing"):
        load_annotated(tmp_path, "train")
    with pytest.raises(DatasetError, match="no such folder"):
        list_pictures(tmp_path / "gone")
    with pytest.raises(DatasetError, match="holds no picture"):
        list_pictures(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        load_sources(tmp_path / "gone")


def test_pictures_are_reduced_and_split(tmp_path):
    for i in range(30):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((100, 200, 3), np.uint8))
    parts = [load_pictures(tmp_path, part, long_side=50) for part in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 30 and len(parts[0]) > 15
    assert {picture.shape for part in parts for picture in part} == {(25, 50, 3)}


def test_even_split():
    boxes = split_evenly("217", (0, 10, 26, 30))
    widths = boxes[:, 2] - boxes[:, 0]
    assert widths[1] == pytest.approx(0.6 * widths[0]) and widths[0] == pytest.approx(widths[2])
    assert (boxes[1:, 0] > boxes[:-1, 2]).all()
    assert boxes[0, 0] > 0 and boxes[-1, 2] < 26


@needs_data
@pytest.mark.parametrize(("name", "least"), [("campus", 350), ("icdar2003", 30), ("iiit5k", 300)])
def test_real_annotations(name, least):
    parts = [load_annotated(SHARED / name, part) for part in ("train", "validation", "test")]
    assert len(parts[0]) >= least
    names = [s.image_id for part in parts for s in part]
    assert len(names) == len(set(names))
    for sample in parts[1] + parts[2]:
        assert len(sample.labels) == sum(map(len, sample.numbers))
        assert (sample.boxes[:, 2:] > sample.boxes[:, :2]).all()
