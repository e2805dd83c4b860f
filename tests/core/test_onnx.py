import json
import os

import numpy as np
import onnx
import pytest

from digits import Recognizer, WeightsError
from digits.core.header import KEY
from digits.core.onnx import Network, sealed
from digits.core.resources import shipped
from digits.nn.weights import load_weights


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
    return with_header(folder, None)


def with_header(folder, text):
    """The recogniser with another header, and a digest that fits."""
    path = folder / "other.onnx"
    model = onnx.load(shipped_model("recognizer"))
    onnx.helper.set_model_props(model, {} if text is None else {KEY: text})
    path.write_bytes(sealed(model.SerializeToString()))
    return path


def with_bytes_in_header(folder):
    """Text that is not UTF-8, which no library writes."""
    path = with_header(folder, "xxxxxxxx")
    body = path.read_bytes()[:-83].replace(b"xxxxxxxx", b"\xff\xfe\xff\xfexxxx")
    path.write_bytes(sealed(body))
    return path


def saved_again(folder):
    """As another program writes it, without the digest."""
    path = folder / "again.onnx"
    model = onnx.load(shipped_model("recognizer"))
    del model.metadata_props[1:]
    onnx.save(model, path)
    return path


def sealed_text(folder):
    path = folder / "text.onnx"
    path.write_bytes(sealed(b"not a model"))
    return path


def loop(folder):
    (folder / "loop.onnx").symlink_to("loop.onnx")
    return folder / "loop.onnx"


def pipe(folder):
    os.mkfifo(folder / "pipe.onnx")
    return folder / "pipe.onnx"


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
        (lambda folder: with_header(folder, json.dumps(["no", "header"])), "has no header of this project"),
        (lambda folder: with_header(folder, json.dumps({"kind": ["a\nb"]})), "has no header of this project"),
        (lambda folder: with_header(folder, "{'kind': 1}"), "its header is damaged"),
        (lambda folder: with_header(folder, "[" * 100_000), "its header is damaged"),
        (with_bytes_in_header, "its header is damaged"),
        (saved_again, "does not end with its sha256"),
        (cut_short, "does not end with its sha256"),
        (text, "does not end with its sha256"),
        (empty, "does not end with its sha256"),
        (sealed_text, "not a readable ONNX model"),
        (lambda folder: folder / "gone.onnx", "no such weights file"),
        (lambda folder: folder / "a\0b.onnx", "cannot be read"),
        (lambda folder: folder / ("a" * 300 + ".onnx"), "cannot be read"),
        (loop, "cannot be read"),
        (lambda folder: folder, "not a file"),
        (pipe, "not a file"),
        (lambda folder: shipped_model("detector"), "holds detector weights, where recognizer weights are needed"),
    ],
    ids=[
        *("bare", "another header", "another kind of kind", "no JSON", "nested deeply", "no text", "saved again"),
        *("cut short", "text", "empty", "sealed text", "missing", "no path", "long name", "loop", "folder", "pipe"),
        "other kind",
    ],
)
def test_files_that_cannot_be_used(tmp_path, make, message):
    with pytest.raises(WeightsError, match=message) as raised:
        Network(make(tmp_path), "recognizer")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", [".onnx", ".int8.onnx"])
@pytest.mark.parametrize("kind", ["detector", "recognizer"])
def test_the_digest_is_part_of_a_valid_model(kind, suffix):
    model = onnx.load(shipped_model(kind, suffix))
    onnx.checker.check_model(model)
    assert [each.key for each in model.metadata_props] == [KEY, "digits.sha256"]


def test_no_damage_is_believed(tmp_path):
    """A bit anywhere, above all in the last bytes, where the digest itself stands; or bytes too many or too few."""
    rng = np.random.default_rng(0)
    whole = shipped_model("recognizer", ".int8.onnx").read_bytes()
    path = tmp_path / "damaged.int8.onnx"

    def refused(data: bytes) -> None:
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=r"damaged: its contents do not match|does not end with its sha256"):
            Recognizer(path)

    for place in [0, *rng.integers(0, len(whole), 30), *range(len(whole) - 90, len(whole), 3)]:
        data = bytearray(whole)
        data[place] ^= 1 << rng.integers(8)
        refused(data)
    for data in (whole + b"\0", whole[1:], whole[:-1], whole + whole[-83:], whole[:-83], whole[-83:]):
        refused(data)
