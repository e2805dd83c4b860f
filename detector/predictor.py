"""Digit boxes in whole photographs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digits.core.backend import BasePredictor
from digits.core.batch import check_batch, check_picture
from digits.core.resampling import resize
from digits.detector.detections import Detections
from digits.detector.exported import ExportedNetwork
from digits.detector.tiles import find_tiles
from digits.detector.views import View, WholeImage, Window, cut, in_image
from digits.detector.zoom import find_zoom_crops, zoom_crop

if TYPE_CHECKING:
    from digits.detector.nn.eager import EagerNetwork

EFFORTS = ("quick", "normal", "thorough")
LONG_SIDE = 720  # photographs are scaled to this many pixels on their longer side …
_SHORTEST = 640  # … and small ones enlarged to this, at most twofold
# The network is at its best with digits of 8 to 90 pixels, so a photograph is shown to it at several scales. Each
# covers a range of heights, in pixels at full scale; where two overlap, merging settles it. The reduced ones together
# cost half of the full one, and go before it: in the coarse pass they cover small digits too. Wherever digits were
# found that are smaller than is best, a zoom crop follows, scaled so that they have the best height; it costs an eighth
# of the full one.
_FULL = (1.0, 0.0, 95.0)
_COARSE = ((0.5, 0.0, 190.0), (0.16, 140.0, float("inf")))
_LARGE = 55.0  # pixels at full scale: digits of this height and more are found as well in the coarse pass
_BESIDE_FULL = tuple((reduction, max(low, _LARGE), high) for reduction, low, high in _COARSE)


def check_effort(effort: str) -> None:
    """Raises ValueError unless it is one of EFFORTS."""
    if effort not in EFFORTS:
        raise ValueError(f"effort must be one of {', '.join(EFFORTS)}, got {effort!r}")


class Detector(BasePredictor):
    """Finds digits.

    weights: a weights file, .safetensors or .onnx, or None for the one that ships. device: `auto`, `cpu`, `cuda`,
    `cuda:N` or `mps`. long_side: pixels to which photographs are scaled; more finds smaller digits and takes longer.
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
        return [
            self._full_pass(image, self._find(image, self._whole(image, _COARSE)))[0]
            for image in check_batch(images, "images")
        ]

    def scale(self, image: np.ndarray) -> float:
        """By what factor an image (H, W, 3) is scaled in the full pass."""
        return self._full_scale(*image.shape[1::-1])

    def view(self, image: np.ndarray, height: float) -> tuple[np.ndarray, float]:
        """What the network is shown of an image (H, W, 3) to find digits `height` pixels high in it.

        Returns RGB uint8 (h, w, 3), and by what factor the image was scaled. Where two scales cover such digits it is
        the larger one.
        """
        full = self.scale(image)
        reduction = next(reduction for reduction, _, high in (_FULL, *_BESIDE_FULL) if height * full < high)
        return self._scaled(self._scaled(image, full), reduction), full * reduction

    def passes(self, image: np.ndarray, effort: str = "normal") -> Iterator[Detections]:
        """Detections in an image (H, W, 3), best first, from ever closer passes: coarse, at full scale, over tiles.

        Each stands by itself. The second is what `predict` finds, the third has small digits from the tiles, which show
        them twice as high; with the effort `quick` there is no third. No pass is begun before it is asked for, and each
        takes longer than the one before. Raises ValueError for an unknown effort.
        """
        check_effort(effort)
        return self._passes(check_picture(image, "image"), effort)

    def predict_window(
        self, image: np.ndarray, window: Sequence[float] | np.ndarray, digit_height: float
    ) -> Detections:
        """Detections in a window of an image, RGB uint8 (H, W, 3), best first: for following a number through frames.

        window: (x1, y1, x2, y2) in pixels of the image; what is outside the image is left out. digit_height: that of
        the digits expected there, in pixels of the image. The window is scaled for such digits as a zoom crop is, but
        enlarged at most four times, and to at most 640 pixels on its longer side, which bounds time and memory: in a
        large window small digits are missed. Boxes are in pixels of the image, and clipped to the window. Digits whose
        middle is outside the window, or on its very edge, are left out.

        Raises ImageError for what is no picture; ValueError if nothing of the window is in the image, or for numbers
        that are not finite or a height that is not above 0.
        """
        check_picture(image, "image")
        corners = np.asarray(window, float)
        if corners.shape != (4,) or not np.isfinite(corners).all() or not (corners[:2] < corners[2:]).all():
            raise ValueError(f"window must be finite numbers x1, y1, x2, y2 with x1 < x2 and y1 < y2, got {window}")
        if not 0 < digit_height < np.inf:
            raise ValueError(f"digit_height must be a finite number above 0, got {digit_height}")
        height, width = image.shape[:2]
        # no digit is higher than the image, which would be scaled to nothing
        crop = zoom_crop(corners, min(digit_height, height), width, height)
        if crop is None:
            raise ValueError(f"window {window} has nothing in common with the image, {width}x{height}")
        [found] = self._find(image, [crop])
        return _clipped(found[crop.holds(found.boxes)], crop.window)

    def propose(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Boxes that the region proposal network suggests in an image (H, W, 3), before digits are told apart.

        Returns float32 (N, 4) arrays, xyxy in pixels of the image, from all views of the full pass: "before_nms", the
        best of every pyramid level; "after_nms", those that are classified. A digit that no proposal covers cannot be
        found. Raises DeviceError if the backend is not PyTorch.
        """
        network, image = self.eager, check_picture(image, "image")
        _, views = self._full_pass(image, self._find(image, self._whole(image, _COARSE)))
        stages: dict[str, list[np.ndarray]] = {"before_nms": [], "after_nms": []}
        for view, picture in zip(views, self._pictures(image, views), strict=True):
            for stage, proposed in network.propose(picture).items():
                boxes = in_image(proposed, view)
                stages[stage].append(boxes[view.covers(boxes)])
        return {stage: np.concatenate(boxes) for stage, boxes in stages.items()}

    def _passes(self, image: np.ndarray, effort: str) -> Iterator[Detections]:
        views = self._whole(image, _COARSE)
        coarse = self._find(image, views)
        yield self._zoomed(image, views, coarse)[0]
        full, _ = self._full_pass(image, coarse)
        yield full
        if effort != "quick":
            yield self._tile_pass(image, full)

    def _full_pass(self, image: np.ndarray, coarse: list[Detections]) -> tuple[Detections, list[View]]:
        """Small digits from the full scale, large ones from the coarse pass; and the views that were needed.

        coarse: all that was found at the scales of the coarse pass.
        """
        views = self._whole(image, (_FULL, *_BESIDE_FULL))
        return self._zoomed(image, views, [*self._find(image, views[:1]), *coarse])

    def _tile_pass(self, image: np.ndarray, full: Detections) -> Detections:
        """Small digits from tiles, large ones from the full pass."""
        height, width = image.shape[:2]
        tiles = find_tiles(width, height, self._full_scale)
        # one after the other: each keeps all cores busy, and several at once take as many times the memory
        found = [each for tile in tiles for each in self._find(image, [tile])]
        return Detections.joined([full[full.heights >= tiles[0].small], self._zoomed(image, tiles, found)[0]])

    def _zoomed(
        self, image: np.ndarray, views: Sequence[View], found: Sequence[Detections]
    ) -> tuple[Detections, list[View]]:
        """What the views of a pass and the zoom crops that follow from them show; and all of these views.

        views: the first of them has the largest scale. found: in each of them. What a zoom crop covers takes the place
        of what was found there before.
        """
        height, width = image.shape[:2]
        wide = Detections.joined([each[view.covers(each.boxes)] for view, each in zip(views, found, strict=True)])
        crops = find_zoom_crops(wide.boxes, wide.scores, width, height, views[0].scale)
        kept = np.ones(len(wide), bool)
        enlarged = []
        for crop, each in zip(crops, self._find(image, crops), strict=True):
            kept &= ~crop.covers(wide.boxes)
            enlarged.append(each[crop.covers(each.boxes)])
        return _clipped(Detections.joined([wide[kept], *enlarged]), (0, 0, width, height)), [*views, *crops]

    def _find(self, image: np.ndarray, views: Sequence[View]) -> list[Detections]:
        """All that the network finds in each view of an image, in pixels of the image."""
        found = self._network.find(self._pictures(image, views))
        return [
            Detections(in_image(boxes, view), scores, labels)
            for view, (boxes, scores, labels) in zip(views, found, strict=True)
        ]

    def _pictures(self, image: np.ndarray, views: Sequence[View]) -> Iterator[np.ndarray]:
        """What the network is shown: each made when it is asked for, those of the whole image from the one before."""
        whole, scale = image, 1.0
        for view in views:
            if isinstance(view, WholeImage):
                whole, scale = self._scaled(whole, view.scale / scale), view.scale
                yield whole
            else:
                yield self._scaled(cut(image, view), view.scale)

    def _whole(self, image: np.ndarray, scales: Sequence[tuple[float, float, float]]) -> list[WholeImage]:
        """Views of all of an image."""
        full, (height, width) = self.scale(image), image.shape[:2]
        return [WholeImage((0, 0, width, height), full * by, low / full, high / full) for by, low, high in scales]

    def _full_scale(self, width: int, height: int) -> float:
        longest = max(width, height)
        return min(self.long_side / longest, max(1.0, min(2.0, _SHORTEST / longest)))

    def _scaled(self, image: np.ndarray, scale: float) -> np.ndarray:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        return resize(image, size, self._threads)


def _clipped(found: Detections, window: Window) -> Detections:
    """The same, no box reaching out of the window."""
    low, high = (np.array(corner * 2, np.float32) for corner in (window[:2], window[2:]))
    return Detections(found.boxes.clip(low, high), found.scores, found.labels)
