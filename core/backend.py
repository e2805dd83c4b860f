"""What computes the networks: PyTorch, from .safetensors, or ONNX Runtime, from .onnx."""

from __future__ import annotations

from pathlib import Path

from digits.core.errors import DeviceError, WeightsError
from digits.core.resources import shipped

BACKENDS = ("auto", "torch", "onnx")
_SUFFIXES = {"torch": ".safetensors", "onnx": ".onnx"}


def resolve_backend(backend: str, kind: str, weights: str | Path | None, device: str) -> tuple[str, Path]:
    """ "torch" or "onnx", and the weights file that it loads.

    kind: "detector" or "recognizer". weights: a file, whose suffix then decides, or None for what ships. `auto` takes
    ONNX Runtime, which is the faster on a processor, unless `device` names another.

    Raises DeviceError for an unknown backend, or one that does not compute on the device; WeightsError if the
    backend does not load such files.
    """
    if backend not in BACKENDS:
        raise DeviceError(f"{backend}: not a backend; use {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}")
    if backend == "auto":
        onnx = device in ("auto", "cpu") if weights is None else Path(weights).suffix == _SUFFIXES["onnx"]
        backend = "onnx" if onnx else "torch"
    if weights is None:
        weights = shipped(f"digits.{kind}.weights", kind + _SUFFIXES[backend])
    elif (Path(weights).suffix == _SUFFIXES["onnx"]) != (backend == "onnx"):
        raise WeightsError(f"{weights}: the backend {backend} loads {_SUFFIXES[backend]} files")
    if backend == "onnx" and device not in ("auto", "cpu"):
        raise DeviceError(f"{device}: ONNX Runtime computes on the processor here; use the backend torch")
    return backend, Path(weights)
