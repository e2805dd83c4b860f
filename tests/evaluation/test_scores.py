"""Figures of each kind on a handful of pictures, worked out by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from digits.datasets.pictures import make_record
from digits.evaluation.evaluate import score
from digits.evaluation.result import Threshold

NAN = math.nan


def about(row: dict, **expected):
    """Whether a row of figures has these, underscores for blanks."""
    for name, value in expected.items():
        assert row[name.replace("_", " ")] == pytest.approx(value, nan_ok=True), name
    return True


@pytest.fixture(scope="module")
def detected(photo, answer):
    """A number found whole, one with a digit misnamed, one missed, one without boxes of its own, two negatives."""
    records = [
        photo("whole", ("12", 50)),
        photo("misnamed", ("34", 50)),
        photo("missed", ("5", 50)),
        photo("shared", ("67", 50), shared_out=True),
        photo("clean"),
        photo("alarming"),
    ]

    def found(record, labels, scores=(0.9, 0.8), **more):
        boxes = record.boxes[: len(labels)].tolist()
        fields = {"boxes": boxes, "labels": labels, "scores": list(scores[: len(labels)]), **more}
        return answer("detector", record.image_id, **fields)

    covered = {"proposals": {"before_nms": [0.9, 0.6], "after_nms": [0.9, 0.4]}}
    answers = [
        found(records[0], [1, 2], **covered),
        found(records[1], [3, 9], **covered),
        answer("detector", "missed", proposals={"before_nms": [0.2], "after_nms": [0.1]}),
        found(records[3], [6, 7]),
        answer("detector", "clean"),
        answer("detector", "alarming", boxes=[[5, 5, 20, 40], [300, 5, 310, 30]], scores=[0.4, 0.2], labels=[1, 7]),
    ]
    return records, {each.image_id: each for each in answers}


def test_a_detector(detected):
    found = score("detector", *detected)
    measures = found.measures
    assert about(measures["pictures"], with_digits=4, without_digits=2, boxes_known_of_whole_numbers_only=1)
    # digits 1, 2 and 3 are found, 4 and 5 not, each its own class; a 9 and a 1 are false, the 1 after the true one
    assert about(measures["average_precision"]["digits"], AP=0.6, AP50=0.6)
    # 4 of 5 places are found, before all false alarms: precision 1 at recalls up to 0.8
    assert about(measures["average_precision"]["localisation only"], AP50=81 / 101)
    assert about(measures["by_class"]["1"], digits=1, AP=1) and about(measures["by_class"]["9"], digits=0, AP=NAN)
    # at 0.3, five digits are answered, of which three are right; there are five
    assert about(measures["at_threshold"], precision=3 / 5, recall=3 / 5, f1=3 / 5)
    # "whole" and "clean" of the five with boxes of their own
    assert about(measures["at_threshold"], pictures_with_all_digits_and_boxes_right=2 / 5)
    recall = measures["recall"]
    assert about(recall, digits_covered_by_proposals_before_NMS=4 / 5, digits_covered_by_proposals_after_NMS=2 / 5)
    assert about(recall, digits_covered_by_detections_of_any_class_and_score=4 / 5)
    assert about(recall, numbers_covered_by_a_region=3 / 4)
    assert about(measures["false_alarms"], number_regions_a_negative=1 / 2, negatives_with_any=1 / 2)
    assert found.curves["false_alarms"]["threshold"].tolist() == pytest.approx([0.4, 0.2])  # below the threshold too
    captions = {name: [failure.caption for failure in failures] for name, failures in found.failures.items()}
    assert captions == {"false alarms": ["1 0.40"], "missed numbers": ["missed 5"]}


def test_a_detector_on_negatives_alone(detected):
    records, answers = detected
    found = score("detector", records[4:], answers).measures
    assert "average_precision" not in found and about(found["false_alarms"], number_regions_a_negative=1 / 2)
    assert about(found["recall"], numbers_covered_by_a_region=NAN)


def test_pictures_that_could_not_be_opened(photo, answer):
    """Nobody was silent in a negative of which nothing was seen; a number that was not seen is missed."""
    records = [photo("wall"), photo("broken wall"), photo("broken", ("12", 50))]
    for kind in ("detector", "recognizer", "pipeline"):
        given = {
            "wall": answer(kind, "wall", **({"readings": [{"text": "", "confidence": 1}]} if kind[0] == "r" else {}))
        }
        given |= {record.image_id: answer(kind, record.image_id, error="no picture") for record in records[1:]}
        found = score(kind, records, given)
        assert found.unopened == ["no picture"] * 2
        blind = score(kind, records[1:2], given).measures
        if kind == "detector":
            assert about(found.measures["pictures"], without_digits=1, with_digits=1, not_opened=2)
            assert about(found.measures["at_threshold"], pictures_with_all_digits_and_boxes_right=1 / 2, recall=0)
            assert about(blind["false_alarms"], negatives_with_any=NAN)
        elif kind == "recognizer":
            assert about(found.measures["crops_without_a_number"], left_empty=1)
            assert about(found.measures["accuracy"], exact_sequence_accuracy=0)
            assert "crops_without_a_number" not in blind
        else:
            assert about(found.measures["strict"], photographs=2, all_digits_and_boxes_right=1 / 2)
            assert about(found.measures["false_alarms"], negatives_with_a_number_read=0)
            assert "false_alarms" not in blind


def test_one_detection_is_right_once(answer):
    """Two digits of a class, one over the other, and one box that meets both."""
    record = make_record("a", Path("a.png"), (100, 100), [[0, 0, 10, 20], [1, 0, 11, 20]], [1, 1])
    found = answer("detector", "a", boxes=[[0, 0, 10, 20]], scores=[0.9], labels=[1])
    assert about(score("detector", [record], {"a": found}).measures["at_threshold"], precision=1, recall=1 / 2)


def test_of_two_like_numbers_the_misread_one_is_shown(photo, answer):
    record = photo("a", ("7", 50), ("7", 250))
    readings = [{"text": text, "confidence": 0.9} for text in ("7", "1")]
    found = score("recognizer", [record], {"a": answer("recognizer", "a", readings=readings)})
    assert found.failures["misread numbers"][0].truths[0, 0] == 250


def test_a_detector_of_which_proposals_are_not_known(detected, answer):
    records, answers = detected
    bare = {key: each.model_copy(update={"proposals": {}}) for key, each in answers.items()}
    assert not any("proposals" in name for name in score("detector", records, bare).measures["recall"])
    some = bare | {"whole": answers["whole"]}
    recall = score("detector", records, some).measures["recall"]
    assert about(recall, digits_covered_by_proposals_before_NMS=NAN)


def test_a_recognizer(photo, answer):
    records = [photo("a", ("12", 50)), photo("b", ("07", 50), ("5", 200)), photo("c", ("9", 50)), photo("none")]
    readings = {"a": [("12", 0.9)], "b": [("7", 0.8), ("5", 0.7)], "none": [("4", 0.6)]}
    answers = {
        key: answer("recognizer", key, readings=[{"text": text, "confidence": p} for text, p in found])
        for key, found in readings.items()
    }
    answers["c"] = answer("recognizer", "c", error="broken")
    found = score("recognizer", records, answers, [Threshold(0.75, "validation")])
    assert about(found.measures["numbers"], numbers=4, crops_without_a_number=1, pictures_not_opened=1)
    accuracy = found.measures["accuracy"]
    assert about(accuracy, exact_sequence_accuracy=2 / 4, length_accuracy=2 / 4, digit_accuracy=3 / 6)
    assert about(accuracy, character_error_rate=2 / 6, expected_calibration_error=(0.1 + 0.8 + 0.3) / 3)
    coverage = found.measures["coverage_at_98_percent"]
    assert about(coverage["threshold chosen on these data"], threshold=0.9, coverage=1 / 4, accuracy=1)
    assert about(coverage["threshold chosen on validation"], threshold=0.75, coverage=2 / 4, accuracy=1 / 2)
    assert about(found.measures["by_length"]["2"], numbers=2, exact=1 / 2)
    assert about(found.measures["by_class"]["7"], digits=1, recall=1, precision=1)
    assert about(found.measures["by_class"]["micro average"], digits=6, precision=1, recall=4 / 6)
    assert about(found.measures["crops_without_a_number"], left_empty=0)
    assert found.curves["confusion"]["nothing"][[0, 9]].tolist() == [1, 1]
    captions = [failure.caption for failure in found.failures["misread numbers"]]
    assert captions == ["07, read 7 0.80", "9, read nothing 0.00"]


@pytest.fixture(scope="module")
def street(photo, answer, reading):
    """Six photographs: right, unsure, misread beside right, missed, made up in a negative, broken."""
    records = [
        photo("right", ("12", 50)),
        photo("unsure", ("34", 50, 80, 8)),
        photo("two", ("56", 50), ("78", 250)),
        photo("missed", ("9", 50)),
        photo("wall"),
        photo("broken", ("1", 50)),
    ]
    answers = {
        "right": [reading("12", 50, 0.99)],
        "unsure": [reading("34", 50, 0.4, "unsure", height=8)],
        "two": [reading("56", 50, 0.95), reading("18", 250, 0.9)],
        "missed": [],
        "wall": [reading("7", 300, 0.85), reading("1", 20, 0.2, "unsure")],
    }
    made = {key: answer("pipeline", key, readings=found, seconds=0.2) for key, found in answers.items()}
    return records, made | {"broken": answer("pipeline", "broken", error="no picture")}


def test_the_whole_chain(street):
    found = score("pipeline", *street, [Threshold(0.8, "calibration")])
    measures = found.measures
    assert about(measures["photographs"], with_numbers=5, numbers=6, without_numbers=1, not_opened=1)
    first = measures["first_reading"]
    assert about(first, right=3 / 5, right_and_read=2 / 5, wrong_and_read=0, precision_of_those_read=1)
    read = measures["end_to_end"]["read"]
    assert about(read, right=2, misplaced=0, misread=1, missed=3, invented=1)
    assert about(read, precision=2 / 4, recall=2 / 6, f1=4 / 10)
    told = measures["end_to_end"]["read or unsure"]
    assert about(told, right=3, misread=1, missed=2, invented=2, precision=3 / 6, recall=3 / 6)
    coverage = measures["coverage_at_98_percent"]
    assert about(coverage["threshold chosen on these data"], threshold=0.4, coverage=3 / 5, accuracy=1)
    assert about(coverage["threshold chosen on calibration"], coverage=2 / 5, accuracy=1)
    # digits of 40 of 200 pixels, and of 8
    assert about(measures["by_height"]["over 20 %"], numbers=5, read=2 / 5, first_reading_right=3 / 5)
    assert about(measures["by_height"]["2 to 5 %"], numbers=1, read=0, read_or_unsure=1, first_reading_right=1)
    assert list(measures["by_height"]) == ["2 to 5 %", "over 20 %"]
    assert list(measures["by_orientation"]) == ["level"] and about(measures["by_length"]["1"], numbers=2, read=0)
    assert about(measures["calibration"], readings=6)
    # of six photographs all digits are right in one: "two" has a wrong one, "unsure" is not said, "wall" is not silent
    assert about(measures["strict"], photographs=6, all_digits_and_boxes_right=1 / 6)
    assert about(measures["false_alarms"], numbers_read_a_negative=1, negatives_with_a_number_read=1)
    assert measures["speed"]["ms a photograph, median"] == pytest.approx(200)
    captions = {name: [failure.caption for failure in failures] for name, failures in found.failures.items()}
    assert captions["wrong readings"] == ["56 78, misread 18 0.90", "none, invented 7 0.85"]
    assert captions["numbers not read"] == ["9, missed", "1, missed", "34, unsure"]


def test_stacks_are_told_apart(answer):
    boxes = [[50, 10, 70, 50], [50, 55, 70, 95]]
    record = make_record("stack", Path("stack.png"), (100, 200), boxes, [1, 2], ["12"])
    reading = {"text": "12", "confidence": 0.9, "box": [50, 10, 70, 95]}
    found = score("pipeline", [record], {"stack": answer("pipeline", "stack", readings=[reading])}).measures
    assert about(found["by_orientation"]["stacked"], numbers=1, read=1)
    assert list(found["by_height"]) == ["over 20 %"]
    assert "strict" not in found  # the digits' boxes are not told


def test_the_whole_chain_on_negatives_alone(street):
    records, answers = street
    found = score("pipeline", [records[4]], answers).measures
    assert about(found["first_reading"], right=NAN, precision_of_those_read=NAN)
    assert about(found["end_to_end"]["read"], precision=0, recall=NAN, f1=0, invented=1)
    assert about(found["coverage_at_98_percent"]["threshold chosen on these data"], coverage=NAN)


def test_the_whole_chain_that_says_nothing(street, answer):
    records, _ = street
    silent = {record.image_id: answer("pipeline", record.image_id) for record in records}
    found = score("pipeline", records, silent).measures
    assert about(found["end_to_end"]["read"], precision=NAN, recall=0, f1=0, missed=6, invented=0)
    assert about(found["strict"], all_digits_and_boxes_right=1 / 6)  # the wall
    assert about(found["coverage_at_98_percent"]["threshold chosen on these data"], coverage=0, threshold=math.inf)


def test_curves_are_thinned_at_their_ends_intact():
    from digits.evaluation.result import subsampled

    values = np.arange(2000.0)
    found = subsampled({"x": values, "y": -values})
    assert len(found["x"]) == 500 and found["x"][[0, -1]].tolist() == [0, 1999] and (found["y"] == -found["x"]).all()
    assert len(subsampled({"x": np.zeros(0)})["x"]) == 0
