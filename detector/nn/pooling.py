"""RoIAlign (He et al. 2017) as products of matrices: what boxes hold of feature maps, on grids of equal size.

A cell of the grid is the mean of samples, and a sample lies between four pixels of the map. Samples stand in rows and
columns, so that each direction is a product of its own. ONNX Runtime's own operation takes about twice as long, and
wants whole maps in floating point; here, only the pixels that boxes cover are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# Pixels of its map, in either direction, that are seen of a box: no digit has more at the level of its size. It bounds
# the memory that a long strip of a box would take.
_LONGEST = 32


def pooled(
    maps: Sequence[Tensor], sizes: Tensor, boxes: Tensor, level: Tensor, grid: int, samples: int
) -> tuple[Tensor, Tensor]:
    """What boxes hold, float32 (N, C, grid, grid), and in what order they come, int64 (N,).

    maps: (H * W, C) each, the pixels of one row after the other. sizes: their widths and heights, int64 (maps, 2).
    boxes: float32 (N, 4), xyxy in pixels of their map, inside of it. level: int64 (N,), the index of that map. samples:
    along a cell of the grid.
    """
    size = sizes[level]
    of_columns, x = _shares(boxes[:, 0], boxes[:, 2], size[:, :1], grid, samples)
    of_rows, y = _shares(boxes[:, 1], boxes[:, 3], size[:, 1:], grid, samples)
    places = x[:, :, None] + (y * size[:, :1])[:, None]  # (N, columns, rows)
    orders, lines = [], []
    for k, features in enumerate(maps):
        here = (level == k).nonzero().flatten()
        orders.append(here)
        lines.append(of_rows[here][:, None] @ features[places[here]])  # (n, columns, grid, C)
    order = torch.cat(orders)
    # without reshaping, which ONNX Runtime would make into one that fails where there are no boxes
    rows = torch.cat(lines).permute(0, 2, 1, 3)  # (N, grid, columns, C)
    return (of_columns[order][:, None] @ rows).permute(0, 3, 1, 2), order


def _shares(start: Tensor, end: Tensor, size: Tensor, grid: int, samples: int) -> tuple[Tensor, Tensor]:
    """How boxes, in one direction from start to end (N,), are seen of maps of that size (N, 1).

    Returns the share that each of K pixels has in the cells, float32 (N, grid, K), and which these pixels are, int64
    (N, K).
    """
    steps = (torch.arange(grid * samples, device=start.device) + 0.5) / (grid * samples)
    points = start[:, None] + (end - start).clamp(min=1.0)[:, None] * steps
    inside = points <= size  # what measures less than a pixel is seen as one, and may reach beyond
    points = points.clamp(min=0).minimum(size - 1)
    first = points[:, :1].floor()
    count = F.pad((points[:, -1:].floor() - first).flatten(), (0, 1)).max().clamp(max=_LONGEST - 2) + 2
    pixels = first + torch.arange(count, device=start.device)  # type: ignore[call-overload] # a Tensor, to be traced
    near = (1 - (points[..., None] - pixels[:, None]).abs()).clamp(min=0) * inside[..., None]
    return sum(near[:, k::samples] for k in range(samples)) / samples, pixels.minimum(size - 1).long()
