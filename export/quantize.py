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

from digits.export.gptq import round_weights

_LAYERS = ("Conv", "Gemm")
_PASSED = ("Add", "Clip", "Gather", "Relu", "Reshape", "Transpose")  # may stand between them without leaving integers
# Multiples of its scale that the largest weight of a channel is. With 127, sums of two products overflow on processors
# without VNNI, which would compute something else; depthwise convolutions add up in 32 bits everywhere.
_LARGEST, _LARGEST_DEPTHWISE = 64, 127


class _Inputs(CalibrationDataReader):
    def __init__(self, arrays: Iterable[np.ndarray], name: str):
        self._arrays, self._name = iter(arrays), name

    def get_next(self) -> dict[str, np.ndarray] | None:
        array = next(self._arrays, None)
        return None if array is None else {self._name: array}


def quantized(model: onnx.ModelProto, inputs: Iterable[np.ndarray], first: int = 0) -> onnx.ModelProto:
    """The model with its convolutions, and products of each pixel, in 8-bit integers; all else stays as it is.

    inputs: arrays of its one input, over which the range of every activation is measured. first: convolutions, from
    the picture on, that stay in floating point: they have few channels, and what they lose all others miss. Weights
    get a scale a channel, see `gptq.round_weights`. What a product gives is not rounded: boxes need more than 8
    bits.
    """
    inputs = list(inputs)
    with TemporaryDirectory() as folder:
        plain, whole = Path(folder, "plain.onnx"), Path(folder, "int8.onnx")
        logging.disable(logging.WARNING)  # it advises the preprocessing that was just done
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
    """That weights have these scales a channel, as ONNX Runtime wants it said."""
    zero = np.array(0, np.int8)
    return [
        {"quant_type": QuantType.QInt8, "scale": np.array(scale, np.float32), "zero_point": zero, "axis": 0}
        for scale in scales
    ]


def _limits(graph: onnx.GraphProto, names: set[str]) -> dict[str, int]:
    """How many multiples of its scale the largest weight is, by the name of the weights of the layers among nodes."""
    layers = {node.input[1] for node in graph.node if node.name in names and node.op_type in _LAYERS}
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.name in layers}
    depthwise = {name for name, tensor in weights.items() if len(tensor.dims) == 4 and tensor.dims[1] == 1}
    return {name: _LARGEST_DEPTHWISE if name in depthwise else _LARGEST for name in weights}


def _convolutional(graph: onnx.GraphProto, first: int) -> list[str]:
    """Names of the convolutions, the `first` left out, of products with their maps, of what lies between them, and of
    what picks pixels of a map: those alone need to leave integers."""
    found: list[onnx.NodeProto] = []
    inside: set[str] = set()  # maps that convolutions make, and what is made of nothing else
    for node in graph.node:
        # of a Gather or Reshape the map is the first input, the other says what to do; of an Add both are maps
        maps = node.input if node.op_type == "Add" else node.input[:1]
        passed = node.op_type in _PASSED and inside.issuperset(maps)
        if node.op_type == "Conv" or passed:
            inside.update(node.output)
        if node.op_type == "Conv" or passed or (node.op_type == "Gemm" and maps[0] in inside):
            found.append(node)
    start = [i for i, node in enumerate(found) if node.op_type == "Conv"][first]
    read: set[str] = set()  # by a layer that is found
    names = []
    for node in reversed(found[start:]):
        if node.op_type in (*_LAYERS, "Gather") or node.output[0] in read:
            read.update(node.input)
            names.append(node.name)
    return names[::-1]
