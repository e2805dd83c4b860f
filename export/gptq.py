"""Rounds weights so that the outputs of a layer change least (GPTQ, Frantar et al. 2023).

Weights are rounded one after the other, and each error is compensated by those that follow, by the covariance of the
layer's inputs. Biases correct the remaining mean error (Nagel et al. 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, numpy_helper

_SAMPLES = 30_000  # sampled pixels of a layer's inputs, over all pictures …
_OF_ONE = 500  # … and at most in one picture, since its pixels resemble each other
_DAMPING = 0.01  # of the mean variance, added to the diagonal


def round_weights(model: onnx.ModelProto, inputs: Iterable[np.ndarray], limits: Mapping[str, int]) -> dict:
    """Round the weights of a model's convolutions and matrix products, in place, to integer multiples of a scale.

    inputs: of the model, to measure the inputs of its layers. limits: by the name of a layer's weights, the integer
    that the largest weight of each output channel becomes.

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
            moments = moments - mean[:, :, None] * mean[:, None, :]  # the bias corrects the mean
        scale = np.abs(matrix).max(2).clip(1e-8) / limit
        rounded = scale[:, :, None] * _rounded(matrix, moments, scale, limit)
        if bias is not None:
            missing = ((matrix - rounded) * mean[:, None, :]).sum(2).ravel()
            _replace(bias, numpy_helper.to_array(bias) + missing)
        _replace(tensors[name], rounded.reshape(weights.shape))
        scales[name] = scale.ravel()
    return scales


def _rounded(matrix: np.ndarray, moments: np.ndarray, scale: np.ndarray, limit: int) -> np.ndarray:
    """Integers within ±limit for weights (G, O, D) of G groups, by moments (G, D, D) and scales (G, O)."""
    depth = matrix.shape[2]
    damping = _DAMPING * np.trace(moments, axis1=1, axis2=2) / depth + 1e-10
    moments = moments + damping[:, None, None] * np.eye(depth)
    # inputs with the largest variance come first, while many others are left to compensate their errors
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
    """Means (G, D) and second moments (G, D, D) of the layers' inputs, by the name of their weights."""
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
    """The inputs of a layer at random positions, float64 (G, count, D)."""
    if not kernel:  # a matrix product
        return x[rng.integers(0, len(x), count)].astype(np.float64)[None]
    groups = _groups(node)
    if groups > 1:
        count = max(1, count // 8)  # many groups with few weights each
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
