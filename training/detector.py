"""Trains the detector on composed scenes, annotated pictures of any format, and negatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.ops import box_iou

from digits.core.alphabet import DIGITS
from digits.core.errors import WeightsError
from digits.core.resampling import resize
from digits.core.resources import shipped
from digits.datasets.contact import contact_sheet
from digits.datasets.items import Sample, spread
from digits.datasets.mixture import Listed, Mixture
from digits.datasets.pictures import Pictures, Record
from digits.datasets.synthesis import Synthesizer
from digits.datasets.transforms import DetectionTransform
from digits.detector.nn.backbone import LITE0
from digits.detector.nn.model import build_detector
from digits.nn.weights import restore
from digits.training.config import Config, Loss
from digits.training.data import (
    Examples,
    check_apart,
    chosen,
    digit_counts,
    draw_picture,
    open_examples,
    pass_length,
    stream_seed,
)
from digits.training.losses import balancing_weights, class_losses
from digits.training.task import Task

SURE = 0.5  # score from which a detection counts when validation pictures are scored
_VALIDATION_SIZE = (480, 640)  # height, width of composed validation scenes; the long side pictures are reduced to
_VALIDATION_SCENES = 200
_VALIDATION_SEED = 2  # whatever the run's, so that runs are compared on the same scenes
_SHOWN = 8


def to_target(sample: Sample) -> tuple[Tensor, dict[str, Tensor]]:
    """As torchvision detection wants it: image float32 (3, H, W) in 0..1; boxes and labels of the digits, 1 to 10."""
    image = torch.from_numpy(np.ascontiguousarray(sample.image)).permute(2, 0, 1).float() / 255
    digits = sample.labels < len(DIGITS)
    boxes = torch.from_numpy(np.ascontiguousarray(sample.boxes[digits])).float().reshape(-1, 4)
    return image, {"boxes": boxes, "labels": torch.from_numpy(sample.labels[digits]) + 1}


def usable(record: Record) -> bool:
    """Whether a detector can learn from it: its digits have boxes, or there are none."""
    return len(record.boxes) > 0 or not record.numbers


def detection_losses(model: FasterRCNN, batch: dict, recipe: Loss, weight: Tensor | None = None) -> dict[str, Tensor]:
    """The four losses of Faster R-CNN (Ren et al. 2015); that of the classes as `training.losses` has it.

    batch: as of `DetectorTask.collate`. weight: of each class, (11,), the background first.
    """
    images, targets = model.transform(batch["images"], batch["targets"])
    features = model.backbone(images.tensors)
    proposals, losses = model.rpn(images, features, targets)
    heads = model.roi_heads
    proposals, _, labels, regression = heads.select_training_samples(proposals, targets)
    pooled = heads.box_roi_pool(features, proposals, images.image_sizes)
    logits, deltas = heads.box_predictor(heads.box_head(pooled))
    _, box_loss = fastrcnn_loss(logits, deltas, labels, regression)
    class_loss = class_losses(logits, torch.cat(labels), recipe, weight).mean()
    return {"loss_classifier": class_loss, "loss_box_reg": box_loss, **losses}


def _window(transform: DetectionTransform, pictures: Pictures, seed: int, stream: int, draw: int) -> Sample:
    return transform(*draw_picture(pictures, seed, stream, draw))


def _reduced(pictures: Pictures, index: int) -> Sample:
    """A whole picture, reduced to the size of composed scenes if it is larger."""
    sample = pictures[index]
    height, width = sample.image.shape[:2]
    scale = max(_VALIDATION_SIZE) / max(height, width)
    if scale >= 1:
        return sample
    size = max(1, round(width * scale)), max(1, round(height * scale))
    boxes = (sample.boxes * np.float32(scale)).astype(np.float32)
    return replace(sample, image=resize(sample.image, size), boxes=boxes)


def _whole(examples: Examples) -> list[Callable[[], Sample]]:
    """Makers of the pictures of a validation source."""
    if isinstance(examples.data, Pictures):
        return [partial(_reduced, examples.data, i) for i in chosen(examples)]
    composed = Synthesizer(examples.data, seed=_VALIDATION_SEED, scene_size=_VALIDATION_SIZE).composed
    return [partial(composed, i) for i in range(examples.count or _VALIDATION_SCENES)]


class DetectorTask(Task):
    """Metrics: recall, precision and their F1 of digits (class right, IoU 0.5 or more, score from `SURE`), and the
    share of negatives that are left alone.

    Raises DatasetError or WeightsError if what the configuration names cannot be used.
    """

    kind = "detector"
    model: FasterRCNN
    metrics = ("f1", "recall", "precision", "negatives_left_alone")

    def __init__(self, config: Config, quiet: bool = False):
        self.examples = open_examples(config, "train", usable, quiet)
        self.watched = open_examples(config, "validation", usable, quiet)
        check_apart(self.examples, self.watched)
        self.architecture, self.model = _network(config)
        streams = [self._stream(config, k, each) for k, each in enumerate(self.examples)]
        self.train = Mixture(streams, config.data.shares())
        makers = [maker for each in self.watched for maker in _whole(each)]
        self.validation = Listed(makers) if makers else None
        self.epoch_samples = pass_length(self.examples, config.data.shares())
        self._loss = config.loss
        self._weight = None
        if config.loss.balance:
            counts = digit_counts(self.examples, config.data.shares())
            self._weight = torch.cat([torch.ones(1), balancing_weights(torch.from_numpy(counts))])

    @staticmethod
    def _stream(config: Config, k: int, examples: Examples) -> Callable[[int], Sample]:
        if not isinstance(examples.data, Pictures):
            return Synthesizer(examples.data, seed=stream_seed(config.seed, k), scene_size=config.data.size).scene
        return partial(_window, DetectionTransform(*config.data.size), examples.data, config.seed, k)

    def stages(self) -> Sequence[nn.Module]:
        return self.model.backbone.stages()

    def collate(self, examples: Sequence[Sample]) -> dict:
        images, targets = zip(*map(to_target, examples), strict=True)
        return {"images": list(images), "targets": list(targets), "ids": [sample.image_id for sample in examples]}

    def losses(self, batch: dict) -> dict[str, Tensor]:
        weight = None if self._weight is None else self._weight.to(batch["images"][0].device)
        return detection_losses(self.model, batch, self._loss, weight)

    def score(self, model: nn.Module, batch: dict) -> dict[str, float]:
        counts: dict[str, float] = {"found": 0, "right": 0, "digits": 0, "negatives": 0, "left alone": 0}
        for image, target in zip(batch["images"], batch["targets"], strict=True):
            prediction = model([image])[0]
            sure = prediction["scores"] >= SURE
            boxes, labels = prediction["boxes"][sure], prediction["labels"][sure]
            same = (box_iou(boxes, target["boxes"]) >= 0.5) & (labels[:, None] == target["labels"])
            counts["found"] += len(boxes)
            counts["right"] += int(same.any(0).sum())
            counts["digits"] += len(target["labels"])
            counts["negatives"] += not len(target["labels"])
            counts["left alone"] += not len(target["labels"]) and not len(boxes)
        return counts

    def measured(self, counts: dict[str, float]) -> dict[str, float]:
        recall, precision = (counts["right"] / max(1, counts[of]) for of in ("digits", "found"))
        return {
            "f1": 2 * recall * precision / max(1e-9, recall + precision),
            "recall": recall,
            "precision": precision,
            "negatives_left_alone": counts["left alone"] / max(1, counts["negatives"]),
        }

    @torch.inference_mode()
    def picture(self, model: nn.Module) -> Image.Image:
        """What the model detects, labelled."""
        shown = []
        for index in spread(_SHOWN, len(self.watched_examples())):
            sample = self.watched_examples()[index]
            image, _ = to_target(sample)
            found = model([image.to(next(model.parameters()).device)])[0]
            sure = found["scores"] >= SURE
            boxes, labels = found["boxes"][sure].cpu().numpy(), found["labels"][sure].cpu().numpy() - 1
            shown.append(Sample(sample.image, boxes, labels, (), sample.image_id))
        return contact_sheet(shown, height=300, width=1640)

    def compile(self) -> None:
        self.model.backbone.compile(dynamic=True)

    def header(self, model: nn.Module) -> dict:
        return {"architecture": self.architecture}

    @staticmethod
    def build(**architecture: Any) -> nn.Module:
        return build_detector(**architecture)

    @staticmethod
    def example() -> tuple:
        return ([torch.zeros(3, *_VALIDATION_SIZE)],)


def _network(config: Config) -> tuple[dict, FasterRCNN]:
    """The arguments that rebuild the network, and the network, with the weights to start from."""
    name, start = config.model.backbone or LITE0, config.model.start
    architecture = {} if name == LITE0 else {"backbone": name}
    if start is None:
        return architecture, build_detector(name, pretrained=config.model.pretrained)
    path = shipped("digits.detector.weights", "detector.safetensors") if start == "shipped" else start
    model, header = restore(path, "detector", build_detector)
    architecture = header["architecture"]
    if architecture.get("backbone", LITE0) != name:
        raise WeightsError(f"{start}: of the backbone {architecture.get('backbone', LITE0)}, not {name}")
    if name != LITE0:
        model.backbone.keep_statistics = True
    return architecture, model
