"""What commands print: lines that a terminal can be shown, on streams that may be closed, full or abandoned.

A standard output that cannot be written to ends any command with code 2 and one line on stderr; one whose reader went
away (`| head`) ends it quietly with 141, as SIGPIPE would. A standard error that cannot be written to ends nothing.
"""

from __future__ import annotations

import base64
import errno
import io
import os
import sys
import unicodedata

import click

from digits.core.errors import reason

INTERRUPTED = 130  # 128 + SIGINT
ABANDONED = 141  # 128 + SIGPIPE
_JOINERS = "\u200c\u200d"  # words of some languages, and many emoji, are spelt with them


def prepare_streams() -> None:
    """Make the standard streams fail as said above, and write characters their encoding lacks as `\\u9580`."""
    for name, access in (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            # its number must not go to the next file that is opened; reading or writing here fails, but on stderr
            number = os.open(os.devnull, access)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w"))  # noqa: SIM115 - until the end
    sys.stdout = _guarded(sys.stdout, _Results)
    sys.stderr = _guarded(sys.stderr, _Notes)


def _guarded(stream, kind: type[io.FileIO]):
    """The same stream through a raw file of this kind; a terminal stays, for it is never full."""
    if not isinstance(stream, io.TextIOWrapper):  # somebody else's, who wants it so
        return stream
    errors = "backslashreplace" if stream.errors in ("strict", "surrogateescape") else stream.errors
    try:
        number = stream.fileno()
    except OSError:
        return stream
    if stream.isatty():
        stream.reconfigure(errors=errors)
        return stream
    raw = kind(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, errors, line_buffering=True)


class _Results(io.FileIO):
    """Where results go. The first write that fails ends the command, what is left after it goes nowhere."""

    failed = False

    def write(self, data) -> int:
        if self.failed:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.failed = True
            if error.errno == errno.EPIPE:
                raise click.exceptions.Exit(ABANDONED) from None
            raise failure(f"standard output: {reason(error)}") from None


class _Notes(io.FileIO):
    """Where notes go. Those that cannot be written are lost, which the exit code does not depend on."""

    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def failure(message: str, code: int = 2) -> click.ClickException:
    """What ends a command with this code and this line on stderr."""
    ended = click.ClickException(printable(message))
    ended.exit_code = code
    return ended


def echo(line: str, err: bool = False) -> None:
    """Print one line, whatever the names in it hold."""
    click.echo(printable(line), err=err)


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


def json_path(path: str, key: str = "path") -> dict[str, str]:
    """A path as JSON members: `path`, and where it is not Unicode also `path_base64`, the bytes of it.

    JSON has no lone surrogates: some parsers refuse them, some replace them.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return {key: printable(path), f"{key}_base64": base64.b64encode(os.fsencode(path)).decode()}
    return {key: path}
