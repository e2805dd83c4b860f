import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from digits import DatasetError
from digits.core.alphabet import CHARACTERS
from digits.core.boxes import enclosing, is_stacked, reading_order
from digits.datasets.items import split_of
from digits.datasets.pictures import read_negatives
from digits.datasets.real import load_pixels, read_annotated, split_evenly

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real training data is not here")

NAME = next(f"{i}.png" for i in range(99) if split_of(f"{i}.png") == "train")
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
    pictures = read_annotated(write(tmp_path, [{"file": NAME, **record}]))
    (sample,) = pictures
    assert sample.numbers == numbers and sample.labels.tolist() == labels
    assert sample.boxes.shape == (len(labels), 4) and sample.boxes.dtype == np.float32
    assert sample.image[0, 0].tolist() == [50, 100, 200]
    assert len(pictures.split("train")) == 1 and len(pictures.split("test")) == 0


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"file": NAME, "text": "12", "boxes": [BOX]}, "malformed annotation"),
        ({"file": NAME, "caption": "12"}, "malformed annotation"),
        ({"file": "gone.png", "numbers": []}, "picture missing"),
        (
            {"file": NAME, "numbers": [{"text": "502A", "box": BOX}]},
            "the number '502A' is not known, or no house number",
        ),
        ({"file": NAME, "text": "1", "boxes": [[5, 5, 5, 9]]}, "no area"),
        ({"file": NAME, "text": "1", "boxes": [[90, 5, 95, 9]]}, "outside the picture"),
    ],
)
def test_a_bad_entry_is_left_out_and_listed(tmp_path, caplog, record, reason):
    pictures = read_annotated(write(tmp_path, [record, {"file": NAME, "numbers": []}]))
    assert [r.image_id for r in pictures.records] == [NAME]
    assert pictures.problems[0].image_id == record["file"] and reason in pictures.problems[0].reason
    assert "1 entry left out" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"), [("{", "not JSON"), ({}, "a JSON list"), ([[1]], "object with a file")]
)
def test_another_schema_is_refused(tmp_path, content, message):
    with pytest.raises(DatasetError, match=message):
        read_annotated(write(tmp_path, content))
    with pytest.raises(DatasetError, match="no such file"):
        read_annotated(tmp_path / "gone.json")


def test_pixels_are_reduced(tmp_path):
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((100, 200, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((10, 20, 3), np.uint8))
    assert [p.shape for p in load_pixels(read_negatives(tmp_path), long_side=50)] == [(10, 20, 3), (25, 50, 3)]


def test_even_split():
    boxes = split_evenly("217", (0, 10, 26, 30))
    widths = boxes[:, 2] - boxes[:, 0]
    assert widths[1] == pytest.approx(0.6 * widths[0]) and widths[0] == pytest.approx(widths[2])
    assert (boxes[1:, 0] > boxes[:-1, 2]).all()
    assert enclosing(boxes).tolist() == [0, 10, 26, 30]


@pytest.mark.parametrize(
    ("text", "size", "stacked"),
    [
        ("11", (13, 20), False),
        ("11", (8, 44), True),
        ("301", (40, 58), False),
        ("108", (20, 90), True),
        ("7", (5, 20), False),
    ],
)
def test_a_tall_box_is_that_of_a_stack(text, size, stacked):
    boxes = split_evenly(text, (5, 10, 5 + size[0], 10 + size[1]))
    assert is_stacked(boxes) is stacked and reading_order(boxes).tolist() == list(range(len(text)))
    assert enclosing(boxes).tolist() == [5, 10, 5 + size[0], 10 + size[1]]


@needs_data
@pytest.mark.parametrize(("name", "least"), [("campus", 350), ("icdar2003", 30), ("iiit5k", 300)])
def test_real_annotations(name, least):
    pictures = read_annotated(SHARED / name)
    assert len(pictures.split("train")) >= least
    assert sum(len(pictures.split(part)) for part in ("train", "validation", "test")) == len(pictures)
    for sample in pictures.split("validation"):
        assert len(sample.labels) == sum(map(len, sample.numbers))
        assert (sample.boxes[:, 2:] > sample.boxes[:, :2]).all()


def noted(tmp_path, name, text):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((200, 400, 3), np.uint8))
    (tmp_path / name).write_text(text)
    return tmp_path


def test_lines_with_a_box_a_digit(tmp_path):
    line = {"file": "a.png", "digits": "17", "boxes": [[10, 20, 30, 60], [50, 20, 40, 60]]}
    (record,) = read_annotated(noted(tmp_path, "annotations.jsonl", json.dumps(line) + "\n\n"), quiet=True).records
    assert record.numbers == ("17",) and record.labels.tolist() == [1, 7]
    assert record.boxes.tolist() == [[10, 20, 40, 80], [50, 20, 90, 80]]


def test_lines_that_are_no_json_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"annotations\.jsonl: line 2: not lines of JSON"):
        read_annotated(noted(tmp_path, "annotations.jsonl", "{}\n{"), quiet=True)


@pytest.mark.parametrize(
    ("number", "letters", "expected"),
    [
        ({"text": "502B", "sure": True}, True, "502B"),
        ({"text": "312", "sure": True}, True, "312"),
        ({"text": "312", "sure": True}, False, "312"),
        ({"text": "502B", "sure": True}, False, None),  # letters only where they are asked for
        ({"text": "502B", "sure": False}, True, None),
        ({"text": "312", "sure": False}, True, None),
        ({"text": "", "sure": True}, True, None),
        ({"text": "B502", "sure": True}, True, None),
    ],
)
def test_numbers_read_by_eye(tmp_path, number, letters, expected):
    entry = {"file": "a.png", "numbers": [{**number, "box": [100, 50, 160, 60]}]}
    pictures = read_annotated(noted(tmp_path, "annotations.json", json.dumps([entry])), quiet=True, letters=letters)
    assert [record.numbers for record in pictures.records] == ([(expected,)] if expected else [])
    assert len(pictures.problems) == (not expected)
    for record in pictures.records:  # left, top, width, height
        assert record.boxes[:, :2].min(0).tolist() == [100, 50] and record.boxes[:, 2:].max(0).tolist() == [260, 110]
        assert "".join(CHARACTERS[label] for label in record.labels) == expected
