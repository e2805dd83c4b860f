"""What a run cannot learn from is said when it begins and when it ends, and is in its log and its summary, once."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from digits.cli import main
from digits.datasets.items import split_of
from digits.nn.weights import load_weights
from digits.training.data import load_sources
from digits.training.left_out import LeftOut, sentences

CONFIG = """
kind = "recognizer"
epoch_steps = 2
[model]
backbone = "lenet"
[data]
batch_size = 16
workers = {workers}
[[data.train]]
source = "crops"
split = "train"
[[data.validation]]
source = "crops"
split = "validation"
[[stages]]
epochs = 2
rate = 1e-4
[machine]
threads = 1
log_every = 1
"""


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def run(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


@pytest.fixture
def damaged(crops, tmp_path):
    """Crops of which three to train with, and one to validate with, cannot be used; by name, why."""
    shutil.copytree(crops, tmp_path / "crops")
    (tmp_path / "crops" / "instances.json").unlink()  # it would be read in place of labels.csv
    labels = (tmp_path / "crops" / "labels.csv").read_text().splitlines()[:40]
    names = [line.partition(",")[0] for line in labels[1:]]
    gone, long, _, cut, *_ = (name for name in names if split_of(name) == "train")
    watched = next(name for name in names if split_of(name) == "validation")
    for name in (cut, watched):
        damage(tmp_path / "crops" / "images" / name)
    (tmp_path / "crops" / "images" / gone).unlink()
    lines = [f"{line.partition(',')[0]},12345678" if long in line else line for line in labels]
    (tmp_path / "crops" / "labels.csv").write_text("\n".join(lines))
    return {cut: "damaged", gone: "missing", long: "nothing that a recognizer can learn from"}, {watched: "damaged"}


def test_reasons_are_counted():
    reasons = {"a.png": "damaged", "b.png": "b.txt, line 3: there is no class 12", "c.png": "damaged",
               "d.png": "d.txt, line 11: there is no class 7", "e.png": "damaged", "f.png": "is 3x4, annotated as 5x6",
               "g.png": "its labels may be in 'g.txt' or 'G.txt'", "h.png": "picture missing"}  # fmt: skip
    entries = [LeftOut("data.train.0 x", *each) for each in reasons.items()] + [LeftOut("y", "a.png", "damaged")]
    assert sentences(entries) == [
        "data.train.0 x: 8 left out, such as a.png (damaged, as 2 others), b.png (b.txt, line 3: there is no class 12, "
        "as 1 other), f.png (is 3x4, annotated as 5x6), and 2 for other reasons",
        "y: 1 left out, such as a.png (damaged)",
    ]


def test_a_run_needs_numbers_to_learn_from(damaged, tmp_path):
    """Neither those that are damaged, nor those of which the reading is not known, are some."""
    labels = tmp_path / "crops" / "labels.csv"
    names = [line.partition(",")[0] for line in labels.read_text().splitlines()[1:]]
    wanted = [name for name in names if split_of(name) == "train"]
    for name in wanted:
        if (tmp_path / "crops" / "images" / name).exists():
            damage(tmp_path / "crops" / "images" / name)
    wall = next(name for name in (f"wall-{i}.png" for i in range(99)) if split_of(name) == "train")
    cv2.imwrite(str(tmp_path / "crops" / "images" / wall), np.zeros((40, 60, 3), np.uint8))
    labels.write_text(labels.read_text() + f"\n{wall},\n")
    (tmp_path / "run.toml").write_text(CONFIG.format(workers=0))
    done = run(
        "recognizer", "--config", tmp_path / "run.toml", "--set", f"data.root={tmp_path}", "--out", tmp_path / "r"
    )
    assert done.exit_code == 2 and "crops: no picture with a number is left to learn from" in done.stderr
    assert f"{len(wanted)} left out, such as" in done.stderr and "others)" in done.stderr and "missing" in done.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_each_is_told_once_a_run(damaged, tmp_path, workers):
    (tmp_path / "run.toml").write_text(CONFIG.format(workers=workers))
    out = tmp_path / "run"
    done = run("recognizer", "--config", tmp_path / "run.toml", "--set", f"data.root={tmp_path}", "--out", out)
    assert done.exit_code == 0, done.output
    told = [line for line in done.stderr.splitlines() if "left out" in line]
    assert [line.partition(", such as")[0] for line in told] == [
        "data.train.0 crops: 2 left out",  # when it begins
        "data.validation.0 crops: 1 left out",
        "data.train.0 crops: 3 left out",  # when it ends, all have been opened
        "data.validation.0 crops: 1 left out",
    ]
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    logged = {use: {r["left_out"]: r["reason"] for r in records if r.get("source") == f"data.{use}.0 crops"}
              for use in ("train", "validation")}  # fmt: skip
    for use, expected in zip(logged, damaged, strict=True):
        found = {Path(name).name: reason for name, reason in logged[use].items()}
        assert found.keys() == expected.keys() and all(expected[name] in found[name] for name in expected)
    assert sum("left_out" in record for record in records) == 4
    counts = {"data.train.0 crops": 3, "data.validation.0 crops": 1}
    assert json.loads((out / "run.json").read_text())["left_out"] == counts
    assert load_weights(out / "recognizer.safetensors", "recognizer")[0]["training"]["left_out"] == counts


def test_a_run_that_goes_on_tells_none_of_them_twice(damaged, tmp_path):
    (tmp_path / "run.toml").write_text(CONFIG.format(workers=1))
    out = tmp_path / "run"
    common = ["recognizer", "--set", f"data.root={tmp_path}", "--out", out]
    assert run(*common, "--config", tmp_path / "run.toml").exit_code == 0
    (out / "recognizer.safetensors").unlink()
    (out / "last.pt").unlink()  # an epoch back
    done = run(*common, "--resume")
    assert done.exit_code == 0 and done.stderr.count("data.train.0 crops: 3 left out") >= 1
    assert (out / "log.jsonl").read_text().count("left_out") == 4


def test_names_do_not_steer_the_terminal(damaged, tmp_path):
    name = next(name for name in (f"{i}\x1b[2J.png" for i in range(99)) if split_of(name) == "train")
    labels = tmp_path / "crops" / "labels.csv"
    labels.write_text(labels.read_text().replace("\n", f"\n{name},7\n", 1))
    (tmp_path / "run.toml").write_text(CONFIG.format(workers=0))
    done = run(
        "recognizer", "--config", tmp_path / "run.toml", "--set", f"data.root={tmp_path}", "--out", tmp_path / "r"
    )
    assert done.exit_code == 0 and "\x1b[2J" not in done.stderr and "\\x1b[2J.png" in done.stderr


def test_a_comparison_says_it_though_it_is_quiet(damaged, tmp_path):
    (tmp_path / "a.toml").write_text(CONFIG.format(workers=0))
    done = run("grid", tmp_path / "a.toml", "--set", f"data.root={tmp_path}", "--out", tmp_path / "grid", "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.endswith("\na: left out 3 of data.train.0 crops, 1 of data.validation.0 crops\n")


@pytest.fixture
def folders(data, tmp_path):
    """A folder to draw from, with a damaged picture in every split of it."""
    shutil.copytree(data, tmp_path / "data")
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    lists = {"campus": {"numbers": [{"text": "7", "box": [9, 9, 40, 50]}]},
             "icdar2003": {"words": [{"text": "7", "boxes": [[9, 9, 40, 50]]}]},
             "iiit5k": {"text": "7", "boxes": [[9, 9, 40, 50]]}}  # fmt: skip
    names = [name for name in (f"{i}_{i}.png" for i in range(9)) if split_of(name) == split_of(name[0]) == "train"][:2]
    pictures = ("campus/images", "icdar2003/images", "icdar2003/text_without_digits", "iiit5k/images", "iiit5k/letters",
                "mined")  # fmt: skip
    for folder in pictures:
        (tmp_path / "data" / folder).mkdir(parents=True)
        for name in names:
            cv2.imwrite(str(tmp_path / "data" / folder / name), image)
        damage(tmp_path / "data" / folder / names[0])
    for folder, entry in lists.items():
        entries = [{"file": name, **entry} for name in names]
        (tmp_path / "data" / folder / "annotations.json").write_text(json.dumps(entries))
    return tmp_path / "data", names[0]


def test_folders_to_draw_from(folders):
    root, broken = folders
    wall = next(path for path in sorted((root / "negatives").iterdir()) if split_of(path.name) == "train")
    damage(wall)
    sources = load_sources(root, root / "fonts", mined=root / "mined")
    found = {name: reason for name, reason in sources.problems}
    words = ("icdar2003/text_without_digits", "iiit5k/letters")
    expected = [f"{name}/{broken}" for name in ("icdar2003", "iiit5k", "mined", *words)]
    assert set(expected) | {f"negatives/{wall.name}"} == set(found) - {f"campus/{broken}"}
    assert all("damaged" in reason for reason in found.values())
    assert len(sources.plates) == len(sources.words) == len(sources.words_in_scenes) == len(sources.false_alarms) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["mine", "DATA/negatives", "--out", "OUT"],
        ["calibrate", "--data", "DATA", "--fonts", "DATA/fonts", "--drawn", 2, "--out", "OUT/c.json"],
    ],
    ids=lambda value: value[0],
)
def test_other_commands_that_look_at_pictures(data, tmp_path, arguments):
    shutil.copytree(data, tmp_path / "data")
    if "calibrate" in arguments:
        (tmp_path / "out").mkdir()
    split = "train" if "mine" in arguments else "validation"
    broken = next(name for name in (f"broken-{i}.png" for i in range(99)) if split_of(name) == split)
    shutil.copy(tmp_path / "data" / "negatives" / "0.png", tmp_path / "data" / "negatives" / broken)
    damage(tmp_path / "data" / "negatives" / broken)
    named = [str(a).replace("DATA", str(tmp_path / "data")).replace("OUT", str(tmp_path / "out")) for a in arguments]
    done = run(*named)
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("1 entry left out:\n") and f"{broken}: damaged" in done.stderr
