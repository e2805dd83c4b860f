"""Curves of one run, or of several to compare, from their logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from digits.core.errors import TrainingError
from digits.datasets.files import write_figure
from digits.training.log import read_log

_NOT_CURVES = ("step", "epoch")
_UNITS = {"rate": "learning rate", "images_per_second": "pictures a second"}  # else losses, or what is measured
_LINES = ("-", "--", "-.", ":")  # so that runs are told apart without colours, too


def curves(run: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Every logged value over the steps; TrainingError if nothing was logged."""
    found: dict[str, list[tuple[int, float]]] = {}
    for record in read_log(run):
        for name, value in record.items():
            if name not in _NOT_CURVES and isinstance(value, (int, float)):
                found.setdefault(name, []).append((record["step"], value))
    if not found:
        raise TrainingError(f"{run}: nothing logged yet")
    return found


def run_names(runs: Sequence[Path]) -> list[str]:
    """What tells runs apart: the last parts of their paths, as many as it takes."""
    whole = [path.resolve().parts for path in runs]
    for count in range(1, max(map(len, whole)) + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len(set(names)) == len(names):
            break
    return names


def plot_runs(runs: Sequence[str | Path], path: str | Path) -> None:
    """A panel for everything that was logged, a line a run; the format is that of the suffix.

    Raises TrainingError if a run has no log, DatasetError if the picture cannot be saved.
    """
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    names = run_names([Path(run) for run in runs])
    found = [curves(run) for run in runs]
    measured = {name for run in runs for record in read_log(run) if "epoch" in record for name in record}
    units = dict.fromkeys(measured, "validation data, 0 to 1") | _UNITS
    panels = list(dict.fromkeys(name for each in found for name in each))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5 * columns, 3.2 * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, panel in zip(grid, panels, strict=False):
        axes.set(title=panel.replace("_", " "), xlabel="training step", ylabel=units.get(panel, "loss"))
        for number, (name, each) in enumerate(zip(names, found, strict=True)):
            if panel in each:
                steps, values = zip(*each[panel], strict=True)
                line, dot = _LINES[number % len(_LINES)], "." if len(steps) < 30 else None
                axes.plot(steps, values, line, color=f"C{number}", label=name, marker=dot)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    if len(runs) > 1:
        handles = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
        figure.legend(
            list(handles.values()), list(map(str, handles)), loc="outside lower center", ncols=min(4, len(runs))
        )
    write_figure(path, figure)
