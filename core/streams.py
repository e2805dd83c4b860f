"""Reads photographs from pipes and devices, which can be read only once, may stay silent, and may never end."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from digits.core.errors import ImageError, reason
from digits.core.formats import HEAD, begins_a_picture

MAX_BYTES = 500_000_000  # more than the largest supported picture takes, uncompressed
_PATIENCE = 3  # seconds that a pipe may be without a writer
_CHUNK = 1 << 20


def is_stream(path: str | os.PathLike) -> bool:
    """Whether a path is neither a regular file nor a folder: a pipe, a terminal, another device, a socket."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def read_stream(path: str | os.PathLike, name: str) -> bytes:
    """The whole content of a pipe or a device, see `read_to_end`.

    Raises ImageError if it cannot be opened, see `open_stream`.
    """
    try:
        with open_stream(path) as (head, file):
            return read_to_end(file, name, head)
    except OSError as error:
        raise ImageError(f"{name}: {reason(error)}") from None


@contextmanager
def open_stream(path: str | os.PathLike) -> Iterator[tuple[bytes, BinaryIO]]:
    """What a pipe or a device gives at once, and the pipe or device, from which the rest can be read.

    While somebody has it open for writing it is waited for, as `cat` does. Raises OSError if it cannot be opened, is a
    socket, or nobody opens it for writing within three seconds.
    """
    if stat.S_ISSOCK(os.stat(path).st_mode):
        raise OSError("is a socket, not a file")
    # without O_NONBLOCK, opening a pipe that has no writer would never return
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    with open(number, "rb", buffering=0) as file:
        yield _first(file), file


def read_to_end(file: BinaryIO, name: str, head: bytes = b"") -> bytes:
    """The content of a binary stream, of which `head` has been read already.

    If it does not begin like a picture, the rest is not read, since it may be endless. Raises ImageError if the stream
    fails, is empty, or is longer than MAX_BYTES.
    """

    def is_foreign(data: bytearray) -> bool:
        return len(data) >= HEAD and not begins_a_picture(bytes(data[:HEAD]))

    try:
        data = read_until(file, head, is_foreign)
    except OSError as error:
        raise ImageError(f"{name}: {reason(error)}") from None
    if not data:
        raise ImageError(f"{name}: empty file")
    return data


def read_until(file: BinaryIO, head: bytes, enough: Callable[[bytearray], bool] = lambda _: False) -> bytes:
    """The content of a stream, of which `head` has been read already; no more once it is enough.

    Raises OSError if the stream fails, or is longer than MAX_BYTES.
    """
    data = bytearray(head)
    while chunk := file.read(_CHUNK):
        data += chunk
        if len(data) > MAX_BYTES:
            raise OSError(f"longer than {MAX_BYTES // 10**6} MB")
        if enough(data):
            break
    return bytes(data)


def _first(file: BinaryIO) -> bytes:
    """The first chunk of a stream that was opened as non-blocking; it is made blocking afterwards."""
    if not hasattr(select, "poll"):  # Windows, where streams cannot be polled
        return b""
    poller = select.poll()
    poller.register(file, select.POLLIN)
    came = poller.poll(_PATIENCE * 1000)
    head = file.read(_CHUNK)  # None while a writer is silent, empty without one
    if not came and head == b"":
        raise OSError("nothing writes into this pipe")
    os.set_blocking(file.fileno(), True)
    return head or b""
