"""Two models on the same pictures, from their reports."""

import json

import pytest

from digits import PredictionsError
from digits.datasets.pictures import Pictures
from digits.evaluation.compare import compare, markdown
from digits.evaluation.evaluate import evaluate
from digits.evaluation.predictions import answer_line


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of answers, plain fields by the id of the picture."""
    home = tmp_path_factory.mktemp("compared")

    def make(name, kind, records, answers):
        file = home / f"{name}.jsonl"
        file.write_text("".join(answer_line({"image_id": key, **fields}) for key, fields in answers.items()))
        evaluate(kind, Pictures("made up", records), home / name, file, quiet=True)
        return home / name

    return make


@pytest.fixture(scope="module")
def crops(photo, report):
    """Forty numbers: A reads 20, B the same and 10 more, C 19 of A's and one other."""
    records = [photo(f"{i}", ("7", 50)) for i in range(40)]

    def answers(right):
        texts = {i: ("7" if i in right else "1") for i in range(40)}
        return {str(i): {"readings": [{"text": text, "confidence": 0.5 + i / 100}]} for i, text in texts.items()}

    chosen = {"a": range(20), "b": range(30), "c": [*range(19), 39]}
    return {name: report(name, "recognizer", records, answers(right)) for name, right in chosen.items()}


def test_better_worse_and_open(crops):
    exact, coverage = compare(crops["a"], crops["b"], rounds=500, quiet=True)
    assert (exact.name, exact.pictures, exact.a, exact.b) == ("exact sequence accuracy", 40, 0.5, 0.75)
    assert (exact.mcnemar.only_a, exact.mcnemar.only_b, exact.verdict) == (0, 10, "better")
    assert exact.mcnemar.p == pytest.approx(2 / 2**10) and exact.interval.low > 0
    assert coverage.name == "coverage at 98 % accuracy" and coverage.mcnemar is None
    assert compare(crops["b"], crops["a"], rounds=500, quiet=True)[0].verdict == "worse"
    exact = compare(crops["a"], crops["c"], rounds=500, quiet=True)[0]
    assert (exact.mcnemar.only_a, exact.mcnemar.only_b, exact.verdict) == (1, 1, "open")
    assert compare(crops["a"], crops["c"], rounds=500, margin=0.2, quiet=True)[0].verdict == "equivalent"
    same = [{one.verdict for one in compare(*[crops["a"]] * 2, margin=m, rounds=100, quiet=True)} for m in (0.01, 0.1)]
    assert same == [{"open"}, {"equivalent"}]  # on forty pictures, a difference of one in a hundred would not show


def test_few_lone_successes_prove_nothing(photo, report):
    """Four to none: the bootstrap would call it better, McNemar's test says 0.125."""
    records = [photo(f"{i}", ("7", 50)) for i in range(40)]
    both = []
    for name, count in (("few", 20), ("more", 24)):
        texts = ["7" if i < count else "1" for i in range(40)]
        answers = {str(i): {"readings": [{"text": text, "confidence": 0.5}]} for i, text in enumerate(texts)}
        both.append(report(name, "recognizer", records, answers))
    exact = compare(*both, rounds=500, quiet=True)[0]
    assert exact.interval.low > 0 and exact.mcnemar.p == 0.125 and exact.verdict == "open"


def test_whole_photographs(photo, report, reading):
    records = [photo(f"{i}", ("12", 50)) for i in range(40)] + [photo("wall")]
    silent = {record.image_id: {"readings": []} for record in records}
    telling = {**silent, **{str(i): {"readings": [reading("12", 50, 0.9)]} for i in range(40)}}
    telling["wall"] = {"readings": [reading("7", 50, 0.8)]}
    a, b = (report(f"photos {name}", "pipeline", records, fields) for name, fields in (("a", silent), ("b", telling)))
    found = {one.name: one for one in compare(a, b, rounds=200, quiet=True)}
    assert found["first reading right"].verdict == "better"
    assert found["end-to-end F1"].b == pytest.approx(2 * 40 / 81) and found["end-to-end F1"].verdict == "better"
    alarms = found["negatives without a number read"]
    assert (alarms.pictures, alarms.a, alarms.b, alarms.mcnemar.p, alarms.verdict) == (1, 1, 0, 1, "open")
    table = markdown(found.values()).splitlines()
    assert len(table) == 2 + len(found) and "| first reading right | 40 | 0.0000 | 1.0000 | +1.0000" in table[2]
    json.dumps([one.to_dict() for one in found.values()], allow_nan=False)


@pytest.mark.parametrize("kind", ["detector", "pipeline"])
def test_a_negative_that_one_could_not_open_is_left_out(kind, photo, report):
    records = [photo("door", ("12", 50)), photo("wall"), photo("other wall")]
    nothing = {"boxes": [], "scores": [], "labels": []} if kind == "detector" else {"readings": []}
    whole = {record.image_id: nothing for record in records}
    a, b = (
        report(f"whole {kind}", kind, records, whole),
        report(f"torn {kind}", kind, records, {**whole, "wall": {"error": "torn"}, "door": {"error": "torn"}}),
    )
    for pair in ((a, b), (b, a)):
        found = {one.name: one.pictures for one in compare(*pair, rounds=100, quiet=True)}
        assert [count for name, count in found.items() if name.startswith("negatives")] == [1]
        assert next(iter(found.values())) == (2 if kind == "detector" else 1)  # the door is missed by both


def test_detectors(photo, report):
    records = [photo(f"{i}", ("12", 50)) for i in range(30)] + [photo("wall")]
    nothing = {"boxes": [], "scores": [], "labels": []}

    def answers(label):
        fields = {"boxes": records[0].boxes.tolist(), "scores": [0.9, 0.8], "labels": [1, label]}
        return {record.image_id: fields if record.numbers else nothing for record in records}

    a, b = (report(f"boxes {label}", "detector", records, answers(label)) for label in (9, 2))
    found = {one.name: one for one in compare(a, b, rounds=100, quiet=True)}
    assert (found["average precision"].a, found["average precision"].b) == pytest.approx((0.5, 1))
    assert found["average precision"].verdict == found["all digits and boxes right"].verdict == "better"
    assert found["negatives without a number region"].verdict == "open"


def test_pictures_are_drawn_with_all_their_numbers(photo, report):
    """Twenty pictures of ten like numbers: B alone reads those of twelve, A alone of five. That proves nothing."""
    records = [photo(f"{i}", *(("7", 20 * k, 80, 20) for k in range(10))) for i in range(20)]

    def answers(chosen):
        texts = {i: "7" if i in chosen else "1" for i in range(20)}
        return {str(i): {"readings": [{"text": text, "confidence": 0.5}] * 10} for i, text in texts.items()}

    a, b = (report(f"many {c[0]}", "recognizer", records, answers(c)) for c in (range(5), range(5, 17)))
    exact = compare(a, b, rounds=500, quiet=True)[0]
    assert (exact.pictures, exact.mcnemar, exact.verdict) == (20, None, "open")
    assert exact.interval.low < 0 < exact.interval.high and exact.b - exact.a == pytest.approx(7 / 20)


def test_what_cannot_be_compared(crops, photo, report, tmp_path):
    fewer = [photo(f"{i}", ("7", 50)) for i in range(39)]
    other = [photo(f"{i}", ("8" if i == 5 else "7", 50)) for i in range(40)]
    answers = {str(i): {"readings": [{"text": "7", "confidence": 0.5}]} for i in range(40)}
    few = report("fewer", "recognizer", fewer, {key: answers[key] for key in map(str, range(39))})
    with pytest.raises(PredictionsError, match="'39' is in the first only"):
        compare(crops["a"], few)
    with pytest.raises(PredictionsError, match="'39' is in the second only"):
        compare(few, crops["a"])
    with pytest.raises(PredictionsError, match="different truths for '5'"):
        compare(crops["a"], report("other", "recognizer", other, answers))
    chain = report("chain", "pipeline", fewer[:1], {"0": {"readings": []}})
    with pytest.raises(PredictionsError, match="there is nothing to compare"):
        compare(crops["a"], chain)
    with pytest.raises(PredictionsError, match="reports are written by digits evaluate"):
        compare(crops["a"], tmp_path)
