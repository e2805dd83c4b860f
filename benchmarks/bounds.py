"""Prints the time of each step of reading a photograph, and the least time that the arithmetic of its networks needs.

    python benchmarks/bounds.py --photos DATA/wild/images

The photographs are reduced to 640 pixels on the longer side, as in `speed.py`. The speed of the cores is measured with
one large convolution, 256 to 256 channels, 3×3, in ONNX Runtime with the same data type; PyTorch counts the
multiplications of each step. Needs the extra `train`.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import compare
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.progress import track
from speed import prepared
from torch.utils.flop_counter import FlopCounterMode

import digits
from digits.datasets.pictures import list_pictures
from digits.export.quantize import quantized

PROGRESS = Console(stderr=True)
CHANNELS, SIDE = 256, 48  # of the convolution that measures the speed of the cores
LOADING, COARSE, FULL, ZOOM, TILES, CROPS = "loading", "coarse pass", "full pass", "zoom crops", "tiles", "crops"


def rate(integers: bool) -> float:
    """Multiplications per second of ONNX Runtime on all cores."""
    shape = [1, CHANNELS, SIDE, SIDE]
    rng = np.random.default_rng(0)
    weights = numpy_helper.from_array(rng.normal(size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32), "weights")
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")}
    convolution = helper.make_node("Conv", ["x", "weights"], ["y"], "convolution", pads=[1] * 4)
    graph = helper.make_graph([convolution], "one", [values["x"]], [values["y"]], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    picture = rng.normal(size=shape).astype(np.float32)
    if integers:
        model = quantized(model, [picture])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    fastest = min(timed(session.run, None, {"x": picture})[1] for _ in range(20))
    return CHANNELS * CHANNELS * 9 * SIDE * SIDE / fastest


def timed(call: Callable, *arguments) -> tuple[Any, float]:
    """The result of a call, and its time in seconds."""
    started = time.perf_counter()
    result = call(*arguments)
    return result, time.perf_counter() - started


def multiplications(call: Callable, *arguments) -> float:
    """Number of multiplications of PyTorch during a call."""
    with FlopCounterMode(display=False) as counter:
        call(*arguments)
    return counter.get_total_flops() / 2


class Watched:
    """A network that records the arguments and the time of each call of one method.

    calls: (arguments, seconds) pairs.
    """

    def __init__(self, network, method: str):
        self._network = network
        self._method = method
        self.calls: list[tuple[tuple, float]] = []

    def __getattr__(self, name: str):
        if name != self._method:
            return getattr(self._network, name)

        def noted(*arguments):
            # views are made lazily: make them here, outside the time of the call
            arguments = [each if isinstance(each, np.ndarray) else list(each) for each in arguments]
            result, took = timed(getattr(self._network, name), *arguments)
            self.calls.append((arguments, took))
            return result

        return noted


def step_of(call: int) -> str:
    """The step of a detector call: coarse pass, its zoom crops, full pass, its zoom crops, tiles."""
    return (COARSE, ZOOM, FULL, ZOOM, TILES)[min(call, 4)]


def spent(photos: list[Path], backend: str) -> tuple[dict[str, float], dict[str, float], float]:
    """Mean seconds and multiplications of each step, and total seconds, per photograph."""
    reader = digits.Reader(backend=backend)
    counted = digits.Reader(backend="torch")
    find = reader.detector._network = Watched(reader.detector._network, "find")
    heads = reader.recognizer._network = Watched(reader.recognizer._network, "heads")
    reader.read(photos[0])
    seconds, work, whole = defaultdict(float), defaultdict(float), 0.0
    for path in track(photos, "photographs", console=PROGRESS):
        find.calls.clear()
        heads.calls.clear()
        image, loading = timed(digits.load_image, path)
        _, reading = timed(reader.read, image)
        whole += loading + reading
        seconds[LOADING] += loading
        for i, (arguments, took) in enumerate(find.calls):
            seconds[step_of(i)] += took
            work[step_of(i)] += multiplications(counted.detector.eager.find, *arguments)
        for arguments, took in heads.calls:
            seconds[CROPS] += took
            work[CROPS] += multiplications(counted.recognizer.eager.heads, *arguments)
    return (
        {step: value / len(photos) for step, value in seconds.items()},
        {step: value / len(photos) for step, value in work.items()},
        whole / len(photos),
    )


@click.command()
@click.option("--photos", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--backend", type=click.Choice(["int8", "onnx"]), default="int8", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Photographs at most.")
def main(photos: Path, backend: str, limit: int) -> None:
    """Time each step of reading, and compare it with its lower bound."""
    found = compare.chosen(list_pictures(photos), limit)
    possible = rate(backend == "int8")
    with TemporaryDirectory() as folder:
        small, _ = prepared(found, Path(folder))
        seconds, work, whole = spent(small, backend)
    click.echo(f"{os.cpu_count()} cores, {backend}: {possible / 1e9:.0f} billion multiplications a second\n")
    click.echo("| a photograph, mean | ms | billion multiplications | ms that those take at least |")
    click.echo("| --- | --- | --- | --- |")
    for step in (LOADING, COARSE, FULL, ZOOM, TILES, CROPS):
        bound = f"{work[step] / 1e9:.2f} | {work[step] / possible * 1e3:.1f}" if step in work else " | "
        click.echo(f"| {step} | {seconds.get(step, 0.0) * 1e3:.1f} | {bound} |")
    click.echo(f"| the rest | {(whole - sum(seconds.values())) * 1e3:.1f} |  |  |")
    total = sum(work.values())
    click.echo(f"| all | {whole * 1e3:.1f} | {total / 1e9:.2f} | {total / possible * 1e3:.1f} |")


if __name__ == "__main__":
    main()
