"""Signals and worker processes."""

from __future__ import annotations

import signal


def leave_to_the_parent(_: int) -> None:
    """For DataLoader workers: a signal to the whole group reaches them too, while the parent still wants their samples.

    Ctrl-C is the parent's affair alone. Of SIGTERM the first is let pass; the next is the parent ending its workers.
    """

    def let_pass(number: int, _) -> None:
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, let_pass)
