"""Signals and worker processes."""

from __future__ import annotations

import signal


def leave_to_the_parent(_: int) -> None:
    """For DataLoader workers: Ctrl-C in a terminal reaches them too, while the parent still wants their samples."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
