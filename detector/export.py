"""The digit detector as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection._utils import BoxCoder

from digits.core.export import write_onnx
from digits.core.weights import restore
from digits.detector.model import CLASSES, build_detector


class _AnyNumber(BoxCoder):
    """As torchvision's, of one picture, for any number of proposals, none included: traced, its own shapes are not."""

    def decode(self, rel_codes: Tensor, boxes: list[Tensor]) -> Tensor:
        return self.decode_single(rel_codes, boxes[0]).reshape(-1, CLASSES, 4)


class _WholeView(nn.Module):
    """RGB uint8 (h, w, 3) of any size to boxes (N, 4), scores (N,) and labels (N,), 1 to 10; suppression included."""

    def __init__(self, model: FasterRCNN):
        super().__init__()
        self.model = model
        coder = model.roi_heads.box_coder
        model.roi_heads.box_coder = _AnyNumber(coder.weights, coder.bbox_xform_clip)

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.model([view.permute(2, 0, 1).float() / 255])[0]
        return found["boxes"], found["scores"], found["labels"]


@torch.no_grad()
def export_detector(weights: str | Path, path: str | Path) -> None:
    """Write what `exported.ExportedNetwork` loads. Raises WeightsError, or DeviceError if onnx is not installed."""
    model, header = restore(weights, "detector", build_detector)
    generator = torch.Generator().manual_seed(0)
    example = torch.randint(0, 256, (160, 224, 3), dtype=torch.uint8, generator=generator)
    found = {0: "found"}
    write_onnx(
        path,
        _WholeView(model),
        example,
        header,
        ("boxes", "scores", "labels"),
        {"image": {0: "height", 1: "width"}, "boxes": found, "scores": found, "labels": found},
    )
