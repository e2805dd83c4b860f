"""Hard negative mining: false alarms of a detector in pictures without numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from digits.core.boxes import cut_region
from digits.core.errors import DatasetError
from digits.core.progress import progress
from digits.core.resampling import resize
from digits.datasets.export import whole_folder
from digits.datasets.pictures import Pictures, Record
from digits.detector import Detector
from digits.pipeline.merge import NumberRegion, merge
from digits.recognizer.crops import cut_number

_MARGIN = 0.4  # wider than at reading time, since training crops it at random
_WINDOW = (384, 480)  # height, width: 1.5 times the size of training windows, which are cut from it
_TALLEST = 90.0  # maximum height of digits in a window, pixels


class FalseAlarm(NamedTuple):
    """A number region in a picture without numbers, and its score."""

    score: float
    record: Record
    region: NumberRegion


def find_false_alarms(detector: Detector, sources: Sequence[Pictures], quiet: bool = False) -> list[FalseAlarm]:
    """The number regions that `detector` finds in the pictures without digits of `sources`, highest score first.

    quiet: no progress bar. Raises DatasetError if there are no such pictures.
    """
    todo = [(pictures, i) for pictures in sources for i, record in enumerate(pictures.records) if record.negative]
    if not todo:
        raise DatasetError("none of the pictures is without numbers; mining needs negatives")
    alarms = []
    for pictures, i in progress(todo, "mining", len(todo), quiet):
        for sample in pictures.readable([i]):
            found = detector.predict([sample.image])[0]
            regions = merge(found.boxes, found.scores, found.labels)
            alarms += [FalseAlarm(float(region.score), pictures.records[i], region) for region in regions]
    return sorted(alarms, key=lambda alarm: (-alarm.score, alarm.record.image_id))


def write_false_alarms(alarms: Sequence[FalseAlarm], detector: Detector, out: str | Path, quiet: bool = False) -> int:
    """Save negatives for training: `crops/` for a recogniser, and `windows/`, with surroundings, for a detector.

    Files are numbered in the order of `alarms`. An alarm within a saved window gets no window of its own. Returns the
    number of windows. Raises DatasetError if `out` is not empty or cannot be written.
    """
    saved: dict[str, list[tuple]] = {}  # windows by picture
    windows = 0
    with whole_folder(out) as folder:
        (folder / "crops").mkdir()
        (folder / "windows").mkdir()
        for k, (_, record, region) in enumerate(progress(alarms, "cutting", len(alarms), quiet)):
            image = record.open().image
            crop = cut_number(image, region.digit_boxes, (_MARGIN,) * 4)
            Image.fromarray(crop).save(folder / "crops" / f"{k:05d}.png")
            x, y = (region.box[:2] + region.box[2:]) / 2
            of_picture = saved.setdefault(str(record.path), [])
            if any(x1 < x < x2 and y1 < y < y2 for x1, y1, x2, y2 in of_picture):
                continue
            height = float(np.median(region.digit_boxes[:, 3] - region.digit_boxes[:, 1]))
            scale = min(detector.scale(image), _TALLEST / height)
            down, across = (side / 2 / scale for side in _WINDOW)
            box = (x - across, y - down, x + across, y + down)
            of_picture.append(box)
            cut = cut_region(image, box)
            size = tuple(max(1, round(side * scale)) for side in cut.shape[1::-1])
            Image.fromarray(resize(cut, size)).save(folder / "windows" / f"{k:05d}.png")
            windows += 1
    return windows
