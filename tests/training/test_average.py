import pytest
import torch
from click.testing import CliRunner
from torch import nn

from digits import Recognizer, WeightsError
from digits.cli import main
from digits.core.resources import shipped
from digits.nn.weights import load_weights, save_weights
from digits.training.average import average

HEADER = {"kind": "detector", "architecture": {"width": 3}, "training": {"steps": 1}, "metrics": {"f1": 0.5}}


def build(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width))


def saved(path, value: float, width: int = 3):
    model = build(width)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    save_weights(path, model, {**HEADER, "architecture": {"width": width}})
    return path


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 2.0), (0.75, 2.5), (1.0, 3.0)])
def test_the_mean_of_two(tmp_path, share, expected):
    files = saved(tmp_path / "a.safetensors", 1.0), saved(tmp_path / "b.safetensors", 3.0)
    model, header = average(*files, "detector", build, share)
    assert all((parameter == expected).all() for parameter in model.parameters())
    assert header["training"] == {"average_of": [{"steps": 1}] * 2, "share_of_the_second": share}
    assert header["metrics"] == {}  # neither's
    save_weights(tmp_path / "mean.safetensors", model, header)
    assert load_weights(tmp_path / "mean.safetensors", "detector")[0]["architecture"] == {"width": 3}


@pytest.mark.parametrize(("other", "message"), [("wide", "of another network"), ("gone", "no such weights file")])
def test_what_cannot_be_averaged(tmp_path, other, message):
    first = saved(tmp_path / "a.safetensors", 1.0)
    saved(tmp_path / "wide.safetensors", 1.0, width=4)
    with pytest.raises(WeightsError, match=message):
        average(first, tmp_path / f"{other}.safetensors", "detector", build)


def test_the_command_writes_weights_that_can_be_used(tmp_path):
    path, out = shipped("digits.recognizer.weights", "recognizer.safetensors"), tmp_path / "mean.safetensors"
    done = CliRunner().invoke(main, ["train", "average", "recognizer", str(path), str(path), "--out", str(out)])
    assert (done.exit_code, done.stdout) == (0, f"{out}\n")
    one, mean = (Recognizer(each).eager.model.state_dict() for each in (path, out))
    assert all(torch.equal(one[key], mean[key]) for key in one)
