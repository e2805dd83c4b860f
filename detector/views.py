"""What the network is shown of an image, and how what it finds there is put back into the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

Window = tuple[int, int, int, int]


class View(Protocol):
    """A window of an image, scaled.

    window: (x1, y1, x2, y2), whole pixels, inside the image. scale: by what factor it is enlarged.
    """

    @property
    def window(self) -> Window: ...

    @property
    def scale(self) -> float: ...

    def covers(self, boxes: np.ndarray) -> np.ndarray:
        """For which boxes (N, 4), in pixels of the image, the view counts rather than others, bool (N,)."""
        ...


@dataclass(frozen=True)
class WholeImage:
    """A view of all of an image. It covers digits at least `low` and less than `high` pixels high, in the image."""

    window: Window
    scale: float
    low: float
    high: float

    def covers(self, boxes: np.ndarray) -> np.ndarray:
        """As of every `View`."""
        height = boxes[:, 3] - boxes[:, 1]
        return (height >= self.low) & (height < self.high)


def cut(image: np.ndarray, view: View) -> np.ndarray:
    """The window of a view, of an image (H, W, 3), at the image's own scale."""
    x1, y1, x2, y2 = view.window
    return image[y1:y2, x1:x2]


def in_image(boxes: np.ndarray, view: View) -> np.ndarray:
    """Boxes of a view, float32 (N, 4), in pixels of its image."""
    return boxes / np.float32(view.scale) + np.array(view.window[:2] * 2, np.float32)
