"""The curves of an evaluation, as figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: no window, no global state

Curve = Mapping[str, np.ndarray]


def _precision_recall(axes: Axes, curve: Curve) -> None:
    for name in ("digits", "localisation only"):
        axes.plot(curve["recall"], curve[name], label=name)
    axes.set(xlabel="recall", ylabel="precision, IoU 0.5", xlim=(0, 1), ylim=(0, 1.02), title="Precision and recall")
    axes.legend()


def _false_alarms(axes: Axes, curve: Curve) -> None:
    for name in ("a negative", "negatives with any"):
        axes.step(curve["threshold"], curve[name], where="pre", label=name)
    axes.set(xlabel="threshold", ylabel="false alarms", xlim=(0, 1), title="False alarms in pictures without numbers")
    axes.set_ylim(bottom=0)
    axes.legend()


def _accuracy_coverage(axes: Axes, curve: Curve) -> None:
    axes.plot(curve["coverage"], curve["accuracy"])
    axes.axhline(0.98, color="grey", linestyle=":", label="98 %")
    axes.set(xlabel="coverage", ylabel="accuracy", xlim=(0, 1), title="Accuracy of the surest")
    axes.legend()


def _reliability(axes: Axes, curve: Curve) -> None:
    centres = (np.arange(len(curve["counts"])) + 0.5) / max(1, len(curve["counts"]))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.bar(centres, curve["accuracy"], 0.9 / max(1, len(centres)))
    for x, y, count in zip(centres, curve["accuracy"], curve["counts"], strict=True):
        if count:
            axes.annotate(str(count), (x, min(y, 0.97)), ha="center", va="bottom", fontsize=7)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1.05), title="Reliability, with counts")


def _confusion(axes: Axes, curve: Curve) -> None:
    table = np.stack([curve[name] for name in curve], 1)
    off = table * (1 - np.eye(len(table)))  # the diagonal would drown what is confused
    axes.imshow(off, cmap="Reds")
    for i, j in np.argwhere(table):
        ink = "white" if off[i, j] > 0.6 * off.max() else "black"
        axes.annotate(str(table[i, j]), (j, i), ha="center", va="center", fontsize=7, color=ink)
    names = [*map(str, range(10)), "–"]
    axes.set_xticks(range(11), names)
    axes.set_yticks(range(11), names)
    axes.set(xlabel="read (–: left out)", ylabel="stands there (–: made up)", title="Confusion")


DRAWN: dict[str, tuple[str, Callable[[Axes, Curve], None]]] = {
    "precision_recall": (
        "Precision against recall of digits, averaged over those that occur, at IoU 0.5.",
        _precision_recall,
    ),
    "accuracy_coverage": (
        "Accuracy of what is kept, surest first, against its share of all.",
        _accuracy_coverage,
    ),
    "reliability": ("Share of right answers by confidence; an honest one follows the diagonal.", _reliability),
    "confusion": ("Which digit was read as which.", _confusion),
    "false_alarms": ("False alarms in pictures without numbers, by threshold.", _false_alarms),
}


def draw(name: str, curve: Curve) -> Figure:
    """The figure of a curve, by its name in DRAWN."""
    figure = Figure(figsize=(6, 5.4) if name == "confusion" else (6, 4), layout="constrained")
    DRAWN[name][1](figure.subplots(), curve)
    return figure
