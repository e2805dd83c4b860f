import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from digits import WeightsError
from digits.core.weights import load_weights, restore, save_weights

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
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata)


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (lambda path: path.unlink(), "detector", "no such weights file"),
        (lambda path: path.write_bytes(b""), "detector", "not a readable"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "detector", "not a readable"),
        (lambda path: path.write_bytes(b"\x80\x04pickle"), "detector", "not a readable"),
        (lambda path: save_file({"a": torch.zeros(1)}, path), "detector", "no header"),
        (lambda path: save_file({"a": torch.zeros(1)}, path, {"digits": json.dumps([1])}), "detector", "no header"),
        (tampered, "detector", "sha256"),
        (lambda path: None, "recognizer", "holds detector weights"),
    ],
)
def test_bad_files_are_named(saved, spoil, kind, message):
    path, _ = saved
    spoil(path)
    with pytest.raises(WeightsError, match=rf"w\.safetensors.*{message}"):
        load_weights(path, kind)


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
