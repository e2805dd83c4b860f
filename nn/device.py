"""Which processor computes."""

from __future__ import annotations

import os

import numpy as np
import torch

from digits.core.backend import check_device
from digits.core.errors import DeviceError

_LOADED_IN = os.getpid()  # another process was forked from this one: the threads of PyTorch are missing there
_BF16 = ("avx512_bf16", "amx_bf16", "bf16")  # names of the instructions; the last is ARM's


def resolve_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps` as a torch device; `auto` takes the first accelerator there is.

    Raises DeviceError for any other name, or where that device does not exist. In a process that was forked after
    PyTorch was loaded there is only the processor, and one thread, of those of the whole process.
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
    """An array as a tensor on a device. What is computed with it, can be computed in a forked process, too.

    Raises DeviceError if it cannot: no forked process can use the GPU of the one it was forked from.
    """
    return torch.from_numpy(array).to(_alone(device) if _forked() else device)


def _forked() -> bool:
    return os.getpid() != _LOADED_IN


def _alone(device: torch.device) -> torch.device:
    """The same device, for use in a forked process: PyTorch would wait for the threads of the other for ever."""
    if device.type != "cpu":
        raise DeviceError(f"{device}: cannot be used in a forked process; start processes by spawn, or use cpu")
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """`auto` as "bf16" where the device computes in it, "fp32" where it would only emulate it, many times slower.

    Any other name is given back.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # older versions of torch do not say what the processor can do
    can = torch.cpu.get_capabilities() if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16" if any(can.get(key) for key in _BF16) else "fp32"
