"""The provenance of a run: versions, revision of the code, fingerprints of the data."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import digits
from digits.training.data import Examples

_PACKAGES = ("torch", "torchvision", "numpy", "opencv-python", "albumentations", "Pillow")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_revision(folder: Path) -> str | None:
    """The commit of the checkout that contains `folder`, with "+" if files were changed; None outside a checkout."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def provenance(examples: Sequence[Examples], processes: int) -> dict:
    """The provenance, for `run.json`."""
    return {
        "digits": digits.__version__,
        "revision": git_revision(Path(digits.__file__).parent),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in _PACKAGES},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "processes": processes,
        "data": {f"{k} {each.name}": each.fingerprint() for k, each in enumerate(examples)},
    }
