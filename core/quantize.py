"""ONNX models in 8-bit integers: static quantisation with ONNX Runtime (Jacob et al. 2018)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

_PASSED = ("Add", "Clip", "Gather", "Relu", "Transpose")  # what may stand between two convolutions without leaving integers


class _Inputs(CalibrationDataReader):
    def __init__(self, arrays: Iterable[np.ndarray], name: str):
        self._arrays, self._name = iter(arrays), name

    def get_next(self) -> dict[str, np.ndarray] | None:
        array = next(self._arrays, None)
        return None if array is None else {self._name: array}


def quantized(model: onnx.ModelProto, inputs: Iterable[np.ndarray], first: int = 0) -> onnx.ModelProto:
    """The model with its convolutions in 8-bit integers; all else, boxes above all, stays as it is.

    inputs: arrays of its one input, over which the range of every activation is measured. first: convolutions, from
    the picture on, that stay in floating point: they have few channels, and what they lose all others miss. Weights
    get a scale a channel and 7 bits: with 8, sums of two products overflow on processors without VNNI, which would
    compute something else.
    """
    with TemporaryDirectory() as folder:
        plain, whole = Path(folder, "plain.onnx"), Path(folder, "int8.onnx")
        logging.disable(logging.WARNING)  # it advises the preprocessing that was just done
        try:
            quant_pre_process(model, plain, skip_symbolic_shape=True)
            quantize_static(
                plain,
                whole,
                _Inputs(inputs, model.graph.input[0].name),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=True,
                nodes_to_quantize=_convolutional(onnx.load(plain).graph, first),
            )
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(whole)


def _convolutional(graph: onnx.GraphProto, first: int) -> list[str]:
    """Names of the convolutions, the `first` left out, and of what lies between them."""
    makers = {output: node for node in graph.node for output in node.output}
    feeds = set()  # names of the nodes that a convolution's picture comes from
    todo = [node.input[0] for node in graph.node if node.op_type == "Conv"]
    while todo:
        node = makers.get(todo.pop())
        if node is not None and node.name not in feeds:
            feeds.add(node.name)
            # of a Resize the picture is the first input, the rest are sizes; of an Add both are pictures
            todo += node.input if node.op_type == "Add" else node.input[:1]
    found = [n for n in graph.node if n.op_type == "Conv" or (n.op_type in _PASSED and n.name in feeds)]
    start = [i for i, n in enumerate(found) if n.op_type == "Conv"][first]
    return [n.name for n in found[start:]]
