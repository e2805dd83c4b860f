from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from digits import DatasetError
from digits.datasets.pictures import make_record
from digits.datasets.yolo import label_path, read_yolo, write_yolo, yolo_lines

NAME = "a.png"


def folder_of(root: Path, labels: str | None = "", name: str = NAME, **files: str) -> Path:
    """A YOLO folder with one picture of 60 x 40 pixels; `files` are others to write, dots as underscores."""
    picture = root / "images" / name
    picture.parent.mkdir(parents=True, exist_ok=True)
    (root / "labels").mkdir(exist_ok=True)
    cv2.imwrite(str(picture), np.zeros((40, 60, 3), np.uint8))
    if labels is not None:
        path = root / label_path(PurePosixPath("images", name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(labels)
    for key, text in files.items():
        (root / key.replace("_", ".")).write_text(text)
    return root


@pytest.mark.parametrize(
    ("picture", "labels"),
    [
        ("images/a.jpg", "labels/a.txt"),
        ("images/train/a.b.jpg", "labels/train/a.b.txt"),
        ("images/train/images/a.jpg", "images/train/labels/a.txt"),
    ],
)
def test_where_labels_are(picture, labels):
    assert str(label_path(PurePosixPath(picture))) == labels


@pytest.mark.parametrize("name", [NAME, "train/night/a.png"])
@pytest.mark.parametrize(
    ("labels", "digits"),
    [
        ("", []),
        ("\n  \n", []),
        ("4 0.5 0.5 0.2 0.5\n2 0.75 0.5 0.2 0.5", [4, 2]),
        ("\ufeff0 0.5 0.5 1.0 1.0\r\n", [0]),
    ],
)
def test_labels(tmp_path, labels, digits, name):
    found = read_yolo(folder_of(tmp_path, labels, name))
    (record,) = found.records
    assert not found.problems and record.image_id == name and record.numbers == ()
    assert record.labels.tolist() == digits and record.boxes.shape == (len(digits), 4)
    if digits == [4, 2]:
        assert np.allclose(record.boxes, [[24, 10, 36, 30], [39, 10, 51, 30]])


@pytest.mark.parametrize(
    ("files", "label"),
    [
        ({"data_yaml": "names: [door, '7']"}, 7),
        ({"data_yaml": "names: {0: door, 1: 7}"}, 7),
        ({"data_yaml": "names:\n  1: '10'\n  0: door\n"}, 0),
        ({"classes_txt": "door\n7\n"}, 7),
        ({"data_yaml": "names: [door, '3']", "classes_txt": "1\n2\n"}, 3),
    ],
)
def test_classes_count_by_name(tmp_path, files, label):
    found = read_yolo(folder_of(tmp_path, "1 0.5 0.5 0.2 0.5\n0 0.5 0.5 0.9 0.9\n", **files))
    assert found.records[0].labels.tolist() == [label]
    if "classes_txt" not in files:
        assert found.problems == [("door", "1 annotation of a category that is no digit")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("4 0.5 0.5 0.2", "class cx cy width height is expected"),
        ("4 0.5 0.5 0.2 0.3 0.9", "class cx cy width height is expected"),
        ("four 0.5 0.5 0.2 0.3", "class cx cy width height is expected"),
        ("4 0.5 0.5 0.2 wide", "class cx cy width height is expected"),
        ("12 0.5 0.5 0.2 0.3", "there is no class 12"),
        ("-1 0.5 0.5 0.2 0.3", "there is no class -1"),
        ("4 30 20 12 20", "from 0 to 1"),
        ("4 nan 0.5 0.2 0.3", "from 0 to 1"),
        ("4 0.5 -0.5 0.2 0.3", "from 0 to 1"),
        ("4 0.5 0.5 0 0.3", "have an area"),
    ],
)
def test_a_malformed_line_leaves_its_picture_out(tmp_path, line, reason):
    folder_of(tmp_path, f"1 0.5 0.5 0.2 0.5\n\n{line}\n")
    found = read_yolo(folder_of(tmp_path, "", "b.png"))
    assert [record.image_id for record in found.records] == ["b.png"]
    ((image_id, why),) = found.problems
    assert image_id == NAME and why.startswith("a.txt, line 3: ") and reason in why


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"data_yaml": "names: [door, house]"}, "none of its classes is a digit"),
        ({"data_yaml": "train: images"}, "lacks the names of the classes"),
        ({"data_yaml": "names: {a: b}"}, "lacks the names of the classes"),
        ({"data_yaml": "- names"}, "lacks the names of the classes"),
        ({"data_yaml": "names: [1, "}, "not YAML"),
        ({"classes_txt": "door\n"}, "none of its classes is a digit"),
    ],
)
def test_class_files_of_another_kind(tmp_path, files, message):
    with pytest.raises(DatasetError, match=message):
        read_yolo(folder_of(tmp_path, **files))


@pytest.mark.parametrize("name", [NAME, "train/night/a.png"])
def test_a_picture_without_labels_among_others_has_no_digits(tmp_path, name):
    folder_of(tmp_path, None, name)
    folder_of(tmp_path, "7 0.5 0.5 0.2 0.5", str(PurePosixPath(name).with_name("b.png")))
    assert [record.labels.tolist() for record in read_yolo(tmp_path).records] == [[], [7]]


def test_another_layout(tmp_path):
    with pytest.raises(DatasetError, match="holds no images/"):
        read_yolo(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match="holds no labels/"):
        read_yolo(tmp_path)
    (tmp_path / "labels").mkdir()
    with pytest.raises(DatasetError, match="holds no picture"):
        read_yolo(tmp_path)


def test_pictures_and_labels_that_cannot_be_read(tmp_path):
    folder_of(tmp_path)
    (tmp_path / "images" / "b.png").write_text("no picture")
    folder_of(tmp_path, "", "c.png")
    (tmp_path / "labels" / "c.txt").write_bytes(b"\xff\xfe4")
    found = read_yolo(tmp_path)
    assert len(found) == 1 and [name for name, _ in found.problems] == ["b.png", "c.png"]
    assert "not a readable picture" in found.problems[0].reason and "not UTF-8" in found.problems[1].reason


@settings(deadline=None, max_examples=100)
@given(st.data(), st.integers(10, 10_000), st.integers(10, 10_000))
def test_boxes_come_back(data, width, height):
    sides = [
        sorted(data.draw(st.lists(st.floats(0, side, width=32), min_size=2, max_size=2, unique=True)))
        for side in (width, height)
    ]
    (x1, x2), (y1, y2) = sides
    if min(x2 - x1, y2 - y1) < 0.01:
        return
    record = make_record("a", Path("a"), (width, height), [[x1, y1, x2, y2]], [7])
    label, *shares = yolo_lines(record).split()
    cx, cy, w, h = (float(value) for value in shares)
    back = np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]) * [width, height, width, height]
    assert label == "7" and all(0 <= float(value) <= 1 for value in shares)
    assert np.abs(back - record.boxes[0].astype(np.float64)).max() < 1e-3


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ([NAME, "b.png"], {"train": "images", "val": "images"}),
        (["train/a.png", "validation/b.png"], {"train": "images/train", "val": "images/validation"}),
        (["night/a.png", "test/b.png"], {"train": "images", "val": "images", "test": "images/test"}),
    ],
)
def test_written_folders_are_read_back(tmp_path, names, parts):
    boxes = [[[1, 2, 11, 22], [30.25, 2, 40, 22.125]], []]
    made = [
        make_record(name, folder_of(tmp_path, None, name) / name, (60, 40), box, [0, 7][: len(box)])
        for name, box in zip(names, boxes, strict=True)
    ]
    write_yolo(made, tmp_path, lambda record: record.image_id)
    back = {record.image_id: record for record in read_yolo(tmp_path).records}
    for record in made:
        assert np.allclose(back[record.image_id].boxes, record.boxes, atol=1e-3)
        assert back[record.image_id].labels.tolist() == record.labels.tolist()
    written = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert written == parts | {"names": [str(digit) for digit in range(10)]}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([("a.png", (60, 40), [], ("7",))], "a.png: only its text is known"),
        ([("a.png", (0, 0), [[1, 1, 2, 9]], ("7",))], "a.png: the size of the picture is not known"),
        ([("a.png", (60, 40), [], ()), ("a.jpg", (60, 40), [], ())], "same labels"),
    ],
)
def test_what_yolo_cannot_hold(tmp_path, records, message):
    made = [make_record(n, Path(n), size, boxes, [7] * len(boxes), numbers) for n, size, boxes, numbers in records]
    with pytest.raises(DatasetError, match=message):
        write_yolo(made, tmp_path, lambda record: record.image_id)
    assert list(tmp_path.iterdir()) == []


def test_classes_may_be_named_one_folder_up(tmp_path):
    """As exports have it that keep each part in a folder of its own."""
    folder = tmp_path / "train"
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((40, 60, 3), np.uint8))
    (folder / "labels" / "a.txt").write_text("1 0.5 0.5 0.2 0.5\n")
    (tmp_path / "data.yaml").write_text("names: [door, '8']\n")
    assert read_yolo(folder)[0].labels.tolist() == [8]
