import json

import onnx
import pytest

from digits.core.errors import WeightsError
from digits.core.onnx import HEADER, Network
from digits.core.resources import shipped
from digits.core.weights import load_weights


def shipped_model(kind, suffix=".onnx"):
    return shipped(f"digits.{kind}.weights", kind + suffix)


@pytest.mark.parametrize("suffix", [".onnx", ".int8.onnx"])
@pytest.mark.parametrize("kind", ["detector", "recognizer"])
def test_what_ships_was_exported_from_the_weights_that_ship(kind, suffix):
    header, _ = load_weights(shipped(f"digits.{kind}.weights", f"{kind}.safetensors"), kind)
    assert Network(shipped_model(kind, suffix), kind, threads=1).header == header


@pytest.mark.parametrize("kind", ["detector", "recognizer"])
def test_convolutions_are_in_integers_and_the_file_is_smaller(kind):
    nodes = [node.op_type for node in onnx.load(shipped_model(kind, ".int8.onnx")).graph.node]
    whole = [node.op_type for node in onnx.load(shipped_model(kind)).graph.node]
    assert nodes.count("Conv") == whole.count("Conv")
    assert nodes.count("DequantizeLinear") > 2 * (nodes.count("Conv") - 9)  # of the weights and of what comes in
    assert shipped_model(kind, ".int8.onnx").stat().st_size < 0.7 * shipped_model(kind).stat().st_size


def without_header(folder):
    path = folder / "bare.onnx"
    model = onnx.load(shipped_model("recognizer"))
    del model.metadata_props[:]
    onnx.save(model, path)
    return path


def with_another_header(folder):
    path = folder / "other.onnx"
    model = onnx.load(shipped_model("recognizer"))
    onnx.helper.set_model_props(model, {HEADER: json.dumps(["no", "header"])})
    onnx.save(model, path)
    return path


def cut_short(folder):
    path = folder / "short.onnx"
    path.write_bytes(shipped_model("recognizer").read_bytes()[:100_000])
    return path


def text(folder):
    path = folder / "text.onnx"
    path.write_text("not a model")
    return path


def empty(folder):
    path = folder / "empty.onnx"
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (without_header, "has no header of this project"),
        (with_another_header, "has no header of this project"),
        (cut_short, "not a readable ONNX model"),
        (text, "not a readable ONNX model"),
        (empty, "not a readable ONNX model|has no header"),
        (lambda folder: folder / "gone.onnx", "no such weights file"),
        (lambda folder: folder, "no such weights file"),
        (lambda folder: shipped_model("detector"), "holds detector weights, where recognizer weights are needed"),
    ],
    ids=["bare", "other header", "cut short", "text", "empty", "missing", "folder", "other kind"],
)
def test_files_that_cannot_be_used(tmp_path, make, message):
    with pytest.raises(WeightsError, match=message) as raised:
        Network(make(tmp_path), "recognizer")
    assert "\n" not in str(raised.value)
