"""Hard negatives for the recogniser: what a detector takes for numbers in pictures that have none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from digits.core.errors import DatasetError
from digits.core.progress import shown
from digits.datasets.pictures import read_negatives
from digits.datasets.real import load_pixels
from digits.detector import Detector
from digits.pipeline.merge import merge
from digits.recognizer.crops import cut_number

_MARGIN = 0.4  # wider than at reading time: training trims it at random


def mine_false_alarms(detector: Detector, data: str | Path, out: str | Path, limit: int) -> int:
    """Run `detector` over training pictures without digits below `data`; save its finds in `out` as PNG.

    At most `limit` pictures, spread evenly, are gone through. Returns the number of crops. Raises DatasetError if
    `negatives/` is missing or `out` holds pictures already.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.glob("*.png")):
        raise DatasetError(f"{out}: already holds pictures; name an empty folder")
    pictures = load_pixels(read_negatives(Path(data) / "negatives").part("train"))
    if (text := Path(data) / "icdar2003" / "text_without_digits").is_dir():
        pictures += load_pixels(read_negatives(text).part("train"), long_side=960)
    chosen = [pictures[i] for i in np.unique(np.linspace(0, len(pictures) - 1, limit).astype(int))]
    count = 0
    for image in shown(chosen, "mining", len(chosen)):
        found = detector.predict([image])[0]
        for region in merge(found.boxes, found.scores, found.labels):
            crop = cut_number(image, region.digit_boxes, (_MARGIN,) * 4)
            cv2.imwrite(str(out / f"{count:05d}.png"), cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
            count += 1
    return count
