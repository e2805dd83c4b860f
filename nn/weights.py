"""Weights files: safetensors with a JSON header. Nothing is ever unpickled.

The header holds kind, architecture (arguments that rebuild the network), training (configuration, data), metrics, the
sha256 of the tensors and that of the header itself. Tensors are stored in half and used in single precision.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from digits.core.errors import WeightsError, reason
from digits.core.header import KEY, existing, parse_header

Model = TypeVar("Model", bound=nn.Module)

_SEAL = "header_sha256"  # only in the file; `load_weights` removes it
_FIELDS = ("kind", "architecture", "training", "metrics")
_UNSEALED = {*_FIELDS, "sha256", "temperature"}  # the keys of headers of 0.1.0, which have no sha256 of their own


def _digest(tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(f"{name} {tuple(tensors[name].shape)}".encode())
        total.update(tensors[name].contiguous().numpy().tobytes())
    return total.hexdigest()


def _seal(header: dict, tensors: dict[str, Tensor]) -> str:
    """The sha256 of the header and the dtypes of the tensors, which the digest of the tensors does not cover."""
    types = {name: str(tensors[name].dtype) for name in sorted(tensors)}
    return hashlib.sha256(json.dumps([header, types]).encode()).hexdigest()


def save_weights(path: str | Path, model: nn.Module, header: dict) -> None:
    """Write a model's state, atomically; `header` needs the keys kind, architecture, training and metrics.

    Raises WeightsError if it lacks one, or the file cannot be written.
    """
    missing = [key for key in _FIELDS if key not in header]
    if missing:
        raise WeightsError(f"{path}: header lacks {', '.join(missing)}")
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    header = {**header, "sha256": _digest(tensors)}
    partial = f"{path}.partial"
    try:
        save_file(tensors, partial, {KEY: json.dumps({**header, _SEAL: _seal(header, tensors)})})
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be written ({reason(error)})") from None


def load_weights(path: str | Path, kind: str) -> tuple[dict, dict[str, Tensor]]:
    """Header and single-precision tensors of a weights file of this kind.

    Raises WeightsError if the file is missing, damaged, or of another kind.
    """
    path = existing(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a readable weights file ({reason(error)})") from None
    header = parse_header(path, metadata.get(KEY), kind, (*_FIELDS, "sha256"))
    seal = header.pop(_SEAL, None)
    unsealed = seal is None and set(header) <= _UNSEALED
    if header["sha256"] != _digest(tensors) or not (unsealed or seal == _seal(header, tensors)):
        raise WeightsError(f"{path}: damaged: its contents do not match their sha256")
    return header, {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def restore(path: str | Path, kind: str, build: Callable[..., Model]) -> tuple[Model, dict]:
    """The network of a weights file, rebuilt by `build(**architecture)`, in evaluation mode; and the header."""
    header, tensors = load_weights(path, kind)
    try:
        model = build(**header["architecture"])
        model.load_state_dict(tensors)
    except (TypeError, RuntimeError) as error:
        raise WeightsError(f"{path}: made for another version of the {kind} ({reason(error)})") from None
    return model.eval().requires_grad_(False), header


def to_device(model: Model, device: torch.device) -> Model:
    """Move a model to a device, in the memory format in which convolutions are fastest."""
    return model.to(device).to(memory_format=torch.channels_last)
