import json
import re
import sys
from importlib.util import find_spec

import pytest
from click.testing import CliRunner
from PIL import Image

from digits.cli.explain import explain
from digits.core.errors import DigitsError, ImageError, WeightsError

needs_captum = pytest.mark.skipif(find_spec("captum") is None, reason="needs Captum: pip install -e '.[dev]'")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        return CliRunner().invoke(explain, [*map(str, arguments), "--device", "cpu"])

    return invoke


@pytest.fixture(scope="module")
def photos(tmp_path_factory, make_photo):
    folder = tmp_path_factory.mktemp("photos")
    make_photo("35", (320, 240), 40).save(folder / "door.jpg")
    Image.new("RGB", (160, 120), (128, 128, 120)).save(folder / "wall.png")
    (folder / "notes.txt").write_text("not a photograph")
    return folder


@needs_captum
def test_a_photograph(run, photos, tmp_path):
    done = run(photos / "door.jpg")
    assert done.exit_code == 0 and done.stderr == ""
    line, picture = done.stdout.splitlines()
    figures = r": 35  confidence 0\.\d\d, dropout 0\.\d\d ± 0\.\d\d, \d+ of 30 agree"
    assert re.fullmatch(re.escape(str(photos / "door.jpg")) + figures, line)
    assert picture == "door-explained.png"
    with Image.open(tmp_path / picture) as drawn:
        assert drawn.format == "PNG" and drawn.width > 1000


@needs_captum
def test_json(run, photos):
    done = run(photos / "door.jpg", "--json", "--out", "why.jpg", "--passes", "4", "--seed", "2")
    record = json.loads(done.stdout)
    assert list(record) == ["path", "width", "height", "status", "picture", "readings", "candidate"]
    assert (record["picture"], record["status"], record["candidate"]) == ("why.jpg", "read", None)
    (reading,) = record["readings"]
    assert reading["text"] == "35" and [digit["digit"] for digit in reading["detector"]] == ["3", "5"]
    assert reading["dropout"]["passes"] == 4 and reading["recognizer"]["text"] == "35"
    with Image.open("why.jpg") as drawn:
        assert drawn.format == "JPEG"


@needs_captum
def test_a_wall(run, photos):
    done = run(photos / "wall.png")
    assert done.exit_code == 1
    assert done.stdout == f"{photos / 'wall.png'}: no number found\nwall-explained.png\n"
    with Image.open("wall-explained.png") as drawn:
        assert drawn.height > 120 and drawn.width > 160  # with a caption


@needs_captum
@pytest.mark.parametrize(("name", "message"), [("notes.txt", "not a picture"), ("gone.jpg", "no such file")])
def test_what_is_no_photograph(run, photos, tmp_path, name, message):
    done = run(photos / name)
    assert isinstance(done.exception, ImageError) and message in str(done.exception) and name in str(done.exception)
    assert list(tmp_path.iterdir()) == []


@needs_captum
def test_weights_that_are_none(run, photos):
    done = run(photos / "door.jpg", "--recognizer", photos / "notes.txt")
    assert isinstance(done.exception, WeightsError) and "notes.txt" in str(done.exception)


def test_without_captum(run, photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    done = run(photos / "door.jpg")
    assert isinstance(done.exception, DigitsError)
    assert str(done.exception) == "explaining needs Captum: pip install 'street-digits[explain]'"


@pytest.mark.parametrize("out", ["why.txt", "nowhere/why.png", "."])
def test_a_picture_that_cannot_be_written(run, photos, out):
    done = run(photos / "door.jpg", "--out", out)
    assert done.exit_code == 2 and "--out" in done.stderr and "Traceback" not in done.stderr


def test_the_photograph_is_never_overwritten(run, photos):
    before = (photos / "door.jpg").read_bytes()
    done = run(photos / "door.jpg", "--out", photos / "door.jpg")
    assert done.exit_code == 2 and "is the photograph itself" in done.stderr
    assert (photos / "door.jpg").read_bytes() == before


@pytest.mark.parametrize("arguments", [[], ["a.jpg", "--passes", "0"], ["a.jpg", "b.jpg"]])
def test_wrong_usage(run, arguments):
    assert run(*arguments).exit_code == 2


def test_help_teaches(run):
    text = run("--help").stdout
    assert "digits explain photo.jpg --out why.jpg" in text and "street-digits[explain]" in text
    for option in ("--out", "--passes", "--seed", "--json", "--detector", "--recognizer", "--calibration", "--device"):
        assert option in text
