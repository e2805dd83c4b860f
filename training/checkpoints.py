"""Checkpoints that survive a kill at any moment: written beside, renamed into place, the one before kept."""

from __future__ import annotations

import os
import random
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from digits.core.errors import TrainingError, WeightsError

LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"


def write_checkpoint(path: Path, state: dict) -> None:
    """All or nothing, and safe on the disk before it takes the place of another.

    Raises TrainingError if it cannot be written; what was there before is then untouched.
    """
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = (getattr(error, "strerror", None) or str(error).splitlines()[0]).lower()
        raise TrainingError(f"{path}: cannot be written ({reason}); make room, then go on with --resume") from None


def save_last(folder: Path, state: dict) -> None:
    """Make `state` the last checkpoint, and the last one the previous."""
    fresh = folder / "next.pt"
    write_checkpoint(fresh, state)
    if (folder / LAST).exists():
        os.replace(folder / LAST, folder / PREVIOUS)
    os.replace(fresh, folder / LAST)


def read_checkpoint(path: Path) -> dict:
    """Raises FileNotFoundError, or WeightsError if it is damaged: every byte is checked against its sum."""
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None
        state = torch.load(path, map_location="cpu", weights_only=True) if whole else None
    except FileNotFoundError:
        raise
    except Exception:  # damage can look like anything: a wrong name, an unknown compression, a number out of range
        state = None
    if not isinstance(state, dict):
        raise WeightsError(f"{path}: damaged")
    return state


def read_last(folder: Path) -> tuple[dict | None, list[str]]:
    """The newest good checkpoint, None if there was none yet; and what is to be told, if the last one is damaged.

    Raises WeightsError if there are checkpoints and all of them are damaged.
    """
    damaged = []
    for name in (LAST, PREVIOUS):
        try:
            state = read_checkpoint(folder / name)
        except FileNotFoundError:
            continue
        except WeightsError as error:
            damaged.append(str(error))
            continue
        return state, [f"{each}; going on from the one before, {name}, of step {state['step']}" for each in damaged]
    if damaged:
        raise WeightsError(f"{damaged[0]}, and there is no good one before it: this run cannot be resumed")
    return None, []


def random_states() -> dict:
    """Every state that random numbers of this process are drawn from."""
    kind, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "python": random.getstate(),
    }


def restore_random(states: dict) -> None:
    """Raises RuntimeError if the states are of another number of GPUs."""
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
