"""Averages the weights of a fine-tuned network and of the one that it started from.

The mean keeps what was learned, and forgets less than the fine-tuned network (Wortsman et al. 2022, Robust fine-tuning
of zero-shot models).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from digits.core.errors import WeightsError
from digits.nn.weights import restore


def average(
    first: str | Path, second: str | Path, kind: str, build: Callable[..., nn.Module], share: float = 0.5
) -> tuple[nn.Module, dict]:
    """The weighted mean of two weights files, and its header. share: weight of the second file.

    build: makes a network of this kind from its architecture. Raises WeightsError if a file cannot be read, or the two
    are not of the same architecture.
    """
    (start, header), (end, other) = restore(first, kind, build), restore(second, kind, build)
    if header["architecture"] != other["architecture"]:
        raise WeightsError(f"{second}: of another network than {first}")
    states = start.state_dict(), end.state_dict()
    mean = {
        k: (a + share * (b - a)).to(b.dtype) for (k, a), b in zip(states[0].items(), states[1].values(), strict=True)
    }
    end.load_state_dict(mean)
    trained = {"average_of": [header["training"], other["training"]], "share_of_the_second": share}
    kept = {key: value for key, value in other.items() if key != "sha256"}
    return end, {**kept, "training": trained, "metrics": {}}
