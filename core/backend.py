"""Backends of the networks: PyTorch for .safetensors files, ONNX Runtime for .onnx files (float or 8-bit integers)."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar

from digits.core.errors import DeviceError, WeightsError
from digits.core.resources import shipped

BACKENDS = ("auto", "torch", "onnx", "int8")
SUFFIXES = {"torch": ".safetensors", "onnx": ".onnx", "int8": ".int8.onnx"}
# At least 64, so that a setting works on every machine: on two cores, 64 threads are a third slower than two. Thousands
# would freeze a machine.
MAX_THREADS = max(64, os.cpu_count() or 1)
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]+)?")


def check_threads(threads: int | None) -> None:
    """Raises ValueError unless `threads` is an integer from 1 to MAX_THREADS, or None."""
    whole = isinstance(threads, Integral) and not isinstance(threads, bool)
    if threads is not None and not (whole and 1 <= threads <= MAX_THREADS):
        raise ValueError(f"threads must be a whole number from 1 to {MAX_THREADS}, got {threads!r}")


def check_device(name: str) -> None:
    """Raises DeviceError if `name` is not the name of a device; `nn.device` checks that the device exists."""
    if not isinstance(name, str) or not _DEVICE.fullmatch(name):
        raise DeviceError(f"{name}: not a device; use auto, cpu, cuda, cuda:N or mps")


def resolve_backend(backend: str, kind: str, weights: str | Path | None, device: str) -> tuple[str, Path]:
    """The backend, "torch", "onnx" or "int8", and the weights file that it loads.

    backend: `auto` chooses by the suffix of `weights`; for the shipped weights, "int8" on a CPU, where it is fastest,
    else "torch". kind: "detector" or "recognizer". weights: a file, or None for the shipped one.

    Raises DeviceError for an unknown backend or device, or if the backend does not run on the device; WeightsError if
    the backend does not load such files.
    """
    check_device(device)
    if backend not in BACKENDS:
        raise DeviceError(f"{backend}: not a backend; use {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}")
    if backend == "auto":
        backend = _backend_of(weights) if weights is not None else "int8" if device in ("auto", "cpu") else "torch"
    if weights is None:
        weights = shipped(f"digits.{kind}.weights", kind + SUFFIXES[backend])
    elif _backend_of(weights) != backend:
        raise WeightsError(f"{weights}: the backend {backend} loads {SUFFIXES[backend]} files")
    if backend != "torch" and device not in ("auto", "cpu"):
        raise DeviceError(f"{device}: ONNX Runtime runs on the CPU only here; use the backend torch")
    return backend, Path(weights)


def _backend_of(weights: str | Path) -> str:
    try:
        name = Path(weights).name
    except TypeError:
        raise WeightsError(f"{weights!r}: not the path of a weights file") from None
    return next((backend for backend in ("int8", "onnx") if name.endswith(SUFFIXES[backend])), "torch")


def _has_driver() -> bool:
    """Whether a CUDA driver is installed."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _not_installed(name: str | None, device: str) -> DeviceError:
    """The error if PyTorch, or a package that it needs, is missing. If the device is missing, too, only that is said:
    installing packages would not help."""
    if device == "mps" and sys.platform != "darwin":
        return DeviceError("mps: no Apple GPU here; use cpu or auto")
    if device.startswith("cuda") and not _has_driver():
        return DeviceError(f"{device}: no CUDA device here; use cpu or auto")
    asks = "the backend torch" if device in ("auto", "cpu") else device
    return DeviceError(f"{asks} needs {name}, which is not installed: pip install 'street-digits[train]'")


class BasePredictor(ABC):
    """Base class of the predictors: opens a network with one of the backends.

    kind: "detector" or "recognizer". exported_network: the class for ONNX Runtime, with the same methods as the one for
    PyTorch. backend: the one in use. header: that of the weights.
    """

    kind: ClassVar[str]
    exported_network: ClassVar[Callable[..., Any]]

    @staticmethod
    @abstractmethod
    def eager_network() -> Callable[..., Any]:
        """The class for PyTorch; imports it here, since PyTorch need not be installed."""

    def __init__(self, weights: str | Path | None, device: str, backend: str, threads: int | None):
        check_threads(threads)
        self.backend, path = resolve_backend(backend, self.kind, weights, device)
        self._path = path
        self._opened_with = None if weights is None else path.absolute(), device, self.backend, threads
        if self.backend == "torch":
            try:
                eager_network = self.eager_network()
            except ModuleNotFoundError as error:
                raise _not_installed(error.name, device) from None
            self._network = eager_network(path, device, threads)
        else:
            self._network = self.exported_network(path, threads)
        self.header: dict = self._network.header

    @property
    def eager(self) -> Any:
        """The PyTorch network, read-only. Raises DeviceError for other backends."""
        if self.backend != "torch":
            raise DeviceError(f"the backend {self.backend} gives no access to the network; use the backend torch")
        return self._network

    def __getstate__(self) -> dict[str, Any]:
        """Without the network: another process opens the weights itself."""
        return {name: value for name, value in vars(self).items() if name not in ("_network", "header")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        BasePredictor.__init__(self, *self._opened_with)
