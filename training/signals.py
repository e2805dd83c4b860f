"""Ctrl-C and SIGTERM, which end a run with all of it saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from digits.core.errors import TrainingError


class Interrupted(TrainingError):
    """Stopped by a signal, everything saved."""


class Signals:
    """How many signals to stop have come."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def caught(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM is only counted; the next one does what it usually does."""
        usual: dict[int, Any] = {}

        def note(number: int, _: object) -> None:
            self.count += 1
            signal.signal(number, usual[number])

        with suppress(ValueError):  # only the main thread may; elsewhere signals are whoever's business that is
            usual.update({number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)})
        try:
            yield
        finally:
            for number, handler in usual.items():
                signal.signal(number, handler)
