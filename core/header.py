"""The JSON header of weights files, .safetensors and .onnx alike."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from digits.core.errors import WeightsError, reason
from digits.core.text import parse_json

KEY = "digits"  # of the header in the file's metadata
KINDS = ("detector", "recognizer")


def existing(path: str | Path) -> Path:
    """The path of a weights file; WeightsError if it is missing or not a regular file (reading a pipe could block)."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such weights file") from None
    except (OSError, ValueError) as error:  # a folder that may not be entered, a path that no file can have
        raise WeightsError(f"{str(path)!r}: cannot be read ({reason(error)})") from None
    if not stat.S_ISREG(mode):
        raise WeightsError(f"{path}: not a file")
    return path


def parse_header(path: Path, text: str | None, kind: str, fields: Iterable[str] = ()) -> dict:
    """The header of a file, from `text` in its metadata.

    Raises WeightsError if there is none, it lacks one of the `fields`, or it is of another kind.
    """
    try:
        header = parse_json(text or "null")
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: its header is damaged ({reason(error)})") from None
    if not isinstance(header, dict) or header.get("kind") not in KINDS or any(key not in header for key in fields):
        raise WeightsError(f"{path}: has no header of this project; weights are made by digits train and digits export")
    if header["kind"] != kind:
        raise WeightsError(f"{path}: holds {header['kind']} weights, where {kind} weights are needed")
    return header
