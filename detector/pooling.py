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
    shares, pixels = _shares(boxes[:, :2], boxes[:, 2:], size, grid, samples)
    places = pixels[:, 0][:, :, None] + (pixels[:, 1] * size[:, :1])[:, None]  # (N, columns, rows)
    order, windows = [], []
    for k, features in enumerate(maps):
        here = (level == k).nonzero().flatten()
        order.append(here)
        windows.append(features[places[here]])
    order, windows = torch.cat(order), torch.cat(windows)  # (N, columns, rows, C)
    of_columns, of_rows = shares[order].unbind(1)
    # without reshaping, which ONNX Runtime would make into one that fails where there are no boxes
    lines = (of_rows[:, None] @ windows).permute(0, 2, 1, 3)  # (N, grid, columns, C)
    return (of_columns[:, None] @ lines).permute(0, 3, 1, 2), order


def _shares(start: Tensor, end: Tensor, size: Tensor, grid: int, samples: int) -> tuple[Tensor, Tensor]:
    """How boxes, from start to end (N, 2), are seen of maps of that size (N, 2): x and y, each by itself.

    Returns the share that each of K pixels has in the cells, float32 (N, 2, grid, K), and which these pixels are, int64
    (N, 2, K).
    """
    steps = (torch.arange(grid * samples, device=start.device) + 0.5) / (grid * samples)
    points = start[:, :, None] + (end - start).clamp(min=1.0)[:, :, None] * steps
    size = size[:, :, None]
    inside = points <= size  # what measures less than a pixel is seen as one, and may reach beyond
    points = points.clamp(min=0).minimum(size - 1)
    first = points[:, :, :1].floor()
    count = F.pad((points[:, :, -1:].floor() - first).flatten(), (0, 1)).max().clamp(max=_LONGEST - 2) + 2
    pixels = first + torch.arange(count, device=start.device)
    near = (1 - (points[..., None] - pixels[:, :, None]).abs()).clamp(min=0) * inside[..., None]
    return sum(near[:, :, k::samples] for k in range(samples)) / samples, pixels.minimum(size - 1).long()
