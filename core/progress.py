"""Progress of long steps: a bar on stderr, where somebody watches it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int, quiet: bool = False) -> Iterable[T]:
    """The same items, `total` of them, with a bar that says `what` is done; none if stderr is no terminal."""
    hidden = quiet or not sys.stderr.isatty()
    return track(items, what, total, console=Console(stderr=True), transient=True, disable=hidden)
