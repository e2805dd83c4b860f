"""Text files, whatever program has written them."""

from __future__ import annotations

import codecs
import io
from pathlib import Path


def read_text(path: str | Path) -> str:
    """What a text file holds, with "\\n" line ends: in UTF-8, or in UTF-16 if it begins with the mark of that.

    A byte-order mark is no part of it. Raises OSError, or UnicodeDecodeError if it is neither.
    """
    data = Path(path).read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return io.StringIO(data.decode("utf-16" if wide else "utf-8-sig"), newline=None).read()
