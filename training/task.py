"""Interface between trainer and model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from digits.datasets.mixture import Listed, Mixture
from digits.datasets.pictures import Record
from digits.training.config import Config
from digits.training.data import Examples, check_apart, digit_counts, open_examples, pass_length
from digits.training.losses import balancing_weights


class Task(ABC):
    """A network with its data, losses and metrics.

    model: the network. examples, held_out: the opened sources of training and of validation. train: training samples by
    index, without end. validation: validation samples, or None. epoch_samples: samples of one pass through the training
    data, None if they have no end. metrics: the names of what `measured` returns; unless a run names another, the first
    one decides which weights are best.
    """

    kind: str
    metrics: tuple[str, ...]
    model: nn.Module
    examples: Sequence[Examples]
    held_out: Sequence[Examples]
    train: Dataset
    validation: Listed | None
    epoch_samples: int | None

    @abstractmethod
    def stages(self) -> Sequence[nn.Module]:
        """The stages of the model's backbone, from the image inwards; all other modules are heads."""

    @abstractmethod
    def collate(self, examples: Sequence) -> dict:
        """A batch: tensors in dicts, lists and tuples, and `ids`, a list of the examples' names."""

    @abstractmethod
    def losses(self, batch: dict) -> dict[str, Tensor]:
        """Named scalar losses of a batch, each a mean over its examples; their sum is minimised."""

    @abstractmethod
    def score(self, model: nn.Module, batch: dict) -> dict[str, float]:
        """Counts over a batch of validation examples; they are added up over the batches."""

    @abstractmethod
    def measured(self, counts: dict[str, float]) -> dict[str, float]:
        """The metrics, from the sums of the counts."""

    @abstractmethod
    def picture(self, model: nn.Module) -> Image.Image:
        """The model's predictions for a few validation examples, always the same ones, as a picture."""

    @abstractmethod
    def header(self, model: nn.Module) -> dict:
        """The model's own keys in the header of its weights file, `architecture` among them."""

    @staticmethod
    @abstractmethod
    def build(**architecture: Any) -> nn.Module:
        """The network of a weights file, from its header's `architecture`."""

    @staticmethod
    @abstractmethod
    def example() -> tuple:
        """Arguments of the model for one picture or crop, for timing."""

    def validation_examples(self) -> Listed:
        """`validation`, which must not be None."""
        assert self.validation is not None
        return self.validation

    def compile(self) -> None:
        """Have torch.compile translate what is worth it."""
        self.model.compile()


class DigitTask(Task):
    """A task whose data are those of a configuration.

    architecture: arguments that rebuild the network. recipe: of the class loss. class_weights: of the class loss, or
    None. Raises DatasetError or WeightsError if data or weights that the configuration names cannot be used.
    """

    architecture: dict[str, Any]
    extra_classes = 0  # before those of the digits; their weight is 1

    def __init__(self, config: Config, quiet: bool = False):
        self.examples = open_examples(config, "train", self.usable, quiet)
        self.held_out = open_examples(config, "validation", self.usable, quiet)
        check_apart(self.examples, self.held_out)
        self.architecture, self.model = self.network(config)
        shares = config.data.shares()
        self.train = Mixture([self.stream(config, k, each) for k, each in enumerate(self.examples)], shares)
        makers = [make for each in self.held_out for make in self.validation_makers(each)]
        self.validation = Listed(makers) if makers else None
        self.epoch_samples = pass_length(self.examples, shares)
        self.recipe = config.loss
        self.class_weights: Tensor | None = None
        if config.loss.balance:
            of_digits = balancing_weights(torch.from_numpy(digit_counts(self.examples, shares)))
            self.class_weights = torch.cat([torch.ones(self.extra_classes), of_digits])

    @staticmethod
    @abstractmethod
    def usable(record: Record) -> bool:
        """Whether the model can learn from a record."""

    @staticmethod
    @abstractmethod
    def network(config: Config) -> tuple[dict[str, Any], nn.Module]:
        """The architecture and the network of a configuration, with the weights that training starts from."""

    @staticmethod
    @abstractmethod
    def stream(config: Config, number: int, examples: Examples) -> Callable[[int], Any]:
        """A function from an index to a training sample of a source. number: of the source in `data.train`."""

    @staticmethod
    @abstractmethod
    def validation_makers(examples: Examples) -> Sequence[Callable[[], Any]]:
        """A function for each validation sample of a source, which makes it."""

    def class_weights_on(self, device: torch.device) -> Tensor | None:
        return None if self.class_weights is None else self.class_weights.to(device)
