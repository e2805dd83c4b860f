"""Folders import only what `.importlinter` allows, and what is not allowed is noticed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


FORBIDDEN = [
    ("core/boxes.py", "import torch", "digits.core is not allowed to import torch"),
    ("core/backend.py", "from digits.detector import Detector", "digits.core is not allowed to import"),
    ("core/onnx.py", "from digits.nn.device import on_device", "digits.core is not allowed to import digits.nn"),
    ("detector/spots.py", "import cv2", "digits.detector is not allowed to import cv2"),
    ("detector/tiles.py", "from digits.detector.nn.pooling import pooled", "digits.detector.tiles is not allowed"),
    ("recognizer/decode.py", "def late():\n    import onnx", "digits.recognizer is not allowed to import onnx"),
    ("recognizer/crops.py", "import digits.detector.zoom", "digits.recognizer is not allowed to import"),
    ("recognizer/nn/model.py", "import digits.training.losses", "digits.recognizer is not allowed to import"),
    ("nn/weights.py", "from digits.recognizer.nn.model import NumberNet", "digits.nn is not allowed to import"),
    ("pipeline/merge.py", "import digits.recognizer.nn.eager", "digits.pipeline is not allowed to import"),
    ("pipeline/fuse.py", "import digits.datasets.items", "digits.pipeline is not allowed to import"),
    ("metrics/confidence.py", "import matplotlib.figure", "digits.metrics is not allowed to import matplotlib"),
    ("datasets/items.py", "import digits.pipeline.merge", "digits.datasets is not allowed to import"),
    ("export/gptq.py", "import digits.training.task", "digits.export is not allowed to import digits.training"),
    ("letters/__init__.py", "", "letters"),
]


@pytest.fixture
def checkout(tmp_path):
    """A copy of the package's code, and of what checks it."""
    for init in ROOT.glob("*/__init__.py"):
        others = shutil.ignore_patterns("__pycache__", "*.onnx", "*.safetensors")
        shutil.copytree(init.parent, tmp_path / init.parent.name, ignore=others)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def check(checkout):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(checkout / ".ci" / "borders")]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path, "COLUMNS": "200"})


def test_all_keep_to_them(checkout):
    done = check(checkout)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "said"), FORBIDDEN, ids=[f"{module}: {line or 'new'}" for module, line, _ in FORBIDDEN]
)
def test_what_is_not_allowed_is_noticed(checkout, module, line, said):
    path = checkout / module
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")
    done = check(checkout)
    assert done.returncode == 1
    assert said in " ".join(done.stdout.split())
