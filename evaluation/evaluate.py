"""Evaluates a model on a source of pictures: predicts, scores and writes a report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import digits
from digits.core.errors import DatasetError, PredictionsError, reason
from digits.core.text import parse_json, plural, read_text
from digits.datasets.coco import coco_document, write_json
from digits.datasets.export import check_unused, common_folder, name_in
from digits.datasets.files import write_bytes, write_text
from digits.datasets.pictures import Pictures, Problem, Record
from digits.evaluation import detector, pipeline, recognizer
from digits.evaluation.predictions import read_predictions
from digits.evaluation.report import read_report, write_report
from digits.evaluation.result import THESE_DATA, Result, Threshold
from digits.evaluation.run import PREDICTIONS, Model, complete

RUN, TRUTH = "run.json", "truth.json"
KINDS = {"detector": detector, "recognizer": recognizer, "pipeline": pipeline}
_NEEDED = {
    "detector": "digits have boxes, or there are none",
    "recognizer": "it is known what the digits spell, or there are none",
    "pipeline": "numbers have texts and boxes, or there are none",
}


def score(
    kind: str, records: Sequence[Record], answers: Mapping[str, Any], thresholds: Sequence[Threshold] = ()
) -> Result:
    """The figures of a "detector", "recognizer" or "pipeline"; see the modules with these names."""
    if kind == "detector":
        return detector.score(records, answers)
    return KINDS[kind].score(records, answers, thresholds)


def threshold_of(report: str | Path, kind: str) -> Threshold:
    """The threshold for 98 % accuracy of an earlier report, on validation data.

    Raises PredictionsError if there is no such report, it is of another kind, or no threshold reaches 98 %.
    """
    content = read_report(report)
    if content["kind"] != kind:
        raise PredictionsError(f"{report}: evaluates the {content['kind']}, a threshold of the {kind} is needed")
    value = content["measures"].get("coverage_at_98_percent", {}).get(f"threshold chosen on {THESE_DATA}", {})
    if not isinstance(value.get("threshold"), (int, float)):
        raise PredictionsError(f"{report}: has no threshold, 98 % accuracy is not reached there")
    return Threshold(value["threshold"], str(report))


def measurable(kind: str, pictures: Pictures) -> Pictures:
    """The pictures that this kind can be evaluated on; the others become problems. DatasetError if none is left."""
    records, problems = [], list(pictures.problems)
    for record in pictures.records:
        if not KINDS[kind].usable(record):
            problems.append(Problem(record.image_id, f"no use to a {kind}: needed is one in which {_NEEDED[kind]}"))
        elif not record.image_id.isprintable():
            problems.append(Problem(ascii(record.image_id), "its name is not readable text; rename the file"))
        else:
            records.append(record)
    if not records:
        raise DatasetError(f"{pictures.name}: no picture to measure a {kind} on, one in which {_NEEDED[kind]}")
    return Pictures(pictures.name, records, problems)


def evaluate(
    kind: str,
    pictures: Pictures,
    out: str | Path,
    model: Model | Path,
    *,
    thresholds_of: Sequence[str | Path] = (),
    quiet: bool = False,
) -> Result:
    """Evaluate on all measurable pictures, and write the report into the folder `out`.

    model: a model, or a file of predictions. Predictions are written to `out` one by one, so that an interrupted
    evaluation can be resumed; a folder with an evaluation of another model or of other pictures is refused.
    thresholds_of: reports on other pictures, whose thresholds are applied, too, see `threshold_of`.

    Raises DatasetError or PredictionsError if the pictures, predictions or reports cannot be used.
    """
    out = Path(out)
    pictures = measurable(kind, pictures)
    records = pictures.records
    around = common_folder(records)
    truth = coco_document(records, lambda record: name_in(around, record))
    answers = read_predictions(model, kind, records) if isinstance(model, Path) else {}
    about_model: Mapping[str, object] = {"predictions": _digest(model)} if isinstance(model, Path) else model.identity
    identity = {
        "kind": kind,
        "model": about_model,
        "digits": digits.__version__,
        "pictures": hashlib.sha256(json.dumps([truth, str(around)]).encode()).hexdigest(),
    }
    thresholds = [] if isinstance(model, Path) else [*model.thresholds]
    thresholds += [_threshold_for(identity, report) for report in thresholds_of]
    chosen_on = [THESE_DATA, *(threshold.chosen_on for threshold in thresholds)]
    if twice := next((name for name in chosen_on if chosen_on.count(name) > 1), None):
        raise PredictionsError(f"{twice}: the name of two thresholds; rename the folder of the report")
    _claim(out, identity)
    write_json(out / TRUTH, truth)
    if isinstance(model, Path):
        write_bytes(out / PREDICTIONS, model.read_bytes())
    else:
        complete(out / PREDICTIONS, kind, records, model.run, quiet)
        answers = read_predictions(out / PREDICTIONS, kind, records)
    result = score(kind, records, answers, thresholds)
    left_out, opened = len(pictures.problems), plural(len(records), "picture", "pictures")
    about = {
        "data": f"{pictures.name}, {opened}" + (f", {left_out} left out" if left_out else ""),
        **about_model,
        "digits": digits.__version__,
    }
    write_report(out, kind, about, result, quiet)
    return result


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_run(folder: Path) -> dict:
    """What identifies the evaluation in a folder."""
    try:
        found = parse_json(read_text(folder / RUN))
    except (OSError, ValueError, RecursionError) as error:
        raise PredictionsError(f"{folder / RUN}: cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise PredictionsError(f"{folder / RUN}: is not of digits evaluate")
    return found


def _threshold_for(identity: dict, report: str | Path) -> Threshold:
    """The threshold of a report, which must be of the same model and of other pictures."""
    threshold = threshold_of(report, identity["kind"])
    other = _read_run(Path(report))
    if other.get("pictures") == identity["pictures"]:
        raise PredictionsError(f"{report}: is of these very pictures; a threshold chosen on others is needed")
    # predictions of other programs are identified by their files, which differ
    if other.get("model") != identity["model"] and "predictions" not in {**other.get("model", {}), **identity["model"]}:
        raise PredictionsError(f"{report}: is of another model, whose threshold says nothing here")
    return threshold


def _claim(out: Path, identity: dict) -> None:
    """Reserve the folder for this evaluation; PredictionsError or DatasetError if it holds something else."""
    try:
        claimed = (out / RUN).is_file()
    except OSError as error:
        raise PredictionsError(f"{out}: {reason(error)}") from None
    if not claimed:
        check_unused(out)
        write_text(out / RUN, json.dumps(identity, indent=1) + "\n")
        return
    found = _read_run(out)
    if other := [key for key, value in identity.items() if found.get(key) != value]:
        raise PredictionsError(f"{out}: holds an evaluation with other {' and '.join(other)}; choose another folder")
