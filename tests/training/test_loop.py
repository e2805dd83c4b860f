import json

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from digits import TrainingError, WeightsError
from digits.training.loop import CHECKPOINT, fit, move


class Line(Dataset):
    """y = 2x + 1, a point an index."""

    def __getitem__(self, index):
        x = torch.randn(1, generator=torch.Generator().manual_seed(index))
        return x, 2 * x + 1


def loss_of(model, batch):
    x, y = batch
    return {"square": (model(x) - y).square().mean()}


def train(out, steps, model=None, loss=loss_of, **options):
    torch.manual_seed(0)
    model = model or nn.Linear(1, 1)
    groups = [{"params": list(model.parameters()), "lr": 0.05}]
    settings = {"batch_size": 16, "warmup": 5, "workers": 0, "quiet": True, "save_seconds": 0, **options}
    return fit(model, Line(), loss, out=out, steps=steps, groups=groups, **settings)


def history(out, name="square"):
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [record[name] for record in records if name in record]


def test_the_loss_falls(tmp_path):
    model = train(tmp_path, 300)
    losses = history(tmp_path)
    assert losses[-1] < losses[0] / 10
    assert model.weight.item() == pytest.approx(2, abs=0.3) and not model.training


class Killed(Exception):
    pass


def test_interrupted_and_resumed_is_as_if_it_had_not_been(tmp_path):

    def net():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    whole = train(tmp_path / "whole", 60, model=net())
    calls = 0

    def dies(model, batch):
        nonlocal calls
        calls += 1
        if calls > 37:
            raise Killed
        return loss_of(model, batch)

    with pytest.raises(Killed):
        train(tmp_path / "parts", 60, model=net(), loss=dies)
    state = torch.load(tmp_path / "parts" / CHECKPOINT, weights_only=True)
    assert state["step"] == 37
    resumed = train(tmp_path / "parts", 60, model=net(), resume=True)
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), whole.parameters(), strict=True))


def test_workers_change_nothing(tmp_path):
    results = [train(tmp_path / str(n), 12, workers=n).weight for n in (0, 2)]
    assert torch.equal(*results)


def test_frozen_parameters_do_not_move(tmp_path):
    model = nn.Sequential(nn.Linear(1, 4), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    torch.manual_seed(0)
    groups = [{"params": list(model[1].parameters()), "lr": 0.05}]
    fit(model, Line(), loss_of, out=tmp_path, steps=20, batch_size=8, groups=groups, workers=0, quiet=True)
    assert torch.equal(model[0].weight, before)


def test_the_average_lags_behind_and_is_what_comes_back(tmp_path):
    model = nn.Linear(1, 1)
    average = train(tmp_path, 50, model=model, ema_decay=0.95)
    assert average is not model and not torch.equal(average.weight, model.weight)


def test_evaluation_is_logged(tmp_path):
    train(tmp_path, 20, evaluate=lambda model: {"weight": model.weight.item()}, evaluate_every=10)
    assert len(history(tmp_path, "weight")) == 2


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path):
    with pytest.raises(TrainingError, match="step 1"):
        train(tmp_path, 5, loss=lambda model, batch: {"bad": model(batch[0]).sum() * float("nan")})


def test_nothing_to_resume(tmp_path):
    with pytest.raises(WeightsError, match="no checkpoint"):
        train(tmp_path, 5, resume=True)
    (tmp_path / CHECKPOINT).write_bytes(b"cut short")
    with pytest.raises(WeightsError, match="damaged"):
        train(tmp_path, 5, resume=True)
    train(tmp_path, 5)
    with pytest.raises(WeightsError, match="another architecture"):
        train(tmp_path, 5, model=nn.Linear(1, 3), resume=True)


def test_move_goes_through_everything():
    batch = [(torch.zeros(2), {"boxes": torch.zeros(1, 4)}), [torch.ones(1)], "id"]
    moved = move(batch, "meta")
    assert moved[0][0].device.type == moved[0][1]["boxes"].device.type == moved[1][0].device.type == "meta"
    assert isinstance(moved[0], tuple) and moved[2] == "id"
