"""Signals and worker processes."""

from __future__ import annotations

import os
import signal
from multiprocessing import parent_process
from threading import Thread


def leave_to_the_parent(_: int) -> None:
    """For DataLoader workers: they end only when the parent ends them, or when the parent dies.

    A signal to the process group reaches the workers, too, while the parent still needs their samples. So they ignore
    SIGINT and the first SIGTERM; a second one comes from the parent, to end its workers.
    """

    def let_pass(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, let_pass)
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """PyTorch's own watchdog ends a worker only after its samples are taken, which a killed parent never does."""
    if parent := parent_process():
        parent.join()
    os._exit(1)
