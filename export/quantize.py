"""Static quantisation of ONNX models to 8-bit integers with ONNX Runtime (Jacob et al. 2018)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from digits.export.gptq import round_weights

_LAYERS = ("Conv", "Gemm")
_PASSED = ("Add", "Clip", "Gather", "Relu", "Reshape", "Transpose")  # also computed in integers between these
# The integer that the largest weight of a channel becomes. With 127, sums of two products saturate on CPUs without
# VNNI; depthwise convolutions accumulate in 32 bits everywhere.
_LARGEST, _LARGEST_DEPTHWISE = 64, 127


class _Inputs(CalibrationDataReader):
    def __init__(self, arrays: Iterable[np.ndarray], name: str):
        self._arrays, self._name = iter(arrays), name

    def get_next(self) -> dict[str, np.ndarray] | None:
        array = next(self._arrays, None)
        return None if array is None else {self._name: array}


def quantized(model: onnx.ModelProto, inputs: Iterable[np.ndarray], first: int = 0) -> onnx.ModelProto:
    """The model with its convolutions, and matrix products over pixels, in 8-bit integers.

    inputs: arrays of its one input, to measure the range of every activation. first: number of convolutions after the
    input that stay in floating point: they have few channels, and their errors would affect all others. Weights have a
    scale per channel, see `gptq.round_weights`. Outputs of matrix products are not quantised: boxes need more than 8
    bits.
    """
    inputs = list(inputs)
    with TemporaryDirectory() as folder:
        plain, whole = Path(folder, "plain.onnx"), Path(folder, "int8.onnx")
        logging.disable(logging.WARNING)  # it recommends the preprocessing that was just done
        try:
            quant_pre_process(model, plain, skip_symbolic_shape=True)
            prepared = onnx.load(plain)
            names = _convolutional(prepared.graph, first)
            scales = round_weights(prepared, inputs, _limits(prepared.graph, set(names)))
            onnx.save(prepared, plain)
            quantize_static(
                plain,
                whole,
                _Inputs(inputs, model.graph.input[0].name),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                nodes_to_quantize=names,
                extra_options={
                    "OpTypesToExcludeOutputQuantization": ["Gemm"],
                    "TensorQuantOverrides": {name: _as_scaled(each) for name, each in scales.items()},
                },
            )
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(whole)


def _as_scaled(scales: np.ndarray) -> list[dict]:
    """The override of ONNX Runtime for weights with these scales per channel."""
    zero = np.array(0, np.int8)
    return [
        {"quant_type": QuantType.QInt8, "scale": np.array(scale, np.float32), "zero_point": zero, "axis": 0}
        for scale in scales
    ]


def _limits(graph: onnx.GraphProto, names: set[str]) -> dict[str, int]:
    """The limits for `gptq.round_weights` of the layers among the nodes `names`."""
    layers = {node.input[1] for node in graph.node if node.name in names and node.op_type in _LAYERS}
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.name in layers}
    depthwise = {name for name, tensor in weights.items() if len(tensor.dims) == 4 and tensor.dims[1] == 1}
    return {name: _LARGEST_DEPTHWISE if name in depthwise else _LARGEST for name in weights}


def _convolutional(graph: onnx.GraphProto, first: int) -> list[str]:
    """Names of the nodes to be quantised: convolutions except the `first` ones, matrix products with their maps, the
    operations between these, and those that pick pixels of a map."""
    found: list[onnx.NodeProto] = []
    inside: set[str] = set()  # outputs of convolutions, and of operations on nothing else
    for node in graph.node:
        # the second input of a Gather or Reshape is a parameter; both inputs of an Add are maps
        maps = node.input if node.op_type == "Add" else node.input[:1]
        passed = node.op_type in _PASSED and inside.issuperset(maps)
        if node.op_type == "Conv" or passed:
            inside.update(node.output)
        if node.op_type == "Conv" or passed or (node.op_type == "Gemm" and maps[0] in inside):
            found.append(node)
    start = [i for i, node in enumerate(found) if node.op_type == "Conv"][first]
    read: set[str] = set()  # inputs of the nodes that are kept
    names = []
    for node in reversed(found[start:]):
        if node.op_type in (*_LAYERS, "Gather") or node.output[0] in read:
            read.update(node.input)
            names.append(node.name)
    return names[::-1]
