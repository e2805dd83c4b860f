import numpy as np
import pytest
import torch

from digits import Recognizer
from digits.export.recognizer import export_recognizer
from digits.nn.weights import save_weights
from digits.recognizer.crops import HEIGHT, WIDTH
from digits.recognizer.heads import FLAGS, MARKS, SUFFIXES
from digits.recognizer.nn.model import NumberNet


@pytest.mark.parametrize("letters", [False, True])
@pytest.mark.parametrize("kind", ["onnx", "int8.onnx"])
def test_all_heads_are_exported(tmp_path, letters, kind):
    torch.manual_seed(0)
    weights, exported = tmp_path / "a.safetensors", tmp_path / f"a.{kind}"
    architecture = {"backbone": "lenet", "letters": letters}
    save_weights(weights, NumberNet(**architecture), {"kind": "recognizer", "architecture": architecture,
                                                      "training": {}, "metrics": {}})  # fmt: skip
    crops = np.random.default_rng(0).integers(0, 256, (8, HEIGHT, WIDTH, 3), np.uint8)
    export_recognizer(weights, exported, [crops] if kind.startswith("int8") else None)
    eager, other = (Recognizer(path, threads=1).predict(list(crops)) for path in (weights, exported))
    for one, same in zip(eager, other, strict=True):
        assert one.flags == pytest.approx(same.flags, abs=0.1) and set(one.flags) == (
            set(FLAGS + MARKS) if letters else set()
        )
        for head in ("length", "positions", "suffix"):
            beliefs = [np.exp(getattr(seen.distribution, head)) for seen in (one, same)]
            assert np.allclose(*beliefs, atol=0.1)
        assert letters or (one.suffix == "" and np.exp(one.distribution.suffix).tolist() == [1.0] + [0.0] * 27)
    assert len(SUFFIXES) == 28
