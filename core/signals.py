"""Signals and worker processes."""

from __future__ import annotations

import os
import signal
from multiprocessing import parent_process
from threading import Thread


def leave_to_the_parent(_: int) -> None:
    """For DataLoader workers: the parent alone decides when they end, and if it is killed they end with it.

    A signal to the whole group reaches them too, while the parent still wants their samples. Ctrl-C is the parent's
    affair alone. Of SIGTERM the first is let pass; the next is the parent ending its workers.
    """

    def let_pass(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, let_pass)
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """PyTorch's own watch lets a worker end only once its samples are taken, and a killed parent takes none."""
    if parent := parent_process():
        parent.join()
    os._exit(1)
