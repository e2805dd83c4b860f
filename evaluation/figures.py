"""Plots the curves of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: no window, no global state
from matplotlib.ticker import MaxNLocator

from digits.core.alphabet import DIGITS

Curve = Mapping[str, np.ndarray]
_KINDS = {"digits": "place and digit", "localisation only": "place only"}
_ALARMS = {"a negative": "count a picture", "negatives with any": "share of pictures with any"}
_SMALL = 8  # font size of counts


def _precision_recall(axes: Axes, curve: Curve) -> None:
    for (name, label), line in zip(_KINDS.items(), ("-", "--"), strict=True):
        axes.plot(curve["recall"], curve[name], line, label=label)
    axes.set(xlabel="recall (share of digits found)", ylabel="precision (share of found that is right)")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), title="Precision and recall, IoU 0.5")
    axes.legend()


def _false_alarms(axes: Axes, curve: Curve) -> None:
    for (name, label), line in zip(_ALARMS.items(), ("-", "--"), strict=True):
        axes.step(curve["threshold"], curve[name], line, where="pre", label=label)
    axes.set(xlabel="threshold (confidence or score)", ylabel="false alarms", xlim=(0, 1))
    axes.set(title="Pictures without numbers")
    axes.set_ylim(bottom=0)
    axes.legend()


def _accuracy_coverage(axes: Axes, curve: Curve) -> None:
    axes.plot(curve["coverage"], curve["accuracy"], label="the surest answers")
    axes.axhline(0.98, color="grey", linestyle=":", label="98 % right")
    axes.set(xlabel="coverage (share of all that is kept)", ylabel="accuracy (share of kept that is right)")
    axes.set(xlim=(0, 1), title="Accuracy of the surest")
    axes.legend()


def _reliability(axes: Axes, curve: Curve) -> None:
    centres = (np.arange(len(curve["counts"])) + 0.5) / max(1, len(curve["counts"]))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="honest")
    axes.bar(
        centres, curve["accuracy"], 0.9 / max(1, len(centres)), color="C0", alpha=0.6, label="answers, with counts"
    )
    for x, y, count in zip(centres, curve["accuracy"], curve["counts"], strict=True):
        if count:
            axes.annotate(str(count), (x, y), (0, 2), textcoords="offset points", ha="center", fontsize=_SMALL)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1.25), title="Reliability")
    axes.set_yticks(np.arange(0, 1.1, 0.2))
    axes.legend(loc="upper center", ncols=2)


def _confusion(axes: Axes, curve: Curve) -> None:
    table = np.stack([curve[name] for name in curve], 1)
    off = table * (1 - np.eye(len(table)))  # without the diagonal, which would dominate the colours
    shown = axes.imshow(off, cmap="Reds", vmin=0, vmax=max(1, off.max()))
    whole = MaxNLocator(integer=True)
    axes.figure.colorbar(shown, ax=axes, label="digits confused, count", shrink=0.8, ticks=whole)
    for i, j in np.argwhere(table):
        ink = "white" if off[i, j] > 0.6 * off.max() else "black"
        axes.annotate(str(table[i, j]), (j, i), ha="center", va="center", fontsize=_SMALL, color=ink)
    names = [*DIGITS, "–"]
    axes.set_xticks(range(11), names)
    axes.set_yticks(range(11), names)
    axes.set(xlabel="digit read (–: left out)", ylabel="digit that stands there (–: made up)", title="Confusion")


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
    figure = Figure(figsize=(5.4, 4.8) if name == "confusion" else (5.4, 3.8), layout="constrained")
    DRAWN[name][1](figure.subplots(), curve)
    return figure
