import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from digits.export.gptq import round_weights

RNG = np.random.default_rng(5)
LIMIT = 7  # so coarse that rounding shows


def smooth(*shape):
    """Maps whose pixels and channels resemble their neighbours, as those in networks do, and are not 0 on average."""
    return (1 + RNG.normal(size=shape).cumsum(1).cumsum(2).cumsum(3) / 10).astype(np.float32)


def model_of(node, shape, weights, bias):
    tensors = [numpy_helper.from_array(weights.astype(np.float32), "w")]
    if bias:
        tensors.append(numpy_helper.from_array(RNG.normal(size=weights.shape[0]).astype(np.float32), "b"))
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in (("x", shape), ("y", None))
    ]
    graph = helper.make_graph([node], "one", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def convolution(shape, bias=True, **attributes):
    node = helper.make_node("Conv", ["x", "w", "b"][: 2 + bias], ["y"], "layer", **attributes)
    return model_of(node, [1, 6, 20, 24], RNG.normal(size=shape), bias), [smooth(1, 6, 20, 24) for _ in range(4)]


def product():
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], "layer", transB=1)
    rows = [smooth(1, 1, 300, 12)[0, 0] for _ in range(4)]
    return model_of(node, [300, 12], RNG.normal(size=(5, 12)), True), rows


def outputs(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": x})[0].ravel() for x in inputs])


def weights_of(model):
    return next(numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer if t.name == "w")


CASES = {
    "3x3": lambda: convolution((4, 6, 3, 3), pads=[1] * 4),
    "1x1": lambda: convolution((4, 6, 1, 1)),
    "without a bias": lambda: convolution((4, 6, 3, 3), bias=False, pads=[1] * 4),
    "strides and dilations": lambda: convolution((4, 6, 3, 3), strides=[2, 2], dilations=[2, 1]),
    "taller than wide": lambda: convolution((4, 6, 5, 1), pads=[2, 0, 2, 0]),
    "grouped": lambda: convolution((4, 3, 3, 3), group=2, pads=[1] * 4),
    "depthwise": lambda: convolution((6, 1, 5, 5), group=6, pads=[2] * 4),
    "product": product,
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_layer_computes_changes_less_than_by_rounding_to_the_nearest(case):
    model, inputs = CASES[case]()
    exact, before = outputs(model, inputs), weights_of(model)
    nearest = onnx.ModelProto()
    nearest.CopyFrom(model)
    channels = before.reshape(len(before), -1)
    scale = np.abs(channels).max(1, keepdims=True) / LIMIT
    rounded = (np.rint(channels / scale) * scale).reshape(before.shape)
    nearest.graph.initializer[0].CopyFrom(numpy_helper.from_array(rounded.astype(np.float32), "w"))

    scales = round_weights(model, inputs, {"w": LIMIT})

    assert np.allclose(scales["w"], scale.ravel())
    multiples = weights_of(model).reshape(len(before), -1) / scale
    assert np.allclose(multiples, np.rint(multiples), atol=1e-4)
    assert np.abs(multiples).max() <= LIMIT + 1e-4
    changed = np.square(outputs(model, inputs) - exact).mean()
    assert 0 < changed < 0.5 * np.square(outputs(nearest, inputs) - exact).mean()


def test_layers_that_share_weights_are_rounded_for_what_both_see():
    model, inputs = convolution((6, 6, 1, 1))
    again = onnx.NodeProto()
    again.CopyFrom(model.graph.node[0])
    again.name, again.input[0], again.output[0] = "again", "y", "z"
    model.graph.node.append(again)
    model.graph.output[0].name = "z"
    scales = round_weights(model, inputs, {"w": LIMIT})
    multiples = weights_of(model).reshape(6, 6) / scales["w"][:, None]
    assert np.allclose(multiples, np.rint(multiples), atol=1e-4)


def test_channels_that_are_never_used_do_no_harm():
    model, inputs = convolution((4, 6, 3, 3), pads=[1] * 4)
    for x in inputs:
        x[:, 2:4] = 0
    exact = outputs(model, inputs)
    round_weights(model, inputs, {"w": 64})
    assert np.isfinite(weights_of(model)).all()
    assert np.abs(outputs(model, inputs) - exact).max() < 0.05 * np.abs(exact).max()
