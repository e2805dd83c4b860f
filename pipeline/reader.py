"""Photograph to Scene: load, detect, merge, cut, recognise, weigh."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, cast

import numpy as np
from PIL import Image

from digits.core.backend import check_threads
from digits.core.errors import ImageError
from digits.core.images import MAX_PIXELS, ImageSource, bytes_of, open_image, source_name
from digits.core.resources import shipped
from digits.detector import Detections, Detector
from digits.detector.predictor import check_effort
from digits.pipeline.fuse import Fusion, Mark, TranscribedRegion
from digits.pipeline.merge import NumberRegion, candidates
from digits.pipeline.observations import Observation, readings_of, turned_back, weigh, with_reasons
from digits.pipeline.ranges import parted
from digits.pipeline.results import Scene
from digits.recognizer import Recognizer, Transcription
from digits.recognizer.crops import cut_both

CALIBRATION = "calibration.json"
# Pixels of the longer side. Tiles show a photograph at 1,440, where digits are found from 8 pixels on. In a photograph
# of this size those are 24 pixels high, as much as a crop needs.
_ENOUGH = 4320
_AT_ONCE = 2  # photographs of many that are read at once; as many are in memory
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_MAX_REGIONS = 24  # a photograph's best regions; more than this many numbers is noise


class DetectorLike(Protocol):
    """Anything that finds digits as `Detector` does; `passes` may yield no more than what `predict` finds.

    That is what reading needs. Explaining looks into the networks, and needs a `Detector` and a `Recognizer`.
    """

    def predict(self, images: list[np.ndarray]) -> list[Detections]: ...

    def passes(self, image: np.ndarray, effort: str) -> Iterable[Detections]: ...


class RecognizerLike(Protocol):
    """Anything that reads crops as `Recognizer` does."""

    def predict(self, crops: list[np.ndarray]) -> list[Transcription]: ...


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
    data. threads: processor threads to use, all by default. effort: with `normal` the detector goes over a photograph
    in ever closer passes, coarse, at full scale, over tiles, until a number is `read`; with `quick` likewise, but
    without the tiles; with `thorough` every pass is run, and their findings are weighed together: it finds small
    numbers beside a large one. Where it reads none, it tries the photograph turned by a quarter either way; what it
    finds there is unsure. budget: seconds a photograph, loading included, after which no further pass is begun;
    the first is always run. None for no limit.

    May be pickled, if detector and recognizer may: those of this project open their weights again.

    Raises ValueError for an unknown effort, or a number that may not be.
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
        budget: float | None = None,
    ):
        check_effort(effort)
        if budget is not None and not (isinstance(budget, Real) and 0 < budget < math.inf):
            raise ValueError(f"budget must be a finite number of seconds above 0, got {budget!r}")
        if min_confidence is not None and not (isinstance(min_confidence, Real) and 0 <= min_confidence <= 1):
            raise ValueError(f"min_confidence must be a number within 0 and 1, got {min_confidence!r}")
        _check_method("detector", detector, "passes")
        _check_method("recognizer", recognizer, "predict")
        if not isinstance(fusion, Fusion | None):
            raise TypeError(f"fusion: a Fusion expected, got {type(fusion).__name__}; for a file, Fusion.load(path)")
        check_threads(threads)
        self.detector = detector or Detector(device=device, backend=backend, threads=threads)
        self.recognizer = recognizer or Recognizer(device=device, backend=backend, threads=threads)
        self.effort = effort
        self.budget = budget
        self._at_once = min(_AT_ONCE, threads or _AT_ONCE)
        self.fusion = fusion or Fusion.load(shipped("digits.pipeline", CALIBRATION))
        self.min_confidence = self.fusion.threshold if min_confidence is None else min_confidence

    def read(self, source: ImageSource) -> Scene:
        """Read one photograph: path, encoded bytes, binary file object, PIL image or RGB uint8 array (H, W, 3).

        Raises ImageError if it cannot be loaded.
        """
        return self._read(source, _Room())

    def read_all(self, sources: Iterable[ImageSource], *, skip_errors: bool = False) -> Iterator[Scene | ImageError]:
        """Read many photographs, in order: while one is looked at, the next is loaded, unless there is one thread only.
        No more are in memory, and of large ones, which together have more pixels than a single one may have, only one.

        sources: what `read` takes. They are taken ahead of their turn, so that each must be an object of its own: no
        array that is filled anew, no PIL image that goes from frame to frame.

        A photograph that cannot be loaded raises ImageError when its turn comes, or with `skip_errors` yields that
        error in its place. What `sources` raises is raised in its turn, too. Raises TypeError for a single photograph.
        """
        if isinstance(sources, (str, bytes, os.PathLike, np.ndarray, Image.Image)):
            raise TypeError(f"sources: several photographs expected, got one {type(sources).__name__}; use read")
        attempt = partial(self._attempt, room=_Room())
        with closing(_ahead(attempt, sources, self._at_once)) as results:
            for result in results:
                if isinstance(result, ImageError) and not skip_errors:
                    raise result
                yield result

    def _attempt(self, source: ImageSource, room: _Room) -> Scene | ImageError:
        try:
            return self._read(source, room)
        except ImageError as error:
            return error

    def _read(self, source: ImageSource, room: _Room) -> Scene:
        name = None
        if not isinstance(source, Image.Image) and hasattr(source, "read"):
            name = source_name(source)
            source = bytes_of(cast(BinaryIO, source), name)  # kept as bytes, so that the scene can be drawn later
        with open_image(source, name, _ENOUGH) as picture, room.taken(picture.held):
            started = time.perf_counter()
            # its pixels are let go of before there is room for another picture's
            observations = self._observe(picture.load(), started)
            seconds = round(time.perf_counter() - started, 4)
        path = os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else None
        (width, height), (seen_width, seen_height) = picture.size, picture.decoded
        readings = tuple(each.scaled(width / seen_width, height / seen_height) for each in readings_of(observations))
        return Scene(width, height, readings, seconds, path, source)

    def own_networks(self) -> tuple[Detector, Recognizer]:
        """What this reader reads with, for what looks into it. Raises TypeError if they are no more than like these."""
        if isinstance(self.detector, Detector) and isinstance(self.recognizer, Recognizer):
            return self.detector, self.recognizer
        kinds = type(self.detector).__name__, type(self.recognizer).__name__
        raise TypeError(f"a reader of a Detector and a Recognizer expected, got one of {kinds[0]} and {kinds[1]}")

    def observe(self, image: np.ndarray) -> list[Observation]:
        """What is seen in an upright photograph, RGB uint8 (H, W, 3), in as many passes as effort and budget allow.

        In the order of `weigh`: first those with a reading, most likely house number first.
        """
        return self._observe(image, time.perf_counter())

    def _observe(self, image: np.ndarray, started: float) -> list[Observation]:
        regions: dict[bytes, NumberRegion] = {}
        observations: list[Observation] = []
        for found in self.detector.passes(image, self.effort):
            here = self._regions(found)
            if self.effort == "thorough":
                # as if of one pass: what is seen in one speaks for or against what is seen in another
                regions.update((each.digit_boxes.tobytes(), each) for each in here)
            else:
                observations = self._transcribe(image, here)
                if _read_any(observations):
                    break
            if self._spent(started):
                break
        if regions:
            observations = self._transcribe(image, list(regions.values()))
        observations = [with_reasons(each, image) for each in observations]
        if self.effort == "thorough" and not _read_any(observations) and not self._spent(started):
            return max([observations, *self._observe_turned(image)], key=_surest)
        return observations

    def _spent(self, started: float) -> bool:
        """Whether the budget of a photograph that was begun at `started` is spent."""
        return self.budget is not None and time.perf_counter() - started >= self.budget

    def _observe_turned(self, image: np.ndarray) -> Iterator[list[Observation]]:
        """What is seen in an image after a quarter turn to the left, and to the right."""
        height, width = image.shape[:2]
        for quarters in (1, 3):
            around = np.ascontiguousarray(np.rot90(image, quarters))
            seen = self.observe_pass(around, self.detector.predict([around])[0])
            yield [turned_back(each, quarters, width, height) for each in seen]

    def observe_pass(self, image: np.ndarray, found: Detections) -> list[Observation]:
        """What is seen in an image (H, W, 3), given the digits that the detector found in it."""
        return [with_reasons(each, image) for each in self._transcribe(image, self._regions(found))]

    def find(self, image: np.ndarray) -> list[NumberRegion]:
        """Where numbers may be in an upright photograph, RGB uint8 (H, W, 3), after the full pass alone, best first.

        Regions overlap where it is not clear which digits belong to a number, see `merge.candidates`.
        """
        return self._regions(self.detector.predict([image])[0])

    def _transcribe(self, image: np.ndarray, regions: list[NumberRegion]) -> list[Observation]:
        seen = {each.region.digit_boxes.tobytes(): each for each in self._seen(image, regions)}
        halves: dict[bytes, NumberRegion] = {}
        marks: dict[bytes, Mark] = {}
        for key, each in list(seen.items()):
            if found := parted(each, image.shape[1]):
                del seen[key]  # it is read as two numbers
                for half in found[1]:
                    halves[half.digit_boxes.tobytes()], marks[half.digit_boxes.tobytes()] = half, found[0]
        new = self._seen(image, [half for key, half in halves.items() if key not in seen])
        seen.update((each.region.digit_boxes.tobytes(), each) for each in new)
        known = [replace(each, parted_at=marks.get(key)) for key, each in seen.items()]
        return weigh(known, self.fusion, self.min_confidence, *image.shape[1::-1])

    def _seen(self, image: np.ndarray, regions: list[NumberRegion]) -> list[TranscribedRegion]:
        crops = [crop for region in regions for crop in cut_both(image, region.digit_boxes, region.stacked)]
        # all at once, of every region two
        each = iter(self.recognizer.predict(crops) if crops else [])
        return [TranscribedRegion(*both) for both in zip(regions, each, each, strict=True)]

    @staticmethod
    def _regions(found: Detections) -> list[NumberRegion]:
        return candidates(found.boxes, found.scores, found.labels)[:_MAX_REGIONS]


def _read_any(observations: list[Observation]) -> bool:
    return any(reading.status == "read" for reading in readings_of(observations))


def _surest(observations: list[Observation]) -> float:
    return max((reading.confidence for reading in readings_of(observations)), default=0.0)


def _check_method(what: str, given: object, method: str) -> None:
    """Raises TypeError for what cannot take the place of a detector or a recogniser, such as the path of a file."""
    if given is not None and (isinstance(given, type) or not callable(getattr(given, method, None))):
        raise TypeError(
            f"{what}: an object with the method {method} expected, got {type(given).__name__}; "
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


@lru_cache(maxsize=1)
def _default_reader() -> Reader:
    return Reader()


def read(source: ImageSource | Path) -> Scene:
    """Read the house numbers in one photograph with a reader that is made once and kept.

    source: path, encoded bytes, binary file object, PIL image, or RGB uint8 array (H, W, 3). Raises ImageError.
    """
    return _default_reader().read(source)
