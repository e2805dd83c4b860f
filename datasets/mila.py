"""The SVHN annotations as the Mila course hands them out: a pickle `{0: {"filename", "metadata", "split"}, ...}`.

`metadata` holds the lists height, label, left, top and width; the labels are the digits themselves. A pickle can run
any program, so only plain values and numpy's numbers are let in: not through numpy, whose own constructors trust what
they are given, but through the two stand-ins below.
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
    """What a pickle may not hold; its message follows "refused: "."""


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


# numpy 2 has renamed its `core`, and either half of it may have written the pickle
_HOMES = [f"numpy.{core}.{half}" for core in ("core", "_core") for half in ("multiarray", "_multiarray_umath")]
_ALLOWED = {("numpy", "dtype"): _Kind, **{(home, "scalar"): _scalar for home in _HOMES}}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"it asks for {module}.{name}, and only numpy numbers are let in")
        return _ALLOWED[module, name]


def _load(path: Path) -> dict[int, dict]:
    """What the pickle holds, of which every entry has a filename; DatasetError if it is anything else."""
    try:
        content = _Unpickler(io.BytesIO(path.read_bytes().removeprefix(codecs.BOM_UTF8))).load()
    except OSError as error:
        raise DatasetError(f"{path}: {reason(error)}") from None
    except _Refused as error:
        raise DatasetError(f"{path}: refused: {error}") from None
    except Exception:  # damage makes the unpickler raise nearly anything
        raise DatasetError(f"{path}: no pickle, or damaged; get it again") from None
    if not isinstance(content, dict) or not all(_is_entry(*pair) for pair in content.items()):
        raise DatasetError(f'{path}: no SVHN metadata: a dict {{0: {{"filename": "1.png", ...}}, ...}} is expected')
    return content


def _is_entry(key: object, entry: object) -> bool:
    return isinstance(key, int) and isinstance(entry, dict) and isinstance(entry.get("filename"), str)


def _digits(entry: dict) -> np.ndarray | str:
    """The digits of an entry, or what is wrong with them, see `collect`."""
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
    """The pictures of such a pickle in the order of its keys. Parameters and problems as in `svhn.read_svhn`.

    An id is the split an entry names, or else the name of the folder the pickle is in, and the name of the picture:
    the same as that of the official layout. Raises DatasetError if the pickle cannot be read at all or holds anything
    that such metadata does not need.
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
    """The file names in the order of the pickle, whose labels, if it has any, are not looked at.

    Raises DatasetError as `read_mila` does, and if a name is not a plain file name.
    """
    path = Path(source)
    names = [entry["filename"] for entry in _load(path).values()]
    for name in names:
        if not is_plain_name(name):
            raise DatasetError(f"{path}: {name!r} is not a plain file name")
    return names
