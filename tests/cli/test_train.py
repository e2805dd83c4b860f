import json
from importlib import resources

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import ImageFont

from digits import Detections, Detector, Recognizer
from digits.cli import main
from digits.datasets.synthesis import Synthesizer
from digits.pipeline.fuse import Fusion
from digits.training.data import load_sources


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The least a trainer needs: walls, and a font."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "negatives").mkdir()
    for i in range(40):
        wall = np.random.default_rng(i).normal(60 + 4 * i, 10, (120, 160, 3)).clip(0, 255)
        cv2.imwrite(str(folder / "negatives" / f"{i}.png"), wall.astype(np.uint8))
    (folder / "fonts").mkdir()
    (folder / "fonts" / "one.ttf").write_bytes(ImageFont.load_default(20).font_bytes)
    return folder


def run(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def test_detector_from_nothing_to_weights_and_on(data, tmp_path):
    common = [
        "--data",
        data,
        "--fonts",
        data / "fonts",
        "--out",
        tmp_path,
        "--batch-size",
        2,
        "--workers",
        0,
        "--watched",
        3,
    ]
    done = run("detector", *common, "--steps", 2)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 'detector.safetensors'}\n"
    found = Detector(tmp_path / "detector.safetensors", device="cpu")
    assert found.header["training"]["steps"] == 2 and found.header["training"]["data"] == ["negatives"]
    assert set(found.header["metrics"]) == {"validation_scenes", "digit_recall", "digit_precision"}
    assert found.predict([np.zeros((60, 80, 3), np.uint8)])[0].boxes.shape[1] == 4
    assert run("detector", *common, "--steps", 3, "--resume").exit_code == 0
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 3]


def test_recognizer_from_nothing_to_weights(data, tmp_path):
    done = run(
        *["recognizer", "--data", data, "--fonts", data / "fonts", "--out", tmp_path],
        *["--steps", 2, "--batch-size", 4, "--workers", 0, "--watched", 20, "--backbone", "mobilenet_v3_small"],
    )
    assert done.exit_code == 0, done.output
    reader = Recognizer(tmp_path / "recognizer.safetensors", device="cpu")
    assert reader.header["architecture"] == {"backbone": "mobilenet_v3_small"}
    assert 0 <= reader.predict([np.zeros((30, 40, 3), np.uint8)])[0].confidence <= 1


def test_recognizer_goes_on_from_weights(data, tmp_path):
    """Started from the shipped weights, two small steps later it still reads; another backbone is refused."""
    start = str(resources.files("digits.recognizer.weights") / "recognizer.safetensors")
    common = ["recognizer", "--data", data, "--fonts", data / "fonts", "--batch-size", 4, "--workers", 0]
    done = run(*common, "--steps", 2, "--watched", 20, "--start", start, "--out", tmp_path / "on")
    assert done.exit_code == 0, done.output
    on, shipped = Recognizer(tmp_path / "on" / "recognizer.safetensors"), Recognizer()
    assert on.header["training"]["fine_tuned"] and shipped.header["kind"] == "recognizer"
    crop = np.zeros((30, 60, 3), np.uint8)
    cv2.putText(crop, "27", (6, 25), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 3)
    assert on.predict([crop])[0].text == shipped.predict([crop])[0].text == "27"
    done = run(*common, "--start", start, "--backbone", "mobilenet_v3_small", "--out", tmp_path / "other")
    assert done.exit_code == 2 and "of the backbone residual, not mobilenet_v3_small" in done.stderr


def test_mined_false_alarms_are_trained_on(data, tmp_path, monkeypatch):
    """A detector that sees a 7 everywhere; its finds become negatives of the recogniser."""
    found = Detections(np.float32([[20, 20, 40, 60]]), np.float32([0.9]), np.array([7]))
    monkeypatch.setattr("digits.detector.predictor.Detector.predict", lambda self, images: [found] * len(images))
    out = tmp_path / "mined"
    done = run("mine", "--data", data, "--out", out, "--limit", 4)
    assert done.exit_code == 0 and "4 crops" in done.output
    assert cv2.imread(str(out / "00000.png")).shape == (72, 52, 3)
    assert run("mine", "--data", data, "--out", out).exit_code == 2  # stale crops must not be mixed in
    sources = load_sources(data, data / "fonts", mined=out)
    assert len(sources.false_alarms) == 4
    negatives = [s for s in map(Synthesizer(sources, seed=1).number, range(60)) if not s.numbers]
    assert any(s.image.shape[0] <= 72 and s.image.shape[1] <= 52 for s in negatives)


def test_calibrate_writes_what_the_reader_loads(data, tmp_path):
    out = tmp_path / "calibration.json"
    done = run("calibrate", "--data", data, "--fonts", data / "fonts", "--composed", 8, "--out", out)
    assert done.exit_code == 0, done.output
    Fusion.load(out)
    figures = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())  # and nothing else: progress is on stderr
    assert int(figures["numbers"]) > 0
    assert int(figures["read and right"]) >= 0.97 * int(figures["read"])
    assert run("calibrate", "--data", data, "--out", tmp_path / "gone" / "c.json").exit_code == 2


@pytest.mark.parametrize("command", ["detector", "recognizer"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--data": "gone"}, "gone: no such folder"),
        ({"--fonts": "gone"}, "gone: no such font folder"),
        ({"--resume": None}, "no checkpoint to resume from"),
    ],
)
def test_what_is_missing_is_said_in_one_line(data, tmp_path, command, change, message):
    options = {"--data": data, "--fonts": data / "fonts", "--out": tmp_path, "--workers": 0, "--watched": 5, **change}
    done = run(command, *[part for pair in options.items() for part in pair if part is not None])
    assert done.exit_code == 2
    assert message in done.stderr and "Traceback" not in done.output
