"""Reads text of any origin, and makes it printable."""

from __future__ import annotations

import codecs
import io
import json
import unicodedata
from pathlib import Path
from typing import Any

_JOINERS = "\u200c\u200d"  # part of words in some languages, and of many emoji


def read_text(path: str | Path) -> str:
    """The content of a text file, with "\\n" as line ends: UTF-16 if it begins with the byte-order mark of that, else
    UTF-8.

    The byte-order mark is removed. Raises OSError, or UnicodeDecodeError if the encoding is neither. A pipe is read as
    `streams.open_stream` and `read_until` say.
    """
    data = _bytes(path)
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return io.StringIO(data.decode("utf-16" if wide else "utf-8-sig"), newline=None).read()


def _bytes(path: str | Path) -> bytes:
    from digits.core.streams import (  # here: they load Pillow, which `--help` need not
        is_stream,
        open_stream,
        read_until,
    )

    if not is_stream(path):
        return Path(path).read_bytes()
    with open_stream(path) as (head, file):
        return read_until(file, head)


def plural(count: int, one: str, many: str) -> str:
    """A count with its noun in the singular or the plural."""
    return f"{count} {one if count == 1 else many}"


def parse_json(text: str) -> Any:
    """The value of a JSON text; ValueError if it is invalid or repeats a key (Python would take the last one)."""
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return found


def printable(text: str) -> str:
    """A text for one line of a terminal: what moves the cursor, ends the line or changes its direction is escaped.

    >>> printable("door\\x1b[2J.jpg"), printable("caf\\udce9.jpg")
    ('door\\\\x1b[2J.jpg', 'caf\\\\xe9.jpg')
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs":
        return character
    if "\udc80" <= character <= "\udcff":  # Python's representation of a byte that is not Unicode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
