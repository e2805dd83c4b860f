"""Compares two models on the same pictures, from their reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.core.errors import PredictionsError
from digits.core.progress import progress
from digits.datasets.coco import read_coco
from digits.datasets.pictures import Record
from digits.evaluation import detector, pipeline, recognizer
from digits.evaluation.evaluate import TRUTH
from digits.evaluation.predictions import Answer, DetectorAnswer, PipelineAnswer, RecognizerAnswer, read_predictions
from digits.evaluation.report import plain, read_report, row_of
from digits.evaluation.result import ACCURACY, negatives_of
from digits.evaluation.run import PREDICTIONS
from digits.metrics import (
    coverage_at_accuracy,
    match_digits,
    mcnemar,
    mean_average_precision,
    paired_bootstrap,
    precision_recall_f1,
    verdict,
)
from digits.metrics.significance import Interval, McNemar

Figure = Callable[[np.ndarray], float]  # from indices of pictures to a value


@dataclass(frozen=True)
class Measure:
    """A figure over `count` pictures, the higher the better. right: bool (count,) if it is a share of the pictures."""

    name: str
    count: int
    figure: Figure
    right: np.ndarray | None = None


class Comparison(NamedTuple):
    """A figure of both models, and the verdict on b against a: "better", "equivalent", "worse" or "open"."""

    name: str
    pictures: int
    a: float
    b: float
    interval: Interval
    mcnemar: McNemar | None
    verdict: str

    def to_dict(self) -> dict:
        """Plain Python types."""
        parts = {"interval": self.interval._asdict(), "mcnemar": self.mcnemar and self.mcnemar._asdict()}
        return plain({**self._asdict(), **parts})


def markdown(comparisons: Iterable[Comparison]) -> str:
    """The comparisons as a table, without a final line end."""
    header = ("figure", "pictures", "A", "B", "B − A, 95 %", "only A / only B", "p", "B is")
    lines = [row_of(header), row_of(["---"] * len(header))]
    for one in comparisons:
        alone = (f"{one.mcnemar.only_a} / {one.mcnemar.only_b}", f"{one.mcnemar.p:.3f}") if one.mcnemar else ("", "")
        difference, low, high = (f"{value:+.4f}".replace("+nan", "–") for value in one.interval)
        interval = f"{difference} ({low} to {high})"
        figures = (f"{value:.4f}".replace("nan", "–") for value in (one.a, one.b))
        lines.append(row_of([one.name, str(one.pictures), *figures, interval, *alone, one.verdict]))
    return "\n".join(lines)


def _share(name: str, right: Sequence[bool] | np.ndarray) -> Measure:
    each = np.asarray(right, bool)
    return Measure(name, len(each), lambda chosen: float(each[chosen].mean()), each)


def _coverage(right: np.ndarray, confidence: np.ndarray) -> Measure:
    def figure(chosen: np.ndarray) -> float:
        return coverage_at_accuracy(right[chosen], confidence[chosen], ACCURACY)[0]

    return Measure("coverage at 98 % accuracy", len(right), figure)


def _detector(records: Sequence[Record], answers: Mapping[str, DetectorAnswer]) -> list[Measure]:
    negatives = negatives_of(records, answers)
    exact = [record for record in records if len(record.labels) and not record.shared_out] + negatives
    matches = match_digits(*detector.columns(exact, answers))
    regions = {record.image_id: detector.regions_of(answers[record.image_id]) for record in records}
    return [
        Measure("average precision", len(exact), lambda chosen: mean_average_precision(matches, chosen)[0]),
        _share("all digits and boxes right", [detector.strictly_right(r, regions[r.image_id]) for r in exact]),
        _share("negatives without a number region", [not regions[record.image_id] for record in negatives]),
    ]


def _recognizer(records: Sequence[Record], answers: Mapping[str, RecognizerAnswer]) -> list[Measure]:
    numbers = recognizer.numbers_of(records, answers)
    ends = np.cumsum([len(record.numbers) for record in records if record.numbers])
    # the bootstrap resamples whole pictures, since the numbers of a picture resemble each other
    members = np.split(np.arange(len(numbers.truths)), ends[:-1]) if len(ends) else []
    coverage = _coverage(numbers.right, numbers.confidence)
    if len(members) == len(numbers.truths):
        return [_share("exact sequence accuracy", numbers.right), coverage]

    def whole(figure: Figure) -> Figure:
        return lambda chosen: figure(np.concatenate([members[i] for i in chosen]))

    return [
        Measure("exact sequence accuracy", len(members), whole(lambda chosen: float(numbers.right[chosen].mean()))),
        Measure(coverage.name, len(members), whole(coverage.figure)),
    ]


def _pipeline(records: Sequence[Record], answers: Mapping[str, PipelineAnswer]) -> list[Measure]:
    numbered = [record for record in records if record.numbers]
    first = np.array([pipeline.first_right(r, answers[r.image_id]) for r in numbered], bool)
    confidence = np.array([pipeline.first_confidence(answers[r.image_id]) for r in numbered], float)
    negatives = negatives_of(records, answers)
    found = [pipeline.judged(record, pipeline.accepted(answers[record.image_id])) for record in [*numbered, *negatives]]
    counts = np.array([(one.numbers.count("right"), len(one.readings), len(one.numbers)) for one in found])
    return [
        _share("first reading right", first),
        Measure("end-to-end F1", len(found), lambda chosen: precision_recall_f1(*counts[chosen].sum(0))[2]),
        _coverage(first, confidence),
        _share("negatives without a number read", [not pipeline.accepted(answers[r.image_id]) for r in negatives]),
    ]


_MEASURES: dict[str, Callable[..., list[Measure]]] = {
    "detector": _detector,
    "recognizer": _recognizer,
    "pipeline": _pipeline,
}


def _load(folder: Path) -> tuple[str, list[Record], dict[str, Answer]]:
    kind = read_report(folder)["kind"]
    truth = read_coco(folder / TRUTH, annotations_only=True, quiet=True)
    for image_id, reason in truth.problems:
        raise PredictionsError(f"{folder / TRUTH}: {image_id}: {reason}; evaluate anew")
    records = truth.records
    return kind, records, read_predictions(folder / PREDICTIONS, kind, records)


def _check_same(a: Path, b: Path, mine: Sequence[Record], others: Sequence[Record]) -> None:
    """Raises PredictionsError unless both reports have the same pictures with the same truth."""
    known = {record.image_id: record for record in others}
    for record in mine:
        other = known.pop(record.image_id, None)
        if other is None:
            raise PredictionsError(f"{a} and {b} are of different pictures: {record.image_id!r} is in the first only")
        if (record.numbers, record.labels.tolist(), record.boxes.tolist()) != (
            other.numbers,
            other.labels.tolist(),
            other.boxes.tolist(),
        ):
            raise PredictionsError(f"{a} and {b} have different truths for {record.image_id!r}")
    if known:
        raise PredictionsError(f"{a} and {b} are of different pictures: {next(iter(known))!r} is in the second only")


def compare(
    a: str | Path, b: str | Path, *, margin: float = 0.01, rounds: int = 2000, seed: int = 0, quiet: bool = False
) -> list[Comparison]:
    """Compare two report folders written by `evaluate`, by every figure that is the better the higher it is.

    margin: differences up to it count as equivalent. rounds, seed: of the paired bootstrap. Raises PredictionsError if
    the reports are not of the same kind and pictures.
    """
    a, b = Path(a), Path(b)
    kind, records, answers = _load(a)
    other_kind, others, other_answers = _load(b)
    if kind != other_kind:
        raise PredictionsError(f"{a} evaluates the {kind}, {b} the {other_kind}: there is nothing to compare")
    _check_same(a, b, records, others)
    # a negative that only one of them could open is left out for both
    torn = {key for each in (answers, other_answers) for key, answer in each.items() if answer.error is not None}
    records = [r for r in records if len(r.labels) or r.numbers or r.image_id not in torn]
    both = (_MEASURES[kind](records, each) for each in (answers, other_answers))
    pairs = [(one, other) for one, other in zip(*both, strict=True) if one.count]
    made = []
    for one, other in progress(pairs, "comparing", len(pairs), quiet):
        interval = paired_bootstrap(one.figure, other.figure, one.count, rounds=rounds, seed=seed)
        test = None if one.right is None else mcnemar(one.right, other.right)
        found = verdict(interval, one.count, margin, test.p if test else None)
        everything = np.arange(one.count)
        values = one.figure(everything), other.figure(everything)
        made.append(Comparison(one.name, one.count, *values, interval, test, found))
    return made
