"""Entries and pictures of the sources that a run leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from digits.datasets.pictures import Problem, summed_up
from digits.training.task import Task


class LeftOut(NamedTuple):
    """An entry or a picture, and the reason. source: key and name in the configuration, "data.train.0 crops"."""

    source: str
    image_id: str
    reason: str


def left_out(task: Task) -> list[LeftOut]:
    """Everything that this process has left out so far of the sources of a task."""
    uses = {"train": task.examples, "validation": task.held_out}
    return [
        LeftOut(f"data.{use}.{k} {each.name}", *problem)
        for use, examples in uses.items()
        for k, each in enumerate(examples)
        for problem in each.data.problems
    ]


def counts(entries: Iterable[LeftOut]) -> dict[str, int]:
    """Number of entries by source."""
    return dict(Counter(entry.source for entry in entries))


def sentences(entries: Iterable[LeftOut]) -> list[str]:
    """A message for each source."""
    by_source: dict[str, list[Problem]] = {}
    for source, *problem in entries:
        by_source.setdefault(source, []).append(Problem(*problem))
    return [f"{source}: {len(found)} left out, such as {summed_up(found)}" for source, found in by_source.items()]


class Collate:
    """The task's batches, each with a list, `left_out`, of what was left out since the previous batch.

    Worker processes open the pictures, and have no other way to report this.
    """

    def __init__(self, task: Task):
        self._task = task
        self._reported = set(left_out(task))

    def __call__(self, examples: Sequence) -> dict:
        batch = self._task.collate(examples)
        new = [entry for entry in left_out(self._task) if entry not in self._reported]
        self._reported.update(new)
        return {**batch, "left_out": new}
