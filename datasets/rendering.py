"""Writes synthetic samples to disk: pictures and annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from digits.core.progress import progress
from digits.core.signals import leave_to_the_parent
from digits.datasets.coco import coco_document, write_json
from digits.datasets.crops import write_crops
from digits.datasets.export import ANNOTATIONS, whole_folder
from digits.datasets.pictures import Record
from digits.datasets.synthesis import Synthetic


class _Encoded(Dataset):
    """Samples as picture files, encoded by the workers: file name, bytes and record."""

    def __init__(self, samples: Synthetic, suffix: str):
        self.samples, self.suffix = samples, suffix

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[str, np.ndarray, Record]:
        sample = self.samples[index]
        name = f"{index:07d}{self.suffix}"
        quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if self.suffix == ".jpg" else []
        _, data = cv2.imencode(self.suffix, cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR), quality)
        height, width = sample.image.shape[:2]
        record = Record(name, Path(name), width, height, sample.boxes, sample.labels, sample.numbers)
        return name, data, record


def _as_it_is(item: Any) -> Any:
    """Keeps the DataLoader from turning arrays into tensors."""
    return item


def render(samples: Synthetic, out: str | Path, *, suffix: str, workers: int, quiet: bool = False) -> int:
    """Write `images/`, `instances.json` (COCO) and, for crops, `labels.csv`.

    suffix: ".jpg", at quality 95, or ".png". workers: processes beside this one; they do not change what is drawn.
    quiet: no progress bar. If interrupted, complete pictures are kept and annotated. Returns how many were written.

    Raises DatasetError if `out` is not empty or cannot be written.
    """
    loader = DataLoader(
        _Encoded(samples, suffix),
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=leave_to_the_parent,
        prefetch_factor=32 if workers else None,
    )
    records: list[Record] = []
    with whole_folder(out) as folder:
        (folder / "images").mkdir()
        try:
            for name, data, record in progress(loader, "drawing", len(samples), quiet):
                (folder / "images" / name).write_bytes(data)
                records.append(record)
        except KeyboardInterrupt:
            if not records:
                raise
        # a picture whose writing was interrupted has no record
        for stray in {p.name for p in (folder / "images").iterdir()} - {r.image_id for r in records}:
            (folder / "images" / stray).unlink()
        write_json(folder / ANNOTATIONS, coco_document(records, lambda r: r.image_id))
        if samples.kind == "crop":
            rows = [(r.image_id, "".join(r.numbers)) for r in records]
            write_crops(rows, folder / "labels.csv")
    return len(records)
