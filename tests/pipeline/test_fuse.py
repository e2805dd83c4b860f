import json
import os
import threading
from dataclasses import replace

import numpy as np
import pytest

from digits import Distribution, WeightsError
from digits.pipeline.fuse import FEATURES, Fusion, TranscribedRegion, confidence, features, fuse, same_place
from digits.pipeline.merge import NumberRegion
from digits.pipeline.observations import weigh, with_reasons
from digits.recognizer import Transcription
from digits.recognizer.heads import FLAGS, MARKS, SUFFIXES


def opinion(text: str, sure: float = 0.6, length: int | None = None) -> Transcription:
    """That of a recogniser that leans to `text`."""
    n = len(text) if length is None else length
    lengths = np.full(7, (1 - sure) / 6)
    lengths[n] = sure
    places = np.full((6, 10), 0.1)
    for place, char in zip(places, text, strict=False):
        place[:] = (1 - sure) / 9
        place[int(char)] = sure
    return Transcription.of(Distribution(np.log(lengths), np.log(places)))


def evidence(text: str, score: float = 0.9) -> np.ndarray:
    return np.float32([np.eye(10)[int(c)] * score for c in text])


def region(seen: np.ndarray, x: float = 0.0, y: float = 0.0, height: float = 40.0) -> NumberRegion:
    boxes = np.float32([[x + 25 * i, y, x + 25 * i + 20, y + height] for i in range(len(seen))])
    box = np.float32([x, y, boxes[-1, 2], y + height])
    return NumberRegion(box, boxes, seen, float(seen.max(1).mean()), "horizontal")


def seen_twice(regions, read) -> list[TranscribedRegion]:
    """Each region with what is read in it, in either crop."""
    return [TranscribedRegion(where, each, each) for where, each in zip(regions, read, strict=True)]


def alike(one: Transcription, other: Transcription) -> bool:
    pairs = zip(*((each.distribution.length, each.distribution.positions) for each in (one, other)), strict=True)
    return all(np.allclose(*pair) for pair in pairs)


FUSION = Fusion(digit_weight=0.6, length_weight=1.5)


def test_agreement_raises_confidence():
    alone = opinion("42")
    fused = fuse(alone, alone, evidence("42"), FUSION)
    assert fused.text == "42" and fused.confidence > alone.confidence


def test_a_doubtful_digit_is_settled_by_the_detector():
    alone = opinion("17", sure=0.9)
    alone.distribution.positions[1] = np.log([0.02, 0.46, 0.02, 0.02, 0.02, 0.02, 0.02, 0.38, 0.02, 0.02])
    assert fuse(alone, alone, evidence("17"), Fusion(digit_weight=0, length_weight=0)).text == "11"
    assert fuse(alone, alone, evidence("17"), FUSION).text == "17"


def test_a_doubtful_length_is_settled_by_the_detector():
    alone = opinion("261", sure=0.9)
    alone.distribution.length[:] = np.log(np.array([0.01, 0.01, 0.43, 0.52, 0.01, 0.01, 0.01]))
    assert fuse(alone, alone, evidence("26"), FUSION).text == "26"


def test_a_sure_recogniser_is_not_overruled():
    assert fuse(opinion("261", sure=0.999), opinion("261", sure=0.999), evidence("26"), FUSION).text == "261"
    assert fuse(opinion("", sure=0.999), opinion("", sure=0.999), evidence("0"), FUSION).text == ""


def test_results_are_distributions_and_inputs_stay():
    alone = opinion("305")
    before = alone.distribution.length.copy(), alone.distribution.positions.copy()
    fused = fuse(alone, alone, evidence("305"), FUSION)
    assert np.exp(fused.distribution.length).sum() == pytest.approx(1)
    assert np.exp(fused.distribution.positions).sum(1) == pytest.approx(np.ones(6))
    assert (alone.distribution.length == before[0]).all() and (alone.distribution.positions == before[1]).all()


def test_without_weight_the_recogniser_speaks_alone():
    alone = opinion("305")
    fused = fuse(alone, alone, evidence("999"), Fusion(digit_weight=0, length_weight=0))
    assert alike(fused, alone)


@pytest.mark.parametrize("text", ["4", "42", "123456"])
def test_the_detectors_count_and_classes_weigh_as_much_as_told(text):
    """Log odds of lengths and of digits move by the weights; digits as far as that length is believed in."""
    alone, seen, n = opinion("305", 0.7), evidence(text), len(text)
    seen[:, 8] = 0.3
    fused = fuse(alone, alone, seen, FUSION)
    others = np.arange(7) != n
    before, after = alone.distribution.length, fused.distribution.length
    gained = (after[n] - after) - (before[n] - before)
    assert gained[others] == pytest.approx(np.full(6, 1.5))
    belief = np.exp(after[n])
    for place in range(6):
        change = fused.distribution.positions[place] - alone.distribution.positions[place]
        expected = 0.6 * belief * np.log(seen[place] + 0.05) if place < n else np.zeros(10)
        assert change - change[0] == pytest.approx(expected - expected[0], abs=1e-6)


@pytest.mark.parametrize("count", [0, 7, 9])
def test_a_count_that_no_number_has_changes_nothing(count):
    alone = opinion("305")
    fused = fuse(alone, alone, evidence("1" * count).reshape(-1, 10), FUSION)
    assert alike(fused, alone)


FEATURE_CASES = {
    "a row": (["305"], [region(evidence("305"))], {"lone_digit": 0, "rival": -5, "detection": np.log(0.9 / 0.1)}),
    "a lone digit": (["7"], [region(evidence("7"))], {"lone_digit": 1}),
    "without any score": (["17"], [region(evidence("17", 0))], {"detection": np.log(1e-6)}),
    "another text there": (
        ["305", "31"],
        [region(evidence("305")), region(evidence("31"))],
        {"rival": np.log(0.8 / 0.2), "whole": -5},
    ),
    "a part of it there": (["305", "30"], [region(evidence("305")), region(evidence("30"))], {"rival": -5}),
    "it is a part of another": (
        ["05", "305", "7"],
        [region(evidence("05")), region(evidence("305")), region(evidence("7"), 500)],
        {"rival": -5, "whole": np.log(0.8 / 0.2)},
    ),
    "the same text there": (["30", "30"], [region(evidence("305")), region(evidence("30"))], {"rival": -5}),
    "no number there": (["305", ""], [region(evidence("305")), region(evidence("30"))], {"rival": -5}),
    "another text elsewhere": (["305", "30"], [region(evidence("305")), region(evidence("30"), 500)], {"rival": -5}),
    "the whole of it elsewhere": (["30", "305"], [region(evidence("30")), region(evidence("305"), 500)], {"whole": -5}),
}


@pytest.mark.parametrize(("texts", "regions", "expected"), FEATURE_CASES.values(), ids=FEATURE_CASES)
def test_features_of_the_first_region(texts, regions, expected):
    read = [opinion(text, 0.8 ** (1 / (1 + len(text)))) for text in texts]
    rows = features(seen_twice(regions, read), read)
    assert rows.shape == (len(texts), len(FEATURES))
    found = dict(zip(FEATURES, rows[0], strict=True))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert found["text"] == found["with_room"] == pytest.approx(np.log(0.8 / 0.2))
    assert found["always"] == 1


# beside a number of two digits, whose box is (100, 100, 145, 140)
BESIDE_CASES = {
    "to the right": ([region(evidence("5"), 175, 100)], np.log(9)),
    "to the left, lower": ([region(evidence("5"), 45, 130)], np.log(9)),
    "below": ([region(evidence("5"), 125, 150)], np.log(9)),
    "above, shifted": ([region(evidence("5"), 85, 55)], np.log(9)),
    "the end of a number beside": ([region(evidence("35"), 40, 100)], np.log(9)),
    "the surest of two": ([region(evidence("5", 0.8), 160, 100), region(evidence("6", 0.3), 110, 145)], np.log(4)),
    "too faint": ([region(evidence("5", 0.05), 160, 100)], -2),
    "further than a digit is high": ([region(evidence("5"), 186, 100)], -2),
    "across a corner": ([region(evidence("5"), 155, 150)], -2),
    "half as high": ([region(evidence("5"), 160, 100, height=19)], -2),
    "twice as high": ([region(evidence("5"), 160, 100, height=82)], -2),
    "a digit of its own": ([region(evidence("5"), 126, 100)], -2),
    "nothing": ([], -2),
}


@pytest.mark.parametrize("shift", [(0, 0), (300, 0), (0, 300)], ids=["here", "right of it", "below it"])
@pytest.mark.parametrize(("others", "expected"), BESIDE_CASES.values(), ids=BESIDE_CASES)
def test_a_digit_beside_a_number_may_be_a_part_of_it(others, expected, shift):
    regions = [
        NumberRegion(
            each.box + np.float32(shift * 2),
            each.digit_boxes + np.float32(shift * 2),
            each.evidence,
            each.score,
            each.orientation,
        )
        for each in (region(evidence("30"), 100, 100), *others)
    ]
    read = [opinion("30")] * len(regions)
    rows = features(seen_twice(regions, read), read)
    assert rows[0, FEATURES.index("beside")] == pytest.approx(expected, abs=1e-5)


def test_a_part_of_a_number_is_another_number_where_there_is_room():
    part, whole = opinion("46", 0.9), opinion("466", 0.9)
    here = region(evidence("46"))
    same, unlike = (features([TranscribedRegion(here, part, other)], [part])[0] for other in (part, whole))
    place = FEATURES.index("with_room")
    assert unlike[place] < same[place] - 2
    assert (np.delete(unlike, place) == np.delete(same, place)).all()


def test_no_regions_have_no_features():
    assert features([], []).shape == (0, len(FEATURES))


def test_confidence_is_monotonic_and_bounded():
    fusion = Fusion(weights={"text": 0.8, "detection": 0.4, "lone_digit": -1, "always": -0.5})

    def accepted(p=0.9, score=0.9, text="305"):
        read = opinion(text, p)
        return confidence(features(seen_twice([region(evidence(text, score))], [read]), [read]), fusion)[0]

    grid = [accepted(p) for p in (0.5, 0.7, 0.9, 0.999)]
    assert grid == sorted(grid) and grid[0] > 0 and grid[-1] < 1
    assert accepted() > accepted(score=0.3) and accepted(text="35") > accepted(text="3")


@pytest.mark.parametrize(
    ("weights", "odds"), [({"text": 2.0}, 2.0), ({"text": 2.0, "always": -0.5}, 1.5), ({"beside": -1.0}, -6.0)]
)
def test_confidence_is_the_logistic_function_of_the_weighted_features(weights, odds):
    row = np.zeros(len(FEATURES))
    row[[FEATURES.index(name) for name in ("text", "beside", "always")]] = 1, 6, 1
    found = confidence(np.stack([row, np.zeros(len(FEATURES))]), Fusion(weights=weights))
    assert found == pytest.approx([1 / (1 + np.exp(-odds)), 0.5])


@pytest.mark.parametrize("far", [-1e9, 1e9])
def test_no_evidence_is_endless(far):
    [sure] = confidence(np.full((1, len(FEATURES)), far), Fusion())
    assert 0 < sure < 1 and abs(sure - (far > 0)) < 1e-9


@pytest.mark.parametrize(("shift", "same"), [(0, True), (6.9, True), (7.1, False), (-6.9, True), (-7.1, False)])
def test_boxes_that_share_three_tenths_of_the_smaller_are_of_one_number(shift, same):
    box = np.array([100, 100, 110, 120.0])
    larger = np.array([[100 + shift, 90, 110 + shift, 200]])
    assert same_place(box, larger).tolist() == [same]
    assert same_place(larger[0], box[None]).tolist() == [same]


def test_file_round_trip(tmp_path):
    path = tmp_path / "calibration.json"
    FUSION.save(path)
    assert Fusion.load(path) == FUSION


SOUND = {"digit_weight": 0.8, "length_weight": 0.5, "weights": {"text": 1.0, "always": -2}, "threshold": 0.7}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_that_can_be_used(tmp_path, encoding):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(SOUND), encoding)
    assert Fusion.load(path) == Fusion(**SOUND)


NO_NUMBERS = ["null", "true", '"1"', "[1]", "{}", "NaN", "Infinity", "-Infinity", "1e999", "-0.1", "1e300", "9" * 400]
BAD_FILES = {
    "empty": "",
    "null": "null",
    "list": "[]",
    "number": "3",
    "no JSON": "{",
    "two": json.dumps(SOUND) * 2,
    "nothing in it": "{}",
    "nested deeply": "[" * 100_000,
    "nested deeply within": json.dumps(SOUND).replace("0.7", '{"a":' * 100_000),
    "another key": json.dumps({**SOUND, "slope": 1}),
    "a key too few": json.dumps({key: value for key, value in SOUND.items() if key != "threshold"}),
    "bytes": b"\xff\xfe\x00",
    "UTF-32": json.dumps(SOUND).encode("utf-32"),
    "another feature": json.dumps({**SOUND, "weights": {"colour": 2}}),
    "a key twice": json.dumps(SOUND).replace("{", '{"threshold": 0.1, ', 1),
    "a weight twice": json.dumps(SOUND).replace('"text"', '"text": 0.1, "text"'),
    "line breaks": json.dumps({**SOUND, "weights": {"a\nb": 2}}),
    "a threshold above 1": json.dumps({**SOUND, "threshold": 1.01}),
    "a weight far off": json.dumps({**SOUND, "weights": {"text": -1e6}}),
    **{
        f"weights {text}": json.dumps({**SOUND, "weights": None}).replace("null", text)
        for text in ("null", "[]", "{}", "3")
    },
    **{
        f"{key} {text[:9]}": json.dumps({**SOUND, key: "here"}).replace('"here"', text)
        for key in ("digit_weight", "length_weight", "threshold")
        for text in NO_NUMBERS
    },
    **{
        f"text {text[:9]}": json.dumps({**SOUND, "weights": {"text": "here"}}).replace('"here"', text)
        for text in NO_NUMBERS
        if text != "-0.1"
    },
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files(tmp_path, content):
    path = tmp_path / "calibration.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WeightsError, match=r"calibration\.json: not a calibration file \(.+\)$") as raised:
        Fusion.load(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < len(str(path)) + 200


@pytest.mark.parametrize("name", ["gone.json", ".", "a\0b", "a" * 300])
def test_files_that_are_not_there(tmp_path, name):
    with pytest.raises(WeightsError, match="not a calibration file"):
        Fusion.load(tmp_path / name)


def test_files_that_cannot_be_written(tmp_path):
    with pytest.raises(WeightsError, match="cannot be written"):
        Fusion().save(tmp_path / "gone" / "calibration.json")


@pytest.mark.parametrize(
    "given", [{"threshold": float("nan")}, {"digit_weight": -1}, {"weights": {}}, {"weights": {"text": None}}], ids=str
)
def test_so_are_values_given_in_python(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        Fusion(**given)


def test_a_calibration_may_come_out_of_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(WeightsError, match="nothing writes into this pipe"):
        Fusion.load(path)
    writer = threading.Thread(target=path.write_text, args=(json.dumps(SOUND),))
    writer.start()
    assert Fusion.load(path) == Fusion(**SOUND)
    writer.join()


def test_heads_for_letters_give_features():
    length, digit = np.log([0.01, 0.01, 0.98]), np.log(np.full((2, 10), 0.01) + 0.9 * np.eye(10)[[4, 2]])
    suffix = np.log(np.where(np.array(SUFFIXES) == "C", 0.73, 0.01))
    flags = dict.fromkeys(FLAGS + MARKS, 0.1) | {"right": 0.9, "slash": 0.8}
    plain = Transcription.of(Distribution(length, digit))
    lettered = Transcription.of(Distribution(length, digit, suffix), flags)
    place = region(evidence("42"))
    for with_room, expected in {
        plain: {"suffix": 0, "ends": 0, "letters": 0, "mark": 0, "turned": 0},
        lettered: {"suffix": np.log(73 / 27), "ends": np.log(9), "letters": -np.log(9), "mark": np.log(4),
                   "turned": -np.log(9)},
    }.items():  # fmt: skip
        seen = TranscribedRegion(place, plain, with_room)
        fused = fuse(plain, with_room, place.evidence, FUSION)
        assert fused.text == ("42" if with_room is plain else "42C")
        row = dict(zip(FEATURES, features([seen], [fused])[0], strict=True))
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_what_has_no_reading_comes_last_best_detection_first():
    scores = (0.3, 0.9, 0.6)
    seen = [TranscribedRegion(region(evidence("5", score), 200.0 * i), *[opinion("", sure=0.999)] * 2)
            for i, score in enumerate(scores)]  # fmt: skip
    seen.append(TranscribedRegion(region(evidence("7", 0.2), 600), *[opinion("7", sure=0.999)] * 2))
    found = weigh(seen, FUSION, 0.5, 800, 100)
    assert [each.region.score for each in found] == pytest.approx([0.2, 0.9, 0.6, 0.3])
    assert [each.reading is not None for each in found] == [True, False, False, False]


@pytest.mark.parametrize(("least", "status"), [(-0.01, "read"), (0.0, "read"), (0.01, "unsure")])
def test_a_reading_is_read_from_the_threshold_on(least, status):
    seen = [TranscribedRegion(region(evidence("7", 0.9), 100, 20), *[opinion("7", sure=0.9)] * 2)]
    [plain] = weigh(seen, FUSION, 0.0, 800, 100)
    [found] = weigh(seen, FUSION, plain.confidence + least, 800, 100)
    assert found.reading.status == status


def test_reasons_where_nothing_else_can_be_read():
    """All other texts may be impossible."""
    with np.errstate(divide="ignore"):
        only = Transcription.of(Distribution(np.log(np.eye(7)[1]), np.log(np.eye(10)[[7] * 6])))
    seen = [TranscribedRegion(region(evidence("7", 0.9), 100, 20), only, only)]
    [found] = weigh(seen, Fusion(digit_weight=0, length_weight=0), 1.0, 800, 100)
    assert with_reasons(found, np.zeros((100, 800, 3), np.uint8)).reading.reasons == ("blurred", "lone")


@pytest.mark.parametrize(("letter", "text"), [("D", "502D"), ("", "5020")])
def test_a_letter_that_the_detector_took_for_a_digit(letter, text):
    """It found 5, 0, 2 and a 0. Whether that is a digit is left open in the close crop, not in the one with room."""
    close = opinion("5020", sure=0.9)
    close.distribution.length[:] = np.log([0.01, 0.01, 0.01, 0.46, 0.49, 0.01, 0.01])
    suffix = np.full(len(SUFFIXES), 1e-4)
    suffix[SUFFIXES.index(letter)] = 1 - suffix.sum()
    room = Transcription.of(replace(close.distribution, suffix=np.log(suffix)))
    assert fuse(close, room, evidence("5020"), FUSION).text == text
