"""The number recogniser's network in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from digits.nn.device import on_device, resolve_device
from digits.nn.weights import restore, to_device
from digits.recognizer.nn.model import NumberNet, normalise


class EagerNetwork:
    """path: a .safetensors file. device: see `resolve_device`. threads: of the whole process, if they are to be set."""

    def __init__(self, path: str | Path, device: str = "auto", threads: int | None = None):
        self.device = resolve_device(device)
        model, self.header = restore(path, "recognizer", NumberNet)
        self.model: NumberNet = to_device(model, self.device)
        if threads:
            torch.set_num_threads(threads)

    @torch.inference_mode()
    def heads(self, crops: np.ndarray) -> Sequence[np.ndarray]:
        """Logits, float32, of the lengths (B, 7) and digits (B, 6, 10) of crops, RGB uint8 (B, HEIGHT, WIDTH, 3).

        With heads for letters, also of the suffixes (B, 28) and the flags (B, 7), see `recognizer.heads`.
        """
        return [logits.float().cpu().numpy() for logits in self.model(self.tensor(crops))]

    @contextmanager
    def dropout(self, seed: int) -> Iterator[None]:
        """Switches dropout on, and off again; what it draws follows from the seed, see `Recognizer.sample`."""
        # a Dropout takes no generator of its own
        dropouts = [part for part in self.model.modules() if isinstance(part, nn.Dropout) and not part.training]
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            try:
                for part in dropouts:
                    part.train()
                yield
            finally:
                for part in dropouts:
                    part.eval()

    def tensor(self, crops: np.ndarray) -> torch.Tensor:
        """Crops as the network takes them, float32 (B, 3, HEIGHT, WIDTH), on its device."""
        return normalise(on_device(crops, self.device)).contiguous(memory_format=torch.channels_last)
