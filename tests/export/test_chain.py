from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner

from digits import Detector, DeviceError, Reader, Recognizer, WeightsError
from digits.cli import main
from digits.core.images import load_image
from digits.export.chain import agreement, compare


@pytest.fixture(scope="module")
def photographs(make_photo):
    """Of many sizes, with digits of many sizes, and without any."""
    noise = np.random.default_rng(0)
    drawn = [
        make_photo("1428"),
        make_photo("7", (200, 160), 90),
        make_photo("35", (1600, 1200), 24),
        make_photo("90210", (501, 333), 30),
        make_photo("1428", (120, 900), 40),
    ]
    bare = [noise.integers(0, 255, size, np.uint8) for size in ((1, 1, 3), (31, 900, 3), (240, 320, 3))]
    bare.append(np.full((240, 320, 3), 128, np.uint8))  # nothing at all is proposed here
    return [*(load_image(each) for each in drawn), *bare]


def test_both_backends_read_alike(torch_reader, onnx_reader, photographs):
    found = compare(torch_reader, onnx_reader, photographs)
    assert found.photographs == len(photographs) and found.readings >= 5
    assert found.box <= 0.01 and found.confidence < 1e-3  # far within what is allowed


def test_both_backends_find_the_same_digits(torch_reader, onnx_reader, photographs):
    for photograph in photographs:
        one, other = (each.detector.predict([photograph])[0] for each in (torch_reader, onnx_reader))
        assert other.labels.tolist() == one.labels.tolist()
        assert np.abs(other.boxes - one.boxes).max(initial=0) < 0.01
        assert np.abs(other.scores - one.scores).max(initial=0) < 1e-3
        for a, b in zip((other.boxes, other.scores, other.labels), (one.boxes, one.scores, one.labels), strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape


def test_integers_read_the_same(torch_reader, reader, photographs):
    assert reader.detector.backend == reader.recognizer.backend == "int8"
    assert agreement(torch_reader, reader, photographs) == (len(photographs), len(photographs))
    texts = [reader.read(each).text for each in photographs]
    assert texts[:5] == ["1428", "7", "35", "90210", "1428"]


def test_disagreement_is_counted(reader, photographs):
    shy = Reader(min_confidence=1.0)
    assert agreement(reader, shy, [photographs[0], photographs[-1]]) == (1, 2)


def test_readers_that_differ_are_told_apart(reader, photographs):
    class Shy:
        def read(self, photograph):
            scene = reader.read(photograph)
            return type(scene)(scene.width, scene.height, scene.readings[1:], 0.0, None, photograph)

    with pytest.raises(WeightsError, match=r"the backends differ: 1428 0\.\d+ and nothing"):
        compare(reader, Shy(), photographs[:1])


def test_many_threads_read_as_one(reader, photographs):
    expected = [reader.read(each).text for each in photographs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda each: reader.read(each).text, photographs)) == expected


@pytest.mark.parametrize("backend", ["onnx", "int8"])
def test_only_pytorch_shows_the_network(backend, photographs):
    reader = Reader(backend=backend)
    for look in (
        lambda: reader.detector.eager,
        lambda: reader.recognizer.eager,
        lambda: reader.detector.propose(photographs[0]),
        lambda: reader.recognizer.sample(photographs[0], 2),
    ):
        with pytest.raises(
            DeviceError, match=f"the backend {backend} gives no access to the network; use the backend torch"
        ):
            look()


def test_the_command_writes_what_can_be_used(tmp_path, make_photo):
    photos = tmp_path / "photos"
    photos.mkdir()
    make_photo("1428").save(photos / "a.png")
    out = tmp_path / "exported"
    done = CliRunner().invoke(main, ["export", "--check", str(photos), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(out / "detector.onnx"), str(out / "recognizer.onnx")]
    assert "read alike: 1 readings in 1 pictures" in done.stderr
    assert Detector(out / "detector.onnx").backend == Recognizer(out / "recognizer.onnx").backend == "onnx"
    options = ["--detector", str(out / "detector.onnx"), "--recognizer", str(out / "recognizer.onnx")]
    assert ": 1428 " in CliRunner().invoke(main, ["read", str(photos / "a.png"), *options]).stdout
    again = CliRunner().invoke(main, ["export", "--out", str(out)])
    assert again.exit_code == 2 and "already there" in again.stderr


def test_the_command_writes_integers(tmp_path, make_photo):
    photos = tmp_path / "photos"
    photos.mkdir()
    for i, text in enumerate(["1428", "7", "35"]):
        make_photo(text).save(photos / f"{i}.png")
    out = tmp_path / "exported"
    options = ["--format", "int8", "--ranges", str(photos), "--check", str(photos / "0.png"), "--out", str(out)]
    done = CliRunner().invoke(main, ["export", *options])
    assert done.exit_code == 0, done.output
    files = [out / "detector.int8.onnx", out / "recognizer.int8.onnx"]
    assert done.stdout.split() == list(map(str, files)) and "read alike: 1 of 1 pictures" in done.stderr
    assert Detector(files[0]).backend == Recognizer(files[1]).backend == "int8"
    assert Reader(Detector(files[0]), Recognizer(files[1])).read(photos / "2.png").text == "35"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ranges", "."], "is only for --format int8"),
        (["--format", "int8", "--ranges", "."], "no photographs in this folder"),
        (["--check", "."], "no photographs in this folder"),
        (["--detector", "gone.safetensors"], "gone.safetensors: no such weights file"),
        (["--format", "tflite"], "'tflite' is not one of 'onnx', 'int8'"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["export", "--out", "exported", *options])
    assert done.exit_code == 2 and message in done.stderr
    assert not list(tmp_path.iterdir())
