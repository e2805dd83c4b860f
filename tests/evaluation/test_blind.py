"""Blind test sets: numbers in the order asked for, and labels that nobody looks at."""

import json
import pickle

import pytest

from digits import DatasetError
from digits.evaluation.blind import order_of, predict

SIZE = 200, 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_photo):
    """A door with a leading zero, another door, a wall, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("blind")
    for name, text in (("zero", "073"), ("door", "1428"), ("wall", "")):
        make_photo(text, SIZE, 40).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def write_order(path, names, labels=None):
    if path.suffix == ".pkl":
        entries = {i: {"filename": name, **({"metadata": labels} if labels else {})} for i, name in enumerate(names)}
        path.write_bytes(pickle.dumps(entries))
    else:
        images = [{"id": 100 - i, "file_name": name} for i, name in enumerate(names)]
        path.write_text(
            json.dumps({"images": images, **({"annotations": labels, "categories": labels} if labels else {})})
        )
    return path


@pytest.mark.parametrize("name", ["test_metadata.pkl", "instances_test.json"])
def test_one_number_a_line_in_the_order_given(reader, folder, tmp_path, name):
    order = write_order(tmp_path / name, ["door.png", "wall.png", "zero.png", "door.png"])
    assert order_of(order) == ["door.png", "wall.png", "zero.png", "door.png"]
    assert predict(reader, order, tmp_path / "preds.txt", folder, quiet=True) == []
    lines = (tmp_path / "preds.txt").read_text().split("\n")
    assert (lines[0], *lines[2:]) == ("1428", "073", "1428", "")
    if name.endswith("pkl"):
        predict(reader, order, tmp_path / "floats.txt", folder, format="mila", quiet=True)
        floats = (tmp_path / "floats.txt").read_text().split("\n")
        assert (floats[0], *floats[2:]) == ("1428.0", "73.0", "1428.0", "")
        assert float(floats[1]) == (float(lines[1]) if lines[1] else -1)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith("partial")]


@pytest.mark.parametrize("name", ["test_metadata.pkl", "instances_test.json"])
def test_labels_are_never_read(reader, folder, tmp_path, name):
    """Whatever stands there in their place."""
    plain = write_order(tmp_path / f"plain_{name}", ["door.png"])
    odd = write_order(tmp_path / name, ["door.png"], labels={"label": ["no", "label"]})
    for order in (plain, odd):
        predict(reader, order, tmp_path / f"{order.stem}.txt", folder, quiet=True)
    assert (tmp_path / f"{plain.stem}.txt").read_bytes() == (tmp_path / f"{odd.stem}.txt").read_bytes() == b"1428\n"


def test_what_cannot_be_opened_has_a_line_too(reader, folder, tmp_path):
    order = write_order(tmp_path / "order.json", ["broken.png", "door.png"])
    failed = predict(reader, order, tmp_path / "new" / "preds.txt", folder, quiet=True)
    assert len(failed) == 1 and "broken.png" in failed[0]
    assert (tmp_path / "new" / "preds.txt").read_text() == "\n1428\n"


def test_an_interrupted_run_goes_on(reader, folder, tmp_path, monkeypatch):
    order = write_order(tmp_path / "order.json", ["door.png", "zero.png", "wall.png"])
    from digits.evaluation import blind

    real, read = blind.read_photographs, []

    def interrupted(reader, records):
        for answer in real(reader, records):
            read.append(answer["image_id"])
            yield answer
            if len(read) == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(blind, "read_photographs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict(reader, order, tmp_path / "preds.txt", folder, quiet=True)
    assert not (tmp_path / "preds.txt").exists()
    predict(reader, order, tmp_path / "preds.txt", folder, quiet=True)
    assert read == ["0 door.png", "1 zero.png", "2 wall.png"]
    assert (tmp_path / "preds.txt").read_text().startswith("1428\n073\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": [{"id": 1}]}, "a list of objects with a file_name"),
        ({"images": ["a.png"]}, "a list of objects with a file_name"),
        ({"images": {}}, "a list of objects with a file_name"),
        ({}, "a list of objects with a file_name"),
        ([], "a JSON object is expected"),
        ({"images": []}, "lists no picture"),
    ],
)
def test_lists_that_are_none(tmp_path, content, message):
    (tmp_path / "order.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=message):
        order_of(tmp_path / "order.json")


def test_missing_pictures_are_named_before_anything_is_read(folder, tmp_path):
    order = write_order(tmp_path / "order.json", ["door.png", "gone.png", "lost.png"])
    with pytest.raises(DatasetError, match=r"2 of its 3 pictures are not in .*, such as gone.png; say with --images"):
        predict(None, order, tmp_path / "preds.txt", folder)
    with pytest.raises(DatasetError, match="no such folder"):
        predict(None, order, tmp_path / "preds.txt", tmp_path / "nowhere")
