"""Pictures that need not exist, and answers to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from digits.datasets.pictures import make_record
from digits.evaluation.predictions import parse_line

SIZE = 400, 200


def digit_boxes(text: str, left: float, top: float = 80, height: float = 40) -> list[list[float]]:
    """Boxes of digits half as wide as high, with gaps of a tenth."""
    step = 0.6 * height
    return [[left + i * step, top, left + i * step + height / 2, top + height] for i in range(len(text))]


@pytest.fixture(scope="session")
def photo():
    """A record of a picture with numbers, each (text, left) or (text, left, top, height): photo("a", ("12", 50))."""

    def make(image_id: str, *numbers, shared_out: bool = False, size=SIZE):
        boxes = [box for text, *place in numbers for box in digit_boxes(text, *place)]
        labels = [int(char) for text, *_ in numbers for char in text]
        texts = [text for text, *_ in numbers]
        return make_record(image_id, Path(f"{image_id}.png"), size, boxes, labels, texts, shared_out)

    return make


@pytest.fixture(scope="session")
def answer():
    """An answer from plain fields: answer("pipeline", "a", readings=[…]); nothing was found if there are none."""
    nothing = {"boxes": [], "scores": [], "labels": []}, {"readings": []}

    def make(kind: str, image_id: str, **fields):
        if "error" not in fields:
            fields = (nothing[0] if kind == "detector" else nothing[1]) | fields
        return parse_line(json.dumps({"image_id": image_id, **fields}), kind)

    return make


@pytest.fixture(scope="session")
def reading():
    """A reading of a photograph, where `photo` would put the number: reading("12", 50, 0.9)."""

    def make(text: str, left: float, confidence: float, status: str = "read", **place) -> dict:
        boxes = digit_boxes(text, left, **place)
        digits = [{"digit": char, "box": box} for char, box in zip(text, boxes, strict=True)]
        box = [boxes[0][0], boxes[0][1], boxes[-1][2], boxes[-1][3]]
        return {"text": text, "confidence": confidence, "box": box, "status": status, "digits": digits}

    return make
