"""Which processor computes."""

from __future__ import annotations

import torch

from digits.core.errors import DeviceError

_BF16 = ("avx512_bf16", "amx_bf16", "bf16")  # names of the instructions; the last is ARM's


def resolve_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps` as a torch device; `auto` takes the first accelerator there is.

    Raises DeviceError for any other name, or where that device does not exist.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"{name}: not a device; use auto, cpu, cuda, cuda:N or mps")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError(f"{name}: no CUDA device here; use cpu or auto")
        if (device.index or 0) >= torch.cuda.device_count():
            raise DeviceError(f"{name}: there are only {torch.cuda.device_count()} CUDA devices")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("mps: no Apple GPU here; use cpu or auto")
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
