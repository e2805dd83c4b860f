"""Opens and runs the ONNX models that `digits export` writes. Needs no PyTorch.

The model's metadata contain the header (see `core.header`). The file ends with the sha256 of everything before it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np

from digits.core.errors import WeightsError, reason
from digits.core.header import KEY, existing, parse_header

if TYPE_CHECKING:
    import onnxruntime

_DIGEST_KEY = b"digits.sha256"


class Network:
    """An ONNX model. Safe to be called from several threads, and after a fork.

    path: an .onnx file of this kind. threads: number of threads, by default one per CPU core.

    header: kind, architecture, training and metrics, copied from the weights. Raises WeightsError if the file is
    missing, damaged, or of another kind.
    """

    def __init__(self, path: str | Path, kind: str, threads: int | None = None):
        self._path, self._kind, self._threads = existing(path), kind, threads
        self._model = _verified(self._path)  # kept for forked processes, since the file may change
        self.leave_session()
        self.header = parse_header(self._path, self._metadata().get(KEY), kind)
        self._input = self._opened().get_inputs()[0].name
        _networks.add(self)

    def run(self, array: np.ndarray) -> list[np.ndarray]:
        """The outputs for an input."""
        return self._opened().run(None, {self._input: array})

    def run_each(self, arrays: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """The outputs for each input, several in parallel: a single small one does not keep two cores busy."""
        self._opened()
        return self._pool.map(self.run, arrays) if self._pool else map(self.run, arrays)

    def leave_session(self) -> None:
        """Drop the session; the next call opens a new one."""
        self._session: onnxruntime.InferenceSession | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._opening = threading.Lock()

    def _metadata(self) -> dict[str, str]:
        try:
            return self._opened().get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise WeightsError(f"{self._path}: its header is damaged ({reason(error)})") from None

    def _opened(self) -> onnxruntime.InferenceSession:
        with self._opening:
            if self._session is None:
                self._session = self._open()
                count = self._threads or os.cpu_count() or 1
                self._pool = ThreadPoolExecutor(count, f"digits-{self._kind}") if count > 1 else None
            return self._session

    def _open(self) -> onnxruntime.InferenceSession:
        import onnxruntime  # imported here, since training and the backend torch do not need it

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only; they are raised, too
        options.intra_op_num_threads = self._threads or 0
        # threads that spin while waiting block the cores for the next step: the other network, or decoding
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # work is split into ever smaller blocks, so that a late thread delays nothing
        options.add_session_config_entry("session.dynamic_block_base", "4")
        try:
            return onnxruntime.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen types without another common base
            raise WeightsError(f"{self._path}: not a readable ONNX model ({reason(error)})") from None


_networks: WeakSet[Network] = WeakSet()


def _after_fork() -> None:
    """Drop all sessions in a forked process: their threads do not exist there, so calls would wait forever."""
    for network in _networks:
        if network._session is not None:
            # never destroyed: its destructor, too, would wait for these threads, at the latest when Python exits
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(network._session))
        network.leave_session()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)


def sealed(model: bytes) -> bytes:
    """A serialised ONNX model with its sha256 appended; `Network` checks it."""
    return model + _seal(model)


def _seal(model: bytes | memoryview) -> bytes:
    """Another metadata entry with the sha256 of a serialised model. Appended fields extend a protobuf message."""
    digest = hashlib.sha256(model).hexdigest().encode()
    entry = b"\x0a%c%b\x12%c%b" % (len(_DIGEST_KEY), _DIGEST_KEY, len(digest), digest)  # key and value
    return b"\x72%c%b" % (len(entry), entry)  # field 14, metadata_props


_SEAL = len(_seal(b""))  # bytes, constant


def _verified(path: Path) -> bytes:
    """The content of a file written by `digits export`; WeightsError if its sha256 does not match."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({reason(error)})") from None
    if _DIGEST_KEY not in model[-_SEAL:]:
        raise WeightsError(
            f"{path}: does not end with its sha256: cut short, or not written by this version of digits export"
        )
    if model[-_SEAL:] != _seal(memoryview(model)[:-_SEAL]):
        raise WeightsError(f"{path}: damaged: its contents do not match their sha256; copy or export it again")
    return model
