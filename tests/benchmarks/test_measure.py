"""The script behind the figures in the documents, on photographs drawn here."""

import json

import pytest


@pytest.fixture(scope="module")
def measure(script):
    return script("measure")


def test_whole_photographs(measure, reader, make_photo, tmp_path):
    """One right, one wrong, one without a sure reading, one that is no picture."""
    (tmp_path / "images").mkdir()
    make_photo("1428").save(tmp_path / "images" / "right.png")
    make_photo("35").save(tmp_path / "images" / "wrong.png")
    make_photo("").save(tmp_path / "images" / "wall.png")
    (tmp_path / "images" / "broken.png").write_bytes(b"no picture")
    box = [float(v) for v in reader.read(tmp_path / "images" / "right.png").readings[0].box]
    records = [
        {"file": f"{name}.png", "numbers": [{"text": text, "box": box}]}
        for name, text in (("right", "1428"), ("wrong", "36"), ("wall", "7"), ("broken", "5"))
    ]
    (tmp_path / "annotations.json").write_text(json.dumps(records))
    figures = list(measure.wild(reader, tmp_path, None).values())
    assert figures == ["3 of 4", "1 of 4", "0 of 0", "2; 1", "1 of 2", "0.333"]


def test_photographs_without_numbers(measure, reader, make_photo, tmp_path):
    make_photo("").save(tmp_path / "wall.png")
    make_photo("1428").save(tmp_path / "door.png")
    (figure,) = measure.empty(reader, [tmp_path / "wall.png", tmp_path / "door.png"], "walls").values()
    assert figure == "1 of 2 (50.0%)"
