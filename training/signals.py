"""Ctrl-C and SIGTERM, which stop a run after saving it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from digits.core.errors import TrainingError


class Interrupted(TrainingError):
    """The run was stopped by a signal, after saving it."""


class Signals:
    """Counts the signals to stop."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Within the block, the first Ctrl-C or SIGTERM is only counted; the next one has its usual effect."""
        usual: dict[int, Any] = {}

        def note(number: int, _: object) -> None:
            self.count += 1
            signal.signal(number, usual[number])

        with suppress(ValueError):  # only the main thread may set handlers
            usual.update({number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)})
        try:
            yield
        finally:
            for number, handler in usual.items():
                signal.signal(number, handler)
