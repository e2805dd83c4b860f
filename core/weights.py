"""Weight files: safetensors with a JSON header. Nothing is ever unpickled.

The header says what the file is: kind, architecture (arguments that rebuild the network), training (data, command),
metrics, and the sha256 of the tensors. Tensors are stored in half precision and used in single.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from digits.core.errors import WeightsError

_KEY = "digits"
_FIELDS = ("kind", "architecture", "training", "metrics")


def _digest(tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(f"{name} {tuple(tensors[name].shape)}".encode())
        total.update(tensors[name].contiguous().numpy().tobytes())
    return total.hexdigest()


def save_weights(path: str | Path, model: nn.Module, header: dict) -> None:
    """Write a model's state, all or nothing; `header` needs the keys kind, architecture, training and metrics.

    Raises WeightsError if it lacks one, or the file cannot be written.
    """
    missing = [key for key in _FIELDS if key not in header]
    if missing:
        raise WeightsError(f"{path}: header lacks {', '.join(missing)}")
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    partial = f"{path}.partial"
    try:
        save_file(tensors, partial, {_KEY: json.dumps({**header, "sha256": _digest(tensors)})})
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be written ({error})") from None


def load_weights(path: str | Path, kind: str) -> tuple[dict, dict[str, Tensor]]:
    """Header and single-precision tensors of a weights file of this kind.

    Raises WeightsError if the file is missing, damaged, or of another kind.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            header = json.loads(metadata.get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such weights file") from None
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path}: not a readable weights file ({error})") from None
    if not isinstance(header, dict) or any(key not in header for key in (*_FIELDS, "sha256")):
        raise WeightsError(f"{path}: has no header of this project; weights are written by digits train")
    if header["kind"] != kind:
        raise WeightsError(f"{path}: holds {header['kind']} weights, where {kind} weights are needed")
    if header["sha256"] != _digest(tensors):
        raise WeightsError(f"{path}: damaged: its tensors do not match their sha256")
    return header, {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def restore(path: str | Path, kind: str, build) -> tuple[nn.Module, dict]:
    """The network in a weights file, rebuilt by `build(**architecture)`, in evaluation mode; and the header."""
    header, tensors = load_weights(path, kind)
    try:
        model = build(**header["architecture"])
        model.load_state_dict(tensors)
    except (TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: made for another version of the {kind} ({reason})") from None
    return model.eval().requires_grad_(False), header


def to_device(model: nn.Module, device: torch.device) -> nn.Module:
    """Move to a device in the layout in which convolutions are fastest."""
    return model.to(device).to(memory_format=torch.channels_last)
