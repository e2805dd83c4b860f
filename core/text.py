"""Text that comes from anywhere: files, whatever program has written them, and names, to be printed."""

from __future__ import annotations

import codecs
import io
import unicodedata
from pathlib import Path

_JOINERS = "\u200c\u200d"  # words of some languages, and many emoji, are spelt with them


def read_text(path: str | Path) -> str:
    """What a text file holds, with "\\n" line ends: in UTF-8, or in UTF-16 if it begins with the mark of that.

    A byte-order mark is no part of it. Raises OSError, or UnicodeDecodeError if it is neither.
    """
    data = Path(path).read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return io.StringIO(data.decode("utf-16" if wide else "utf-8-sig"), newline=None).read()


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
