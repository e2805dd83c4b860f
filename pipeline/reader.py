"""Photograph to Scene: load, detect, merge, cut, recognise, weigh."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice, pairwise
from numbers import Real
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, cast

import numpy as np
from PIL import Image

from digits.core.backend import check_threads
from digits.core.errors import ImageError
from digits.core.images import MAX_PIXELS, Source, bytes_of, open_image, source_name
from digits.core.resources import shipped
from digits.detector import Detections, Detector
from digits.pipeline.fuse import Fusion, Seen, confidence, features, fuse, same_place
from digits.pipeline.merge import NumberRegion, candidates
from digits.pipeline.results import Box, Digit, Reading, Scene
from digits.recognizer import Recognizer, Transcription
from digits.recognizer.crops import cut_both

CALIBRATION = "calibration.json"
EFFORTS = ("quick", "normal", "thorough")
_WHOLE = 2  # looks of a detector, after which come those at parts
# Pixels of the longer side. Tiles show a photograph at 1,440, where digits are found from 8 pixels on. In a photograph
# of this size those are 24 pixels high, as much as a crop needs.
_ENOUGH = 4320
_AT_ONCE = 2  # photographs of many that are read at once; as many are in memory
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_MAX_REGIONS = 24  # a photograph's best regions; more than this many numbers is noise


class DetectorLike(Protocol):
    """Anything that finds digits as `Detector` does; `looks` may yield no more than what `predict` finds.

    That is what reading needs. Explaining looks into the networks, and needs a `Detector` and a `Recognizer`.
    """

    def predict(self, images: list[np.ndarray]) -> list[Detections]: ...

    def looks(self, image: np.ndarray) -> Iterable[Detections]: ...


class RecognizerLike(Protocol):
    """Anything that reads crops as `Recognizer` does."""

    def predict(self, crops: list[np.ndarray]) -> list[Transcription]: ...


@dataclass(frozen=True)
class Look:
    """What was seen in a photograph.

    regions: where numbers may be. seen: what the recogniser saw in each. readings: what is read, by the index of the
    region, most likely house number first.
    """

    regions: list[NumberRegion]
    seen: list[Seen]
    readings: dict[int, Reading]


class _Room:
    """Memory for photographs that are read at once: for as many pixels as a single one may have."""

    def __init__(self) -> None:
        self._pixels = 0
        self._freed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until there is room; for a single photograph there always is."""
        with self._freed:
            self._freed.wait_for(lambda: not self._pixels or self._pixels + pixels <= MAX_PIXELS)
            self._pixels += pixels
        try:
            yield
        finally:
            with self._freed:
                self._pixels -= pixels
                self._freed.notify_all()


class Reader:
    """Reads house numbers in photographs.

    detector, recognizer: objects with the methods of `DetectorLike` and `RecognizerLike`; those that ship by default.
    fusion: how the two are weighed and calibrated, if they are others. device, backend: for the default ones, see
    `digits.Detector`. min_confidence: below it a reading is `unsure`; by default the threshold chosen on validation
    data. threads: processor threads to use, all by default. effort: with `normal` a photograph is looked at ever
    closer, at a glance, at all of it, at its parts, until a number is read surely; with `quick` likewise, but never at
    its parts; with `thorough` in all these ways, whose findings are weighed together: it finds small numbers beside a
    large one.
    """

    def __init__(
        self,
        detector: DetectorLike | None = None,
        recognizer: RecognizerLike | None = None,
        *,
        fusion: Fusion | None = None,
        device: str = "auto",
        min_confidence: float | None = None,
        threads: int | None = None,
        backend: str = "auto",
        effort: str = "normal",
    ):
        if effort not in EFFORTS:
            raise ValueError(f"effort must be one of {', '.join(EFFORTS)}, got {effort!r}")
        if min_confidence is not None and not (isinstance(min_confidence, Real) and 0 <= min_confidence <= 1):
            raise ValueError(f"min_confidence must be a number within 0 and 1, got {min_confidence!r}")
        _check_methods("detector", detector, "predict", "looks")
        _check_methods("recognizer", recognizer, "predict")
        if not isinstance(fusion, Fusion | None):
            raise TypeError(f"fusion: a Fusion expected, got {type(fusion).__name__}; for a file, Fusion.load(path)")
        check_threads(threads)
        self.detector = detector or Detector(device=device, backend=backend, threads=threads)
        self.recognizer = recognizer or Recognizer(device=device, backend=backend, threads=threads)
        self.effort = effort
        self._at_once = min(_AT_ONCE, threads or _AT_ONCE)
        self.fusion = fusion or Fusion.load(shipped("digits.pipeline", CALIBRATION))
        self.min_confidence = self.fusion.threshold if min_confidence is None else min_confidence

    def read(self, source: Source) -> Scene:
        """Read one photograph: path, encoded bytes, binary file object, PIL image or RGB uint8 array (H, W, 3).

        Raises ImageError if it cannot be loaded.
        """
        return self._read(source, _Room())

    def read_all(self, sources: Iterable[Source], *, skip_errors: bool = False) -> Iterator[Scene | ImageError]:
        """Read many photographs, in order: while one is looked at, the next is loaded, unless there is one thread only.
        No more are in memory, and of large ones, which together have more pixels than a single one may have, only one.

        sources: what `read` takes. They are taken ahead of their turn, so that each must be an object of its own: no
        array that is filled anew, no PIL image that goes from frame to frame.

        A photograph that cannot be loaded raises ImageError when its turn comes, or with `skip_errors` yields that
        error in its place. What `sources` raises is raised in its turn, too.
        """
        attempt = partial(self._attempt, room=_Room())
        with closing(_ahead(attempt, sources, self._at_once)) as results:
            for result in results:
                if isinstance(result, ImageError) and not skip_errors:
                    raise result
                yield result

    def _attempt(self, source: Source, room: _Room) -> Scene | ImageError:
        try:
            return self._read(source, room)
        except ImageError as error:
            return error

    def _read(self, source: Source, room: _Room) -> Scene:
        name = None
        if not isinstance(source, Image.Image) and hasattr(source, "read"):
            name = source_name(source)
            source = bytes_of(cast(BinaryIO, source), name)  # kept as bytes, so that the scene can be drawn later
        with open_image(source, name, _ENOUGH) as picture, room.taken(math.prod(picture.decoded)):
            started = time.perf_counter()
            look = self.look(picture.load())  # whose pixels are let go of before there is room for another's
            seconds = round(time.perf_counter() - started, 4)
        path = os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else None
        (width, height), (shown_width, shown_height) = picture.size, picture.decoded
        readings = tuple(each.scaled(width / shown_width, height / shown_height) for each in look.readings.values())
        return Scene(width, height, readings, seconds, path, source)

    def own_networks(self) -> tuple[Detector, Recognizer]:
        """What this reader reads with, for what looks into it. Raises TypeError if they are no more than like these."""
        if isinstance(self.detector, Detector) and isinstance(self.recognizer, Recognizer):
            return self.detector, self.recognizer
        kinds = type(self.detector).__name__, type(self.recognizer).__name__
        raise TypeError(f"a reader of a Detector and a Recognizer expected, got one of {kinds[0]} and {kinds[1]}")

    def look(self, image: np.ndarray) -> Look:
        """What is seen in an upright photograph, RGB uint8 (H, W, 3), looked at as closely as it takes."""
        looks = self.detector.looks(image)
        if self.effort == "thorough":
            # as if in one look: what is seen in one speaks for or against what is seen in another
            regions = {each.digit_boxes.tobytes(): each for found in looks for each in self._regions(found)}
            return self._look_into(image, list(regions.values()))
        for found in islice(looks, _WHOLE if self.effort == "quick" else None):
            looked = self.look_at(image, found)
            if any(reading.status == "read" for reading in looked.readings.values()):
                break
        return looked

    def look_at(self, image: np.ndarray, found: Detections) -> Look:
        """What is seen in an image (H, W, 3), given the digits that the detector found in it."""
        return self._look_into(image, self._regions(found))

    def _look_into(self, image: np.ndarray, regions: list[NumberRegion]) -> Look:
        crops = self.cut(image, regions)
        seen = self.pair(self.recognizer.predict(crops) if crops else [])
        return Look(regions, seen, self.weigh(regions, seen, *image.shape[1::-1]))

    def find(self, image: np.ndarray) -> list[NumberRegion]:
        """Where numbers may be in an upright photograph, RGB uint8 (H, W, 3), looked at as a whole, best first.

        Regions overlap where it is not clear which digits belong to a number, see `merge.candidates`.
        """
        return self._regions(self.detector.predict([image])[0])

    @staticmethod
    def cut(image: np.ndarray, regions: Sequence[NumberRegion]) -> list[np.ndarray]:
        """What is shown of an image (H, W, 3) to the recogniser: of every region two crops, close and with room."""
        return [crop for region in regions for crop in cut_both(image, region.digit_boxes)]

    @staticmethod
    def pair(transcriptions: Iterable[Transcription]) -> list[Seen]:
        """What was seen in each region, given what was seen in all crops of `cut`."""
        each = iter(transcriptions)
        return [Seen(close, with_room) for close, with_room in zip(each, each, strict=True)]

    def fuse(self, region: NumberRegion, seen: Transcription) -> Transcription:
        """What the recogniser saw in a region, weighed against what the detector saw there."""
        return fuse(seen, region.evidence, self.fusion)

    def weigh(
        self, regions: Sequence[NumberRegion], seen: Sequence[Seen], width: int, height: int
    ) -> dict[int, Reading]:
        """The readings of a photograph's regions, by the index of the region, most likely house number first.

        seen: what the recogniser saw in each. Regions in which no number is seen are left out, and of those that
        overlap all but the surest.
        """
        fused = [self.fuse(region, each.close) for region, each in zip(regions, seen, strict=True)]
        sure = confidence(features(fused, seen, regions), self.fusion)
        left = sorted((i for i, each in enumerate(fused) if each.text), key=lambda i: -sure[i])
        found: dict[int, Reading] = {}
        for i in left:
            if not same_place(regions[i].box, np.array([regions[k].box for k in found]).reshape(-1, 4)).any():
                found[i] = self._reading(regions[i], fused[i], float(sure[i]), width, height)
        return dict(sorted(found.items(), key=lambda pair: self._rank(pair[1], height), reverse=True))

    @staticmethod
    def _regions(found: Detections) -> list[NumberRegion]:
        return candidates(found.boxes, found.scores, found.labels)[:_MAX_REGIONS]

    def _reading(self, region: NumberRegion, fused: Transcription, sure: float, width: int, height: int) -> Reading:
        box = _clip(region.box, width, height)
        boxes = _digit_boxes(region, len(fused.text), width, height)
        return Reading(
            text=fused.text,
            confidence=sure,
            detection_score=float(min(1.0, region.score)),
            box=box,
            orientation="vertical" if region.vertical else "horizontal",
            status="read" if sure >= self.min_confidence else "unsure",
            digits=tuple(Digit(c, min(1.0, p), b) for (c, p), b in zip(fused.digits, boxes, strict=True)),
        )

    @staticmethod
    def _rank(reading: Reading, height: int) -> tuple[bool, float]:
        """How likely this is the house number: sure readings first, large ones before small ones of like certainty."""
        tall = max(d.box[3] - d.box[1] for d in reading.digits) / height
        return reading.status == "read", reading.confidence * (0.02 + tall) ** 0.25


def _check_methods(what: str, given: object, *methods: str) -> None:
    """Raises TypeError for what cannot take the place of a detector or a recogniser, such as the path of a file."""
    if given is not None and not all(callable(getattr(given, name, None)) for name in methods):
        raise TypeError(
            f"{what}: an object with {' and '.join(methods)} expected, got {type(given).__name__}; "
            f"for a weights file, digits.{what.capitalize()}(path)"
        )


def _ahead(function: Callable[[_In], _Out], items: Iterable[_In], count: int) -> Generator[_Out, None, None]:
    """What a function makes of each item, in order; of so many at once. What `items` raises is raised in its turn."""
    if count == 1:
        yield from map(function, items)
        return
    pool, process = ThreadPoolExecutor(count, "digits-read"), os.getpid()

    def submitted() -> Iterator[Future[_Out]]:
        try:
            for item in items:
                yield pool.submit(function, item)
        except Exception as error:
            failed: Future[_Out] = Future()
            failed.set_exception(error)
            yield failed

    coming = submitted()
    try:
        waiting = deque(islice(coming, count))
        while waiting:
            if os.getpid() != process:
                raise RuntimeError("read_all was begun before this process was forked; begin it here")
            result = waiting.popleft().result()
            waiting.extend(islice(coming, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def _clip(box: Sequence[float] | np.ndarray, width: int, height: int) -> tuple[float, float, float, float]:
    x1, x2 = (float(np.clip(x, 0, width)) for x in (box[0], box[2]))
    y1, y2 = (float(np.clip(y, 0, height)) for y in (box[1], box[3]))
    return x1, y1, x2, y2


def _digit_boxes(region: NumberRegion, count: int, width: int, height: int) -> list[Box]:
    """A box for each character read: the detector's where the counts agree, else the region in equal parts."""
    if count == len(region.digit_boxes):
        return [_clip(box, width, height) for box in region.digit_boxes]
    x1, y1, x2, y2 = _clip(region.box, width, height)
    if region.vertical:
        edges = np.linspace(y1, y2, count + 1)
        return [(x1, float(a), x2, float(b)) for a, b in pairwise(edges)]
    edges = np.linspace(x1, x2, count + 1)
    return [(float(a), y1, float(b), y2) for a, b in pairwise(edges)]


@lru_cache(maxsize=1)
def _default_reader() -> Reader:
    return Reader()


def read(source: Source | Path) -> Scene:
    """Read the house numbers in one photograph with a reader that is made once and kept.

    source: path, encoded bytes, binary file object, PIL image, or RGB uint8 array (H, W, 3). Raises ImageError.
    """
    return _default_reader().read(source)
