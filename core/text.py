"""Text that comes from anywhere: files, whatever program has written them, and names, to be printed."""

from __future__ import annotations

import codecs
import io
import json
import unicodedata
from pathlib import Path
from typing import Any

from digits.core.streams import is_stream, open_stream

_CHUNK = 1 << 20
_LONGEST = 100_000_000  # bytes of text that come out of a pipe
_JOINERS = "\u200c\u200d"  # words of some languages, and many emoji, are spelt with them


def read_text(path: str | Path) -> str:
    """What a text file holds, with "\\n" line ends: in UTF-8, or in UTF-16 if it begins with the mark of that.

    A byte-order mark is no part of it. Raises OSError, or UnicodeDecodeError if it is neither. Of a pipe, see
    `streams.open_stream`; of one that is longer than 100 MB, OSError is raised.
    """
    data = _bytes(path)
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return io.StringIO(data.decode("utf-16" if wide else "utf-8-sig"), newline=None).read()


def _bytes(path: str | Path) -> bytes:
    if not is_stream(path):
        return Path(path).read_bytes()
    with open_stream(path) as (head, file):
        data = bytearray(head)
        while chunk := file.read(_CHUNK):
            data += chunk
            if len(data) > _LONGEST:
                raise OSError(f"longer than {_LONGEST // 10**6} MB")
    return bytes(data)


def plural(count: int, one: str, many: str) -> str:
    """A count and what is counted, in the singular or the plural."""
    return f"{count} {one if count == 1 else many}"


def parse_json(text: str) -> Any:
    """What a JSON text says; ValueError if it is none, or gives a key twice, of which Python takes the last."""
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands there twice")
    return found


def printable(text: str) -> str:
    """Text for one line of a terminal: what would move the cursor, end the line or turn its direction is escaped.

    >>> printable("door\\x1b[2J.jpg"), printable("caf\\udce9.jpg")
    ('door\\\\x1b[2J.jpg', 'caf\\\\xe9.jpg')
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs":
        return character
    if "\udc80" <= character <= "\udcff":  # how Python holds a byte of a name that is not Unicode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
