"""Files that ship in the packages of this project."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path


def shipped(package: str, name: str) -> Path:
    """Path of a file inside an installed package of this project."""
    return Path(str(files(package) / name))


def weights_header(path: Path) -> dict:
    """The header of a .safetensors file of this project (see `nn.weights`), read without PyTorch or the tensors."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(json.loads(file.read(length))["__metadata__"]["digits"])
