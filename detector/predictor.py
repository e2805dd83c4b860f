"""Digit boxes in whole photographs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digits.core.backend import Backed
from digits.core.batch import check_batch, check_picture
from digits.core.resampling import resize
from digits.detector.exported import ExportedNetwork
from digits.detector.parts import SMALL, find_parts
from digits.detector.spots import find_spots

if TYPE_CHECKING:
    from digits.detector.nn.eager import EagerNetwork

LONG_SIDE = 720  # photographs are looked at with their longer side at this many pixels …
_SHORTEST = 640  # … and small ones enlarged to this, at most twofold
# The network is at its best with digits of 8 to 90 pixels, so a photograph is looked at in several scales. Each look
# answers for a range of heights, in pixels at full scale; where two overlap, merging settles it. The reduced ones
# together cost half of the first, and go before it: at a glance they answer for small digits too. Wherever digits
# were suspected that are smaller than is best, a closer look follows, scaled so that they have the height which is
# found best; it costs an eighth of the first.
_CLOSEST = (1.0, 0.0, 95.0)
_GLANCE = ((0.5, 0.0, 190.0), (0.16, 140.0, float("inf")))
_LARGE = 55.0  # pixels at full scale: digits higher than this are as good at a glance
_LOOKS = (_CLOSEST, *((reduction, max(low, _LARGE), high) for reduction, low, high in _GLANCE))


@dataclass(frozen=True)
class Detections:
    """Digits found in one image.

    boxes: float32 (N, 4), xyxy in pixels of the image. scores: float32 (N,), 0 to 1. labels: int64 (N,), digits 0 to 9.
    One digit may appear several times under different labels: suppression is per class, as COCO AP wants it.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes.shape != (count, 4) or self.scores.shape != (count,) or self.labels.shape != (count,):
            shapes = self.boxes.shape, self.scores.shape, self.labels.shape
            raise ValueError(f"boxes (N, 4), scores (N,), labels (N,) expected, got {shapes}")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, which: np.ndarray) -> Detections:
        """Some of them: a mask, bool (N,), or indices."""
        return Detections(self.boxes[which], self.scores[which], self.labels[which])

    @classmethod
    def joined(cls, parts: Sequence[Detections]) -> Detections:
        """Those of several looks at one image, best first; there is one look at least."""
        found = cls(*(np.concatenate([getattr(p, key) for p in parts]) for key in ("boxes", "scores", "labels")))
        return found[np.argsort(-found.scores, kind="stable")]

    @property
    def heights(self) -> np.ndarray:
        """Of the boxes, float32 (N,)."""
        return self.boxes[:, 3] - self.boxes[:, 1]

    def to_dict(self) -> dict:
        """Plain lists of numbers."""
        return {
            "boxes": self.boxes.tolist(),
            "scores": self.scores.tolist(),
            "labels": self.labels.tolist(),
        }


class Detector(Backed):
    """Finds digits.

    weights: a weights file, .safetensors or .onnx, or None for the one that ships. device: `auto`, `cpu`, `cuda`,
    `cuda:N` or `mps`. long_side: pixels at which photographs are looked at; more finds smaller digits and takes longer.
    backend: `auto`, `torch`, `onnx` or `int8`, see `resolve_backend`. threads: that compute, by default one a core, at
    most `core.backend.MAX_THREADS`; those of PyTorch are a setting of the whole process.

    May be called from several threads, and in a forked process: ONNX Runtime starts there anew; PyTorch has one thread
    there, and no GPU.

    Raises WeightsError if the file cannot be used, DeviceError if the device or the backend is not here, ValueError for
    such a number of threads.
    """

    kind = "detector"
    exported_network = ExportedNetwork

    @staticmethod
    def eager_network() -> type[EagerNetwork]:
        from digits.detector.nn.eager import EagerNetwork

        return EagerNetwork

    def __init__(
        self,
        weights: str | Path | None = None,
        device: str = "auto",
        long_side: int = LONG_SIDE,
        *,
        backend: str = "auto",
        threads: int | None = None,
    ):
        super().__init__(weights, device, backend, threads)
        self.long_side = long_side
        self._threads = threads or os.cpu_count() or 1

    def predict(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detections in each image, RGB uint8 (H, W, 3) of any size, best first.

        Raises ImageError, saying which, if one is anything else; so do the methods below.
        """
        return [self._predict_one(image) for image in check_batch(images, "images")]

    def scale(self, image: np.ndarray) -> float:
        """By what factor an image (H, W, 3) is scaled for the closest look at it."""
        longest = max(image.shape[:2])
        return min(self.long_side / longest, max(1.0, min(2.0, _SHORTEST / longest)))

    def view(self, image: np.ndarray, tall: float) -> tuple[np.ndarray, float]:
        """What the network is shown of an image (H, W, 3) to find digits `tall` pixels high in it.

        Returns RGB uint8 (h, w, 3), and by what factor the image was scaled. Of two looks that answer for such digits
        it is the closer one.
        """
        full = self.scale(image)
        reduction = next(reduction for reduction, _, high in _LOOKS if tall * full < high)
        return self._scaled(self._scaled(image, full), reduction), full * reduction

    def propose(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Boxes that the region proposal network suggests in an image (H, W, 3), before digits are told apart.

        Returns float32 (N, 4) arrays, xyxy in pixels of the image: "before_nms", the best of every pyramid level;
        "after_nms", those that are looked at further. A digit that no proposal covers cannot be found. Raises
        DeviceError if the backend is not PyTorch.
        """
        network, image = self.eager, check_picture(image, "image")
        stages: dict[str, list[np.ndarray]] = {"before_nms": [], "after_nms": []}
        full = self.scale(image)
        for (reduction, low, high), view in zip(_LOOKS, self._views(image, _LOOKS), strict=True):
            for stage, boxes in network.propose(view).items():
                tall = (boxes[:, 3] - boxes[:, 1]) / reduction
                stages[stage].append(boxes[(tall >= low) & (tall < high)] / np.float32(full * reduction))
        wide = self._whole(image, self._look(image, _GLANCE))
        for spot in find_spots(wide.boxes, wide.scores, image.shape[1], image.shape[0], full):
            for stage, boxes in network.propose(self._scaled(spot.cut(image), spot.scale)).items():
                boxes = boxes / np.float32(spot.scale) + np.array(spot.window[:2] * 2, np.float32)
                stages[stage].append(boxes[spot.covers(boxes)])
        return {stage: np.concatenate(parts) for stage, parts in stages.items()}

    def looks(self, image: np.ndarray) -> Iterator[Detections]:
        """Detections in an image (H, W, 3), best first, from ever closer looks: a glance, at all of it, at its parts.

        Each stands by itself. The second is what `predict` finds, the third has small digits from the parts, which show
        them twice as high. Nothing is looked at before it is asked for, and each takes longer than the one before.
        """
        scale = self.scale(check_picture(image, "image"))
        glance = self._look(image, _GLANCE)
        yield self._at_spots(image, glance, scale * _GLANCE[0][0])
        whole = self._at_spots(image, self._whole(image, glance), scale)
        yield whole
        yield self._in_parts(image, whole)

    def _predict_one(self, image: np.ndarray) -> Detections:
        return self._at_spots(image, self._whole(image, self._look(image, _GLANCE)), self.scale(image))

    def _whole(self, image: np.ndarray, glance: Detections) -> Detections:
        """Small digits from the closest look at the whole of an image, large ones as seen at a glance."""
        large = glance[glance.heights * self.scale(image) >= _LARGE]
        return Detections.joined([self._look(image, [_CLOSEST]), large])

    def _look(self, image: np.ndarray, looks: Sequence[tuple[float, float, float]]) -> Detections:
        """At the whole of an image, each look answering for its heights."""
        full = self.scale(image)
        parts = []
        found = self._network.find(self._views(image, looks))
        for (reduction, low, high), (boxes, scores, labels) in zip(looks, found, strict=True):
            tall = (boxes[:, 3] - boxes[:, 1]) / reduction
            here = Detections(boxes / np.float32(full * reduction), scores, labels)
            parts.append(here[(tall >= low) & (tall < high)])
        return Detections.joined(parts)

    def _views(self, image: np.ndarray, looks: Sequence[tuple[float, float, float]]) -> Iterator[np.ndarray]:
        """What the looks see of an image, each made from the one before, while that is looked at."""
        full, scale = self.scale(image), 1.0
        for reduction, _, _ in looks:
            image, scale = self._scaled(image, full * reduction / scale), full * reduction
            yield image

    def _scaled(self, image: np.ndarray, scale: float) -> np.ndarray:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        return resize(image, size, self._threads)

    def _at_spots(self, image: np.ndarray, wide: Detections, scale: float) -> Detections:
        """What a closer look answers for takes the place of what was seen there before, at `scale`."""
        height, width = image.shape[:2]
        spots = find_spots(wide.boxes, wide.scores, width, height, scale)
        kept = np.ones(len(wide), bool)
        parts = []
        views = (self._scaled(spot.cut(image), spot.scale) for spot in spots)
        for spot, (boxes, scores, labels) in zip(spots, self._network.find(views), strict=True):
            kept &= ~spot.covers(wide.boxes)
            boxes = boxes / np.float32(spot.scale) + np.array(spot.window[:2] * 2, np.float32)
            parts.append(Detections(boxes, scores, labels)[spot.covers(boxes)])
        found = Detections.joined([wide[kept], *parts])
        found.boxes[:, 0::2] = found.boxes[:, 0::2].clip(0, width)
        found.boxes[:, 1::2] = found.boxes[:, 1::2].clip(0, height)
        return found

    def _in_parts(self, image: np.ndarray, found: Detections) -> Detections:
        """Small digits from the parts of an image, large ones as `found` in the whole."""
        height, width = image.shape[:2]
        small = SMALL * max(height, width)
        parts = find_parts(width, height)
        views = [part.cut(image) for part in parts]
        scale = min(map(self.scale, views))
        fine = []
        for part, view in zip(parts, views, strict=True):
            # one after the other: each keeps all cores busy, and several at once take as many times the memory
            [(boxes, scores, labels)] = self._network.find([self._scaled(view, scale)])
            here = Detections(boxes / np.float32(scale) + np.array(part.window[:2] * 2, np.float32), scores, labels)
            fine.append(here[part.holds(here.boxes) & (here.heights < small)])
        return Detections.joined([found[found.heights >= small], self._at_spots(image, Detections.joined(fine), scale)])
