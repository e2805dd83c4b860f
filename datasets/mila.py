"""The SVHN annotations as the Mila course hands them out: a pickle `{0: {"filename", "metadata", "split"}, ...}`.

`metadata` holds the lists height, label, left, top and width; the labels are the digits themselves. A pickle can run
any code, so only plain values and numpy numbers are accepted. Numpy's own constructors trust their input, so the two
stand-ins below replace them.
"""

from __future__ import annotations

import codecs
import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

from digits.core.errors import DatasetError, reason
from digits.datasets.pictures import Pictures
from digits.datasets.svhn import COLUMNS, collect, digit_table, is_plain_name, match, measure

# struct's name of each kind of number
_KINDS = {"f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


class _Refused(Exception):
    """The pickle holds something not allowed. The message follows "refused: "."""


class _Kind:
    """Stands for numpy.dtype: a kind of number and its byte order."""

    __slots__ = ("layout",)

    def __init__(self, code: str, *_: object):
        if code not in _KINDS:
            raise _Refused(f"it holds numpy values of type {code!r}, which are no numbers")
        self.layout = "<" + _KINDS[code]

    def __setstate__(self, state: tuple) -> None:
        self.layout = (">" if state[1] == ">" else "<") + self.layout[1]


def _scalar(kind: _Kind, content: bytes) -> int | float:
    """Stands for numpy's `scalar`: the number, as Python's own."""
    if not isinstance(kind, _Kind):
        raise _Refused("it holds numpy values that are no numbers")
    return struct.unpack(kind.layout, content)[0]


# numpy 2 renamed `core` to `_core`, and a pickle may name either of two modules in it
_HOMES = [f"numpy.{core}.{half}" for core in ("core", "_core") for half in ("multiarray", "_multiarray_umath")]
_ALLOWED = {("numpy", "dtype"): _Kind, **{(home, "scalar"): _scalar for home in _HOMES}}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"it asks for {module}.{name}, and only numpy numbers are let in")
        return _ALLOWED[module, name]


def _load(path: Path) -> dict[int, dict]:
    """The content of the pickle; DatasetError unless it is a dict of entries with a filename each."""
    try:
        content = _Unpickler(io.BytesIO(path.read_bytes().removeprefix(codecs.BOM_UTF8))).load()
    except OSError as error:
        raise DatasetError(f"{path}: {reason(error)}") from None
    except _Refused as error:
        raise DatasetError(f"{path}: refused: {error}") from None
    except Exception:  # the unpickler may raise nearly anything if the file is damaged
        raise DatasetError(f"{path}: no pickle, or damaged; get it again") from None
    if not isinstance(content, dict) or not all(_is_entry(*pair) for pair in content.items()):
        raise DatasetError(f'{path}: no SVHN metadata: a dict {{0: {{"filename": "1.png", ...}}, ...}} is expected')
    return content


def _is_entry(key: object, entry: object) -> bool:
    return isinstance(key, int) and isinstance(entry, dict) and isinstance(entry.get("filename"), str)


def _digits(entry: dict) -> np.ndarray | str:
    """The digits of an entry, or why they cannot be read, see `collect`."""
    metadata = entry.get("metadata")
    if not isinstance(metadata, dict):
        return "it has no metadata"
    columns: list[Any] = [metadata.get(column) for column in COLUMNS]
    if not all(isinstance(column, list) and all(isinstance(v, int | float) for v in column) for column in columns):
        return "its metadata is not five lists of numbers"
    try:
        return digit_table(dict(zip(COLUMNS, columns, strict=True)))
    except (ValueError, OverflowError) as error:
        return str(error)


def read_mila(
    source: str | Path, images: str | Path | None = None, annotations_only: bool = False, quiet: bool = False
) -> Pictures:
    """The pictures of a metadata pickle in the order of its keys. Parameters and problems as in `svhn.read_svhn`.

    Ids are as in the official layout, such as "train/1.png": the split that the entry names, or else the name of the
    pickle's folder, and the name of the picture. Raises DatasetError if the pickle cannot be read, or holds anything
    but such metadata.
    """
    path = Path(source)
    folder = path.parent if images is None else Path(images)
    content = _load(path)
    chosen = [content[key] for key in sorted(content)]
    entries = collect((entry["filename"], _digits(entry)) for entry in chosen)
    around = Path(os.path.abspath(path)).parent.name
    ids = [f"{entry.get('split') or around}/{entry['filename']}" for entry in chosen]
    sizes = None if annotations_only else measure(folder, entries.names, quiet)
    return match(str(source), ids, entries, 0, folder, sizes)


def read_order(source: str | Path) -> list[str]:
    """The file names in the order of the pickle; its labels are ignored.

    Raises DatasetError as `read_mila` does, and if a name is not a plain file name.
    """
    path = Path(source)
    names = [entry["filename"] for entry in _load(path).values()]
    for name in names:
        if not is_plain_name(name):
            raise DatasetError(f"{path}: {name!r} is not a plain file name")
    return names
