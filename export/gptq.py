"""Weights rounded so that what a layer computes changes least.

Each weight is rounded in turn, and those still to come make up for it, by how the layer's inputs vary together (GPTQ,
Frantar et al. 2023). What remains is on average nothing: biases take it up (Nagel et al. 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, numpy_helper

_SAMPLES = 30_000  # pixels of all the pictures together, at which a layer's inputs are looked at …
_OF_ONE = 500  # … and at most so many of one: its pixels resemble each other
_DAMPING = 0.01  # of the mean variance: inputs that hardly vary do not decide


def round_weights(model: onnx.ModelProto, inputs: Iterable[np.ndarray], limits: Mapping[str, int]) -> dict:
    """Round the weights of convolutions and products of a model, in place, to whole multiples of a scale.

    inputs: of the model, over which the inputs of its layers are measured. limits: by the name of the layers' weights,
    how many multiples the largest one of an output channel is.

    Returns the scales by the name of the weights, float64 (O,).
    """
    layers = [node for node in model.graph.node if any(name in limits for name in node.input[1:2])]
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    seen = _statistics(model, list(inputs), layers)
    biases = {node.input[1]: tensors[node.input[2]] for node in layers if len(node.input) > 2}
    groups = {node.input[1]: _groups(node) for node in layers}
    scales = {}
    for name, limit in limits.items():
        weights, bias = numpy_helper.to_array(tensors[name]), biases.get(name)
        matrix = weights.astype(np.float64).reshape(groups[name], -1, np.prod(weights.shape[1:]))  # (G, O, D)
        mean, moments = seen[name]
        if bias is not None:
            moments = moments - mean[:, :, None] * mean[:, None, :]  # the bias sees to the mean
        scale = np.abs(matrix).max(2).clip(1e-8) / limit
        rounded = scale[:, :, None] * _rounded(matrix, moments, scale, limit)
        if bias is not None:
            missing = ((matrix - rounded) * mean[:, None, :]).sum(2).ravel()
            _replace(bias, numpy_helper.to_array(bias) + missing)
        _replace(tensors[name], rounded.reshape(weights.shape))
        scales[name] = scale.ravel()
    return scales


def _rounded(matrix: np.ndarray, moments: np.ndarray, scale: np.ndarray, limit: int) -> np.ndarray:
    """Whole numbers within ±limit for weights (G, O, D), of G groups with moments (G, D, D) and scales (G, O)."""
    depth = matrix.shape[2]
    damping = _DAMPING * np.trace(moments, axis1=1, axis2=2) / depth + 1e-10
    moments = moments + damping[:, None, None] * np.eye(depth)
    # inputs that vary most come first, while there are many left to make up for their errors
    order = np.argsort(-np.diagonal(moments, axis1=1, axis2=2), 1)
    moments = np.take_along_axis(np.take_along_axis(moments, order[:, :, None], 1), order[:, None, :], 2)
    left = np.take_along_axis(matrix, order[:, None, :], 2)
    upper = np.linalg.cholesky(np.linalg.inv(moments)).transpose(0, 2, 1)
    whole = np.empty_like(left)
    for k in range(depth):
        whole[:, :, k] = np.rint(left[:, :, k] / scale).clip(-limit, limit)
        error = (left[:, :, k] - whole[:, :, k] * scale) / upper[:, k, k, None]
        left[:, :, k:] -= error[:, :, None] * upper[:, None, k, k:]
    result = np.empty_like(whole)
    np.put_along_axis(result, order[:, None, :], whole, 2)
    return result


def _statistics(
    model: onnx.ModelProto, inputs: list[np.ndarray], layers: list[NodeProto]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Means (G, D) and second moments (G, D, D) of what layers see, by the name of their weights."""
    maps = sorted({node.input[0] for node in layers})
    kernels = {tensor.name: tuple(tensor.dims[2:]) for tensor in model.graph.initializer}
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in maps)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    sums: dict[str, list] = {node.input[1]: [0, 0.0, 0.0] for node in layers}
    count = min(_SAMPLES // len(inputs), _OF_ONE)
    for picture in inputs:
        found = dict(zip(maps, session.run(maps, {model.graph.input[0].name: picture}), strict=True))
        for node in layers:
            patches = _patches(found[node.input[0]], node, kernels[node.input[1]], count, rng)
            total = sums[node.input[1]]
            total[0] += patches.shape[1]
            total[1] += patches.sum(1)
            total[2] += patches.transpose(0, 2, 1) @ patches
    return {name: (mean / seen, moments / seen) for name, (seen, mean, moments) in sums.items()}


def _patches(
    x: np.ndarray, node: NodeProto, kernel: tuple[int, ...], count: int, rng: np.random.Generator
) -> np.ndarray:
    """What a layer sees of its input at places chosen at random, float64 (G, count, D)."""
    if not kernel:  # a product
        return x[rng.integers(0, len(x), count)].astype(np.float64)[None]
    groups = _groups(node)
    if groups > 1:
        count = max(1, count // 8)  # there are few weights to a group, and many groups
    top, left, bottom, right = _attribute(node, "pads", [0] * 4)
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    steps, spreads = (_attribute(node, name, [1, 1]) for name in ("strides", "dilations"))
    places = []
    for length, size, step, spread in zip(x.shape[2:], kernel, steps, spreads, strict=True):
        starts = step * rng.integers(0, (length - spread * (size - 1) - 1) // step + 1, count)
        places.append(starts[:, None] + spread * np.arange(size))  # (count, size)
    rows, columns = places
    picture = rng.integers(0, len(x), count)
    patches = x[picture[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (count, h, w, C)
    patches = patches.transpose(3, 0, 1, 2).reshape(groups, -1, count, np.prod(kernel))
    return patches.transpose(0, 2, 1, 3).reshape(groups, count, -1).astype(np.float64)


def _groups(node: NodeProto) -> int:
    return _attribute(node, "group", 1)


def _replace(tensor: onnx.TensorProto, values: np.ndarray) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)
