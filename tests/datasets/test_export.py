import os

import cv2
import numpy as np
import pytest

from digits import DatasetError
from digits.datasets import open_source
from digits.datasets.export import by_number, convert, file_names, split, whole_folder
from digits.datasets.items import split_of
from digits.datasets.pictures import Pictures, make_record

LINE = [[10, 10, 20, 30], [22.25, 10, 32, 30]]


@pytest.fixture
def pictures(tmp_path):
    """Two numbers on one picture, a negative, a crop of known text; two of them of one name in different folders."""
    records = []
    for name in ("train/1.png", "test/1.png", "deep/er/n.jpg", "crop.png"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.zeros((40, 60, 3), np.uint8)
        image[10:30, 10:32] = 255
        cv2.imwrite(str(path), image)
        records.append((name, path))
    size = (60, 40)
    return Pictures(
        "some",
        [
            make_record(*records[0], size, [*LINE, [40, 5, 50, 25]], [1, 4, 7], ["14", "7"]),
            make_record(*records[1], size, LINE, [0, 0], ["00"]),
            make_record(*records[2], size),
            make_record(*records[3], size, numbers=["0042"]),
        ],
    )


def same(a, b) -> bool:
    return (
        a.image_id == b.image_id
        and (a.width, a.height, a.numbers) == (b.width, b.height, b.numbers)
        and np.array_equal(a.boxes, b.boxes)
        and a.boxes.dtype == b.boxes.dtype
        and np.array_equal(a.labels, b.labels)
    )


def test_coco_and_back_loses_nothing(pictures, tmp_path):
    convert(pictures, tmp_path / "out", "coco")
    back = open_source(tmp_path / "out")
    assert not back.problems and all(same(a, b) for a, b in zip(pictures.records, back.records, strict=True))
    for one, other in zip(pictures, back, strict=True):
        assert np.array_equal(one.image, other.image)


def test_yolo_keeps_boxes_and_labels(pictures, tmp_path):
    boxed = Pictures("boxed", pictures.records[:3])
    convert(boxed, tmp_path / "out", "yolo")
    back = {r.image_id: r for r in open_source(tmp_path / "out").records}
    for record in boxed.records:
        assert back[record.image_id].boxes == pytest.approx(record.boxes, abs=1e-3)
        assert back[record.image_id].labels.tolist() == record.labels.tolist()
    with pytest.raises(DatasetError, match="only its text is known"):
        convert(pictures, tmp_path / "all", "yolo")
    assert not (tmp_path / "all").exists()


def test_crops_are_cut_with_a_margin(pictures, tmp_path):
    convert(pictures, tmp_path / "out", "crops")
    back = open_source(tmp_path / "out")
    assert [r.numbers for r in back.records] == [("14",), ("7",), ("00",), ("0042",)]
    assert back[0].image.shape == (26, 28, 3)  # 20 high and 22 wide, 3 more on every side, whole pixels
    assert back[0].image[3:23, 3:25].min() == 255 and back[0].image[:3].max() == 0
    assert back[3].image.shape == (40, 60, 3)


def test_pictures_can_stay_where_they_are(pictures, tmp_path):
    convert(pictures, tmp_path / "out", "coco", copy=False)
    assert os.listdir(tmp_path / "out") == ["instances.json"]
    assert len(open_source(tmp_path / "out", annotations_only=True)) == 4


def test_crops_of_what_can_be_read(pictures, tmp_path):
    """What is broken, negative or of unknown text is left out and listed; if nothing is left, nothing is written."""
    pictures.records[0].path.unlink()
    pictures.records.append(make_record("yolo", pictures.records[1].path, (60, 40), LINE, [0, 0]))
    convert(pictures, tmp_path / "out", "crops")
    assert [r.numbers for r in open_source(tmp_path / "out").records] == [("00",), ("0042",)]
    assert [p.image_id for p in pictures.problems] == ["train/1.png", "deep/er/n.jpg", "yolo"]
    with pytest.raises(DatasetError, match="no number in it can be cut out"):
        convert(Pictures("none", pictures.records[-1:]), tmp_path / "none", "crops")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("to", "copied", "names"),
    [
        ("coco", False, ["a.jpg", "a.png", "A.jpg", "b"]),
        ("coco", True, ["a.jpg", "a.png", "A-2.jpg", "b.png"]),
        ("yolo", True, ["a.jpg", "a-2.png", "A-3.jpg", "b.png"]),
        ("yolo", False, ["a.jpg", "a-2.png", "A-3.jpg", "b"]),
    ],
)
def test_names_change_no_more_than_they_must(to, copied, names):
    paths = ["a.jpg", "a.png", "A.jpg", "b.png"]
    records = [make_record(path.removesuffix(".png") if path == "b.png" else path, path, (9, 9)) for path in paths]
    assert list(file_names(records, to, copied).values()) == names


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_damaged_pictures_are_not_copied(pictures, tmp_path, to):
    path = pictures.records[1].path
    path.write_bytes(path.read_bytes()[:-30])
    boxed = Pictures("boxed", pictures.records[:3])
    convert(boxed, tmp_path / "out", to)
    assert {record.image_id for record in open_source(tmp_path / "out").records} == {"deep/er/n.jpg", "train/1.png"}
    [(image_id, reason)] = boxed.problems
    assert image_id == "test/1.png" and "truncated" in reason
    convert(Pictures("boxed", pictures.records[:3]), tmp_path / "uncopied", to, copy=False)
    pictures.records[0].path.write_bytes(b"")
    with pytest.raises(DatasetError, match="no picture to write"):
        convert(Pictures("boxed", pictures.records[:2]), tmp_path / "none", to)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_a_picture_that_cannot_be_copied_leaves_nothing_behind(pictures, tmp_path, monkeypatch, to):
    def fail(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", fail)
    pictures.records.pop()
    with pytest.raises(DatasetError, match=r"1\.png: cannot be copied \(No space left on device\)"):
        convert(pictures, tmp_path / "out", to)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_folder_is_written_whole_or_not_at_all(tmp_path, error):
    with pytest.raises(error), whole_folder(tmp_path / "out") as folder:
        (folder / "half").write_text("x")
        raise error
    assert not list(tmp_path.iterdir())
    with whole_folder(tmp_path / "out") as folder:
        (folder / "all").write_text("x")
    assert os.listdir(tmp_path) == ["out"] and os.listdir(tmp_path / "out") == ["all"]
    with pytest.raises(DatasetError, match="already there"), whole_folder(tmp_path / "out"):
        pass
    assert os.listdir(tmp_path / "out") == ["all"]
    with pytest.raises(DatasetError, match="cannot be written"), whole_folder(tmp_path / "out" / "all" / "deeper"):
        pass


def test_an_empty_folder_is_filled_whatever_it_is(tmp_path, monkeypatch):
    """The current one, a link, a mount: none of those can be put in another's place."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    monkeypatch.chdir(tmp_path / "empty")
    for out in (".", tmp_path / "link"):
        with whole_folder(out) as folder:
            (folder / "deep").mkdir()
            (folder / "deep" / "all").write_text("x")
        assert os.listdir(tmp_path / "empty") == ["deep"] and (tmp_path / "link").is_symlink()
        (tmp_path / "empty" / "deep" / "all").unlink()
        (tmp_path / "empty" / "deep").rmdir()


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["train/1.png", "test/1.png"], ["train/1.png", "test/1.png"]),
        (["../../etc/1.png", "/etc/1.png", "etc\\1.png"], ["etc/1.png", "etc/1-2.png", "etc/1-3.png"]),
        (["..", ""], ["picture.png", "picture-2.png"]),
        (["1.jpg", "A.png", "a.png"], ["1.jpg.png", "A.png", "a-2.png"]),
    ],
)
def test_file_names_stay_in_their_folder_and_differ(ids, names):
    records = [make_record(image_id, "x.png", (9, 9)) for image_id in ids]
    assert list(file_names(records).values()) == names


def test_a_split_is_by_id_and_in_place(pictures, tmp_path):
    counts = split(pictures, tmp_path / "splits")
    assert sum(counts.values()) == 4 and set(counts) == {"train", "validation", "test"}
    for name in counts:
        back = open_source(tmp_path / "splits" / f"{name}.json")
        assert all(split_of(r.image_id) == name for r in back.records)
        assert all(s.image.shape == (40, 60, 3) for s in back)


def test_one_number_stays_in_one_part(tmp_path):
    records = [make_record(str(i), f"{i}.png", (60, 40), LINE, [1, i % 10], [f"1{i % 10}"]) for i in range(200)]
    split(Pictures("many", records), tmp_path / "splits", by_number)
    seen = {}
    for name in ("train", "validation", "test"):
        for record in open_source(tmp_path / "splits" / f"{name}.json", annotations_only=True).records:
            assert seen.setdefault(record.numbers, name) == name
    assert len(seen) == 10
