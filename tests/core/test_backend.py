import pytest

from digits.core.backend import resolve_backend
from digits.core.errors import DeviceError, WeightsError

RESOLVED = [
    # backend, weights, device -> backend, file
    ("auto", None, "auto", "int8", "detector.int8.onnx"),
    ("auto", None, "cpu", "int8", "detector.int8.onnx"),
    ("auto", None, "cuda", "torch", "detector.safetensors"),
    ("torch", None, "auto", "torch", "detector.safetensors"),
    ("onnx", None, "auto", "onnx", "detector.onnx"),
    ("auto", "my.safetensors", "auto", "torch", "my.safetensors"),
    ("int8", None, "cpu", "int8", "detector.int8.onnx"),
    ("auto", "my.onnx", "cpu", "onnx", "my.onnx"),
    ("auto", "my.int8.onnx", "auto", "int8", "my.int8.onnx"),
    ("int8", "my.int8.onnx", "cpu", "int8", "my.int8.onnx"),
    ("auto", "run/weights", "auto", "torch", "weights"),
]


@pytest.mark.parametrize(("backend", "weights", "device", "expected", "name"), RESOLVED)
def test_what_computes_and_from_which_file(backend, weights, device, expected, name):
    found, path = resolve_backend(backend, "detector", weights, device)
    assert (found, path.name) == (expected, name)


@pytest.mark.parametrize(
    ("backend", "weights", "device", "error", "message"),
    [
        ("tensorflow", None, "cpu", DeviceError, "tensorflow: not a backend; use auto, torch, onnx or int8"),
        ("onnx", None, "cuda", DeviceError, "cuda: ONNX Runtime computes on the processor"),
        ("auto", "my.onnx", "cuda", DeviceError, "cuda: ONNX Runtime computes on the processor"),
        ("int8", None, "cuda", DeviceError, "cuda: ONNX Runtime computes on the processor"),
        ("int8", "my.onnx", "cpu", WeightsError, r"my\.onnx: the backend int8 loads \.int8\.onnx files"),
        ("onnx", "my.int8.onnx", "cpu", WeightsError, r"my\.int8\.onnx: the backend onnx loads \.onnx files"),
        ("torch", "my.onnx", "cpu", WeightsError, r"my\.onnx: the backend torch loads \.safetensors files"),
        ("onnx", "my.safetensors", "cpu", WeightsError, r"my\.safetensors: the backend onnx loads \.onnx files"),
    ],
)
def test_what_does_not_go_together(backend, weights, device, error, message):
    with pytest.raises(error, match=message):
        resolve_backend(backend, "detector", weights, device)
