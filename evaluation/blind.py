"""Predictions for blind test sets: one number per line, in the order of the test set."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from digits.core.errors import DatasetError, reason
from digits.core.images import load_image
from digits.datasets.files import picture_folder, picture_path, write_text
from digits.datasets.mila import read_order
from digits.datasets.pictures import Record, make_record, read_json
from digits.evaluation.predictions import PipelineAnswer, read_predictions
from digits.evaluation.run import complete, read_photographs, reader_model
from digits.pipeline.reader import Reader

FORMATS = ("digits", "mila")


def order_of(path: str | Path) -> list[str]:
    """The file names of a test set, in its order: from a Mila pickle, or from the images of a COCO file.

    Labels in it are ignored. Raises DatasetError if it is neither, or lists no picture.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        images = read_json(path, dict).get("images")
        listed = isinstance(images, list) and all(isinstance(image, dict) for image in images)
        found = [image.get("file_name") for image in images] if listed else [None]
        names = [name for name in found if isinstance(name, str)]
        if len(names) < len(found):
            raise DatasetError(f"{path}: not COCO, a list of objects with a file_name is expected under 'images'")
    else:
        names = read_order(path)
    if not names:
        raise DatasetError(f"{path}: lists no picture")
    if odd := next((name for name in names if not name.isprintable()), None):
        raise DatasetError(f"{path}: {odd!r} is not readable text; rename that file")
    for name in names:
        try:
            picture_path(path.parent, name)
        except ValueError as error:
            raise DatasetError(f"{path}: {name!r}: {error}") from None
    return names


def number_line(text: str, format: str) -> str:
    """A number, or "" if none was read, as a line of a format.

    "digits" keeps leading zeros; no number is an empty line. "mila" is the format of the Mila evaluations: a float with
    one decimal, without leading zeros; no number is -1.0.

    >>> [number_line(text, format) for text in ("042", "") for format in FORMATS]
    ['042', '42.0', '', '-1.0']
    """
    return text if format == "digits" else f"{int(text or -1)}.0"


def _answered(reader: Reader, records: Sequence[Record]) -> Iterator[dict]:
    """Like `read_photographs`, but if nothing is found, the whole picture is read: an empty line is wrong anyway."""
    for record, answer in zip(records, read_photographs(reader, records), strict=True):
        if not answer.get("error") and not answer["readings"]:
            image = load_image(record.path)
            seen = reader.recognizer.predict([image])[0]
            if seen.text:
                box = [0, 0, image.shape[1], image.shape[0]]
                reading = {"text": seen.text, "confidence": min(1.0, seen.confidence), "box": box, "status": "unsure"}
                answer = {**answer, "readings": [reading]}
        yield answer


def predict(
    reader: Reader,
    order: str | Path,
    out: str | Path,
    images: str | Path | None = None,
    *,
    format: str = "digits",
    quiet: bool = False,
) -> list[str]:
    """Write the first reading of each picture of a test set to `out`, one per line, see `number_line`.

    images: the folder of the pictures, by default `images/` beside the list, else the folder of the list. An
    interrupted run is resumed from a hidden file beside `out`. Returns a message for each picture that could not be
    opened; its line is that of no number.

    Raises DatasetError if a picture is missing, before anything is read, or `out` cannot be written.
    """
    order, out = Path(order), Path(out)
    names = order_of(order)
    folder = picture_folder(order, images)
    if missing := [name for name in names if not os.path.isfile(folder / name)]:
        raise DatasetError(
            f"{order}: {len(missing)} of its {len(names)} pictures are not in {folder}, such as {missing[0]}; "
            "say with --images where they are"
        )
    # a picture may be listed twice: the position makes ids unique
    records = [make_record(f"{place} {name}", folder / name, (0, 0)) for place, name in enumerate(names)]
    asked = hashlib.sha256(json.dumps([reader_model(reader).identity, names]).encode()).hexdigest()[:12]
    partial = out.with_name(f".{out.name}.{asked}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written ({reason(error)})") from None
    complete(partial, "pipeline", records, lambda left: _answered(reader, left), quiet)
    found = read_predictions(partial, "pipeline", records)
    answers = [found[record.image_id] for record in records]
    write_text(out, "".join(number_line(_first(answer), format) + "\n" for answer in answers))
    partial.unlink()
    return [answer.error for answer in answers if answer.error]


def _first(answer: PipelineAnswer) -> str:
    return answer.readings[0].text if answer.readings else ""
