"""The digit detector's network in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import FasterRCNN

from digits.core.device import resolve_device
from digits.core.weights import restore, to_device
from digits.detector.model import build_detector


class EagerNetwork:
    """path: a .safetensors file. device: see `resolve_device`. threads: of the whole process, if they are to be set."""

    def __init__(self, path: str | Path, device: str = "auto", threads: int | None = None):
        model, self.header = restore(path, "detector", build_detector)
        self.device = resolve_device(device)
        self.model: FasterRCNN = to_device(model, self.device)
        if threads:
            torch.set_num_threads(threads)

    @torch.inference_mode()
    def find(self, views: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What is in each of some views, RGB uint8 (h, w, 3): boxes float32 (N, 4), scores (N,), digits int64 (N,)."""
        # one by one: a batch pads each to the largest, which is slower and changes what is seen at its edges
        found = (self.model([self.tensor(view)])[0] for view in views)
        arrays = ([each[key].cpu().numpy() for key in ("boxes", "scores", "labels")] for each in found)
        return [(b.astype(np.float32), s.astype(np.float32), n.astype(np.int64) - 1) for b, s, n in arrays]

    @torch.inference_mode()
    def propose(self, view: np.ndarray) -> dict[str, np.ndarray]:
        """Boxes that the region proposal network suggests in a view, see `Detector.propose`."""
        images, _ = self.model.transform([self.tensor(view)])
        features = self.model.backbone(images.tensors)
        rpn = self.model.rpn
        after = rpn(images, features)[0][0]
        usual = rpn.nms_thresh, rpn._post_nms_top_n
        rpn.nms_thresh, rpn._post_nms_top_n = 1.0, {"testing": None}  # nothing overlaps by more than 1; no limit
        try:
            before = rpn(images, features)[0][0]
        finally:
            rpn.nms_thresh, rpn._post_nms_top_n = usual
        return {"before_nms": before.cpu().numpy(), "after_nms": after.cpu().numpy()}

    def tensor(self, view: np.ndarray) -> torch.Tensor:
        """RGB uint8 (h, w, 3) as the network takes it: float32 (3, h, w), 0 to 1, on its device."""
        return torch.from_numpy(np.array(view)).to(self.device).permute(2, 0, 1).float() / 255
