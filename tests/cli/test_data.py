import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFont

from digits.cli import main
from digits.datasets import export, sources


def run(*arguments):
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


@pytest.fixture(scope="module")
def fonts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fonts")
    (folder / "one.ttf").write_bytes(ImageFont.load_default(20).font_bytes)
    return folder


@pytest.fixture(scope="module")
def crops(tmp_path_factory, fonts):
    out = tmp_path_factory.mktemp("drawn") / "crops"
    done = run("synthesize", "crops", "--count", 12, "--fonts", fonts, "--seed", 4, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}\n"
    return out


@pytest.fixture
def boxed(tmp_path):
    """Two pictures of one house, and COCO annotations: one has a category that is no digit."""
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for i in range(2):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), np.full((40, 60, 3), 90, np.uint8))
        images.append({"id": i, "file_name": f"{i}.png", "width": 60, "height": 40, "numbers": ["7"]})
        annotations.append({"id": i, "image_id": i, "category_id": 7, "bbox": [5, 5, 10, 20], "number": 0})
    annotations.append({"id": 9, "image_id": 0, "category_id": 11, "bbox": [5, 5, 10, 20]})
    document = {"images": images, "annotations": annotations}
    document["categories"] = [{"id": 7, "name": "7"}, {"id": 11, "name": "door"}]
    (tmp_path / "instances.json").write_text(json.dumps(document))
    return tmp_path


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def test_the_same_seed_draws_the_same_whatever_the_workers(crops, fonts, tmp_path):
    common = ["synthesize", "crops", "--count", 12, "--fonts", fonts, "--quiet"]
    assert run(*common, "--seed", 4, "--workers", 0, "--out", tmp_path / "a").exit_code == 0
    assert run(*common, "--seed", 4, "--workers", 2, "--out", tmp_path / "b").exit_code == 0
    assert run(*common, "--seed", 5, "--workers", 0, "--out", tmp_path / "c").exit_code == 0
    assert digest(crops) == digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_scenes_on_backgrounds_of_ones_own(fonts, tmp_path):
    (tmp_path / "walls").mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / "walls" / f"{i}.png"), np.full((300, 400, 3), (200, 30, 30), np.uint8))
    common = ["--fonts", fonts, "--backgrounds", tmp_path / "walls", "--size", 160, 120, "--workers", 0]
    done = run("synthesize", "scenes", "--count", 3, *common, "--out", tmp_path / "scenes")
    assert done.exit_code == 0, done.output
    assert all(Image.open(path).size == (160, 120) for path in (tmp_path / "scenes" / "images").iterdir())
    assert len(list((tmp_path / "scenes" / "images").iterdir())) == 3


def test_stats_preview_convert_split(crops, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("stats", crops)
    assert done.exit_code == 0 and "pictures                                    12\n" in done.stdout
    assert Image.open("stats.png").size[0] > 1000
    done = run("preview", crops, "--count", 5, "--height", 50)
    assert done.exit_code == 0 and done.stdout == "preview.png\n" and Image.open("preview.png").size[1] % 70 == 0
    for to in ("coco", "yolo", "crops"):
        assert run("convert", crops, "--to", to, "--out", to).exit_code == 0
        assert run("stats", to, "--quiet").exit_code == 0
    done = run("split", crops, "--out", "splits")
    assert done.exit_code == 0
    assert sum(int(line.rsplit(maxsplit=1)[1]) for line in done.stdout.splitlines()) == 12


def test_what_is_left_out_is_listed_on_stderr(boxed):
    done = run("stats", boxed, "--plot", boxed / "plots.png")
    assert done.exit_code == 0
    assert "1 entry left out" in done.stderr and "door: 1 annotation of a category that is no digit" in done.stderr
    assert "left out                                    1\n" in done.stdout
    quiet = run("stats", boxed, "--plot", boxed / "plots.png", "--quiet")
    assert quiet.stderr == "" and quiet.stdout == done.stdout


def test_annotations_alone(boxed):
    for path in (boxed / "images").iterdir():
        path.unlink()
    done = run("stats", boxed, "--plot", boxed / "plots.png")
    assert "name the folder of the pictures with --images" in done.stderr
    done = run("stats", boxed, "--annotations-only", "--plot", boxed / "plots.png")
    assert "digit 7                                     2\n" in done.stdout
    assert run("preview", boxed, "--annotations-only").exit_code == 2


def test_a_layout_is_measured_and_drawn_from(crops, fonts, tmp_path):
    out = tmp_path / "many"
    run("synthesize", "crops", "--count", 260, "--fonts", fonts, "--workers", 0, "--quiet", "--out", out)
    done = run("layout", out, "--out", tmp_path / "layout.json")
    assert done.exit_code == 0, done.output
    table = json.loads((tmp_path / "layout.json").read_text())
    assert table["numbers"] > 150
    common = ["--fonts", fonts, "--workers", 0, "--seed", 4]
    done = run(
        "synthesize", "crops", "--count", 12, "--layout", tmp_path / "layout.json", *common, "--out", tmp_path / "o"
    )
    assert done.exit_code == 0 and digest(tmp_path / "o") != digest(crops)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats", "gone"], "gone: no such file or folder"),
        (["preview", "gone"], "gone: no such file or folder"),
        (["stats", "text.json"], "text.json: not JSON"),
        (["stats", "list.json"], "every entry must be an object"),
        (["stats", "other.json"], "not COCO detection"),
        (["stats", "cut.mat"], "cut.mat: "),
        (["layout", "negatives", "--out", "l.json"], "too few numbers"),
        (["convert", "negatives", "--to", "coco", "--out", "negatives"], "already there"),
        (["convert", "negatives", "--to", "coco", "--out", "text.json"], "already there"),
        (["synthesize", "crops", "--count", "1", "--fonts", "gone", "--out", "o"], "gone: no such font folder"),
        (["synthesize", "crops", "--count", "1", "--fonts", "negatives", "--out", "o"], "holds no .ttf"),
        (
            ["synthesize", "crops", "--count", "1", "--backgrounds", "gone", "--fonts", "F", "--out", "o"],
            "no such folder",
        ),
        (["synthesize", "crops", "--count", "1", "--layout", "list.json", "--fonts", "F", "--out", "o"], "JSON object"),
        (["synthesize", "crops", "--count", "1", "--out", "negatives"], "already there"),
        (["download", "svhn", "--url", "http://127.0.0.1:9/", "--out", "svhn"], "cannot reach 127.0.0.1"),
    ],
)
def test_bad_input_gives_one_clear_line(arguments, message, fonts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "negatives").mkdir()
    cv2.imwrite("negatives/0.png", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "other.json").write_text('{"hello": 1}')
    (tmp_path / "cut.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b" " * 100)
    done = run(*[fonts if argument == "F" else argument for argument in arguments])
    assert done.exit_code == 2
    assert message in done.stderr and "Traceback" not in done.output
    assert len(done.stderr.strip().splitlines()) <= 2  # a download says first what it is about to do
    assert not (tmp_path / "o").exists()


def test_broken_backgrounds_are_listed_and_done_without(fonts, tmp_path):
    (tmp_path / "walls").mkdir()
    rough = np.random.default_rng(0).integers(90, 140, (90, 120, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "walls" / "a.png"), rough)
    whole = (tmp_path / "walls" / "a.png").read_bytes()
    (tmp_path / "walls" / "b.png").write_bytes(whole[: len(whole) * 2 // 3])
    common = ["--fonts", fonts, "--backgrounds", tmp_path / "walls", "--workers", 0]
    done = run("synthesize", "crops", "--count", 2, *common, "--out", tmp_path / "out")
    assert done.exit_code == 0 and "b.png" in done.stderr
    (tmp_path / "walls" / "a.png").unlink()
    done = run("synthesize", "crops", "--count", 2, *common, "--out", tmp_path / "none")
    assert done.exit_code == 2 and "none of its pictures can be read" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="interrupts are sent as POSIX signals")
def test_a_real_interrupt_keeps_what_is_whole(fonts, tmp_path):
    command = [sys.executable, "-m", "digits", "data", "synthesize", "crops", "--count", "100000", "--workers", "1"]
    with subprocess.Popen(
        [*command, "--fonts", str(fonts), "--out", str(tmp_path / "out")], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while not any(tmp_path.glob(".out-*/images/*")) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
    assert os.listdir(tmp_path) == ["out"]
    count = len(json.loads((tmp_path / "out" / "instances.json").read_text())["images"])
    assert count == len(list((tmp_path / "out" / "images").iterdir())) > 0


def test_help_is_shown_without_loading_anything_heavy():
    code = "import sys; from digits.cli import main\ntry: main(['data', '--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'cv2', 'numpy', 'h5py', 'matplotlib', 'PIL'} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_command_line_knows_every_format():
    """They are written out there, since importing them would load everything before --help is shown."""
    options = {p.name: p for name in ("stats", "convert") for p in main.commands["data"].commands[name].params}
    assert set(options["format_"].type.choices) == set(sources.FORMATS)
    assert set(options["to"].type.choices) == set(export.FORMATS)
