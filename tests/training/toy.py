"""A task that takes milliseconds: y = 2x + 1, learned by a few neurons with dropout."""

from __future__ import annotations

import json

import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

from digits.training.config import Config
from digits.training.task import Task


class Line(Dataset):
    """A point an index; from `broken` on, y is not a number."""

    def __init__(self, broken=None, count=2**62):
        self.broken, self.count = broken, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        x = torch.randn(1, generator=torch.Generator().manual_seed(index))
        return x, 2 * x + 1 if self.broken is None or index < self.broken else x * float("nan"), f"point-{index}"


class LineTask(Task):
    kind = "recognizer"
    metrics = ("closeness", "nearness")

    def __init__(self, config, quiet=True, *, dropout=0.5, broken=None):
        self.examples = self.held_out = ()
        self.model = nn.Sequential(
            nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Tanh()),
            nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout(dropout)),
            nn.Linear(8, 1),
        )
        self.train = Line(broken)
        self.validation = Line(count=30) if config.data.validation else None
        self.epoch_samples = None
        self.seen = []

    @staticmethod
    def build():
        return LineTask(make_config()).model

    def stages(self):
        return list(self.model[:2])

    def collate(self, examples):
        x, y, ids = zip(*examples, strict=True)
        return {"x": torch.stack(x), "y": torch.stack(y), "ids": list(ids)}

    def losses(self, batch):
        self.seen.append(batch["ids"])
        return {"square": (self.model(batch["x"]) - batch["y"]).square().mean(), "nothing": 0 * batch["x"].sum()}

    def score(self, model, batch):
        return {"error": (model(batch["x"]) - batch["y"]).abs().sum().item(), "points": len(batch["x"])}

    def measured(self, counts):
        error = counts["error"] / counts["points"]
        return {"closeness": -error, "nearness": error}

    def picture(self, model):
        return Image.new("RGB", (8, 8))

    def header(self, model):
        return {"architecture": {}}

    @staticmethod
    def example():
        return (torch.zeros(1, 1),)


def make_config(**changes) -> Config:
    """Four epochs of ten steps; changes are given as `stop={"patience": 2}`."""
    content = {
        "kind": "recognizer",
        "epoch_steps": 10,
        "data": {"train": [{"source": "line"}], "validation": [{"source": "line"}], "batch_size": 16, "workers": 0},
        "stages": [{"epochs": 4, "rate": 0.05}],
        "optimiser": {"warmup": 5, "ema": 0.9},
        "machine": {"log_every": 1, "precision": "fp32", "checkpoint_seconds": 1e-9},
    }
    for key, value in changes.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) and key in content else value
    return Config.model_validate(content)


def history(run, *names):
    """What was logged, without what depends on the machine; of some names only, if given."""
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    keep = [{k: v for k, v in record.items() if k != "images_per_second"} for record in records]
    return [tuple(record[n] for n in names) for record in keep if all(n in record for n in names)] if names else keep
