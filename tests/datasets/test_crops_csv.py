from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digits import DatasetError
from digits.datasets.crops import read_crops, write_crops
from digits.datasets.export import convert
from digits.datasets.sources import open_source

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real training data is not here")


def write(folder: Path, content: str | bytes, *names: str, place: str = "images") -> Path:
    (folder / place).mkdir(exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / place / name), np.zeros((20, 30, 3), np.uint8))
    path = folder / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "file,text\na.png,007\nb.png,\n",
        "file,text\r\na.png,007\r\nb.png,\r\n",
        "\ufefffile,text\na.png,007\nb.png,",
        '"file","text"\n"a.png","007"\n"b.png",""\n',
        "Filename, Label\na.png, 007\n\nb.png,\n",
        "split,text,file\ntest,007,a.png\ntest,,b.png\n",
    ],
)
def test_tables(tmp_path, content):
    found = read_crops(write(tmp_path, content, "a.png", "b.png"))
    assert not found.problems
    assert [(r.image_id, r.numbers, r.width, r.height) for r in found.records] == [
        ("a.png", ("007",), 30, 20),
        ("b.png", (), 30, 20),
    ]
    assert found[0].boxes.shape == (0, 4) and found[0].labels.shape == (0,) and found[0].numbers == ("007",)


@pytest.mark.parametrize(
    ("row", "name", "reason"),
    [
        ("b.png,12AB", "b.png", "line 3: text '12AB' is no house number, such as 1428, 12B or 12-14"),
        ("b.png,-1", "b.png", "line 3: text '-1' is no"),
        ("b.png,٣", "b.png", "line 3: text '٣' is no"),
        ("gone.png,2", "gone.png", "line 3: picture missing"),
        (",2", "", "line 3: names no file"),
        ("labels.png,2", "labels.png", "line 3: not a readable picture"),
    ],
)
def test_a_bad_row_is_left_out(tmp_path, row, name, reason):
    path = write(tmp_path, f"file,text\na.png,1\n{row}\n", "a.png", "b.png")
    (tmp_path / "images" / "labels.png").write_text("no picture")
    found = read_crops(path)
    assert [record.image_id for record in found.records] == ["a.png"]
    ((image_id, why),) = found.problems
    assert image_id == name and why.startswith(reason)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "first line must name the columns, file,text"),
        ("a.png,5\nb.png,6\n", "first line must name the columns"),
        ("file\na.png\n", "first line must name the columns"),
        ("file,filename,text\na.png,b.png,1\n", "first line must name the columns"),
        (b"file,text\na\xff.png,1\n", "not UTF-8"),
        ("file,text\na.png," + "1" * 200_000, "line 2: not CSV"),
    ],
)
def test_files_of_another_kind(tmp_path, content, message):
    with pytest.raises(DatasetError, match=message) as error:
        read_crops(write(tmp_path, content))
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_missing_things(tmp_path):
    with pytest.raises(DatasetError, match=r"labels\.csv: no such file"):
        read_crops(tmp_path)
    with pytest.raises(DatasetError, match="gone: no such folder"):
        read_crops(write(tmp_path, "file,text\n"), tmp_path / "gone")


@pytest.mark.parametrize(("place", "said"), [("images", False), (".", False), ("crops", True)])
def test_where_pictures_are(tmp_path, place, said):
    write(tmp_path, "file,text\na.png,1\n", "a.png", place=place)
    found = read_crops(tmp_path, tmp_path / place if said else None)
    assert found[0].image.shape == (20, 30, 3)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.text("ab ,\"'é;/", min_size=1).map(lambda s: f"x{s}.png"), st.text("0123456789", max_size=6)),
        max_size=8,
        unique_by=lambda row: Path(row[0]),  # x//.png is x/.png
    )
)
def test_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "round_trip.csv"
    write_crops(rows, path)
    found = read_crops(path, annotations_only=True)
    assert not found.problems
    assert [(r.image_id, "".join(r.numbers)) for r in found.records] == rows
    assert all((r.width, r.height) == (0, 0) for r in found.records)


def test_names_that_cannot_be_written(tmp_path):
    with pytest.raises(DatasetError, match="not Unicode"):
        write_crops([("a\udcff.png", "1")], tmp_path / "labels.csv")
    assert list(tmp_path.iterdir()) == []


@needs_data
def test_real_crops():
    found = read_crops(SHARED / "svhn_test_grey")
    assert len(found) == 2000 and not found.problems
    texts = [record.numbers[0] for record in found.records]
    assert any(text.startswith("0") and len(text) > 1 for text in texts)
    sample = found[0]
    assert sample.image.shape == (found.records[0].height, found.records[0].width, 3)


def test_a_row_without_a_text_is_no_negative(tmp_path):
    """As of a file that was cut off: only a text that is there and empty says that there is no number."""
    found = read_crops(write(tmp_path, "file,text\na.png,12\nb.png", "a.png", "b.png"))
    assert [r.image_id for r in found.records] == ["a.png"]
    assert found.problems[0].image_id == "b.png" and "has no text" in found.problems[0].reason


def test_letters_and_ranges_are_numbers_and_come_back_from_coco(tmp_path):
    texts = {"a.png": "12B", "b.png": "12-14", "c.png": "3A/5", "d.png": "7", "e.png": ""}
    write_crops(texts.items(), tmp_path / "labels.csv")
    (tmp_path / "images").mkdir()
    for name in texts:
        Image.new("RGB", (60, 30)).save(tmp_path / "images" / name)
    made = read_crops(tmp_path, quiet=True)
    convert(made, tmp_path / "coco", "coco", quiet=True)
    for pictures in (made, open_source(tmp_path / "coco", quiet=True)):
        assert not pictures.problems
        assert {record.image_id: "".join(record.numbers) for record in pictures.records} == texts
