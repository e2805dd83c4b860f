"""The toy task beside the tests, and a folder of drawn crops."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def crops(tmp_path_factory, synthesizer):
    """120 crops with labels.csv, a source of any recogniser."""
    from digits.datasets.rendering import render
    from digits.datasets.synthesis import Synthetic

    folder = tmp_path_factory.mktemp("source") / "crops"
    render(Synthetic(synthesizer, "crop", 120), folder, suffix=".png", workers=0, quiet=True)
    return folder
