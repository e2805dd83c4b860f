import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from digits import Detections, Detector, Recognizer
from digits.cli import main
from digits.datasets.pictures import read_negatives
from digits.datasets.synthesis import Synthesizer
from digits.nn.weights import load_weights
from digits.pipeline.fuse import Fusion
from digits.training.data import load_sources

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def log_of(folder, name):
    records = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [record[name] for record in records if name in record]


@pytest.fixture(scope="module")
def smoke(data, tmp_path_factory):
    """The smoke run, shortened, on the least of data, by a network that takes a quarter of the time."""
    out = tmp_path_factory.mktemp("runs") / "smoke"
    fonts = [f"data.{use}.0.fonts=fonts" for use in ("train", "validation")]
    small = [
        "epoch_steps=10",
        "data.batch_size=32",
        "data.workers=0",
        "data.validation.0.count=40",
        "model.backbone=lenet",
    ]
    settings = [f"data.root={data}", "machine.log_every=5", *fonts, *small]
    changes = [part for setting in settings for part in ("--set", setting)]
    done = run("recognizer", "--config", ROOT / "configs" / "smoke.toml", *changes, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out / 'recognizer.safetensors'}\n"
    return out


def test_the_loss_falls_on_the_smoke_run(smoke):
    losses = log_of(smoke, "loss")
    assert len(losses) == 8 and sum(losses[-3:]) < 0.96 * sum(losses[:3])  # batches of 32, 5 a record
    assert len(log_of(smoke, "exact")) == 4 and min(log_of(smoke, "images_per_second")) > 0


METRICS = ("exact", "length_accuracy", "suffix_accuracy", "no_suffix_accuracy", "flag_accuracy")


def test_a_run_says_what_it_was_made_of(smoke):
    origin = json.loads((smoke / "run.json").read_text())
    assert {"digits", "revision", "python", "versions", "data", "processes"} <= set(origin)
    assert re.fullmatch("[0-9a-f]{32}", origin["data"]["0 synthetic ."])
    header, _ = load_weights(smoke / "recognizer.safetensors", "recognizer")
    assert header["training"]["config"]["model"] == {"backbone": "lenet"} and header["training"]["step"] == 40
    assert header["training"]["data"] == origin["data"] and str(ROOT) not in json.dumps(header)
    assert "root" not in header["training"]["config"]["data"]
    assert set(header["metrics"]) == set(METRICS)


def test_tensorboard_has_curves_and_pictures(smoke):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(smoke / "tensorboard")).Reload()
    assert {"loss", "rate", "images_per_second", "exact"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["validation"] and len(events.Images("validation")) == 4


def test_the_weights_of_a_run_read_photographs(smoke, make_photo, tmp_path):
    make_photo("1428").save(tmp_path / "door.jpg")
    weights = str(smoke / "recognizer.safetensors")
    done = CliRunner().invoke(main, ["read", str(tmp_path / "door.jpg"), "--recognizer", weights])
    assert done.exit_code in (0, 1) and done.stdout.startswith(str(tmp_path / "door.jpg"))
    done = CliRunner().invoke(main, ["read", str(tmp_path / "door.jpg"), "--detector", weights])
    assert done.exit_code == 2 and "holds recognizer weights, where detector weights are needed" in done.stderr


def test_plot_draws_one_run_or_compares_several(smoke, tmp_path):
    for suffix, runs in {"png": [smoke], "svg": [smoke, smoke.parent / "smoke"]}.items():
        done = run("plot", *runs, "--out", tmp_path / f"curves.{suffix}")
        assert done.exit_code == 0, done.output
    assert Image.open(tmp_path / "curves.png").size[0] > 500
    assert run("plot", tmp_path).exit_code == 2
    assert run("plot", smoke, "--out", tmp_path / "curves.xyz").exit_code == 2


def test_logs_redraw_every_figure(smoke):
    from digits.training.plots import curves, run_names

    found = curves(smoke)
    assert [step for step, _ in found["loss"]] == list(range(5, 41, 5)) and len(found["exact"]) == 4
    assert run_names([Path("a/one"), Path("a/two")]) == ["one", "two"]
    assert run_names([Path("a/one"), Path("b/one")]) == ["a/one", "b/one"]


DETECTOR = """
kind = "detector"
epoch_steps = 2
[data]
batch_size = 4
size = [96, 128]
workers = 0
[[data.train]]
synthetic = "."
fonts = "fonts"
[[data.train]]
source = "negatives"
split = "train"
share = 0.5
[[data.validation]]
synthetic = "."
fonts = "fonts"
split = "validation"
count = 2
[[data.validation]]
source = "negatives"
split = "validation"
count = 3
[[stages]]
rate = 1e-3
features = 1
[machine]
log_every = 1
"""


def test_detector_on_synthetic_scenes_and_negatives(data, tmp_path):
    (tmp_path / "d.toml").write_text(DETECTOR)
    settings = ["--set", f"data.root={data}", "--set", "model.start=shipped", "--set", "loss.balance=true"]
    done = run("detector", "--config", tmp_path / "d.toml", *settings, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [0, 1, 2, 2]  # measured before it began, too
    assert {"f1", "recall", "precision", "negatives_left_alone"} < set(records[0]) == set(records[3])
    header, _ = load_weights(tmp_path / "run" / "detector.safetensors", "detector")
    assert header["metrics"]["f1"] == pytest.approx(max(records[0]["f1"], records[3]["f1"]), abs=1e-4)


def test_only_the_last_stage_of_a_real_detector_moves(data, tmp_path):
    """Started from the shipped weights: the other stages stay, to the bit."""
    (tmp_path / "d.toml").write_text(DETECTOR)
    settings = ["--set", f"data.root={data}", "--set", "model.start=shipped", "--set", "data.validation=[]"]
    done = run("detector", "--config", tmp_path / "d.toml", *settings, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    trained, shipped = Detector(tmp_path / "run" / "detector.safetensors", "cpu"), Detector(backend="torch")
    one, other = trained.eager.model.state_dict(), shipped.eager.model.state_dict()
    moved = {key for key in one if not torch.equal(one[key], other[key])}
    stages = shipped.eager.model.backbone.stages()
    frozen = {id(value) for stage in stages[:4] for value in stage.parameters()}
    names = {key for key, value in shipped.eager.model.named_parameters() if id(value) in frozen}
    assert len(names) > 50 and not moved & names
    assert any(key.startswith("backbone.blocks.15") for key in moved) and any("roi_heads" in key for key in moved)
    assert trained.predict([np.zeros((60, 80, 3), np.uint8)])[0].boxes.shape[1] == 4


def test_detector_from_nothing_over_another_backbone(data, tmp_path):
    (tmp_path / "d.toml").write_text(DETECTOR)
    settings = ["--set", f"data.root={data}", "--set", "model.backbone=mobilenet_v3_small"]
    done = run("detector", "--config", tmp_path / "d.toml", *settings, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    found = Detector(tmp_path / "run" / "detector.safetensors", device="cpu")
    assert found.header["architecture"] == {"backbone": "mobilenet_v3_small"}
    refused = run(
        *["detector", "--config", tmp_path / "d.toml", *settings, "--out", tmp_path / "on"],
        *["--set", "model.start=shipped"],
    )
    assert refused.exit_code == 2 and "of the backbone efficientnet_lite0, not mobilenet_v3_small" in refused.stderr


RECOGNIZER = """
kind = "recognizer"
epoch_steps = 2
[data]
batch_size = 4
workers = 0
[[data.train]]
source = "SOURCE"
[[stages]]
rate = 1e-4
"""


VALIDATION = """split = "train"
[[data.validation]]
source = "crops"
split = "validation"
[[stages]]"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, synthesizer):
    """Thirty composed scenes in COCO, and the same in YOLO and as crops."""
    from digits.datasets.rendering import render
    from digits.datasets.synthesis import Synthetic

    folder = tmp_path_factory.mktemp("sources")
    render(Synthetic(synthesizer, "composed", 30), folder / "coco", suffix=".png", workers=0, quiet=True)
    for to in ("yolo", "crops"):
        done = CliRunner().invoke(
            main, ["data", "convert", str(folder / "coco"), "--to", to, "--out", str(folder / to), "--quiet"]
        )
        assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize(
    ("kind", "source", "learnable"),
    [
        ("detector", "coco", True),
        ("detector", "yolo", True),
        ("detector", "crops", False),
        ("recognizer", "coco", True),
        ("recognizer", "crops", True),
        ("recognizer", "yolo/images", True),
    ],
)
def test_sources_of_every_format(scenes, tmp_path, kind, source, learnable):
    text = (
        RECOGNIZER.replace("SOURCE", source).replace("recognizer", kind).replace("workers", "size = [64, 96]\nworkers")
    )
    if source == "yolo/images":
        text = text.replace('images"', 'images"\nformat = "negatives"')
    (tmp_path / "c.toml").write_text(text)
    done = run(kind, "--config", tmp_path / "c.toml", "--set", f"data.root={scenes}", "--out", tmp_path / "run")
    assert done.exit_code == (0 if learnable else 2), done.output
    if learnable:
        assert len(log_of(tmp_path / "run", "loss")) == 1
    else:
        assert "nothing in it that a detector can learn from" in done.stderr


def test_recognizer_goes_on_from_weights(scenes, tmp_path):
    """Started from the shipped weights, two small steps later it still reads."""
    (tmp_path / "c.toml").write_text(RECOGNIZER.replace("SOURCE", "crops"))
    common = ["recognizer", "--config", tmp_path / "c.toml", "--set", f"data.root={scenes}"]
    done = run(*common, "--set", "model.start=shipped", "--out", tmp_path / "on")
    assert done.exit_code == 0, done.output
    on, shipped = Recognizer(tmp_path / "on" / "recognizer.safetensors"), Recognizer()
    crop = np.zeros((30, 60, 3), np.uint8)
    cv2.putText(crop, "27", (6, 25), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 3)
    assert on.predict([crop])[0].text == shipped.predict([crop])[0].text == "27"


def test_a_broken_picture_is_passed_over(scenes, tmp_path):
    import shutil

    shutil.copytree(scenes / "crops", tmp_path / "crops")
    broken = sorted((tmp_path / "crops" / "images").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:-40])
    watched = RECOGNIZER.replace("SOURCE", "crops").replace("= 4", "= 32")
    (tmp_path / "c.toml").write_text(watched.replace("[[stages]]", VALIDATION))
    common = ["--config", tmp_path / "c.toml", "--set", f"data.root={tmp_path}"]
    assert run("recognizer", *common, "--out", tmp_path / "run").exit_code == 0
    for picture in (tmp_path / "crops" / "images").iterdir():
        picture.write_bytes(picture.read_bytes()[:-40])
    done = run("recognizer", *common, "--out", tmp_path / "none")
    assert done.exit_code == 2 and "none of its pictures can be decoded" in done.stderr


GRID = ["--set", "data.batch_size=8", "--set", "epoch_steps=2", "--set", "data.workers=0"]


@pytest.fixture
def watched(scenes, tmp_path):
    """A recogniser's configuration with something to measure."""
    text = RECOGNIZER.replace("SOURCE", "crops").replace("[[stages]]", VALIDATION) + '[model]\nbackbone = "lenet"\n'
    path = tmp_path / "lenet.toml"
    path.write_text(text.replace("[data]", f'[data]\nroot = "{scenes}"'))
    return path


def test_grid_trains_all_and_compares_them(watched, tmp_path):
    out = tmp_path / "grid"
    arguments = ["grid", watched, "--vary", "model.backbone=lenet|mobilenet_v3_small", *GRID, "--out", out]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    header, _, *rows = done.stdout.splitlines()
    assert header == f"| run | {' | '.join(METRICS)} | parameters | ms |"
    assert [row.split(" | ")[0] for row in rows] == ["| lenet-backbone=lenet", "| lenet-backbone=mobilenet_v3_small"]
    assert "1.21 M" in rows[0] and (out / "comparison.md").read_text() == done.stdout
    assert Image.open(out / "comparison.png").size[0] > 300
    before = (out / "lenet-backbone=lenet" / "recognizer.safetensors").stat().st_mtime_ns
    (out / "lenet-backbone=mobilenet_v3_small" / "recognizer.safetensors").unlink()
    assert run(*arguments).exit_code == 0  # the one goes on, the other stays
    assert (out / "lenet-backbone=lenet" / "recognizer.safetensors").stat().st_mtime_ns == before
    assert (out / "lenet-backbone=mobilenet_v3_small" / "recognizer.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vary", "model.backbone"], "write it as key=value|value"),
        (["--vary", "model.bakcbone=a|b"], "unknown key model.bakcbone"),
        (["--vary", "seed=1|1"], "two runs would be called"),
        (["--vary", "kind=detector|recognizer"], "cannot be compared"),
    ],
)
def test_grids_that_cannot_be(watched, tmp_path, arguments, message):
    done = run("grid", watched, *arguments, "--out", tmp_path / "grid")
    assert done.exit_code == 2 and message in done.stderr and not (tmp_path / "grid").exists()


SPACE = """
["stages.0.rate"]
low = 1e-5
high = 1e-3
log = true
["optimiser.name"]
choices = ["adamw", "sgd"]
"""


def test_search_is_resumed_and_writes_the_best(watched, tmp_path):
    optuna = pytest.importorskip("optuna")
    (tmp_path / "space.toml").write_text(SPACE)
    out = tmp_path / "search"
    common = ["search", "--config", watched, "--space", tmp_path / "space.toml", *GRID, "--out", out]
    assert run(*common, "--trials", 1).exit_code == 0
    # as a kill would leave it: a trial that runs for ever, its run begun
    study = optuna.load_study(study_name="digits", storage=f"sqlite:///{out / 'study.db'}")
    trial = study.ask()
    trial.suggest_float("stages.0.rate", 1e-5, 1e-3, log=True)
    trial.suggest_categorical("optimiser.name", ["adamw", "sgd"])
    trial.set_user_attr("run", "trial-0001")
    done = run(*common, "--trials", 3)
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in out.glob("trial-*")) == ["trial-0000", "trial-0001", "trial-0003"]
    states = [t.state.name for t in study.trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[2].params == study.trials[1].params
    from digits.training.config import load_config

    best = load_config(out / "best.toml")
    assert best.stages[0].rate == study.best_params["stages.0.rate"]
    assert best.optimiser.name == study.best_params["optimiser.name"]
    before = (out / "study.db").read_bytes()
    assert run(*common, "--trials", 3).exit_code == 0 and (out / "study.db").read_bytes() == before


def test_what_can_be_mended_fails_no_trial(watched, tmp_path):
    """A wrong metric is told at once, a wrong batch size when it is tried; mended, the search goes on."""
    optuna = pytest.importorskip("optuna")
    (tmp_path / "space.toml").write_text(SPACE)
    common = ["search", "--config", watched, "--space", tmp_path / "space.toml", *GRID, "--out", tmp_path / "search"]
    done = run(*common, "--trials", 1, "--set", "stop.metric=beauty")
    assert done.exit_code == 2 and "stop.metric beauty" in done.stderr and not (tmp_path / "search").exists()
    done = run(*common, "--trials", 1, "--set", "optimiser.accumulate=3")
    assert done.exit_code == 2 and "cannot be cut into 3" in done.stderr
    assert run(*common, "--trials", 1).exit_code == 0
    study = optuna.load_study(study_name="digits", storage=f"sqlite:///{tmp_path / 'search' / 'study.db'}")
    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE"]
    (tmp_path / "space.toml").write_text('["optimiser.name"]\nchoices = ["sgd"]')
    done = run(*common, "--trials", 2)
    assert done.exit_code == 2 and "was begun with another space" in done.stderr


def test_a_grid_leaves_out_what_diverges(watched, tmp_path):
    """A rate beyond all measure: the gradient is lost at once, and the other run is compared all the same."""
    out = tmp_path / "grid"
    steep = ["--vary", "stages.0.rate=1e30|0.0001", "--set", "optimiser.warmup=0"]
    done = run("grid", watched, *steep, *GRID, "--out", out)
    assert done.exit_code == 0, done.output
    assert "lenet-rate=0.0001" in done.stdout and "lenet-rate=1e30: step 2: the " in done.stdout


def test_a_trial_that_lags_behind_is_pruned(watched, tmp_path, monkeypatch):
    optuna = pytest.importorskip("optuna")
    monkeypatch.setattr("optuna.trial.Trial.should_prune", lambda trial: trial.number == 1)
    (tmp_path / "space.toml").write_text(SPACE)
    done = run(
        *["search", "--config", watched, "--space", tmp_path / "space.toml", *GRID],
        *["--trials", 2, "--out", tmp_path / "search"],
    )
    assert done.exit_code == 0, done.output
    study = optuna.load_study(study_name="digits", storage=f"sqlite:///{tmp_path / 'search' / 'study.db'}")
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED"]
    assert not (tmp_path / "search" / "trial-0001" / "recognizer.safetensors").exists()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("", "names nothing to search through"),
        ('["stages.0.rate"]\nlow = 1.0', "needs either choices, or low and high"),
        ('["stages.0.rate"]\nlow = 1.0\nhigh = 0.1', "low 1.0 is not below high 0.1"),
        ('["stages.0.rate"]\nlow = 0.0\nhigh = 1.0\nlog = true', "log needs a low above 0"),
        ('["stages.0.rat"]\nchoices = [1]', "unknown key stages.0.rat"),
        ("x = ", "not TOML"),
    ],
)
def test_spaces_that_cannot_be_searched(watched, tmp_path, space, message):
    pytest.importorskip("optuna")
    (tmp_path / "space.toml").write_text(space)
    done = run("search", "--config", watched, "--space", tmp_path / "space.toml", "--out", tmp_path / "search")
    assert done.exit_code == 2 and message in done.stderr and not (tmp_path / "search").exists()


def test_the_worst_false_alarms_are_kept_and_trained_on(data, tmp_path, monkeypatch):
    """A detector that is the surer of a 7 the brighter the picture; its finds become negatives of both models."""

    def predict(self, images):
        scores = [0.4 + float(image.mean()) / 510 for image in images]
        return [Detections(np.float32([[20, 20, 40, 60]]), np.float32([s]), np.array([7])) for s in scores]

    monkeypatch.setattr("digits.detector.predictor.Detector.predict", predict)
    out = tmp_path / "mined"
    done = run("mine", data / "negatives", "--out", out, "--limit", 8, "--keep", 4)
    assert done.exit_code == 0 and "8 false alarms in 8 pictures; the worst 4" in done.output
    crops, windows = (read_negatives(out / name) for name in ("crops", "windows"))
    assert [sample.image.shape for sample in crops] == [(72, 52, 3)] * 4 and len(windows) == 4
    brightness = [sample.image.mean() for sample in windows]
    assert brightness == sorted(brightness, reverse=True) and min(brightness) > 110
    assert run("mine", data / "negatives", "--out", out).exit_code == 2  # stale ones must not be mixed in
    sources = load_sources(data, data / "fonts", mined=out / "crops")
    assert len(sources.false_alarms) == 4
    negatives = [s for s in map(Synthesizer(sources, seed=1).number, range(60)) if not s.numbers]
    assert any(s.image.shape[0] <= 72 and s.image.shape[1] <= 52 for s in negatives)
    negatives = 'source = "negatives"\nsplit = "train"\nshare = 0.5'
    assert negatives in DETECTOR
    config = DETECTOR.replace(negatives, f'source = "{out / "windows"}"\nshare = 0.25')
    (tmp_path / "d.toml").write_text(config)
    done = run("detector", "--config", tmp_path / "d.toml", "--set", f"data.root={data}", "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output


def test_what_is_trained_on_is_not_measured_on(data, tmp_path):
    (tmp_path / "d.toml").write_text(DETECTOR.replace('split = "train"\nshare', "share"))
    done = run("detector", "--config", tmp_path / "d.toml", "--set", f"data.root={data}", "--out", tmp_path / "run")
    assert done.exit_code == 2 and "are in data.train and in data.validation" in done.stderr


def test_only_pictures_without_numbers_are_mined(scenes, tmp_path):
    done = run("mine", scenes / "crops", "--split", "all", "--out", tmp_path / "mined")
    assert done.exit_code == 2 and "mining needs negatives" in done.stderr and not (tmp_path / "mined").exists()


def test_calibrate_writes_what_the_reader_loads(data, tmp_path):
    out = tmp_path / "calibration.json"
    done = run("calibrate", "--data", data, "--fonts", data / "fonts", "--drawn", 8, "--out", out)
    assert done.exit_code == 0, done.output
    Fusion.load(out)
    figures = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())  # and nothing else: progress is on stderr
    assert int(figures["numbers"]) > 0
    assert int(figures["read and right"]) >= 0.97 * int(figures["read"])
    assert run("calibrate", "--data", data, "--out", tmp_path / "gone" / "c.json").exit_code == 2


@pytest.mark.parametrize("kind", ["detector", "recognizer"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "data.root=gone"], "begin at data.root, which is gone: --set data.root=FOLDER"),
        (["--set", "data.train.0.fonts=gone"], "gone: no such file or folder"),
        (["--set", "data.train.0.mined=gone"], "gone: no such file or folder"),
        (["--set", "data.train.1.source=gone"], "gone: no such file or folder"),
        (["--set", "data.train.1.images=gone"], "gone: no such file or folder"),
        (["--set", "data.validation.0.synthetic=gone"], "gone/negatives: no such file or folder"),
        (["--set", "model.start=gone.safetensors"], "gone.safetensors: no such weights file"),
        (["--set", "model.pretrained=gone.pth"], "gone.pth: no such file of pretrained weights"),
        (["--set", "model.backbone=gone"], "gone: not a backbone"),
        (["--set", "machine.device=cuda:9"], "cuda:9"),
        (["--set", "data.batch_size=many"], "data.batch_size"),
        (["--resume"], "no run to resume"),
    ],
)
def test_what_is_missing_is_said_in_one_line(data, tmp_path, kind, options, message):
    text = DETECTOR.replace('"detector"', f'"{kind}"')
    (tmp_path / "c.toml").write_text(text)
    common = ["--config", tmp_path / "c.toml", "--set", f"data.root={data}", "--out", tmp_path / "run"]
    done = run(kind, *common, *options)
    assert done.exit_code == 2
    assert message in done.stderr and "Traceback" not in done.output and done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_command_must_be_that_of_the_configuration(tmp_path):
    (tmp_path / "c.toml").write_text(DETECTOR)
    done = run("recognizer", "--config", tmp_path / "c.toml", "--out", tmp_path / "run")
    assert done.exit_code == 2 and "use digits train detector" in done.stderr
    assert run("recognizer", "--out", tmp_path / "run").exit_code == 2
    done = run("recognizer", "--resume", "--out", tmp_path / "run")
    assert done.exit_code == 2 and "no run to resume" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_must_not_be_written(data, tmp_path):
    (tmp_path / "c.toml").write_text(DETECTOR)
    (tmp_path / "closed").mkdir(mode=0o500)
    common = ["--config", tmp_path / "c.toml", "--set", f"data.root={data}"]
    done = run("detector", *common, "--out", tmp_path / "closed" / "run")
    assert done.exit_code == 2 and "permission denied" in done.stderr
