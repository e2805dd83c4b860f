"""Networks in ONNX Runtime: what `digits export` writes, opened and run. Needs no PyTorch.

The header, as that of a weights file (see `core.weights`), stands in the model's metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from digits.core.errors import WeightsError

HEADER = "digits"  # key of the metadata


class Network:
    """One network. Safe to be called from several threads.

    path: an .onnx file of this kind. threads: that it computes with, by default one a processor core.

    header: kind, architecture, training and metrics, as the weights had them. Raises WeightsError if the file is
    missing, damaged, or of another kind.
    """

    def __init__(self, path: str | Path, kind: str, threads: int | None = None):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; they are raised too
        options.intra_op_num_threads = threads or 0
        # threads that spin while they wait take the cores from whatever comes next: the other network, decoding
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # work is dealt out in ever smaller shares: a thread that wakes late delays nothing
        options.add_session_config_entry("session.dynamic_block_base", "4")
        self._pool = ThreadPoolExecutor(threads or os.cpu_count(), f"digits-{kind}")
        if not Path(path).is_file():
            raise WeightsError(f"{path}: no such weights file")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a dozen kinds with nothing else in common
            raise WeightsError(f"{path}: not a readable ONNX model ({str(error).splitlines()[0]})") from None
        self.header = json.loads(self._session.get_modelmeta().custom_metadata_map.get(HEADER, "null"))
        if not isinstance(self.header, dict) or "kind" not in self.header:
            raise WeightsError(f"{path}: has no header of this project; models are written by digits export")
        if self.header["kind"] != kind:
            raise WeightsError(f"{path}: holds {self.header['kind']} weights, where {kind} weights are needed")
        self._input = self._session.get_inputs()[0].name

    def run(self, array: np.ndarray) -> list[np.ndarray]:
        """Its outputs for its one input."""
        return self._session.run(None, {self._input: array})

    def run_each(self, arrays: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Its outputs for each of some inputs, several at once: one small input does not keep two cores busy."""
        return self._pool.map(self.run, arrays)
