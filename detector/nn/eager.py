"""The digit detector's network in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import FasterRCNN

from digits.detector.nn.inference import SingleImageRCNN
from digits.detector.nn.model import build_detector
from digits.nn.device import on_device, resolve_device
from digits.nn.weights import restore, to_device


class EagerNetwork:
    """path: a .safetensors file. device: see `resolve_device`. threads: of the whole process, if they are to be set."""

    def __init__(self, path: str | Path, device: str = "auto", threads: int | None = None):
        self.device = resolve_device(device)
        model, self.header = restore(path, "detector", build_detector)
        self.model: FasterRCNN = to_device(model, self.device)
        self._rcnn = SingleImageRCNN(self.model).to(self.device).eval()
        if threads:
            torch.set_num_threads(threads)

    @torch.inference_mode()
    def find(self, views: Iterable[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What is in each of some views, RGB uint8 (h, w, 3): boxes float32 (N, 4), scores (N,), digits int64 (N,)."""
        # one by one: a batch pads each to the largest, which is slower and changes what is seen at its edges
        found = (self._rcnn(self._on_device(view)) for view in views)
        return [
            (boxes.cpu().numpy(), scores.cpu().numpy(), labels.cpu().numpy() - 1) for boxes, scores, labels in found
        ]

    @torch.inference_mode()
    def propose(self, view: np.ndarray) -> dict[str, np.ndarray]:
        """Boxes that the region proposal network suggests in a view, see `Detector.propose`."""
        before, after = self._rcnn.proposals(self._on_device(view))
        return {"before_nms": before.cpu().numpy(), "after_nms": after.cpu().numpy()}

    def tensor(self, view: np.ndarray) -> torch.Tensor:
        """RGB uint8 (h, w, 3) as the network takes it: float32 (3, h, w), 0 to 1, on its device."""
        return self._on_device(view).permute(2, 0, 1).float() / 255

    def _on_device(self, view: np.ndarray) -> torch.Tensor:
        return on_device(np.array(view), self.device)
