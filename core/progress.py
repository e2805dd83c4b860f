"""A progress bar on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int, quiet: bool = False) -> Iterable[T]:
    """Iterate over `total` items and show a progress bar with the label `what`, if stderr is a terminal."""
    hidden = quiet or not sys.stderr.isatty()
    return track(items, what, total, console=Console(stderr=True), transient=True, disable=hidden)
