"""Networks in ONNX Runtime: what `digits export` writes, opened and run. Needs no PyTorch.

The header, as that of a weights file (see `core.header`), stands in the model's metadata. At the end of the file stands
the sha256 of all before it.
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
    """One network. Safe to be called from several threads, and after a fork.

    path: an .onnx file of this kind. threads: that it computes with, by default one a processor core.

    header: kind, architecture, training and metrics, as the weights had them. Raises WeightsError if the file is
    missing, damaged, or of another kind.
    """

    def __init__(self, path: str | Path, kind: str, threads: int | None = None):
        self._path, self._kind, self._threads = existing(path), kind, threads
        self._model = _verified(self._path)  # kept for forked processes: the file may be another by then
        self.leave_session()
        self.header = parse_header(self._path, self._metadata().get(KEY), kind)
        self._input = self._opened().get_inputs()[0].name
        _networks.add(self)

    def run(self, array: np.ndarray) -> list[np.ndarray]:
        """Its outputs for its one input."""
        return self._opened().run(None, {self._input: array})

    def run_each(self, arrays: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Its outputs for each of some inputs, several at once: one small input does not keep two cores busy."""
        self._opened()
        return self._pool.map(self.run, arrays) if self._pool else map(self.run, arrays)

    def leave_session(self) -> None:
        """Begin without a session; the next call opens one."""
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
        import onnxruntime  # here, since neither training nor the backend torch needs it

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; they are raised too
        options.intra_op_num_threads = self._threads or 0
        # threads that spin while they wait take the cores from whatever comes next: the other network, decoding
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # work is dealt out in ever smaller shares: a thread that wakes late delays nothing
        options.add_session_config_entry("session.dynamic_block_base", "4")
        try:
            return onnxruntime.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a dozen kinds with nothing else in common
            raise WeightsError(f"{self._path}: not a readable ONNX model ({reason(error)})") from None


_networks: WeakSet[Network] = WeakSet()


def _after_fork() -> None:
    """In a forked process the threads of every session and pool are missing: whatever asks them waits for ever."""
    for network in _networks:
        if network._session is not None:
            # it waits for its threads when it is destroyed, too, and at the latest Python's end would do that
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(network._session))
        network.leave_session()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)


def sealed(model: bytes) -> bytes:
    """A serialised ONNX model with its sha256 at the end, which `Network` asks for."""
    return model + _seal(model)


def _seal(model: bytes | memoryview) -> bytes:
    """One more entry of the metadata, with the sha256 of a serialised model: a protobuf message grows by appending."""
    digest = hashlib.sha256(model).hexdigest().encode()
    entry = b"\x0a%c%b\x12%c%b" % (len(_DIGEST_KEY), _DIGEST_KEY, len(digest), digest)  # key and value
    return b"\x72%c%b" % (len(entry), entry)  # of field 14, metadata_props


_SEAL = len(_seal(b""))  # bytes, always as many


def _verified(path: Path) -> bytes:
    """The contents of a file written by `digits export`; WeightsError if they are not as they were written."""
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
