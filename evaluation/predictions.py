"""Predictions of a model, one JSON object per picture and line. Scoring needs only these, not the model.

Predictions of other programs can be scored, too. A line has the `image_id` of the picture, and

- for a detector    `boxes` [[x1, y1, x2, y2], …], `scores`, `labels` (0 to 9) of all detected digits
- for a recogniser  `readings` [{"text", "confidence"}, …], one for each number of the picture, in their order; for a
                    picture without numbers, one for the whole picture
- for the pipeline  `readings` [{"text", "confidence", "box", "status"}, …], most likely house number first, as printed
                    by `digits read --json`

or else `error`, if the picture could not be read. Coordinates are pixels of the upright picture.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from digits.core.alphabet import DIGITS, MARKS
from digits.core.errors import PredictionsError, reason
from digits.core.text import read_text
from digits.datasets.pictures import Record

Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
Probability = Annotated[float, Field(ge=0, le=1)]
_NUMBER = f"[{DIGITS}]+[A-Z]?([{MARKS}][{DIGITS}]+[A-Z]?)?"  # of any length: a reader may invent digits
Text = Annotated[str, Field(pattern=f"^({_NUMBER})?$")]
Number = Annotated[str, Field(pattern=f"^{_NUMBER}$")]
_SHOWN = 3  # ids named in a message


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class Box(_Strict):
    """A box, [x1, y1, x2, y2]."""

    x1: Coordinate
    y1: Coordinate
    x2: Coordinate
    y2: Coordinate

    @model_validator(mode="before")
    @classmethod
    def _from_row(cls, row: object) -> object:
        if not isinstance(row, (list, tuple)) or len(row) != 4:
            raise ValueError("a box is four numbers, [x1, y1, x2, y2]")
        return dict(zip(("x1", "y1", "x2", "y2"), row, strict=True))

    @model_validator(mode="after")
    def _has_sides(self) -> Box:
        if self.x1 > self.x2 or self.y1 > self.y2:
            raise ValueError("a box needs x1 <= x2 and y1 <= y2")
        return self

    def row(self) -> list[float]:
        return [self.x1, self.y1, self.x2, self.y2]


def rows(boxes: Iterable[Box]) -> np.ndarray:
    """Boxes as float64 (N, 4)."""
    return np.array([box.row() for box in boxes], np.float64).reshape(-1, 4)


class _Answer(_Strict):
    """Base of the answers. needed: the fields that must be given if there is no `error`."""

    needed: ClassVar[tuple[str, ...]]
    image_id: str
    error: str | None = None

    @model_validator(mode="after")
    def _answers_or_says_why_not(self) -> _Answer:
        given = [name for name in self.needed if name in self.model_fields_set]
        if self.error is not None and given:
            raise ValueError(f"{given[0]} beside error: a picture is either answered or could not be read")
        if self.error is None and len(given) < len(self.needed):
            raise ValueError(f"{next(name for name in self.needed if name not in given)} is missing")
        return self

    def check(self, record: Record) -> None:
        """Raises ValueError if the answer does not fit the picture."""


class DetectorAnswer(_Answer):
    """Detected digits. proposals: by stage, the IoU of each true digit with its best proposal."""

    needed = ("boxes", "scores", "labels")
    boxes: list[Box] = []
    scores: list[Probability] = []
    labels: list[Annotated[int, Field(ge=0, le=9)]] = []
    proposals: dict[Literal["before_nms", "after_nms"], list[Probability]] = {}

    @model_validator(mode="after")
    def _same_count(self) -> DetectorAnswer:
        if not len(self.boxes) == len(self.scores) == len(self.labels):
            counts = f"{len(self.boxes)} boxes, {len(self.scores)} scores, {len(self.labels)} labels"
            raise ValueError(f"as many of each are needed, not {counts}")
        return self

    def check(self, record: Record) -> None:
        for stage, found in self.proposals.items():
            if len(found) != len(record.labels):
                raise ValueError(f"proposals: {len(found)} values {stage} for {len(record.labels)} digits")


class CropReading(_Strict):
    """Text of a crop, "" for no number, and its probability."""

    text: Text
    confidence: Probability


class RecognizerAnswer(_Answer):
    """One reading per number."""

    needed = ("readings",)
    readings: list[CropReading] = []

    def check(self, record: Record) -> None:
        if self.error is None and len(self.readings) != max(1, len(record.numbers)):
            raise ValueError(f"{len(self.readings)} readings for {max(1, len(record.numbers))} numbers")


class DigitBox(_Strict):
    """A digit of a reading."""

    digit: Annotated[str, Field(pattern=f"^[{DIGITS}]$")]
    box: Box


class PhotoReading(_Strict):
    """A number in a photograph. digits: if they are known."""

    text: Number
    confidence: Probability
    box: Box
    status: Literal["read", "unsure"] = "read"
    digits: list[DigitBox] = []


class PipelineAnswer(_Answer):
    """Readings, most likely house number first. seconds: time spent on the photograph."""

    needed = ("readings",)
    readings: list[PhotoReading] = []
    seconds: float | None = None


Answer = DetectorAnswer | RecognizerAnswer | PipelineAnswer
ANSWERS: dict[str, type[Answer]] = {
    "detector": DetectorAnswer,
    "recognizer": RecognizerAnswer,
    "pipeline": PipelineAnswer,
}


def parse_line(line: str | bytes, kind: str) -> Answer:
    """The answer in a line; ValueError, with a short reason, if it is not an answer of this kind."""
    plain = line.removeprefix("\ufeff") if isinstance(line, str) else line.removeprefix(codecs.BOM_UTF8)
    try:
        return ANSWERS[kind].model_validate_json(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{place}: {reason}" if place else reason) from None


def read_predictions(path: str | Path, kind: str, records: Sequence[Record]) -> dict[str, Any]:
    """The answers of a file by image id, one for each of `records`.

    kind: "detector", "recognizer" or "pipeline". Raises PredictionsError, with the line number, if an answer is
    malformed, repeats a picture, or is of a picture that is not among the records; and if a record has no answer.
    """
    wanted = {record.image_id: record for record in records}
    answers: dict[str, Any] = {}
    lines: dict[str, int] = {}
    try:
        text = read_text(path)
    except OSError as error:
        raise PredictionsError(f"{path}: {reason(error)}") from None
    except UnicodeDecodeError as error:
        broken = error.object.count(b"\n", 0, error.start) + 1
        raise PredictionsError(f"{path}: line {broken}: not UTF-8 text") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            answer = parse_line(line, kind)
            if answer.image_id in lines:
                raise ValueError(f"{answer.image_id!r} again, first in line {lines[answer.image_id]}")
            if answer.image_id not in wanted:
                raise ValueError(f"{answer.image_id!r} is none of the pictures that are measured on")
            answer.check(wanted[answer.image_id])
        except ValueError as error:
            raise PredictionsError(f"{path}: line {number}: {error}") from None
        answers[answer.image_id], lines[answer.image_id] = answer, number
    if missing := [image_id for image_id in wanted if image_id not in answers]:
        names = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
        raise PredictionsError(f"{path}: no answer for {len(missing)} of {len(wanted)} pictures: {names}")
    return answers


def answer_line(fields: Mapping) -> str:
    """The fields of an answer as a line, with line end."""
    return json.dumps(fields, separators=(",", ":"), allow_nan=False) + "\n"
