import json
import math
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from digits import Reader, Scene
from digits.cli import main
from digits.detector.predictor import EFFORTS


@pytest.fixture
def run():
    def invoke(*arguments, **options):
        return CliRunner().invoke(main, ["read", *map(str, arguments)], **options)

    return invoke


@pytest.fixture(scope="module")
def photos(tmp_path_factory, make_photo):
    """A folder with two numbers, a blank wall and a file that is no picture."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    make_photo("1428").save(folder / "a.jpg")
    make_photo("35").save(folder / "more" / "b.png")
    Image.new("RGB", (320, 240), (128, 128, 120)).save(folder / "wall.png")
    (folder / "notes.txt").write_text("not a photograph")
    return folder


def test_one_photograph(run, photos):
    done = run(photos / "a.jpg")
    assert done.exit_code == 0
    assert re.fullmatch(re.escape(str(photos / "a.jpg")) + r": 1428  \(0\.\d\d\)\n", done.stdout)
    assert done.stderr == ""


def test_json_of_a_folder(run, photos):
    done = run(photos, "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [os.path.basename(r["path"]) for r in records] == ["a.jpg", "b.png", "wall.png"]
    assert [r["readings"][0]["text"] for r in records[:2]] == ["1428", "35"]
    assert records[2]["status"] != "read"
    assert list(records[0]) == ["format", "path", "width", "height", "status", "readings", "seconds"]
    assert {r["format"] for r in records} == {1}
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("names", "code"),
    [(["a.jpg"], 0), (["wall.png"], 1), (["a.jpg", "wall.png"], 0), (["gone.jpg"], 2), (["gone.jpg", "a.jpg"], 2)],
)
def test_exit_codes(run, photos, names, code):
    assert run(*[photos / name for name in names]).exit_code == code


def test_bad_files_stand_in_place_in_json(run, photos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 no more")
    done = run(photos / "a.jpg", broken, photos / "nothing-*.jpg", photos / "more", "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["error" in r for r in records] == [False, True, True, False]
    assert records[1]["path"] == str(broken) and "broken.jpg" in records[1]["error"]
    assert "no file matches" in records[2]["error"]
    assert done.exit_code == 2


def test_bad_files_in_text_go_to_stderr(run, photos, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run(tmp_path / "gone.jpg", empty, photos / "a.jpg", "--quiet")
    assert "1428" in done.stdout and "gone.jpg" not in done.stdout
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert "gone.jpg: no such file" in errors[0] and "no photographs in this folder" in errors[1]


def test_patterns(run, photos):
    done = run(photos / "**" / "*.png", "--json")
    assert [os.path.basename(json.loads(line)["path"]) for line in done.stdout.splitlines()] == ["b.png", "wall.png"]


def test_standard_input(run, photos):
    done = run("-", "--json", input=(photos / "a.jpg").read_bytes())
    record = json.loads(done.stdout)
    assert (record["path"], record["readings"][0]["text"]) == ("-", "1428")
    broken = run("-", input=b"junk")
    assert broken.exit_code == 2 and "standard input: not a picture" in broken.stderr


def test_annotate(run, photos, tmp_path):
    target = tmp_path / "deep" / "drawn"
    assert run(photos, photos / "a.jpg", "--annotate", target).exit_code == 0
    drawn = sorted(str(p.relative_to(target)) for p in target.rglob("*.*"))
    assert drawn == ["a-2.jpg", "a.jpg", os.path.join("more", "b.png"), "wall.png"]
    with Image.open(target / "a.jpg") as after, Image.open(photos / "a.jpg") as before:
        assert after.size == before.size
        assert np.abs(np.asarray(after, int) - np.asarray(before, int)).max() > 100


def test_large_photographs_are_drawn_before_the_next_is_read(run, photos, tmp_path, monkeypatch):
    """Together they would take too much memory. Here all but the wall are large."""
    done, read, render = [], Reader.read, Scene.render
    plain = run(photos, tmp_path / "gone.jpg")
    with Image.open(photos / "a.jpg") as photo:
        monkeypatch.setattr("digits.core.images.MAX_PIXELS", math.prod(photo.size))
    monkeypatch.setattr(Reader, "read", lambda self, source: done.append("read") or read(self, source))
    monkeypatch.setattr(Scene, "render", lambda self: done.append("drawn") or render(self))
    drawn = run(photos, tmp_path / "gone.jpg", "--annotate", tmp_path / "drawn")
    assert (drawn.exit_code, drawn.stdout, drawn.stderr) == (2, plain.stdout, plain.stderr)
    assert done == ["read", "drawn"] * 2 + ["drawn"]


def test_annotating_never_overwrites_a_photograph(run, tmp_path, make_photo):
    photo = tmp_path / "door.png"
    make_photo("35").save(photo)
    before = photo.read_bytes()
    assert run(tmp_path, "--annotate", tmp_path).exit_code == 0
    assert photo.read_bytes() == before and (tmp_path / "door-2.png").exists()


def test_a_copy_that_cannot_be_written_stops_nothing(run, photos, tmp_path):
    (tmp_path / "a.jpg").mkdir()
    done = run(photos / "a.jpg", photos / "more" / "b.png", "--annotate", tmp_path)
    assert done.exit_code == 2 and done.stdout.count("\n") == 2
    assert "a.jpg: not drawn" in done.stderr and (tmp_path / "b.png").is_file()


@pytest.mark.parametrize("name", ["x" * 300 + ".jpg", "nul\0.jpg"])
def test_impossible_paths(run, photos, name):
    done = run(name, photos / "a.jpg")
    assert done.exit_code == 2 and "1428" in done.stdout and "Traceback" not in done.stderr


def test_annotate_into_a_file(run, photos):
    done = run(photos / "a.jpg", "--annotate", photos / "notes.txt")
    assert done.exit_code == 2 and "notes.txt" in done.stderr


def test_min_confidence(run, photos):
    assert run(photos / "a.jpg", "--min-confidence", "1").exit_code == 1
    assert "unsure, perhaps 1428" in run(photos / "a.jpg", "--min-confidence", "1").stdout
    assert run(photos / "a.jpg", "--min-confidence", "1.5").exit_code == 2


def test_verbose_and_quiet(run, photos):
    assert "640x480" in run(photos / "a.jpg", "--verbose").stderr
    assert run(photos / "a.jpg", "--verbose", "--quiet").stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--device", "abacus", "a.jpg"],
        ["--threads", "0", "a.jpg"],
        ["--effort", "huge", "a.jpg"],
        *(["--budget", budget, "a.jpg"] for budget in ("0", "-1", "nan", "inf", "-inf", "soon")),
        ["--colour", "a.jpg"],
    ],
)
def test_wrong_usage(run, arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == "" and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "option",
    [
        "read a.jpg --min-confidence",
        "evaluate compare a b --margin",
        "train average detector a b --out c --share",
        "train calibrate --data a --out c --precision",
    ],
)
@pytest.mark.parametrize("value", ["nan", "-NaN", "inf", "1.01", "", "0,5"])
def test_shares_are_numbers_from_0_to_1(option, value):
    done = CliRunner().invoke(main, [*option.split(), value])
    assert done.exit_code == 2 and f"Invalid value for '{option.split()[-1]}'" in done.stderr


@pytest.mark.parametrize(
    ("error", "said"), [(MemoryError(), "Error: not enough memory\n"), (ValueError("a fault"), "ValueError: a fault\n")]
)
def test_a_crash_is_not_taken_for_a_door_without_a_number(run, photos, monkeypatch, error, said):
    def crash(*arguments, **options):
        raise error

    monkeypatch.setattr("digits.detector.Detector.passes", crash)
    done = run(photos / "a.jpg")
    assert done.exit_code == 2 and done.stderr.endswith(said)


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_effort_reads_what_is_plain(run, photos, effort):
    assert run(photos / "a.jpg", "--effort", effort, "--json").exit_code == 0


@pytest.mark.parametrize("budget", ["1e-9", "0.5", "60"])
def test_what_is_plain_is_read_within_any_budget(run, photos, budget):
    """The first pass is always run."""
    assert run(photos / "a.jpg", "--budget", budget).exit_code == 0


def test_a_missing_device_is_one_line(run, photos):
    done = run(photos / "a.jpg", "--device", "cuda:97")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_help_teaches():
    text = CliRunner().invoke(main, ["read", "--help"]).stdout
    assert "digits read photos/ --json > readings.jsonl" in text
    for option in (
        "--annotate",
        "--min-confidence",
        "--device",
        "--threads",
        "--budget",
        "--quiet",
        "--verbose",
        "--json",
    ):
        assert option in text


def test_interrupt_keeps_what_was_printed(photos):
    """A real process, a real signal."""
    command = [sys.executable, "-c", "from digits.cli import main; main()", "read", "--json"]
    with subprocess.Popen(
        [*command, *[str(photos / "a.jpg")] * 500], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert json.loads(first)["readings"][0]["text"] == "1428"
    assert all(json.loads(line)["path"] for line in rest.splitlines())
    assert len(rest.splitlines()) < 499
    assert process.returncode == 130 and "Traceback" not in errors


def test_weights_and_calibration_of_ones_own(run, photos, tmp_path):
    """Those that ship, named as files, read as they do; a stricter calibration is obeyed; others are refused."""
    from importlib.resources import files

    from digits.pipeline.fuse import Fusion

    weights = []
    for kind in ("detector", "recognizer"):
        weights += [f"--{kind}", files(f"digits.{kind}.weights") / f"{kind}.safetensors"]
    assert run(photos / "a.jpg", *weights).stdout == run(photos / "a.jpg", "--backend", "torch").stdout
    fusion = Fusion.load(files("digits.pipeline") / "calibration.json")
    replace(fusion, threshold=1.0).save(tmp_path / "strict.json")
    strict = run(photos / "a.jpg", *weights, "--calibration", tmp_path / "strict.json")
    assert strict.exit_code == 1 and "unsure, perhaps 1428" in strict.stdout
    for option in ("--detector", "--recognizer", "--calibration"):
        done = run(photos / "a.jpg", option, photos / "notes.txt")
        assert done.exit_code == 2 and "notes.txt: not a" in done.stderr and done.stderr.count("\n") == 1


def test_what_a_folder_hides_is_said_and_counted(run, photos, tmp_path, monkeypatch):
    """In its place, with code 2, and without keeping the others from being read."""
    for name in ("a.jfif", "locked/b.jpg", "z.JPG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((photos / "a.jpg").read_bytes())
    (tmp_path / "._a.jfif").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    scandir = os.scandir

    def refuse(folder):  # acted: root may enter any folder
        if os.fspath(folder) == str(tmp_path / "locked"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    done = run(tmp_path)
    assert done.exit_code == 2 and [line.split(":")[1][:6] for line in done.stdout.splitlines()] == [" 1428 "] * 2
    assert done.stderr.splitlines() == [
        f"Error: {tmp_path / 'gone.jpg'}: a link that leads nowhere",
        f"Error: {tmp_path / 'locked'}: permission denied",
        "2 of 4 could not be read",
    ]
    records = [json.loads(line) for line in run(tmp_path, "--json", "--quiet").stdout.splitlines()]
    assert [os.path.basename(each["path"]) for each in records] == ["a.jfif", "gone.jpg", "locked", "z.JPG"]
    assert ["error" in each for each in records] == [False, True, True, False]
    assert run(tmp_path / "locked", "--quiet").stderr == f"Error: {tmp_path / 'locked'}: permission denied\n"
    pattern = run(tmp_path / "*" / "*.jpg", "--quiet")
    assert pattern.exit_code == 2 and pattern.stderr == f"Error: {tmp_path / 'locked'}: permission denied\n"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["a.jpg", "more/b.png", "more/deep/c.jpg"]),
        ("m*", ["more/b.png", "more/deep/c.jpg"]),
        ("*/", ["more/b.png", "more/deep/c.jpg"]),
        ("*/*", ["more/b.png", "more/deep/c.jpg"]),
        ("*/*/", ["more/deep/c.jpg"]),
        ("**", ["a.jpg", "more/b.png", "more/deep/c.jpg"]),
        ("*.jpg", ["a.jpg"]),
    ],
)
def test_folders_that_a_pattern_matches_are_read_too(run, photos, tmp_path, pattern, found):
    (tmp_path / "in" / "more" / "deep").mkdir(parents=True)
    for name in ("a.jpg", "more/b.png", "more/deep/c.jpg"):
        (tmp_path / "in" / name).write_bytes((photos / "a.jpg").read_bytes())
    done = run(f"{tmp_path}/in/{pattern}", "--json", "--quiet")
    paths = [json.loads(line)["path"] for line in done.stdout.splitlines()]
    assert [os.path.relpath(path, tmp_path / "in") for path in paths] == found and done.exit_code == 0


@pytest.mark.parametrize("pattern", ["*", "mor?", "more/*"])
def test_a_pattern_that_matches_folders_alone_looks_into_them(run, photos, tmp_path, pattern):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.png").write_bytes((photos / "more" / "b.png").read_bytes())
    done = run(tmp_path / pattern)
    assert done.exit_code == 0 and done.stdout.startswith(str(tmp_path / "more" / "b.png") + ": 35")
