"""What is said of a HEIC file that cannot be opened, with and without the package that opens them."""

import os
import subprocess
import sys

import pytest

ABSENT = "raise ImportError('not here')"
PRESENT = """
from PIL import Image
def refuse(*_):
    raise SyntaxError("damaged")
def register_heif_opener():
    Image.register_open("HEIF", refuse, lambda head: head[4:12] == b"ftypheic")
"""
PHOTO = b"\0\0\0\x18ftypheic" + b"\0" * 40


@pytest.mark.parametrize(
    ("package", "content", "message"),
    [
        (ABSENT, PHOTO, "not a picture in a format known here; for HEIC: pip install 'street-digits[heic]'"),
        (PRESENT, PHOTO, "not a picture in a format known here, or damaged"),
        (ABSENT, b"hello, I am a text", "not a picture in a format known here"),
        (PRESENT, b"hello, I am a text", "not a picture in a format known here"),
    ],
    ids=["a photo without", "a damaged photo with", "a text without", "a text with"],
)
def test_a_package_is_asked_for_only_where_it_would_help(tmp_path, package, content, message):
    (tmp_path / "pillow_heif.py").write_text(package)
    (tmp_path / "photo.heic").write_bytes(content)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "digits", "read", "photo.heic"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (2, f"Error: photo.heic: {message}\n")
