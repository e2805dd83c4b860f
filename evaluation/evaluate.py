"""From a source of pictures to a report: let the model answer, score the answers, write it down."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import digits
from digits.core.errors import DatasetError, PredictionsError
from digits.datasets.coco import coco_document, write_json
from digits.datasets.export import check_unused
from digits.datasets.files import write_text
from digits.datasets.pictures import Pictures, Record
from digits.evaluation import detector, pipeline, recognizer
from digits.evaluation.predictions import Answer, read_predictions
from digits.evaluation.report import read_report, write_report
from digits.evaluation.result import Result, Threshold
from digits.evaluation.run import PREDICTIONS, Model, complete

RUN, TRUTH = "run.json", "truth.json"
KINDS = {"detector": detector, "recognizer": recognizer, "pipeline": pipeline}
_NEEDED = {
    "detector": "digits have boxes, or there are none",
    "recognizer": "it is known what the digits spell, or there are none",
    "pipeline": "numbers have texts and boxes, or there are none",
}


def score(
    kind: str, records: Sequence[Record], answers: Mapping[str, Answer], thresholds: Sequence[Threshold] = ()
) -> Result:
    """The figures of a kind, "detector", "recognizer" or "pipeline"; see the modules of these names."""
    if kind == "detector":
        return detector.score(records, answers)
    return KINDS[kind].score(records, answers, thresholds)


def threshold_of(report: str | Path, kind: str) -> Threshold:
    """The threshold that an earlier report, on validation data, has chosen for coverage at 98 % accuracy.

    Raises PredictionsError if there is no such report, it is of another kind, or no threshold reaches 98 %.
    """
    content = read_report(report)
    if content["kind"] != kind:
        raise PredictionsError(f"{report}: evaluates the {content['kind']}, a threshold of the {kind} is needed")
    table = content["measures"].get("coverage_at_98_percent", {})
    value = table.get("threshold chosen on these data", {}).get("threshold")
    if value is None:
        raise PredictionsError(f"{report}: has no threshold, 98 % accuracy is not reached there")
    return Threshold(value, str(report))


def measurable(kind: str, pictures: Pictures) -> list[Record]:
    """The records that this kind can be measured on; DatasetError if there is none."""
    records = [record for record in pictures.records if KINDS[kind].usable(record)]
    if not records:
        raise DatasetError(f"{pictures.name}: no picture to measure a {kind} on, one in which {_NEEDED[kind]}")
    return records


def evaluate(
    kind: str,
    pictures: Pictures,
    out: str | Path,
    model: Model | Path,
    *,
    thresholds: Sequence[Threshold] = (),
    quiet: bool = False,
) -> Result:
    """Measure on every picture that can be measured on, and write the report into the folder `out`.

    model: what answers, or a file of predictions. Answers go into `out` one by one, so that an evaluation that was
    interrupted is gone on with; one of another model or of other pictures in the same folder is refused. thresholds:
    chosen elsewhere, for coverage, beside those that come with the model.

    Raises DatasetError or PredictionsError if something in there cannot be used.
    """
    out = Path(out)
    records = measurable(kind, pictures)
    truth = coco_document(records, lambda record: str(record.path.resolve()))
    identity = {
        "kind": kind,
        "model": {"predictions": _digest(model)} if isinstance(model, Path) else model.identity,
        "digits": digits.__version__,
        "pictures": hashlib.sha256(json.dumps(truth).encode()).hexdigest(),
    }
    _claim(out, identity)
    write_json(out / TRUTH, truth)
    if isinstance(model, Path):
        answers = read_predictions(model, kind, records)  # refused before it is copied
        shutil.copyfile(model, out / PREDICTIONS)
    else:
        complete(out / PREDICTIONS, kind, records, model.run, quiet)
        answers = read_predictions(out / PREDICTIONS, kind, records)
        thresholds = (*model.thresholds, *thresholds)
    result = score(kind, records, answers, thresholds)
    left_out = len(pictures) - len(records) + len(pictures.problems)
    about = {
        "data": f"{pictures.name}, {len(records)} pictures" + (f", {left_out} left out" if left_out else ""),
        **identity["model"],
        "digits": digits.__version__,
    }
    write_report(out, kind, about, result, quiet)
    return result


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PredictionsError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _claim(out: Path, identity: dict) -> None:
    """Make the folder that of this evaluation; refuse one that is of another, or holds something else."""
    if not (out / RUN).is_file():
        check_unused(out)
        write_text(out / RUN, json.dumps(identity, indent=1) + "\n")
        return
    try:
        found = json.loads((out / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PredictionsError(f"{out / RUN}: cannot be read ({error})") from None
    other = [key for key, value in identity.items() if not isinstance(found, dict) or found.get(key) != value]
    if other:
        raise PredictionsError(f"{out}: holds an evaluation with other {' and '.join(other)}; choose another folder")
