import json
import logging
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5r, h5s, h5t
from PIL import Image

from digits import DatasetError
from digits.datasets import svhn
from digits.datasets.svhn import read_svhn

SHARED = Path(__file__).parents[3] / "shared" / "data" / "svhn"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real training data is not here")

SIZE = (60, 40)  # of every picture drawn here
ONE = [(10, 5, 8, 20, 1)]  # left, top, width, height, label: fits it


class Raw(dict):
    """The columns of an entry as they are, for those that rows of digits cannot express."""


def write_mat(path: Path, entries, layout: int = h5d.COMPACT) -> Path:
    """An annotation file as MATLAB writes it. entries: name and rows of digits, or Raw columns, or a null reference."""
    how = h5p.create(h5p.DATASET_CREATE)
    how.set_layout(layout)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def put(group, name: str, values) -> h5py.Reference:
            array = np.asarray(values)
            kind = h5t.py_create(array.dtype, logical=True)
            dataset = h5d.create(group.id, name.encode(), kind, h5s.create_simple(array.shape), how)
            dataset.write(h5s.ALL, h5s.ALL, array)
            group[name].attrs["MATLAB_class"] = np.bytes_("double")
            return h5r.create(group.id, name.encode(), h5r.OBJECT)

        def listed(items) -> np.ndarray:
            column = np.empty((len(items), 1), h5py.ref_dtype)
            column[:, 0] = items
            return column

        names, boxes = [], []
        for i, (name, rows) in enumerate(entries):
            names.append(put(refs, f"name{i}", np.array([[ord(c)] for c in name] or [[0], [0]], "<u2")))
            if rows is None:
                boxes.append(h5py.Reference())
                continue
            group = refs.create_group(f"bbox{i}")
            boxes.append(group.ref)
            columns = rows if isinstance(rows, Raw) else dict(zip(svhn.COLUMNS, zip(*rows, strict=True), strict=True))
            for column, values in columns.items():
                if len(values) == 1:
                    put(group, column, np.array([values], float))
                else:
                    each = [put(refs, f"{column}{i}_{j}", [[float(v)]]) for j, v in enumerate(values)]
                    put(group, column, listed(each))
        parent = file.create_group("digitStruct")
        parent["bbox"], parent["name"] = listed(boxes), listed(names)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .".ljust(124) + b"\0\2IM")
    return path


def write_part(folder: Path, entries, layout: int = h5d.COMPACT) -> Path:
    """A part of SVHN with a picture for each entry."""
    write_mat(folder / svhn.ANNOTATIONS, entries, layout)
    for name, _ in entries:
        if svhn.is_plain_name(name):
            Image.new("RGB", SIZE, (200, 100, 50)).save(folder / name, "PNG")
    return folder


@pytest.mark.parametrize("layout", [h5d.COMPACT, h5d.CONTIGUOUS])
@pytest.mark.parametrize(
    ("rows", "number", "boxes"),
    [
        (ONE, "1", [[10, 5, 18, 25]]),
        ([(10, 5, 8, 20, 10), (20, 5, 8, 20, 5)], "05", [[10, 5, 18, 25], [20, 5, 28, 25]]),
        ([(-1, 5, 8, 20, 9), (50, 30, 20, 20, 1)], "91", [[0, 5, 7, 25], [50, 30, 60, 40]]),
        ([(30, 5, 8, 20, 3), (20, 5, 8, 20, 2), (10, 5, 8, 20, 1)], "123", None),
        ([(20, 20, 8, 10, 2), (20, 5, 8, 10, 1), (21, 31, 8, 9, 3)], "123", None),
    ],
    ids=["single", "ten is zero", "clipped", "right to left", "stacked"],
)
def test_what_is_read(tmp_path, rows, number, boxes, layout):
    part = write_part(tmp_path / "train", [("1.png", rows), ("2.png", rows)], layout)
    (record, second), problems = read_svhn(part).records, read_svhn(part).problems
    assert problems == [] and second.numbers == record.numbers == (number,)
    assert record.image_id == "train/1.png" and record.path == part / "1.png"
    assert (record.width, record.height) == SIZE
    assert record.boxes.dtype == np.float32 and record.labels.dtype == np.int64
    assert record.labels.tolist() == [int(digit) for digit in number]
    if boxes:
        assert record.boxes.tolist() == boxes
    sample = record.open()
    assert sample.numbers == (number,) and sample.image[0, 0].tolist() == [200, 100, 50]


@pytest.mark.parametrize(
    ("name", "rows", "image_id", "reason"),
    [
        ("missing.png", ONE, "train/missing.png", "picture missing"),
        ("bad.png", ONE, "train/bad.png", "not a readable picture"),
        ("1.png", ONE, "train/1.png", "named a second time"),
        ("", ONE, "entry 2", "its name is empty"),
        ("../train/1.png", ONE, "entry 2", "'../train/1.png' is not a plain file name"),
        ("..", ONE, "entry 2", "'..' is not a plain file name"),
        ("x" * 300, ONE, "entry 2", "its name cannot be read"),
        ("2.png", [(1, 1, 8, 20, 11)], "train/2.png", "a label is not 1 to 10"),
        ("2.png", [(1, 1, 8, 20, 0), (9, 1, 8, 20, 1)], "train/2.png", "a label is not 1 to 10"),
        ("2.png", [(1, 1, 8, 20, 1.5)], "train/2.png", "a label is not 1 to 10"),
        ("2.png", [(1, 1, 0, 20, 1), (9, 1, 8, 20, 1)], "train/2.png", "a box has no area"),
        ("2.png", [(1, 1, 8, -20, 1)], "train/2.png", "a box has no area"),
        ("2.png", [(100, 1, 8, 20, 1)], "train/2.png", "a box lies outside the picture"),
        ("2.png", [(-9, 1, 8, 20, 1)], "train/2.png", "a box lies outside the picture"),
        ("2.png", [(np.nan, 1, 8, 20, 1)], "train/2.png", "a box or label is not finite"),
        ("2.png", [(1, 1, 8, 20, np.inf)], "train/2.png", "a box or label is not finite"),
        ("2.png", None, "train/2.png", "its digits cannot be read"),
        ("2.png", Raw(left=[1, 2]), "train/2.png", "its digits cannot be read"),
        ("2.png", Raw({key: [1.0] for key in svhn.COLUMNS}, left=[1, 2]), "train/2.png", "of different lengths"),
        ("2.png", [(1, 1, 8, 20, 1)] * 101, "train/2.png", "its digits cannot be read"),
    ],
)
def test_broken_entries_are_left_out(tmp_path, caplog, name, rows, image_id, reason):
    part = write_part(tmp_path / "train", [("1.png", ONE), ("2.png", ONE), ("3.png", ONE)])
    (part / "bad.png").write_bytes(b"no picture")
    write_mat(part / svhn.ANNOTATIONS, [("1.png", ONE), (name, rows), ("3.png", ONE)])
    for _ in ("parsed", "cached"):
        caplog.clear()
        read = read_svhn(part)
        assert [record.image_id for record in read.records] == ["train/1.png", "train/3.png"]
        (problem,) = read.problems
        assert problem.image_id == image_id and reason in problem.reason
        assert "1 entry left out" in caplog.text


def test_parts_do_not_share_ids(tmp_path):
    parts = [read_svhn(write_part(tmp_path / name, [("1.png", ONE)])) for name in ("train", "extra")]
    assert [part.records[0].image_id for part in parts] == ["train/1.png", "extra/1.png"]


def test_other_folder_and_name(tmp_path, monkeypatch):
    part = write_part(tmp_path / "train", [("1.png", ONE)])
    moved = write_mat(tmp_path / "test" / "sample.mat", [("1.png", ONE)])
    (record,) = read_svhn(moved, images=part).records
    assert record.path == part / "1.png" and record.image_id == "test/1.png"
    with pytest.raises(DatasetError, match=r"gone: no folder of pictures"):
        read_svhn(moved, images=tmp_path / "gone")
    assert read_svhn(moved).problems[0].reason == "picture missing"
    monkeypatch.chdir(part)
    assert read_svhn(".").records[0].image_id == "train/1.png"


def test_annotations_only(tmp_path):
    path = write_mat(tmp_path / "train" / svhn.ANNOTATIONS, [("1.png", [(-1, 5, 100, 20, 7)])])
    (record,) = read_svhn(path, annotations_only=True).records
    assert (record.width, record.height) == (0, 0) and record.boxes.tolist() == [[0, 5, 99, 25]]
    write_part(path.parent / "pictures", [("1.png", ONE)])
    (record,) = read_svhn(path, images=path.parent / "pictures").records
    assert (record.width, record.height) == SIZE and record.boxes.tolist() == [[0, 5, 60, 25]]
    (record,) = read_svhn(path, annotations_only=True).records
    assert (record.width, record.height) == (0, 0)


def truncated(path: Path) -> None:
    write_mat(path, [(f"{i}.png", ONE) for i in range(20)])
    os.truncate(path, path.stat().st_size // 2)


def other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["X"] = [1]


def no_references(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["digitStruct/bbox"] = file["digitStruct/name"] = [[1.0]]


def uneven(path: Path) -> None:
    write_mat(path, [("1.png", ONE), ("2.png", ONE)])
    with h5py.File(path, "r+") as file:
        names = file["digitStruct/name"][:1]
        del file["digitStruct/name"]
        file["digitStruct/name"] = names


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("1.png 19\n"), r"is no MATLAB 7\.3 \(HDF5\) file"),
        (lambda path: path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(512)), "is a MATLAB 5 file"),
        (truncated, "truncated or damaged"),
        (other_hdf5, "has no digitStruct/bbox"),
        (no_references, "digitStruct/bbox is no list of references"),
        (uneven, "1 names for 2 entries"),
        (lambda path: None, "holds no digitStruct.mat"),
    ],
)
def test_unreadable_files(tmp_path, make, message):
    make(tmp_path / svhn.ANNOTATIONS)
    with pytest.raises(DatasetError, match=message) as caught:
        read_svhn(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.npz*"))


def test_no_such_source(tmp_path):
    with pytest.raises(DatasetError, match="gone: no such file or folder"):
        read_svhn(tmp_path / "gone")


def numbers(part: Path) -> list[str]:
    return [record.numbers[0] for record in read_svhn(part).records]


def overwrite(part: Path, label: int, mtime_shift: int = 0) -> None:
    """Other digits, in a file of the same size and, unless shifted, of the same age."""
    path = part / svhn.ANNOTATIONS
    before = path.stat()
    write_mat(path, [("1.png", [(10, 5, 8, 20, label)])])
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + mtime_shift))


def test_cache_is_used_while_nothing_changes(tmp_path):
    part = write_part(tmp_path / "train", [("1.png", ONE)])
    assert numbers(part) == ["1"]
    assert sorted(p.name for p in part.iterdir()) == ["1.png", "digitStruct.cache.npz", "digitStruct.mat"]
    overwrite(part, 2)
    assert numbers(part) == ["1"]
    overwrite(part, 3, mtime_shift=1000)
    assert numbers(part) == ["3"]


def test_pictures_that_come_and_go_are_noticed(tmp_path, monkeypatch):
    part = write_part(tmp_path / "train", [("1.png", ONE), ("2.png", ONE)])
    assert len(read_svhn(part)) == 2
    monkeypatch.setattr(svhn, "_parse", None)  # the annotations need no second reading
    (part / "2.png").rename(tmp_path / "2.png")
    assert [problem.reason for problem in read_svhn(part).problems] == ["picture missing"]
    (tmp_path / "2.png").rename(part / "2.png")
    assert len(read_svhn(part)) == 2


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\3\4 cut", None])
def test_corrupt_cache_is_replaced(tmp_path, content):
    part = write_part(tmp_path / "train", [("1.png", ONE)])
    assert numbers(part) == ["1"]
    cache = part / "digitStruct.cache.npz"
    sound = cache.read_bytes()
    cache.write_bytes(sound[: len(sound) // 2] if content is None else content)
    overwrite(part, 2)
    assert numbers(part) == ["2"]
    overwrite(part, 3)
    assert numbers(part) == ["2"]


def test_cache_whose_arrays_do_not_agree_is_replaced(tmp_path):
    part = write_part(tmp_path / "train", [("1.png", ONE)])
    read_svhn(part)
    cache = part / "digitStruct.cache.npz"
    with np.load(cache) as held:
        np.savez(cache, **{**held, "digits": np.zeros((3, 5))})
    assert numbers(part) == ["1"]


def test_folder_that_cannot_be_written(tmp_path, monkeypatch, caplog):
    part = write_part(tmp_path / "train", [("1.png", ONE)])

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(svhn.os, "replace", refuse)
    caplog.set_level(logging.INFO)
    assert numbers(part) == ["1"]
    assert "not written (Permission denied)" in caplog.text
    assert sorted(p.name for p in part.iterdir()) == ["1.png", "digitStruct.mat"]


def test_interrupt_leaves_no_cache(tmp_path, monkeypatch):
    part = write_part(tmp_path / "train", [("1.png", ONE)])

    def interrupted(file, **_):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(svhn.np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read_svhn(part)
    assert sorted(p.name for p in part.iterdir()) == ["1.png", "digitStruct.mat"]


@needs_data
@pytest.mark.parametrize(("part", "count"), [("train", 39), ("test", 40), ("extra", 40)])
def test_official_files(tmp_path, part, count):
    folder = tmp_path / part
    folder.mkdir()
    shutil.copyfile(SHARED / f"digitStruct_{part}_sample.mat", folder / svhn.ANNOTATIONS)
    for i in (1, 2, 3):
        shutil.copyfile(SHARED / f"{part}_{i}.png", folder / f"{i}.png")
    read = read_svhn(folder)
    assert len(read) == 3 and len(read.problems) == count - 3
    assert {problem.reason for problem in read.problems} == {"picture missing"}
    for record in read.records:
        assert record.open().image.shape[:2] == (record.height, record.width)
        assert record.boxes.min() >= 0 and (record.boxes[:, 2:] <= [record.width, record.height]).all()

    every = read_svhn(folder, annotations_only=True)
    assert len(every) == count and every.problems == []
    assert [record.numbers for record in every.records[:3]] == [record.numbers for record in read.records]
    if part == "train":
        with (SHARED / "train_annotations.jsonl").open() as lines:
            for line, record in zip(lines, every.records, strict=False):
                known = json.loads(line)
                boxes = np.array(known["boxes"], np.float32)
                boxes[:, 2:] += boxes[:, :2]
                assert record.image_id == f"train/{known['file']}" and record.numbers == (known["digits"],)
                assert record.boxes.tolist() == boxes.clip(0).tolist()
