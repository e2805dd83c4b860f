"""Plots of runs: their curves from the logs, and a grid by speed and accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from digits.core.errors import TrainingError
from digits.datasets.files import write_figure, write_text
from digits.training.log import read_log

_NOT_CURVES = ("step", "epoch")
_UNITS = {"rate": "learning rate", "images_per_second": "pictures a second"}  # all others are losses or metrics
_LINES = ("-", "--", "-.", ":")  # runs can be told apart without colours, too
_MARKERS = "os^Dv"  # likewise


def curves(run: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Every logged value by step; TrainingError if nothing was logged."""
    found: dict[str, list[tuple[int, float]]] = {}
    for record in read_log(run):
        for name, value in record.items():
            if name not in _NOT_CURVES and isinstance(value, (int, float)):
                found.setdefault(name, []).append((record["step"], value))
    if not found:
        raise TrainingError(f"{run}: nothing logged yet")
    return found


def run_names(runs: Sequence[Path]) -> list[str]:
    """Distinct names of runs: the last components of their paths, as many as it takes."""
    whole = [path.resolve().parts for path in runs]
    for count in range(1, max(map(len, whole)) + 1):
        names = ["/".join(components[-count:]) for components in whole]
        if len(set(names)) == len(names):
            break
    return names


def plot_runs(runs: Sequence[str | Path], path: str | Path) -> None:
    """Plot a panel for every logged value, with a line for each run, in the format of the path's suffix.

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


def write_comparison(rows: Sequence[dict], notes: Mapping[str, str], out: Path) -> None:
    """Write the comparison of a grid: `comparison.md`, a table with notes on runs, and `comparison.png`, a plot of the
    first metric over the time of an example.

    rows: name, metrics, number of parameters and milliseconds of each run. notes: by the name of the run.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    metrics = [key for key in rows[0] if key not in ("run", "parameters", "milliseconds")]
    header = ["run", *metrics, "parameters", "ms"]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for row in rows:
        values = [f"{row[metric]:.4f}" for metric in metrics]
        cells = [row["run"], *values, f"{row['parameters'] / 1e6:.2f} M", f"{row['milliseconds']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [f"\n{name}: {note}" for name, note in notes.items()]
    write_text(out / "comparison.md", "\n".join(lines) + "\n")
    if not metrics:
        return
    figure = Figure(figsize=(7, 4.5 + 0.2 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for number, row in enumerate(rows):
        at, millions = (row["milliseconds"], row[metrics[0]]), row["parameters"] / 1e6
        label = f"{row['run']}, {millions:.1f} M"
        axes.scatter(*at, s=40 + 20 * millions, marker=_MARKERS[number % len(_MARKERS)], label=label)
    figure.legend(loc="outside lower center")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.xaxis.set_minor_formatter(LogFormatter())
    axes.set_xlabel("time of one example, milliseconds")
    axes.set_ylabel(f"{metrics[0].replace('_', ' ')}, validation data, 0 to 1")
    axes.set_title("Runs by speed and accuracy; size by parameters, millions")
    write_figure(out / "comparison.png", figure)
