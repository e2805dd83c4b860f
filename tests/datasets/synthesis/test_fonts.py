import shutil

import numpy as np
import pytest
from PIL import ImageFont

from digits import DatasetError
from digits.datasets.synthesis.fonts import DIGITS, GLYPH_HEIGHT, builtin_typefaces, font_files, load_typefaces


def test_the_built_in_typeface_draws_every_digit():
    face = builtin_typefaces()[0]
    for char in DIGITS:
        glyph = face.glyph(char)
        assert glyph.mask.dtype == np.uint8
        assert glyph.mask.shape[0] == pytest.approx(GLYPH_HEIGHT, rel=0.1)
        assert glyph.mask[0].max() > 40 and glyph.mask[:, 0].max() > 40  # tight
    assert face.glyph(" ") is None
    assert face.glyph("A").mask.any()
    assert face.glyph("7") is face.glyph("7")


@pytest.fixture
def folder(tmp_path):
    """One font that works, one that is damaged."""
    font = ImageFont.load_default(20)
    (tmp_path / "good.ttf").write_bytes(font.font_bytes)
    (tmp_path / "damaged.ttf").write_bytes(font.font_bytes[:500])
    (tmp_path / "readme.txt").write_text("no font")
    return tmp_path


def test_a_folder_of_fonts(folder):
    assert [p.rsplit("/", 1)[1] for p in font_files(folder)] == ["damaged.ttf", "good.ttf"]
    assert [face.path for face in load_typefaces(folder)] == [str(folder / "good.ttf")]


def test_fonts_without_digits_are_refused(folder, monkeypatch):
    monkeypatch.setattr("digits.datasets.synthesis.fonts.Typeface.glyph", lambda self, char: None)
    with pytest.raises(DatasetError, match="no font there can draw the ten digits"):
        load_typefaces(folder)


def test_bad_folders(tmp_path):
    with pytest.raises(DatasetError, match="no such font folder"):
        font_files(tmp_path / "gone")
    with pytest.raises(DatasetError, match="holds no"):
        font_files(tmp_path)


def test_without_fontconfig(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DatasetError, match="name a folder"):
        font_files()
