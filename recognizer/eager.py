"""The number recogniser's network in PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from digits.core.device import on_device, resolve_device
from digits.core.weights import restore, to_device
from digits.recognizer.model import NumberNet, normalise


class EagerNetwork:
    """path: a .safetensors file. device: see `resolve_device`. threads: of the whole process, if they are to be set."""

    def __init__(self, path: str | Path, device: str = "auto", threads: int | None = None):
        self.device = resolve_device(device)
        model, self.header = restore(path, "recognizer", NumberNet)
        self.model: NumberNet = to_device(model, self.device)
        if threads:
            torch.set_num_threads(threads)

    @torch.inference_mode()
    def heads(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits, float32, of the lengths (B, 7) and digits (B, 6, 10) of crops, RGB uint8 (B, HEIGHT, WIDTH, 3)."""
        length, digits, *_ = self.model(self.tensor(crops))
        return length.float().cpu().numpy(), digits.float().cpu().numpy()

    def tensor(self, crops: np.ndarray) -> torch.Tensor:
        """Crops as the network takes them, float32 (B, 3, HEIGHT, WIDTH), on its device."""
        return normalise(on_device(crops, self.device)).contiguous(memory_format=torch.channels_last)
