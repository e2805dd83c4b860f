"""Logs a run: `log.jsonl`, TensorBoard, and a progress bar on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from digits.core.errors import TrainingError, reason
from digits.core.text import printable
from digits.datasets.files import write_text
from digits.training.left_out import LeftOut, sentences

LOG = "log.jsonl"


def read_log(run: str | Path) -> list[dict]:
    """All records of a run, each with its `step`; a truncated last line is left out.

    Raises TrainingError if there is no log.
    """
    try:
        lines = (Path(run) / LOG).read_text(encoding="utf-8").splitlines()
    except OSError:
        raise TrainingError(f"{run}: not a run, it has no {LOG}") from None
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def read_left_out(run: str | Path) -> list[LeftOut]:
    """What a run has left out, from its log."""
    return _left_out_of(read_log(run))


def _left_out_of(records: Iterable[dict]) -> list[LeftOut]:
    return [LeftOut(r["source"], r["left_out"], r["reason"]) for r in records if "left_out" in r]


class RunLog:
    """The log of a run from `step` on. Later records, from before a kill, are dropped, since they are logged again."""

    def __init__(self, run: Path, step: int, steps: int, quiet: bool = False):
        before = read_log(run) if step and (run / LOG).exists() else []
        kept = [record for record in before if record["step"] <= step]
        write_text(run / LOG, "".join(json.dumps(record) + "\n" for record in kept))
        self._left_out = {entry[:2]: entry for entry in _left_out_of(kept)}
        self._quiet = quiet
        self._file = (run / LOG).open("a", encoding="utf-8")
        self._board = SummaryWriter(run / "tensorboard", purge_step=step + 1)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self._task = self._bar.add_task("training", total=steps, completed=step)

    def __enter__(self) -> RunLog:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
        self.tell_left_out()
        with suppress(OSError):  # a full disk has been reported already, and must not hide another error
            self._board.close()
            self._file.close()

    def record(self, step: int, values: dict[str, float]) -> None:
        """Log values, for `digits train plot` and for TensorBoard."""
        tidy = {name: round(v, 6) if isinstance(v, float) else v for name, v in values.items()}
        with self._written():
            self._file.write(json.dumps({"step": step, **tidy}) + "\n")
            self._file.flush()
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def leave_out(self, step: int, entries: Iterable[LeftOut]) -> None:
        """Log what was left out, each entry once per run."""
        with self._written():
            for entry in entries:
                if self._left_out.setdefault(entry[:2], entry) is entry:
                    record = {"step": step, "source": entry.source, "left_out": entry.image_id, "reason": entry.reason}
                    self._file.write(json.dumps(record) + "\n")
            self._file.flush()

    def tell_left_out(self) -> None:
        """Print on stderr how much was left out so far, a line per source."""
        for line in sentences(self._left_out.values()) if not self._quiet else ():
            print(printable(line), file=sys.stderr)

    def picture(self, step: int, name: str, image: Image.Image) -> None:
        with self._written():
            self._board.add_image(name, np.asarray(image), step, dataformats="HWC")

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(f"{self._file.name}: {reason(error)}; make room, then go on with --resume") from None

    def advance(self, step: int) -> None:
        self._bar.update(self._task, completed=step)

    def say(self, text: str) -> None:
        """Show a text beside the progress bar."""
        self._bar.update(self._task, description=text)
