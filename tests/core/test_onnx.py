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


def in_integers(graph, operation):
    """Nodes of an operation whose weights are in integers."""
    made = {output for node in graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    return [node for node in graph.node if node.op_type == operation and node.input[1] in made]


@pytest.mark.parametrize(("kind", "first"), [("detector", 3), ("recognizer", 1)])
def test_convolutions_are_in_integers_and_the_file_is_smaller(kind, first):
    graph = onnx.load(shipped_model(kind, ".int8.onnx")).graph
    whole = [node.op_type for node in onnx.load(shipped_model(kind)).graph.node]
    assert len(in_integers(graph, "Conv")) == whole.count("Conv") - first
    assert shipped_model(kind, ".int8.onnx").stat().st_size < 0.7 * shipped_model(kind).stat().st_size


def test_scores_and_boxes_of_the_first_stage_are_not_rounded():
    graph = onnx.load(shipped_model("detector", ".int8.onnx")).graph
    given = {output for node in in_integers(graph, "Gemm") for output in node.output}
    assert len(given) == 8  # of each pyramid level both
    assert not [node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] in given]


def test_pixels_are_picked_in_integers():
    """Rows and columns for three larger maps, and of four maps what boxes cover: no map is turned to floating point."""
    graph = onnx.load(shipped_model("detector", ".int8.onnx")).graph
    rounded = {node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    assert len([node for node in graph.node if node.op_type == "Gather" and node.output[0] in rounded]) == 10


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
