"""Selects device and precision."""

from __future__ import annotations

import os

import numpy as np
import torch

from digits.core.backend import check_device
from digits.core.errors import DeviceError

_LOADED_IN = os.getpid()  # in processes forked from this one, PyTorch's threads do not exist
_BF16 = ("avx512_bf16", "amx_bf16", "bf16")  # CPU capabilities; the last one is ARM's


def resolve_device(name: str) -> torch.device:
    """The torch device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` is the first accelerator, else the CPU.

    Raises DeviceError for another name, or if the device does not exist. A process that was forked after PyTorch was
    loaded can use only the CPU; PyTorch is then limited to one thread in the whole process.
    """
    check_device(name)
    if _forked():
        return _alone(torch.device("cpu" if name == "auto" else name))
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None:
        raise DeviceError(f"{name}: not a device; use auto, cpu, cuda, cuda:N or mps")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError(f"{name}: no CUDA device here; use cpu or auto")
        if (device.index or 0) >= torch.cuda.device_count():
            raise DeviceError(f"{name}: there are only {torch.cuda.device_count()} CUDA devices")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("mps: no Apple GPU here; use cpu or auto")
    return device


def on_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array as a tensor on a device, ready for computing also in a forked process.

    Raises DeviceError for a GPU in a forked process, which cannot use it.
    """
    return torch.from_numpy(array).to(_alone(device) if _forked() else device)


def _forked() -> bool:
    return os.getpid() != _LOADED_IN


def _alone(device: torch.device) -> torch.device:
    """Check and prepare a device for a forked process: with several threads PyTorch would wait forever there."""
    if device.type != "cpu":
        raise DeviceError(f"{device}: cannot be used in a forked process; start processes by spawn, or use cpu")
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """The precision for `auto`: "bf16" if the device supports it natively, else "fp32": emulation is far slower.

    Any other name is returned unchanged.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # older versions of torch do not report CPU capabilities
    can = torch.cpu.get_capabilities() if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16" if any(can.get(key) for key in _BF16) else "fp32"
