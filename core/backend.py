"""What computes the networks: PyTorch, from .safetensors, or ONNX Runtime, from .onnx, whole or in 8-bit integers."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from digits.core.errors import DeviceError, WeightsError
from digits.core.resources import shipped

BACKENDS = ("auto", "torch", "onnx", "int8")
SUFFIXES = {"torch": ".safetensors", "onnx": ".onnx", "int8": ".int8.onnx"}


def resolve_backend(backend: str, kind: str, weights: str | Path | None, device: str) -> tuple[str, Path]:
    """ "torch", "onnx" or "int8", and the weights file that it loads.

    kind: "detector" or "recognizer". weights: a file, whose suffix then decides, or None for what ships. `auto` takes
    ONNX Runtime and 8-bit integers, the fastest on a processor, unless `device` names another.

    Raises DeviceError for an unknown backend, or one that does not compute on the device; WeightsError if the
    backend does not load such files.
    """
    if backend not in BACKENDS:
        raise DeviceError(f"{backend}: not a backend; use {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}")
    if backend == "auto":
        backend = _backend_of(weights) if weights else "int8" if device in ("auto", "cpu") else "torch"
    if weights is None:
        weights = shipped(f"digits.{kind}.weights", kind + SUFFIXES[backend])
    elif _backend_of(weights) != backend:
        raise WeightsError(f"{weights}: the backend {backend} loads {SUFFIXES[backend]} files")
    if backend != "torch" and device not in ("auto", "cpu"):
        raise DeviceError(f"{device}: ONNX Runtime computes on the processor here; use the backend torch")
    return backend, Path(weights)


def _backend_of(weights: str | Path) -> str:
    name = Path(weights).name
    return next((backend for backend in ("int8", "onnx") if name.endswith(SUFFIXES[backend])), "torch")


class Backed:
    """A predictor of this kind, "detector" or "recognizer", over a network that either backend computes.

    The package of the kind has the two networks, with the same methods: `eager.EagerNetwork` and
    `exported.ExportedNetwork`. Only what is chosen is imported. backend: the one in use. header: of the weights.
    """

    def __init__(self, kind: str, weights: str | Path | None, device: str, backend: str, threads: int | None):
        self.backend, path = resolve_backend(backend, kind, weights, device)
        if self.backend == "torch":
            self._network = import_module(f"digits.{kind}.eager").EagerNetwork(path, device, threads)
        else:
            self._network = import_module(f"digits.{kind}.exported").ExportedNetwork(path, threads)
        self.header: dict = self._network.header

    @property
    def eager(self):
        """The network in PyTorch: to look into, not to change. Raises DeviceError if the backend is another."""
        if self.backend != "torch":
            raise DeviceError(f"the backend {self.backend} shows nothing of the network; use the backend torch")
        return self._network
