"""`digits evaluate` as it is called."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from digits.cli import main
from digits.evaluation.predictions import answer_line


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def source(tmp_path_factory, make_photo):
    """Two crops, and one that is listed but not there."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "images").mkdir()
    for name, text in (("a", "1428"), ("b", "073")):
        photo = make_photo(text, (200, 120), 40)
        photo.crop((30, 30, 170, 90)).save(folder / "images" / f"{name}.png")
    (folder / "labels.csv").write_text("file,text\na.png,1428\nb.png,073\ngone.png,5\n")
    return folder


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Negatives."""
    folder = tmp_path_factory.mktemp("street") / "photographs"  # beside no files of other tests, which might name these
    folder.mkdir()
    for i in range(2):
        Image.new("RGB", (200, 120), (90, 90 + i, 90)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def reported(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "crops"
    done = run("recognizer", source, "--out", out, "--device", "cpu")
    assert done.exit_code == 0, done.output
    return out, done


def test_a_recogniser(reported):
    out, done = reported
    assert done.stdout == f"{out / 'report.html'}\n"
    assert "1 entry left out" in done.stderr and "gone.png" in done.stderr
    content = json.loads((out / "report.json").read_text())
    assert content["measures"]["accuracy"]["exact sequence accuracy"] == 1
    assert "2 pictures, 1 left out" in content["about"]["data"]


@pytest.mark.parametrize("kind", ["detector", "pipeline"])
def test_negatives(kind, street, tmp_path):
    done = run(kind, street, "--out", tmp_path / "out", "--device", "cpu", "--limit", 1, "--quiet")
    assert done.exit_code == 0 and done.stderr == ""
    measures = json.loads((tmp_path / "out" / "report.json").read_text())["measures"]
    assert list(measures["false_alarms"].values())[-1] == 0
    assert next(iter(measures.values()))["without digits" if kind == "detector" else "without numbers"] == 1


def test_predictions_without_pictures(source, reported, tmp_path):
    out, _ = reported
    bare = tmp_path / "labels.csv"
    bare.write_text("file,text\na.png,1428\nb.png,073\n")
    common = ["recognizer", bare, "--annotations-only", "--out", tmp_path / "out"]
    assert run(*common, "--predictions", out / "predictions.jsonl").exit_code == 0
    measures = json.loads((tmp_path / "out" / "report.json").read_text())["measures"]
    assert measures["accuracy"]["exact sequence accuracy"] == 1
    done = run(*common)
    assert done.exit_code == 2 and "a model needs the pictures" in done.stderr
    done = run(*common, "--predictions", out / "predictions.jsonl", "--weights", "any")
    assert done.exit_code == 2 and "leave out the weights" in done.stderr


def test_compare(source, reported, tmp_path):
    out, _ = reported
    worse = [("a.png", "1428"), ("b.png", "13")]
    lines = [answer_line({"image_id": i, "readings": [{"text": t, "confidence": 0.9}]}) for i, t in worse]
    (tmp_path / "worse.jsonl").write_text("".join(lines))
    common = ["recognizer", source, "--quiet", "--out", tmp_path / "worse"]
    assert run(*common, "--predictions", tmp_path / "worse.jsonl").exit_code == 0
    done = run("compare", out, tmp_path / "worse", "--rounds", 100)
    assert done.exit_code == 0 and "| exact sequence accuracy | 2 | 1.0000 | 0.5000 | -0.5000" in done.stdout
    done = run("compare", out, tmp_path / "worse", "--rounds", 100, "--json")
    assert json.loads(done.stdout.splitlines()[0])["b"] == 0.5


def test_predict(street, tmp_path):
    order = tmp_path / "instances_test.json"
    order.write_text(json.dumps({"images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "0.png"}]}))
    done = run("predict", "--order", order, "--images", street, "--out", tmp_path / "p.txt", "--number-format", "mila")
    assert done.exit_code == 0 and done.stdout == f"{tmp_path / 'p.txt'}\n"
    assert all(float(line) >= -1 for line in (tmp_path / "p.txt").read_text().splitlines())
    (street / "broken.png").write_bytes(b"")
    order.write_text(json.dumps({"images": [{"id": 1, "file_name": "broken.png"}]}))
    done = run("predict", "--order", order, "--images", street, "--out", tmp_path / "p.txt")
    (street / "broken.png").unlink()
    assert done.exit_code == 2 and "broken.png" in done.stderr and (tmp_path / "p.txt").read_text() == "\n"


def test_pictures_that_cannot_be_opened_are_told(tmp_path):
    (tmp_path / "walls").mkdir()
    Image.new("RGB", (200, 120), (90, 90, 90)).save(tmp_path / "walls" / "whole.png")
    whole = (tmp_path / "walls" / "whole.png").read_bytes()
    (tmp_path / "walls" / "torn.png").write_bytes(whole[: len(whole) // 2])
    done = run("pipeline", tmp_path / "walls", "--out", tmp_path / "out", "--device", "cpu")
    assert done.exit_code == 0 and "1 picture could not be opened, such as" in done.stderr and "torn.png" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pipeline", "{source}", "--out", "{tmp}/out"], "no picture to measure a pipeline on"),
        (["recognizer", "nowhere", "--out", "{tmp}/out"], "nowhere: no such file or folder"),
        (["recognizer", "{source}", "--predictions", "gone.jsonl", "--out", "{tmp}/out"], "gone.jsonl: no such file"),
        (["recognizer", "{source}", "--weights", "gone.st", "--out", "{tmp}/out"], "gone.st: no such weights file"),
        (["recognizer", "{source}", "--threshold-from", "{tmp}", "--out", "{tmp}/out"], "report.json: no such file"),
        (["compare", "{tmp}", "{tmp}"], "reports are written by digits evaluate"),
        (["predict", "--order", "{tmp}/no.pkl", "--out", "{tmp}/out"], "no.pkl: no such file"),
        (["recognizer", "{source}", "--out", "{source}/" + 300 * "x"], "file name too long"),
    ],
)
def test_errors_are_one_line(arguments, message, source, tmp_path):
    done = run(*(text.format(source=source, tmp=tmp_path) for text in arguments))
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.exit_code == 2 and len(errors) == 1 and message in errors[0] and done.stdout == ""


def test_help_is_quick():
    """It teaches, and torch is not imported for it."""
    code = "import sys; from digits.cli import main; main(['evaluate', 'pipeline', '--help'], standalone_mode=False)\n"
    code += "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout and "--threshold-from" in done.stdout
