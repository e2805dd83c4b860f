import pytest
import torch

from digits import DeviceError
from digits.nn.device import resolve_device, resolve_precision


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cuda:999999", "cuda:²", "xpu", "", "cpu:one", None, 0])
def test_devices_that_do_not_exist(name):
    with pytest.raises(DeviceError):
        resolve_device(name)


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_a_precision_that_is_named_is_taken(name):
    assert resolve_precision(name, torch.device("cpu")) == name


@pytest.mark.parametrize(
    ("device", "can", "expected"),
    [
        ("cpu", {"avx2": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ("cpu", {"avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ("cpu", {"amx_bf16": True}, "bf16"),
        ("cpu", {"architecture": "aarch64", "bf16": True}, "bf16"),
        ("cpu", {}, "fp32"),
        ("mps", {"avx512_bf16": True}, "fp32"),
    ],
)
def test_half_precision_only_where_the_processor_computes_in_it(monkeypatch, device, can, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can, raising=False)
    assert resolve_precision("auto", torch.device(device)) == expected
