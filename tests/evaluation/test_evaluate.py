"""From pictures to a report: real models on drawn photographs, interrupted and gone on with."""

import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import digits
from digits import DatasetError, PredictionsError, Reader
from digits.core.errors import DigitsError
from digits.datasets import open_source
from digits.datasets.coco import coco_document, write_json
from digits.datasets.pictures import make_record
from digits.evaluation.evaluate import evaluate, measurable, threshold_of
from digits.evaluation.figures import draw
from digits.evaluation.predictions import read_predictions
from digits.evaluation.result import Failure
from digits.evaluation.run import Model, detector_model, reader_model, recognizer_model
from digits.evaluation.sheets import failure_sheet

SIZE = 320, 240


@pytest.fixture(scope="module")
def street(tmp_path_factory, make_photo, reader):
    """A door, a misannotated door, a wall and a picture that cannot be opened, as COCO."""
    folder = tmp_path_factory.mktemp("street")
    (folder / "images").mkdir()
    for name, text in (("right", "1428"), ("wrong", "35"), ("wall", "")):
        make_photo(text, SIZE, 40).save(folder / "images" / f"{name}.png")
    (folder / "images" / "broken.png").write_bytes((folder / "images" / "right.png").read_bytes()[:3000])
    records = []
    for name, text in (("right", "1428"), ("wrong", "36"), ("broken", "5")):
        source = folder / "images" / f"{'right' if name == 'broken' else name}.png"
        boxes = [digit.box for digit in reader.read(source).readings[0].digits][: len(text)]
        labels = [int(char) for char in text]
        records.append(make_record(f"{name}.png", f"{name}.png", SIZE, boxes, labels, [text]))
    records.append(make_record("wall.png", "wall.png", SIZE))
    write_json(folder / "instances.json", coco_document(records, lambda record: record.path.name))
    return folder


@pytest.fixture(scope="module")
def pictures(street):
    return open_source(street, quiet=True)


@pytest.fixture(scope="module")
def reports(pictures, reader, torch_reader, tmp_path_factory):
    """A report of each kind."""
    out = tmp_path_factory.mktemp("reports")
    models = {
        "detector": detector_model(torch_reader.detector),
        "recognizer": recognizer_model(reader.recognizer),
        "pipeline": reader_model(reader),
    }
    return {
        kind: (out / kind, evaluate(kind, pictures, out / kind, model, quiet=True)) for kind, model in models.items()
    }


def test_what_the_models_did(reports):
    chain = reports["pipeline"][1].measures
    assert chain["photographs"] == {"with numbers": 3, "numbers": 3, "without numbers": 1, "not opened": 1}
    assert chain["first_reading"]["right"] == pytest.approx(1 / 3)
    read = chain["end_to_end"]["read"]
    assert [read[name] for name in ("right", "misread", "missed", "invented")] == [1, 1, 1, 0]
    assert chain["strict"]["all digits and boxes right"] == pytest.approx(2 / 4)  # the door and the wall
    assert "threshold chosen on calibration" in chain["coverage_at_98_percent"]
    crops = reports["recognizer"][1].measures
    assert crops["accuracy"]["exact sequence accuracy"] == pytest.approx(1 / 3)
    assert crops["crops_without_a_number"] == {"left empty": 1}
    found = reports["detector"][1].measures
    assert found["recall"]["digits covered by proposals before NMS"] > 0.9 * 6 / 7
    assert found["at_threshold"]["recall"] == pytest.approx(5 / 7)
    assert found["false_alarms"]["negatives with any"] == 0


@pytest.mark.parametrize("kind", ["detector", "recognizer", "pipeline"])
def test_a_report_is_whole(reports, street, kind):
    out, result = reports[kind]
    content = json.loads((out / "report.json").read_text())
    assert content["kind"] == kind and content["measures"].keys() == result.measures.keys()
    page, text = ((out / f"report.{suffix}").read_text() for suffix in ("html", "md"))
    for section in result.measures:
        title = section.replace("_", " ").capitalize()
        assert title.lower() in page.lower() and f"## {title}".lower() in text.lower()
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing to be fetched
    shown = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert len(set(shown)) == len(shown) > 0 and len(shown) == page.count("data:image/png;base64,")
    for name in shown:
        assert min(Image.open(out / name).size) > 100
    assert "nan" not in text and "inf" not in text.replace("information", "")
    # what was asked and answered can be read back
    truth = open_source(out / "truth.json", street / "images", quiet=True)
    assert read_predictions(out / "predictions.jsonl", kind, truth.records).keys() == {
        r.image_id for r in truth.records
    }


class Page(HTMLParser):
    """What a page shows in order, (tag, text), and which tags are open around what may be wider than a phone."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.shown, self.tables, self.images, self.metas = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "meta":
            self.metas.append(attrs)
        elif tag == "img":
            self.images.append(("wide" in self.open, attrs))
        else:
            if tag == "table":
                self.tables.append(self.open[-1])
            self.open.append(attrs.get("class", tag))

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if self.open and data.strip():
            self.shown.append((self.open[-1], data.strip()))


@pytest.mark.parametrize("kind", ["detector", "recognizer", "pipeline"])
def test_a_report_fits_a_phone(reports, kind):
    """Nothing but what scrolls in its own box can be wider than the page."""
    text = (reports[kind][0] / "report.html").read_text()
    page = Page(text)
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.metas
    assert set(page.tables) == {"wide"}
    assert re.search(r"\.wide \{ overflow-x: auto", text) and re.search(r"img \{ max-width: 100%", text)
    assert "overflow-wrap: anywhere" in text  # digests and paths
    for wide, attributes in page.images:
        assert attributes["alt"] and "width" not in attributes
        assert wide == attributes["alt"].startswith(("Wrong", "Numbers", "Misread", "Missed", "False"))


@pytest.mark.parametrize(
    ("kind", "sentence", "first"),
    [
        ("detector", "5 of 7 (71 %) digits are found and told apart; ", ("digits found, right in class and place",)),
        ("recognizer", "1 of 3 (33 %) numbers are read exactly; ", ("numbers read exactly", "1 of 3 (33 %)")),
        ("pipeline", "1 of 3 (33 %) first readings are right; ", ("first readings right", "1 of 3 (33 %)")),
    ],
)
def test_a_report_begins_with_a_summary_and_ends_with_settings(reports, kind, sentence, first):
    out, _ = reports[kind]
    content, text = Page((out / "report.html").read_text()).shown, (out / "report.md").read_text()
    shown = [part for part in content if part[0] not in ("style", "title")]
    assert [tag for tag, _ in shown[:4]] == ["h1", "p", "strong", "h2"]
    assert "4 pictures" in shown[1][1] and shown[2][1].startswith(sentence)
    assert tuple(cell for tag, cell in shown if tag == "td")[: len(first)] == first
    heads = [text for tag, text in shown if tag == "h2"]
    assert heads[0] == "Summary" and heads[-1] == "Settings" == re.findall("^## (.*)", text, re.M)[-1]
    assert "Fusion(" not in text and not re.search(r"\d\.\d{5}|[0-9a-f]{40}", text)
    assert max(len(word) for _, part in shown for word in part.split() if "/" not in word) < 40


def test_settings_are_whole_where_they_are_compared(reports, reader):
    """A digit of the calibration changed is another model."""
    model = json.loads((reports["pipeline"][0] / "run.json").read_text())["model"]
    assert model["calibration"]["weights"] == reader.fusion.weights
    assert len(model["detector"]) == 64


@pytest.mark.parametrize("kind", ["detector", "recognizer", "pipeline"])
def test_figures_say_what_they_show(reports, kind):
    _, result = reports[kind]
    for name, curve in result.curves.items():
        for axes in draw(name, curve).axes:
            assert axes.get_ylabel() and (axes.get_xlabel() or axes.get_label() == "<colorbar>")
            assert axes.get_title() or axes.get_label() == "<colorbar>"
            lines = [line for line in axes.get_lines() if len(line.get_xdata())]
            assert len(lines) + len(axes.containers) < 2 or axes.get_legend()
            assert len({(line.get_linestyle(), line.get_color()) for line in lines}) == len(lines)
            assert all(each.get_fontsize() >= 8 for each in axes.texts)
        assert name != "confusion" or len(draw(name, curve).axes) == 2  # one is the scale of its colours


def test_failures_are_drawn(reports):
    out, result = reports["pipeline"]
    assert result.failures["wrong readings"][0].caption.startswith("36, misread 35 ")
    sheet = np.asarray(Image.open(out / "worst_wrong_readings.png").convert("RGB")).reshape(-1, 3)
    assert (sheet == (0, 158, 115)).all(1).any() and (sheet == (213, 94, 0)).all(1).any()
    assert not (out / "worst_false_alarms.png").exists()  # there was none


def test_an_interrupted_evaluation_goes_on(pictures, reader, tmp_path):
    """Killed within the third line: what is there is kept, the torn line is made anew."""
    model = reader_model(reader)
    asked = []

    def run(records):
        for record in records:
            asked.append(record.image_id)
            yield {"image_id": record.image_id, "readings": []}
            if len(asked) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("pipeline", pictures, tmp_path, Model(run, model.identity), quiet=True)
    assert not (tmp_path / "report.json").exists()
    with (tmp_path / "predictions.jsonl").open("a") as file:
        file.write('{"image_id": "wal')
    asked += ["", ""]
    evaluate("pipeline", pictures, tmp_path, Model(run, model.identity), quiet=True)
    everything = [record.image_id for record in pictures.records]
    assert asked == [*everything[:2], "", "", *everything[2:]]


def test_what_could_not_be_opened_is_tried_again(pictures, tmp_path):
    asked = []

    def run(records):
        for record in records:
            asked.append(record.image_id)
            first = asked.count(record.image_id) == 1
            answer = {"error": "busy"} if first and record.image_id == "wrong.png" else {"readings": []}
            yield {"image_id": record.image_id, **answer}

    model = Model(run, {"detector": "any"})
    assert evaluate("pipeline", pictures, tmp_path, model, quiet=True).unopened == ["busy"]
    assert evaluate("pipeline", pictures, tmp_path, model, quiet=True).unopened == []
    assert asked == [*(record.image_id for record in pictures.records), "wrong.png"]


def test_another_evaluation_in_the_same_folder_is_refused(pictures, reports, reader, tmp_path):
    out, _ = reports["pipeline"]
    model = Model(lambda records: iter(()), {"detector": "another"})
    with pytest.raises(PredictionsError, match="holds an evaluation with other model; choose another folder"):
        evaluate("pipeline", pictures, out, model)
    with pytest.raises(PredictionsError, match="other kind and model"):
        evaluate("detector", pictures, out, model)
    bold = Reader(reader.detector, reader.recognizer, min_confidence=0.1)
    with pytest.raises(PredictionsError, match="holds an evaluation with other model"):
        evaluate("pipeline", pictures, out, reader_model(bold))
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DigitsError, match=str(tmp_path)):
        evaluate("pipeline", pictures, tmp_path, model)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_answers_of_others(pictures, reports, tmp_path):
    """The same figures from the file of predictions; a bad file leaves no report."""
    out, result = reports["pipeline"]
    again = evaluate("pipeline", pictures, tmp_path / "again", out / "predictions.jsonl", quiet=True)
    for section in ("first_reading", "end_to_end", "by_length"):
        assert again.measures[section] == result.measures[section]
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(PredictionsError, match=r"bad.jsonl: line 1: image_id"):
        evaluate("pipeline", pictures, tmp_path / "bad", tmp_path / "bad.jsonl")
    assert not (tmp_path / "bad").exists()
    (tmp_path / "bad.jsonl").write_bytes((out / "predictions.jsonl").read_bytes())
    evaluate("pipeline", pictures, tmp_path / "bad", tmp_path / "bad.jsonl", quiet=True)  # once it is mended
    evaluate("pipeline", pictures, tmp_path / "bad", tmp_path / "bad" / "predictions.jsonl", quiet=True)


def test_nothing_to_measure_on(tmp_path):
    record = make_record("a.png", "a.png", SIZE, [[1, 1, 9, 19]], [4])  # a digit of no known number
    write_json(tmp_path / "instances.json", coco_document([record], lambda record: record.path.name))
    pictures = open_source(tmp_path / "instances.json", annotations_only=True)
    for kind, needed in (("recognizer", "what the digits spell"), ("pipeline", "texts and boxes")):
        with pytest.raises(DatasetError, match=needed):
            evaluate(kind, pictures, tmp_path / kind, Model(lambda records: iter(()), {}))


@pytest.fixture
def validation(reports, tmp_path):
    """The folder of a recogniser's report in which 98 % is reached at 0.75, on other pictures of the same model."""
    out, _ = reports["recognizer"]
    content = json.loads((out / "report.json").read_text())
    content["measures"]["coverage_at_98_percent"]["threshold chosen on these data"]["threshold"] = 0.75
    folder = tmp_path / "validation"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(content))
    (folder / "run.json").write_text(json.dumps({**json.loads((out / "run.json").read_text()), "pictures": "others"}))
    return folder


def test_a_threshold_chosen_elsewhere(reports, validation, pictures, reader, tmp_path):
    out, _ = reports["recognizer"]
    assert threshold_of(validation, "recognizer") == (0.75, str(validation))
    model = recognizer_model(reader.recognizer)
    result = evaluate("recognizer", pictures, tmp_path / "out", model, thresholds_of=[validation], quiet=True)
    row = result.measures["coverage_at_98_percent"][f"threshold chosen on {validation}"]
    assert (row["threshold"], row["coverage"]) == (0.75, pytest.approx(2 / 3))
    with pytest.raises(PredictionsError, match="98 % accuracy is not reached"):
        threshold_of(out, "recognizer")  # its surest answer is wrong
    with pytest.raises(PredictionsError, match="a threshold of the pipeline is needed"):
        threshold_of(validation, "pipeline")
    with pytest.raises(PredictionsError, match="no such file"):
        threshold_of(tmp_path, "recognizer")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"pictures": None}, "of these very pictures"), ({"model": {"recognizer": "?"}}, "of another model")],
)
def test_a_threshold_of_something_else(reports, validation, pictures, reader, tmp_path, change, message):
    run = json.loads((validation / "run.json").read_text())
    mine = json.loads((reports["recognizer"][0] / "run.json").read_text())
    (validation / "run.json").write_text(json.dumps({**run, **{k: v or mine[k] for k, v in change.items()}}))
    model = recognizer_model(reader.recognizer)
    with pytest.raises(PredictionsError, match=message):
        evaluate("recognizer", pictures, tmp_path / "out", model, thresholds_of=[validation], quiet=True)
    assert not (tmp_path / "out").exists()


def test_two_thresholds_of_one_name(validation, pictures, reader, tmp_path, monkeypatch):
    monkeypatch.chdir(validation.parent)
    validation.rename("these data")
    model = recognizer_model(reader.recognizer)
    with pytest.raises(PredictionsError, match="these data: the name of two thresholds"):
        evaluate("recognizer", pictures, tmp_path / "out", model, thresholds_of=["these data"], quiet=True)


@pytest.mark.parametrize(
    "content", ["[", "[]", '{"kind": "recognizer", "measures": []}', '{"kind": "?", "measures": {}}']
)
def test_reports_that_are_none(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(PredictionsError, match=r"report\.json: (not JSON|no report)"):
        threshold_of(tmp_path, "recognizer")


def test_a_box_at_the_lower_edge_of_a_sheet(pictures):
    """One that begins in its last row of pixels."""
    record = next(record for record in pictures.records if record.image_id == "right.png")
    truth = np.array([[80.0, 60, 120, 100]])
    for top in np.linspace(100, 160, 200):
        answers = np.array([[90.0, top, 110, 230]])
        assert failure_sheet([Failure(record, "below", truth, answers)]).height > 150


def test_names_that_are_no_text(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "wall.png")
    Image.new("RGB", (20, 20)).save(os.fsencode(tmp_path) + b"/\xff\xe9.png", "PNG")
    found = measurable("pipeline", open_source(tmp_path, quiet=True))
    assert [record.image_id for record in found.records] == ["wall.png"]
    assert [problem.reason for problem in found.problems] == ["its name is not readable text; rename the file"]


def test_proposals_are_those_that_the_detector_works_on(torch_reader, make_photo):
    """Before suppression there are more; both cover the digits; detecting is left as it was."""
    image = digits.load_image(make_photo("35", SIZE, 40))
    before = torch_reader.detector.predict([image])[0]
    stages = torch_reader.detector.propose(image)
    assert stages["before_nms"].shape[1] == 4 and len(stages["before_nms"]) > len(stages["after_nms"]) > 2
    sure = before.boxes[before.scores > 0.9]
    for boxes in stages.values():
        assert (digits.metrics.best_overlaps(sure, boxes) > 0.5).all()
    after = torch_reader.detector.predict([image])[0]
    assert np.array_equal(before.boxes, after.boxes) and np.array_equal(before.scores, after.scores)
