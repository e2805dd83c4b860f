"""Output of the commands: printable lines, on streams that may be closed, full or abandoned.

If standard output cannot be written, the command ends with code 2 and one line on stderr; if its reader has gone
(`| head`), it ends silently with code 141, as after SIGPIPE. If standard error cannot be written, the command goes on.
"""

from __future__ import annotations

import base64
import codecs
import errno
import io
import os
import sys
from collections.abc import Callable
from typing import TextIO

import click

from digits.core.errors import reason
from digits.core.text import printable

INTERRUPTED = 130  # 128 + SIGINT
ABANDONED = 141  # 128 + SIGPIPE


def prepare_streams() -> None:
    """Make the standard streams fail as described above, and escape characters that their encoding lacks, `\\u9580`."""
    for name, access in (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            # else the next file that is opened would get its number; reading or writing here fails, but on stderr
            number = os.open(os.devnull, access)
            stream = open(number, "r" if name == "stdin" else "w", closefd=False)  # noqa: SIM115 - until the end
            setattr(sys, name, stream)
    sys.stdout, sys.stderr = _guarded(sys.stdout, _Results), _guarded(sys.stderr, _Notes)


def _guarded(stream: TextIO, kind: type[_Guarded]) -> TextIO:
    """The stream as one of this kind; a terminal is left as it is, since it is never full."""
    if not isinstance(stream, io.TextIOWrapper):  # replaced by someone else
        return stream
    errors = "backslashreplace" if stream.errors in ("strict", "surrogateescape") else stream.errors
    try:
        number = stream.fileno()
    except OSError:
        return stream
    if stream.isatty():
        stream.reconfigure(errors=errors)
        return stream
    # like click, which takes ASCII for a missing locale, and writes UTF-8
    encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
    return kind(open(number, "wb", closefd=False), encoding, errors, line_buffering=True)


class _Guarded(io.TextIOWrapper):
    """A standard stream that fails only once: then everything written to it is discarded."""

    def write(self, text: str) -> int:
        self._try(super().write, text)
        return len(text)

    def flush(self) -> None:
        self._try(super().flush)

    def _try(self, method: Callable, *arguments: str) -> None:
        try:
            method(*arguments)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            self.failed(error)

    def failed(self, error: OSError) -> None:
        raise NotImplementedError


class _Results(_Guarded):
    """Standard output: if it fails, the command ends."""

    def failed(self, error: OSError) -> None:
        if error.errno == errno.EPIPE:
            raise click.exceptions.Exit(ABANDONED) from None
        raise failure(f"standard output: {reason(error)}") from None


class _Notes(_Guarded):
    """Standard error: if it fails, the command goes on; its exit code remains."""

    def failed(self, error: OSError) -> None:
        pass


def failure(message: str, code: int = 2) -> click.ClickException:
    """An exception that ends a command with this exit code and this line on stderr."""
    ended = click.ClickException(printable(message))
    ended.exit_code = code  # type: ignore[misc] # a ClassVar to click, which reads it of the instance
    return ended


def echo(line: str, err: bool = False) -> None:
    """Print one line, with unprintable characters escaped."""
    click.echo(printable(line), err=err)


def json_path(path: str, key: str = "path") -> dict[str, str]:
    """A path as JSON members: `path`, and if it is not Unicode also `path_base64`, its bytes.

    Lone surrogates are invalid in JSON: some parsers refuse them, some replace them.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return {key: printable(path), f"{key}_base64": base64.b64encode(os.fsencode(path)).decode()}
    return {key: path}
