import collections
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits import DatasetError
from digits.core.boxes import is_stacked
from digits.datasets.mila import read_mila, read_order
from digits.datasets.svhn import COLUMNS

SHARED = Path(__file__).parents[3] / "shared" / "data" / "svhn"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real training data is not here")
SIZE = (60, 40)


def entry(name: str = "1.png", rows=((10, 5, 8, 20, 1),), **more) -> dict:
    """rows: left, top, width, height, label."""
    metadata = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    return {"filename": name, "metadata": metadata, "split": "train", **more}


def write(folder: Path, content, protocol: int = 4) -> Path:
    path = folder / "train_metadata.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    for name in ("1.png", "2.png", "3.png"):
        Image.new("RGB", SIZE).save(folder / name)
    return path


@pytest.mark.parametrize("number", [int, float, np.float64, np.float32, np.int64, np.uint8, np.dtype(">i4").type])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_kinds_of_numbers(tmp_path, number, protocol):
    rows = [[number(v) for v in row] for row in ((20, 5, 8, 20, 0), (10, 5, 8, 20, 7))]
    (record,) = read_mila(write(tmp_path, {0: entry(rows=rows)}, protocol)).records
    assert record.numbers == ("70",) and record.labels.tolist() == [7, 0] and record.labels.dtype == np.int64
    assert record.boxes.tolist() == [[10, 5, 18, 25], [20, 5, 28, 25]] and record.boxes.dtype == np.float32
    assert record.image_id == "train/1.png" and record.path == tmp_path / "1.png"
    assert (record.width, record.height) == SIZE


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("core", ["core", "_core"])
@pytest.mark.parametrize("half", ["multiarray", "_multiarray_umath"])
def test_every_name_of_numpys_module(tmp_path, core, half):
    content = pickle.dumps({0: entry(rows=[[np.float64(v) for v in (10, 5, 8, 20, 1)]])}, 3)
    for name in ("numpy._core.multiarray", "numpy.core.multiarray"):
        content = content.replace(b"c" + name.encode() + b"\n", f"cnumpy.{core}.{half}\n".encode())
    assert f"cnumpy.{core}.{half}\nscalar".encode() in content
    assert read_mila(write(tmp_path, content)).records[0].numbers == ("1",)


def test_byte_order(tmp_path):
    swapped = np.dtype(">f8")
    rows = [[Call(_scalar(), swapped, np.array(v, swapped).tobytes()) for v in (10, 5, 8, 20, 1)]]
    (record,) = read_mila(write(tmp_path, {0: entry(rows=rows)})).records
    assert record.boxes.tolist() == [[10, 5, 18, 25]]


def test_order_and_ids(tmp_path):
    content = {10: entry("3.png"), 2: entry("2.png", split="test"), 0: entry("1.png", split=None)}
    path = write(tmp_path, content)
    assert [r.image_id for r in read_mila(path).records] == [f"{tmp_path.name}/1.png", "test/2.png", "train/3.png"]
    assert read_order(path) == ["3.png", "2.png", "1.png"]


def test_order_needs_no_labels(tmp_path):
    assert read_order(write(tmp_path, {0: {"filename": "2.png"}, 1: entry("1.png", metadata="?")})) == [
        "2.png",
        "1.png",
    ]
    with pytest.raises(DatasetError, match=r"'\.\./1\.png' is not a plain file name"):
        read_order(write(tmp_path, {0: {"filename": "../1.png"}}))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"filename": "2.png", "split": "test"}, "it has no metadata"),
        (entry("2.png", metadata={"label": [1]}), "its metadata is not five lists of numbers"),
        (entry("2.png", [(10, 5, 8, 20, "1")]), "its metadata is not five lists of numbers"),
        (entry("2.png", metadata={**entry()["metadata"], "top": [1, 2]}), "its columns are of different lengths"),
        (entry("2.png", metadata={name: [] for name in COLUMNS}), "it has no digits"),
        (entry("2.png", [(10, 5, 8, 20, 10)]), "a label is not 0 to 9"),
        (entry("2.png", [(10**400, 5, 8, 20, 1)]), "too large"),
        (entry("2.png", [(10, 5, 0, 20, 1)]), "a box has no area"),
        (entry("4.png"), "picture missing"),
        (entry("../1.png"), "'../1.png' is not a plain file name"),
    ],
)
def test_broken_entries_are_left_out(tmp_path, broken, reason):
    read = read_mila(write(tmp_path, {0: entry("1.png"), 1: broken, 2: entry("3.png")}))
    assert [record.image_id for record in read.records] == ["train/1.png", "train/3.png"]
    assert len(read.problems) == 1 and reason in read.problems[0].reason


def test_annotations_only(tmp_path):
    path = write(tmp_path, {0: entry("9.png", [(-1, 5, 800, 20, 0)])})
    (record,) = read_mila(path, annotations_only=True).records
    assert (record.width, record.height) == (0, 0) and record.boxes.tolist() == [[0, 5, 799, 25]]


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def _scalar():
    return np.float64(1).__reduce__()[0]


def touch(path: Path) -> str:
    return f"touch '{path}'"


def python(path: Path) -> str:
    return f"open({str(path)!r}, 'w')"


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (lambda mark: Call(os.system, touch(mark)), r"asks for (posix|nt)\.system"),
        (lambda mark: Call(eval, python(mark)), r"asks for builtins\.eval"),
        (lambda mark: Call(exec, python(mark)), r"asks for builtins\.exec"),
        (lambda mark: Call(getattr, "", "join"), r"asks for builtins\.getattr"),
        (lambda mark: Call(pickle.loads, pickle.dumps(Call(os.system, touch(mark)))), r"asks for _pickle\.loads"),
        (lambda mark: Call(_scalar(), np.dtype("O"), pickle.dumps(Call(eval, python(mark)))), "type 'O8'"),
        (lambda mark: Call(_scalar(), np.dtype([("a", "O")]), b"\1" * 8), "type 'V8'"),
        (lambda mark: Call(_scalar(), "f8", b"\1" * 8), "numpy values that are no numbers"),
        (lambda mark: np.zeros(3), r"asks for numpy\._?core\.multiarray\._reconstruct"),
        (lambda mark: collections.OrderedDict(), r"asks for collections\.OrderedDict"),
    ],
)
@pytest.mark.parametrize("read", [read_mila, read_order])
def test_programs_in_a_pickle_are_refused(tmp_path, attack, message, read):
    mark = tmp_path / "ran"
    path = write(tmp_path, {0: entry("1.png", metadata=attack(mark))})
    with pytest.raises(DatasetError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "refused" in str(caught.value)
    assert not mark.exists()


def test_the_attacks_would_work(tmp_path):
    """Lest the test above shows nothing."""
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Call(eval, python(mark))))
    assert mark.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({0: entry()})[:-20], "no pickle, or damaged"),
        (b"", "no pickle, or damaged"),
        (b"filename,label\n1.png,19\n", "no pickle, or damaged"),
        (b"\x80\x04X\xff\xff\xff\x7f", "no pickle, or damaged"),
        (b"\x80\x04\x8c\x01aQ.", "no pickle, or damaged"),
        ([entry()], "no SVHN metadata"),
        ({"1.png": entry()}, "no SVHN metadata"),
        ({0: [19]}, "no SVHN metadata"),
        ({0: {"file": "1.png"}}, "no SVHN metadata"),
        ({0: {"filename": 1}}, "no SVHN metadata"),
    ],
)
@pytest.mark.parametrize("read", [read_mila, read_order])
def test_other_files(tmp_path, content, message, read):
    path = write(tmp_path, content)
    with pytest.raises(DatasetError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.pkl: no such file"):
        read_mila(tmp_path / "gone.pkl")
    with pytest.raises(DatasetError, match="no folder of pictures"):
        read_mila(write(tmp_path, {0: entry()}), images=tmp_path / "gone")


@needs_data
def test_official_pickle():
    read = read_mila(SHARED / "train_metadata.pkl", annotations_only=True)
    assert len(read) == 33402 and read.problems == []
    with (SHARED / "train_annotations.jsonl").open() as lines:
        known = [json.loads(line) for line in lines]
    assert [record.image_id for record in read.records] == [f"train/{line['file']}" for line in known]
    rows = [(r, line) for r, line in zip(read.records, known, strict=True) if not is_stacked(r.boxes)]
    assert len(rows) > 33000
    assert sum(record.numbers != (line["digits"],) for record, line in rows) <= 10  # a few are not in order there
    assert read_order(SHARED / "train_metadata.pkl") == [line["file"] for line in known]
