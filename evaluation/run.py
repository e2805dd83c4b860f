"""Runs a model on pictures and writes its predictions line by line, so that an interrupted run can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.core.errors import DatasetError, DigitsError, PredictionsError, reason
from digits.core.progress import progress
from digits.datasets.files import write_bytes
from digits.datasets.items import Sample
from digits.datasets.pictures import Record
from digits.detector import Detector
from digits.evaluation.predictions import answer_line, parse_line
from digits.evaluation.result import Threshold
from digits.metrics import best_overlaps
from digits.pipeline.reader import Reader
from digits.recognizer import Recognizer
from digits.recognizer.crops import cut_number

PREDICTIONS = "predictions.jsonl"
Run = Callable[[Sequence[Record]], Iterator[dict]]
_CHUNK = 32  # pictures whose crops are read together
_PIXEL, _SCORE = 2, 6  # decimals


class Model(NamedTuple):
    """A model to be evaluated.

    run: yields an answer for each picture, see `predictions`. identity: what distinguishes it from others, as JSON.
    thresholds: its own thresholds of confidence.
    """

    run: Run
    identity: dict[str, object]
    thresholds: tuple[Threshold, ...] = ()


def _identity(detector: Detector) -> dict[str, object]:
    return {"detector": detector.header["sha256"], "long side": str(detector.long_side)}


def detector_model(detector: Detector) -> Model:
    return Model(partial(detect, detector), _identity(detector))


def recognizer_model(recognizer: Recognizer) -> Model:
    return Model(partial(transcribe, recognizer), {"recognizer": recognizer.header["sha256"]})


def reader_model(reader: Reader) -> Model:
    detector, recognizer = reader.own_networks()
    identity = {
        **_identity(detector),
        "recognizer": recognizer.header["sha256"],
        "calibration": {**vars(reader.fusion), "weights": dict(reader.fusion.weights)},
        "threshold": str(reader.min_confidence),
    }
    return Model(partial(read_photographs, reader), identity, (Threshold(reader.min_confidence, "calibration"),))


def _rounded(values: Iterable[float], decimals: int = _SCORE) -> list[float]:
    return np.asarray(values, np.float64).round(decimals).tolist()


def detect(detector: Detector, records: Sequence[Record]) -> Iterator[dict]:
    """An answer for each picture, see `predictions`: detections, and how well proposals cover the true digits."""
    for record in records:
        try:
            sample = record.open()
        except DatasetError as error:
            yield {"image_id": record.image_id, "error": str(error)}
            continue
        found = detector.predict([sample.image])[0]
        answer = {
            "image_id": record.image_id,
            "boxes": _rounded(found.boxes, _PIXEL),
            "scores": _rounded(found.scores),
            "labels": found.labels.tolist(),
        }
        if len(record.boxes):
            stages = detector.propose(sample.image)
            best = {stage: best_overlaps(record.boxes, boxes) for stage, boxes in stages.items()}
            answer["proposals"] = {stage: _rounded(values) for stage, values in best.items()}
        yield answer


def crops_of(sample: Sample) -> list[np.ndarray]:
    """The numbers of a sample, cropped as at reading time; a crop or a negative as a whole."""
    if len(sample.boxes):
        return [cut_number(sample.image, boxes) for boxes in sample.number_boxes()]
    return [sample.image] * max(1, len(sample.numbers))


def transcribe(recognizer: Recognizer, records: Sequence[Record]) -> Iterator[dict]:
    """An answer for each picture, see `predictions`: the text of each number, cropped by its true boxes."""
    for start in range(0, len(records), _CHUNK):
        opened: list[tuple[Record, list[np.ndarray] | str]] = []
        for record in records[start : start + _CHUNK]:
            try:
                opened.append((record, [crop.copy() for crop in crops_of(record.open())]))
            except DatasetError as error:
                opened.append((record, str(error)))
        crops = [crop for _, found in opened if isinstance(found, list) for crop in found]
        seen = iter(recognizer.predict(crops) if crops else [])
        for record, found in opened:
            if isinstance(found, str):
                yield {"image_id": record.image_id, "error": found}
                continue
            readings = [next(seen) for _ in found]
            each = [{"text": one.text, "confidence": round(min(1.0, one.confidence), _SCORE)} for one in readings]
            yield {"image_id": record.image_id, "readings": each}


def read_photographs(reader: Reader, records: Sequence[Record]) -> Iterator[dict]:
    """An answer for each picture, see `predictions`: the readings of the whole chain."""
    scenes = reader.read_all((record.path for record in records), skip_errors=True)
    for record, scene in zip(records, scenes, strict=True):
        if isinstance(scene, DigitsError):
            yield {"image_id": record.image_id, "error": str(scene)}
            continue
        readings = [reading.to_dict() for reading in scene.readings]
        for part in (part for reading in readings for part in (reading, *reading["digits"])):
            part["box"] = _rounded(part["box"], _PIXEL)
        yield {"image_id": record.image_id, "readings": readings, "seconds": scene.seconds}


def complete(path: Path, kind: str, records: Sequence[Record], run: Run, quiet: bool) -> None:
    """Append the missing answers to the file of predictions.

    A truncated last line, and pictures that could not be read before, are tried again. Raises PredictionsError if the
    file contains anything but answers of this kind, or cannot be written.
    """
    try:
        kept, done = [], set()
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n") or not line.strip():
                continue
            try:
                answer = parse_line(line, kind)
            except ValueError as error:
                raise PredictionsError(f"{path}: line {number}: {error}") from None
            if answer.error is None:
                kept.append(line)
                done.add(answer.image_id)
        if len(kept) < len(lines):
            write_bytes(path, b"".join(kept))
        left = [record for record in records if record.image_id not in done]
        with path.open("a", encoding="utf-8") as file:
            for fields in progress(run(left), "predicting", len(left), quiet):
                file.write(answer_line(fields))
                file.flush()
    except OSError as error:
        raise PredictionsError(f"{path}: {reason(error)}") from None
