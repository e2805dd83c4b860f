"""Measures the time to score 10,000 pictures with existing predictions, including the report.

    python benchmarks/evaluation.py

All pictures show the same wall; truth and predictions are random: one picture in five is a negative, the others have a
number of one to five digits, with predictions as good as those of a mediocre reader.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import click
import cv2
import numpy as np

from digits.datasets import open_source
from digits.datasets.coco import coco_document, write_json
from digits.datasets.pictures import Record, make_record
from digits.evaluation.evaluate import evaluate
from digits.evaluation.predictions import answer_line

SIZE = 640, 480


def made_up(count: int) -> list[Record]:
    """Pictures with their truth."""
    rng = np.random.default_rng(1)
    records = []
    for i in range(count):
        length = 0 if i % 5 == 0 else int(rng.integers(1, 6))
        height = rng.uniform(12, 80)
        left, top = rng.uniform(0, SIZE[0] - length * height * 0.6), rng.uniform(0, SIZE[1] - height)
        boxes = [[left + k * 0.6 * height, top, left + (k * 0.6 + 0.5) * height, top + height] for k in range(length)]
        labels = rng.integers(0, 10, length).tolist()
        numbers = ["".join(map(str, labels))] if length else []
        records.append(make_record(f"{i}.png", Path(f"{i}.png"), SIZE, boxes, labels, numbers))
    return records


def answers(kind: str, records: list[Record]) -> list[dict]:
    """Predictions of a mediocre reader: a sixth of the digits wrong or missed, and false alarms in each picture."""
    rng = np.random.default_rng(2)
    made = []
    for record in records:
        kept = rng.random(len(record.boxes)) < 0.95
        boxes = record.boxes[kept] + rng.normal(0, 1, (int(kept.sum()), 4))
        labels = np.where(rng.random(len(boxes)) < 0.9, record.labels[kept], rng.integers(0, 10, len(boxes)))
        text = "".join(map(str, labels))
        confidence = float(rng.uniform(0.3, 1)) if text == "".join(record.numbers) else float(rng.uniform(0, 0.8))
        if kind == "detector":
            corners = rng.uniform(0, 400, (12, 2))
            alarms = np.concatenate([corners, corners + rng.uniform(10, 80, (12, 2))], 1)
            fields = {
                "boxes": np.concatenate([boxes, boxes, alarms]).round(2).tolist(),  # a second class on every digit
                "scores": np.concatenate(
                    [rng.uniform(0.4, 1, len(boxes)), rng.uniform(0.05, 0.3, len(boxes)), rng.uniform(0.05, 0.4, 12)]
                ).tolist(),
                "labels": np.concatenate([labels, (labels + 3) % 10, rng.integers(0, 10, 12)]).tolist(),
            }
        elif kind == "recognizer":
            fields = {"readings": [{"text": text, "confidence": confidence}]}
        else:
            readings = []
            if text:
                box = [*boxes[:, :2].min(0), *boxes[:, 2:].max(0)]
                digits = [{"digit": c, "box": b.tolist()} for c, b in zip(text, boxes, strict=True)]
                readings.append({"text": text, "box": list(map(float, box)), "digits": digits})
            readings.append({"text": "7", "box": [5, 5, 20, 40], "digits": [{"digit": "7", "box": [5, 5, 20, 40]}]})
            status = "read" if confidence > 0.6 else "unsure"
            fields = {"readings": [{**one, "confidence": confidence, "status": status} for one in readings]}
        made.append({"image_id": record.image_id, **fields})
    return made


@click.command()
@click.option("--count", default=10_000, show_default=True, help="Pictures.")
def main(count: int) -> None:
    """Time the scoring of a detector, a recogniser and the whole chain."""
    click.echo(f"| {count:,} pictures, predictions there | seconds |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        records = made_up(count)
        cv2.imwrite(str(home / "wall.png"), np.full((SIZE[1], SIZE[0], 3), 120, np.uint8))
        for record in records:  # one file, but each a picture of its own
            (home / record.path).hardlink_to(home / "wall.png")
        write_json(home / "instances.json", coco_document(records, lambda record: record.path.name))
        for kind in ("detector", "recognizer", "pipeline"):
            predictions = home / f"{kind}.jsonl"
            predictions.write_text("".join(map(answer_line, answers(kind, records))))
            started = time.perf_counter()
            pictures = open_source(home / "instances.json", quiet=True)
            evaluate(kind, pictures, home / kind, predictions, quiet=True)
            click.echo(f"| {kind} | {time.perf_counter() - started:.1f} |")
            json.loads((home / kind / "report.json").read_text())


if __name__ == "__main__":
    main()
