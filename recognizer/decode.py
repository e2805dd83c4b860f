"""From the heads' log probabilities to a string: the joint decoding of Goodfellow et al. 2013."""

from __future__ import annotations

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis, in float64."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """In float64, without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, np.float64)))


def joint_decode(length: np.ndarray, digit: np.ndarray) -> tuple[str, float]:
    """The most probable string and its log probability: argmax over n of log P(L = n) + sum over i < n of log P(S_i).

    length: log probabilities (M + 1,) of lengths 0 to M. digit: log probabilities (M, 10) of each position.

    >>> length = np.log([0.1, 0.2, 0.7])
    >>> digit = np.log(np.full((2, 10), 0.05) + 0.5 * np.eye(10)[[4, 2]])
    >>> joint_decode(length, digit)[0]
    '42'
    """
    best = digit.max(1)
    scores = length + np.concatenate([[0.0], np.cumsum(best)])
    n = int(scores.argmax())
    return "".join(str(d) for d in digit[:n].argmax(1)), float(scores[n])
