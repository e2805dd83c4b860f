"""Files of predictions: what is refused, and in which words."""

import json

import pytest

from digits import PredictionsError
from digits.evaluation.predictions import parse_line, read_predictions

BOX = [1, 2, 11, 22]
EMPTY = {"boxes": [], "scores": [], "labels": []}
GOOD = {
    "detector": {"boxes": [BOX], "scores": [0.5], "labels": [3]},
    "recognizer": {"readings": [{"text": "12", "confidence": 0.5}]},
    "pipeline": {"readings": [{"text": "12", "confidence": 0.5, "box": BOX, "status": "read"}]},
}


@pytest.fixture
def records(photo):
    return [photo("a", ("12", 50)), photo("b", ("7", 50))]


@pytest.fixture
def file(tmp_path):
    def write(*lines):
        path = tmp_path / "preds.jsonl"
        path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
        return path

    return write


@pytest.mark.parametrize("kind", list(GOOD))
def test_answers_by_picture(kind, records, file):
    path = file({"image_id": "b", **GOOD[kind]}, "\n", {"image_id": "a", "error": "broken"})
    answers = read_predictions(path, kind, records)
    assert answers["a"].error == "broken" and answers["b"].error is None and list(answers) == ["b", "a"]


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("detector", {"boxes": [BOX], "scores": [0.5], "labels": []}, "as many of each are needed, not 1 boxes"),
        ("detector", {"boxes": [[1, 2, 3]], "scores": [0.5], "labels": [1]}, "boxes.0: a box is four numbers"),
        ("detector", {"boxes": [[9, 2, 3, 4]], "scores": [0.5], "labels": [1]}, "boxes.0: a box needs x1 <= x2"),
        ("detector", {"boxes": [[1, 2, 3, "x"]], "scores": [0.5], "labels": [1]}, "boxes.0.y2: "),
        ("detector", {"boxes": [BOX], "scores": [1.5], "labels": [1]}, "scores.0: "),
        ("detector", {"boxes": [BOX], "scores": [0.5], "labels": [10]}, "labels.0: "),
        ("detector", {"proposals": {"before_nms": [0.5]}, **EMPTY}, "proposals: 1 values before_nms for 2 digits"),
        ("detector", {"proposals": {"before": [0.5, 1]}, **EMPTY}, "proposals.before"),
        ("detector", {"boxes": [["1", 2, 3, 4]], "scores": [0.5], "labels": [1]}, "boxes.0.x1: "),
        ("detector", {"boxes": [[0, 0, 1e308, 1e308]], "scores": [0.5], "labels": [1]}, "boxes.0.x2: "),
        ("detector", {"boxes": [BOX], "scores": [0.5], "labels": [True]}, "labels.0: "),
        ("detector", {"readings": []}, "boxes is missing"),  # of another kind
        ("detector", {"boxes": []}, "scores is missing"),
        ("pipeline", {}, "readings is missing"),
        ("pipeline", {"reading": []}, "readings is missing"),
        ("recognizer", {"error": "broken", "readings": []}, "readings beside error"),
        ("recognizer", {"readings": []}, "0 readings for 1 numbers"),
        ("recognizer", {"readings": [{"text": "12", "confidence": None}]}, "readings.0.confidence: "),
        ("recognizer", {"readings": [{"text": "1a", "confidence": 1}]}, "readings.0.text: "),
        ("recognizer", {"readings": [{"text": 12, "confidence": 1}]}, "readings.0.text: "),
        ("pipeline", {"readings": [{"text": "", "confidence": 1, "box": BOX}]}, "readings.0.text: "),
        ("pipeline", {"readings": [{"text": "1", "confidence": 1}]}, "readings.0.box: "),
        ("pipeline", {"readings": [{"text": "1", "confidence": 1, "box": BOX, "status": "sure"}]}, "readings.0.status"),
        ("pipeline", {"image_id": 7}, "image_id: "),
    ],
)
def test_a_malformed_answer_is_named_by_its_line(kind, fields, reason, records, file):
    path = file({"image_id": "b", **GOOD[kind]}, {"image_id": "a", **fields})
    with pytest.raises(PredictionsError) as raised:
        read_predictions(path, kind, records)
    assert str(raised.value).startswith(f"{path}: line 2: {reason}") and "\n" not in str(raised.value)


def test_what_is_no_json(records, file):
    for line in ("{", "[1]", "NaN", '{"image_id": "a", "readings": [{"text": "1", "confidence": NaN}]}', "\udcff"):
        path = file("")
        path.write_bytes(line.encode("utf-8", "surrogateescape") + b"\n")
        with pytest.raises(PredictionsError, match="line 1: "):
            read_predictions(path, "recognizer", records)


def test_answers_and_pictures_must_match(records, file, tmp_path):
    one, other = ({"image_id": image_id, **GOOD["pipeline"]} for image_id in "ab")
    with pytest.raises(PredictionsError, match=r"line 3: 'a' again, first in line 1"):
        read_predictions(file(one, other, one), "pipeline", records)
    with pytest.raises(PredictionsError, match=r"line 2: 'x' is none of the pictures"):
        read_predictions(file(one, {**one, "image_id": "x"}), "pipeline", records)
    with pytest.raises(PredictionsError, match=r"no answer for 1 of 2 pictures: b"):
        read_predictions(file(one), "pipeline", records)
    with pytest.raises(PredictionsError, match=r"no answer for 2 of 2 pictures: a, b"):
        read_predictions(file(), "pipeline", records)
    with pytest.raises(PredictionsError, match="no such file"):
        read_predictions(tmp_path / "gone.jsonl", "pipeline", records)
    with pytest.raises(PredictionsError, match="is a directory"):
        read_predictions(tmp_path, "pipeline", records)


@pytest.mark.parametrize("text", ["12", "12B", "12-14", "12/3", "3A-5", "12345678"])
@pytest.mark.parametrize("kind", ["recognizer", "pipeline"])
def test_letters_and_ranges_are_texts(kind, text):
    reading = {"text": text, "confidence": 0.5} | ({"box": BOX} if kind == "pipeline" else {})
    answer = parse_line(json.dumps({"image_id": "a", "readings": [reading]}), kind)
    assert answer.readings[0].text == text
