import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from digits import WeightsError
from digits.nn.weights import load_weights, restore, save_weights

HEADER = {"kind": "detector", "architecture": {"width": 3}, "training": {"steps": 1}, "metrics": {}}


def build(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "w.safetensors"
    model = build(3)
    save_weights(path, model, HEADER)
    return path, model


def test_round_trip(saved):
    path, model = saved
    again, header = restore(path, "detector", build)
    assert header["training"] == {"steps": 1}
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    for name, value in model.state_dict().items():
        other = again.state_dict()[name]
        assert other.dtype == value.dtype
        assert torch.allclose(other.float(), value.float(), atol=1e-3)


def tampered(path):
    tensors = load_file(path)
    next(iter(tensors.values())).add_(1)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata)


def changed(old: bytes, new: bytes):
    """Damage in the header, which leaves it as long as it was."""
    assert len(old) == len(new)

    def spoil(path):
        data = path.read_bytes()
        assert data.count(old) == 1
        path.write_bytes(data.replace(old, new))

    return spoil


def without(key: str):
    def spoil(path):
        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()["digits"])
        del header[key]
        save_file(load_file(path), path, {"digits": json.dumps(header)})

    return spoil


def retyped(path):
    """The same bytes as numbers of another type."""
    tensors = {
        name: each.view(torch.int16) if each.dtype == torch.half else each for name, each in load_file(path).items()
    }
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata)


def folder(path):
    path.unlink()
    path.mkdir()


def header_of(text: str):
    return lambda path: save_file({"a": torch.zeros(1)}, path, {"digits": text})


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (lambda path: path.unlink(), "detector", "no such weights file"),
        (folder, "detector", "not a file"),
        (lambda path: path.write_bytes(b""), "detector", "not a readable"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "detector", "not a readable"),
        (lambda path: path.write_bytes(b"\x80\x04pickle"), "detector", "not a readable"),
        (lambda path: save_file({"a": torch.zeros(1)}, path), "detector", "no header"),
        (header_of(json.dumps([1])), "detector", "no header"),
        (header_of(json.dumps({**HEADER, "sha256": "0"})), "detector", "sha256"),
        (header_of("{"), "detector", "its header is damaged"),
        (header_of("[" * 100_000), "detector", "its header is damaged"),
        (changed(b"__metadata__", b"__metadata_\xff"), "detector", "not a readable"),
        (changed(b"steps", b"ste\x00s"), "detector", "not a readable|its header is damaged"),
        (changed(b"steps", b"stfps"), "detector", "sha256"),
        (changed(b'\\"width\\": 3', b'\\"width\\": 7'), "detector", "sha256"),
        (changed(b"header_sha256", b"header_shb256"), "detector", "sha256"),
        (without("sha256"), "detector", "no header"),
        (retyped, "detector", "sha256"),
        (tampered, "detector", "sha256"),
        (lambda path: None, "recognizer", "holds detector weights"),
    ],
    ids=[
        *("missing", "folder", "empty", "cut short", "pickle", "bare", "another header", "no digest that fits"),
        *("no JSON", "nested deeply", "no text", "control character", "another word", "another architecture"),
        *("header without a digest", "tensors without a digest", "another type", "other numbers", "other kind"),
    ],
)
def test_bad_files_are_named(saved, spoil, kind, message):
    path, _ = saved
    spoil(path)
    with pytest.raises(WeightsError, match=rf"w\.safetensors.*({message})") as raised:
        load_weights(path, kind)
    assert "\n" not in str(raised.value)


def test_files_of_before_the_header_had_a_digest_still_load(saved):
    path, _ = saved
    sealed, _ = load_weights(path, "detector")
    without("header_sha256")(path)
    assert load_weights(path, "detector")[0] == sealed


def test_no_damage_is_believed(saved):
    path, _ = saved
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in range(0, len(whole), 3):
        data = bytearray(whole)
        data[place] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        with pytest.raises(WeightsError):
            load_weights(path, "detector")


def test_another_architecture(saved):
    with pytest.raises(WeightsError, match="another version"):
        restore(saved[0], "detector", lambda width: build(width + 1))
    with pytest.raises(WeightsError, match="another version"):
        restore(saved[0], "detector", lambda height: build(height))


def test_header_must_be_complete(tmp_path):
    with pytest.raises(WeightsError, match="metrics"):
        save_weights(tmp_path / "w.safetensors", build(3), {k: v for k, v in HEADER.items() if k != "metrics"})


def test_importing_the_package_is_cheap():
    """Neither `import digits` nor `digits --help` pays for torch."""
    code = "import sys, digits, digits.cli; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
