"""What the loop must be told about that which is trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from digits.datasets.mixture import Listed
from digits.training.data import Examples


class Task(ABC):
    """A network, its examples and its losses.

    model: the network. examples, watched: the opened sources of training and of validation. train: made of the former,
    endless, by index. validation: of the latter, finite, or None. epoch_samples: of one pass through the training data,
    None where it is endless. metrics: names of what `measured` gives; unless a run names another, the first one decides
    which weights are best.
    """

    kind: str
    metrics: tuple[str, ...]
    model: nn.Module
    examples: Sequence[Examples]
    watched: Sequence[Examples]
    train: Dataset
    validation: Listed | None
    epoch_samples: int | None

    @abstractmethod
    def stages(self) -> Sequence[nn.Module]:
        """The model's features in stages, from the image inwards; all that is in none of them is a head."""

    @abstractmethod
    def collate(self, examples: Sequence) -> dict:
        """A batch: tensors in dicts, lists and tuples, and `ids`, a list of the examples' names."""

    @abstractmethod
    def losses(self, batch: dict) -> dict[str, Tensor]:
        """Named scalar losses of a batch, each a mean over its examples; their sum is what is minimised."""

    @abstractmethod
    def score(self, model: nn.Module, batch: dict) -> dict[str, float]:
        """Counts of a batch of validation examples that can be added up over batches."""

    @abstractmethod
    def measured(self, counts: dict[str, float]) -> dict[str, float]:
        """The metrics from the sums of the counts."""

    @abstractmethod
    def picture(self, model: nn.Module) -> Image.Image:
        """What the model makes of a few validation examples, always the same ones, to be looked at."""

    @abstractmethod
    def header(self, model: nn.Module) -> dict:
        """What the finished model's weights file says beside how it was trained: `architecture`, and its own keys."""

    @staticmethod
    @abstractmethod
    def build(**architecture: Any) -> nn.Module:
        """The network of a weights file, from its header's `architecture`."""

    @staticmethod
    @abstractmethod
    def example() -> tuple:
        """Arguments of the model for one picture or crop, to see how long it takes."""

    def watched_examples(self) -> Listed:
        """Those of validation, which there must be."""
        assert self.validation is not None
        return self.validation

    def compile(self) -> None:
        """Have torch.compile translate what is worth it."""
        self.model.compile()
