"""Files that ship inside this project's packages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped(package: str, name: str) -> Path:
    """Path of a file inside an installed package of this project."""
    return Path(str(files(package) / name))
