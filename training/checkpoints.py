"""Checkpoints that survive a kill at any moment: written to another file, then renamed; the previous one is kept."""

from __future__ import annotations

import os
import random
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from digits.core.errors import TrainingError, WeightsError

NEXT, LAST, PREVIOUS, BEST = "next.pt", "last.pt", "previous.pt", "best.pt"


def write_checkpoint(path: Path, state: dict) -> None:
    """Write a checkpoint atomically: it is synced to disk before it replaces another.

    Raises TrainingError if it cannot be written; an existing checkpoint is then left untouched.
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
    """Write `state` as the last checkpoint; the old one becomes the previous checkpoint."""
    write_checkpoint(folder / NEXT, state)
    if (folder / LAST).exists():
        os.replace(folder / LAST, folder / PREVIOUS)
    os.replace(folder / NEXT, folder / LAST)


def read_checkpoint(path: Path) -> dict:
    """The state in a checkpoint; FileNotFoundError, or WeightsError if it is damaged (by its checksums)."""
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None
        state = torch.load(path, map_location="cpu", weights_only=True) if whole else None
    except FileNotFoundError:
        raise
    except Exception:  # damage can raise anything: a wrong name, an unknown compression, a number out of range
        state = None
    if not isinstance(state, dict):
        raise WeightsError(f"{path}: damaged")
    return state


def read_last(folder: Path) -> tuple[dict | None, list[Path]]:
    """The newest intact checkpoint, or None if there is none; and the damaged ones.

    Raises WeightsError if there are checkpoints and all of them are damaged.
    """
    damaged: list[Path] = []
    for name in (NEXT, LAST, PREVIOUS):  # NEXT exists if a kill came between writing and renaming
        try:
            return read_checkpoint(folder / name), damaged
        except FileNotFoundError:
            continue
        except WeightsError:
            damaged.append(folder / name)
    if damaged:
        raise WeightsError(f"{damaged[0]}: damaged, and there is no intact checkpoint: this run cannot be resumed")
    return None, []


def set_aside(damaged: Sequence[Path], step: int) -> list[str]:
    """Rename damaged checkpoints, so that they do not replace intact ones; returns messages about them."""
    for path in damaged:
        os.replace(path, path.with_suffix(".damaged"))
    return [f"{path}: damaged; going on from the one before, of step {step}" for path in damaged]


def random_states(device: torch.device) -> dict:
    """The states of all random number generators of this process."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [kind, torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, cached],
        "python": random.getstate(),
    }


def restore_random(states: dict, device: torch.device) -> None:
    """Restore these states; that of a GPU only if there is one, and was one."""
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"], device)
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
