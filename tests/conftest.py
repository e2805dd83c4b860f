"""Pictures and parts that tests share; everything is drawn here, nothing is read from outside."""

from __future__ import annotations

import os
import signal

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several, a core each; to be said before PyTorch is loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from digits.datasets.synthesis import Sources, Synthesizer
from digits.datasets.synthesis.fonts import builtin_typefaces

# jobs in the background are born deaf to interrupts, and so are the processes that tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def make_photo():
    """A wall with a plaque that shows `text`: make_photo("1428") -> PIL image, RGB, 640x480."""

    def make(text: str, size=(640, 480), height: int = 60, stacked: bool = False) -> Image.Image:
        rng = np.random.default_rng(7)
        grain = rng.normal(150, 6, (size[1], size[0], 1))
        wall = np.clip(grain + np.array([10, 0, -15]), 0, 255).astype(np.uint8)
        picture = Image.fromarray(wall)
        draw = ImageDraw.Draw(picture)
        font = ImageFont.load_default(round(height * 1.38))
        lines = list(text) if stacked else [text]
        width = max(draw.textlength(line, font=font) for line in lines)
        step = round(height * 1.3)
        left, top = (size[0] - width) / 2, (size[1] - step * len(lines)) / 2
        margin = height * 0.35
        if text:
            box = (left - margin, top - margin, left + width + margin, top + step * (len(lines) - 1) + height + margin)
            draw.rectangle(box, fill=(25, 35, 80), outline=(220, 220, 220), width=2)
        for i, line in enumerate(lines):
            draw.text((size[0] / 2, top + i * step + height / 2), line, fill=(245, 245, 240), font=font, anchor="mm")
        return picture

    return make


@pytest.fixture(scope="session")
def sources() -> Sources:
    """Just enough to synthesise from: the built-in typeface and three textured walls."""
    rng = np.random.default_rng(3)
    walls = [
        np.clip(rng.normal(mean, 12, (300, 400, 3)) + rng.normal(0, 20, 3), 0, 255).astype(np.uint8)
        for mean in (60, 130, 200)
    ]
    return Sources(typefaces=builtin_typefaces(), backgrounds=walls)


@pytest.fixture(scope="session")
def synthesizer(sources) -> Synthesizer:
    return Synthesizer(sources, seed=5, scene_size=(128, 160))


@pytest.fixture(scope="session")
def reader():
    """The reader that ships, with its real weights."""
    from digits import Reader

    return Reader()


@pytest.fixture(scope="session")
def torch_reader():
    """The same in PyTorch, which can be looked into."""
    from digits import Reader

    return Reader(device="cpu", backend="torch")


@pytest.fixture(scope="session")
def onnx_reader():
    """The same in ONNX Runtime, but not in integers."""
    from digits import Reader

    return Reader(backend="onnx")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """The least a trainer needs: walls, and a font."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "negatives").mkdir()
    for i in range(40):
        wall = np.random.default_rng(i).normal(60 + 4 * i, 10, (120, 160, 3)).clip(0, 255)
        cv2.imwrite(str(folder / "negatives" / f"{i}.png"), wall.astype(np.uint8))
    (folder / "fonts").mkdir()
    (folder / "fonts" / "one.ttf").write_bytes(ImageFont.load_default(20).font_bytes)
    return folder
