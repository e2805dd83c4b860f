"""Signals and worker processes."""

from __future__ import annotations

import signal


def leave_to_the_parent(_: int) -> None:
    """For DataLoader workers: a signal to the whole group reaches them too, while the parent still wants their samples.

    They end when the parent says so, or is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
