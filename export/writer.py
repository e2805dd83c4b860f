"""Writes PyTorch networks as ONNX files, with weights in half precision and the header in the metadata."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from digits.core.errors import DeviceError, WeightsError, reason
from digits.core.header import KEY
from digits.core.onnx import sealed

if TYPE_CHECKING:
    import onnx

OPSET = 17
_SMALL = 256  # values: for smaller tensors, half precision saves nothing


def write_onnx(
    path: str | Path,
    module: nn.Module,
    example: Tensor,
    header: dict,
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
    ranges: Iterable[np.ndarray] | None = None,
    first: int = 0,
) -> None:
    """Write a module with a single input, "image", atomically.

    outputs: their names. dynamic: names of the axes of variable size, by input or output. ranges, first: see
    `quantize.quantized`; without ranges there is no quantisation. Batch normalisation is not folded, so that weights
    that were stored in half precision stay exact; ONNX Runtime folds it when it loads the model.

    Raises WeightsError if the file cannot be written, DeviceError if the package onnx is not installed.
    """
    if find_spec("onnx") is None:
        raise DeviceError("exporting needs the package onnx: pip install 'street-digits[train]'")
    import onnx

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # warnings of the tracer about constants, and about this older exporter: the newer one cannot export detectors
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            buffer,  # type: ignore[arg-type] # the older exporter, which is asked for below, takes files
            input_names=["image"],
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in dynamic.items()},
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    if ranges is not None:
        from digits.export.quantize import quantized

        model = quantized(model, ranges, first)
    _halve(model.graph)
    onnx.helper.set_model_props(model, {KEY: json.dumps(header)})
    onnx.checker.check_model(model)
    partial = f"{path}.partial"
    try:
        Path(partial).write_bytes(sealed(model.SerializeToString()))
        os.replace(partial, path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written ({reason(error)})") from None


def _halve(graph: onnx.GraphProto) -> None:
    """Store large float32 initialisers as float16 with a cast to float32, which is done once, at loading."""
    import onnx
    from onnx import numpy_helper

    casts = []
    quantizing = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    scales = {name for node in quantizing for name in node.input}
    for tensor in graph.initializer:
        wide = tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in scales
        if wide and np.prod(tensor.dims) >= _SMALL:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}.half"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
