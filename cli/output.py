"""What commands print: lines that a terminal can be shown, on streams that may be closed, full or abandoned.

A standard output that cannot be written to ends any command with code 2 and one line on stderr; one whose reader went
away (`| head`) ends it quietly with 141, as SIGPIPE would. A standard error that cannot be written to ends nothing.
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
    """Make the standard streams fail as said above, and write characters their encoding lacks as `\\u9580`."""
    for name, access in (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            # its number must not go to the next file that is opened; reading or writing here fails, but on stderr
            number = os.open(os.devnull, access)
            stream = open(number, "r" if name == "stdin" else "w", closefd=False)  # noqa: SIM115 - until the end
            setattr(sys, name, stream)
    sys.stdout, sys.stderr = _guarded(sys.stdout, _Results), _guarded(sys.stderr, _Notes)


def _guarded(stream: TextIO, kind: type[_Guarded]) -> TextIO:
    """The same stream, as one of this kind; a terminal stays, for it is never full."""
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
    # click takes ASCII for a sign that no language was set up, and writes UTF-8
    encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
    return kind(open(number, "wb", closefd=False), encoding, errors, line_buffering=True)


class _Guarded(io.TextIOWrapper):
    """A standard stream that fails once: what is left, and what comes after, goes nowhere."""

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
    """Where results go. Without it, a command ends."""

    def failed(self, error: OSError) -> None:
        if error.errno == errno.EPIPE:
            raise click.exceptions.Exit(ABANDONED) from None
        raise failure(f"standard output: {reason(error)}") from None


class _Notes(_Guarded):
    """Where notes go. Without it, a command goes on: its exit code says enough."""

    def failed(self, error: OSError) -> None:
        pass


def failure(message: str, code: int = 2) -> click.ClickException:
    """What ends a command with this code and this line on stderr."""
    ended = click.ClickException(printable(message))
    ended.exit_code = code  # type: ignore[misc] # a ClassVar to click, which reads it of the instance
    return ended


def echo(line: str, err: bool = False) -> None:
    """Print one line, whatever the names in it hold."""
    click.echo(printable(line), err=err)


def json_path(path: str, key: str = "path") -> dict[str, str]:
    """A path as JSON members: `path`, and where it is not Unicode also `path_base64`, the bytes of it.

    JSON has no lone surrogates: some parsers refuse them, some replace them.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return {key: printable(path), f"{key}_base64": base64.b64encode(os.fsencode(path)).decode()}
    return {key: path}
