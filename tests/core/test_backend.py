import numpy as np
import pytest
from click.testing import CliRunner

from digits import Detector, DeviceError, Reader, Recognizer, WeightsError
from digits.cli import main
from digits.core.backend import MAX_THREADS, resolve_backend

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
        ("onnx", None, "gpu", DeviceError, "gpu: not a device; use auto, cpu, cuda, cuda:N or mps"),
        ("auto", None, "cuda:-1", DeviceError, "cuda:-1: not a device"),
        ("auto", None, None, DeviceError, "None: not a device"),
        (None, None, "cpu", DeviceError, "None: not a backend"),
        ("auto", 3, "cpu", WeightsError, "3: not the path of a weights file"),
        ("int8", "", "cpu", WeightsError, "the backend int8 loads"),
        ("onnx", None, "cuda", DeviceError, "cuda: ONNX Runtime runs on the CPU"),
        ("auto", "my.onnx", "cuda", DeviceError, "cuda: ONNX Runtime runs on the CPU"),
        ("int8", None, "cuda", DeviceError, "cuda: ONNX Runtime runs on the CPU"),
        ("int8", "my.onnx", "cpu", WeightsError, r"my\.onnx: the backend int8 loads \.int8\.onnx files"),
        ("onnx", "my.int8.onnx", "cpu", WeightsError, r"my\.int8\.onnx: the backend onnx loads \.onnx files"),
        ("torch", "my.onnx", "cpu", WeightsError, r"my\.onnx: the backend torch loads \.safetensors files"),
        ("onnx", "my.safetensors", "cpu", WeightsError, r"my\.safetensors: the backend onnx loads \.onnx files"),
    ],
)
def test_what_does_not_go_together(backend, weights, device, error, message):
    with pytest.raises(error, match=message):
        resolve_backend(backend, "detector", weights, device)


@pytest.mark.parametrize("make", [Detector, Recognizer, Reader])
@pytest.mark.parametrize("backend", ["int8", "torch"])
@pytest.mark.parametrize(
    "threads", [0, -1, MAX_THREADS + 1, 10_000, 2**70, True, 2.0, float("nan"), "2", [2]], ids=repr
)
def test_threads_that_cannot_be(make, backend, threads):
    with pytest.raises(ValueError, match=f"threads must be a whole number from 1 to {MAX_THREADS}, got "):
        make(threads=threads, backend=backend)


def test_threads_are_checked_where_the_parts_are_given():
    with pytest.raises(ValueError, match="threads must be"):
        Reader(threads=0)


@pytest.mark.parametrize("threads", [1, np.int64(2), MAX_THREADS, None])
def test_threads_that_can_be(threads):
    assert len(Recognizer(threads=threads).predict([np.zeros((9, 9, 3), np.uint8)])) == 1


@pytest.mark.parametrize("threads", [0, MAX_THREADS + 1, 10_000, "2.0"])
@pytest.mark.parametrize("command", ["read a.jpg", "evaluate pipeline . --out x", "train mine . --out x"])
def test_so_does_the_command_line(command, threads):
    done = CliRunner().invoke(main, [*command.split(), "--threads", str(threads)])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: Invalid value for '--threads': ")
