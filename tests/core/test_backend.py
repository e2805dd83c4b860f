import pytest

from digits.core.backend import resolve_backend
from digits.core.errors import DeviceError, WeightsError

RESOLVED = [
    # backend, weights, device -> backend, file
    ("auto", None, "auto", "onnx", "detector.onnx"),
    ("auto", None, "cpu", "onnx", "detector.onnx"),
    ("auto", None, "cuda", "torch", "detector.safetensors"),
    ("torch", None, "auto", "torch", "detector.safetensors"),
    ("onnx", None, "auto", "onnx", "detector.onnx"),
    ("auto", "my.safetensors", "auto", "torch", "my.safetensors"),
    ("auto", "my.onnx", "cpu", "onnx", "my.onnx"),
    ("auto", "run/weights", "auto", "torch", "weights"),
]


@pytest.mark.parametrize(("backend", "weights", "device", "expected", "name"), RESOLVED)
def test_what_computes_and_from_which_file(backend, weights, device, expected, name):
    found, path = resolve_backend(backend, "detector", weights, device)
    assert (found, path.name) == (expected, name)


@pytest.mark.parametrize(
    ("backend", "weights", "device", "error", "message"),
    [
        ("tensorflow", None, "cpu", DeviceError, "tensorflow: not a backend; use auto, torch or onnx"),
        ("onnx", None, "cuda", DeviceError, "cuda: ONNX Runtime computes on the processor"),
        ("auto", "my.onnx", "cuda", DeviceError, "cuda: ONNX Runtime computes on the processor"),
        ("torch", "my.onnx", "cpu", WeightsError, r"my\.onnx: the backend torch loads \.safetensors files"),
        ("onnx", "my.safetensors", "cpu", WeightsError, r"my\.safetensors: the backend onnx loads \.onnx files"),
    ],
)
def test_what_does_not_go_together(backend, weights, device, error, message):
    with pytest.raises(error, match=message):
        resolve_backend(backend, "detector", weights, device)
