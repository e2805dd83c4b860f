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
from digits.datasets.pictures import Pictures, Record
from digits.datasets.synthesis import Synthesizer
from digits.datasets.transforms import DetectionTransform
from digits.detector.nn.backbone import LITE0
from digits.detector.nn.model import build_detector
from digits.nn.weights import restore
from digits.training.config import Config, Loss
from digits.training.data import Examples, chosen, draw_picture, stream_seed
from digits.training.losses import class_losses
from digits.training.task import DigitTask

MIN_SCORE = 0.5  # detections below it do not count in validation
_VALIDATION_SIZE = (
    480,
    640,
)  # height, width of composed validation scenes; its long side limits pictures
_VALIDATION_SCENES = 200
_VALIDATION_SEED = 2  # not the run's seed: all runs are compared on the same scenes
_SHOWN = 8  # pictures


def to_target(sample: Sample) -> tuple[Tensor, dict[str, Tensor]]:
    """A torchvision detection target: image float32 (3, H, W), 0 to 1; boxes and labels (1 to 10) of the digits."""
    image = torch.from_numpy(np.ascontiguousarray(sample.image)).permute(2, 0, 1).float() / 255
    digits = sample.labels < len(DIGITS)
    boxes = torch.from_numpy(np.ascontiguousarray(sample.boxes[digits])).float().reshape(-1, 4)
    return image, {"boxes": boxes, "labels": torch.from_numpy(sample.labels[digits]) + 1}


def detection_losses(model: FasterRCNN, batch: dict, recipe: Loss, weight: Tensor | None = None) -> dict[str, Tensor]:
    """The four losses of Faster R-CNN (Ren et al. 2015), with the class loss of `training.losses`.

    batch: see `DetectorTask.collate`. weight: class weights (11,), the background first.
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
    """A whole picture, reduced to the long side of composed scenes if it is larger."""
    sample = pictures[index]
    height, width = sample.image.shape[:2]
    scale = max(_VALIDATION_SIZE) / max(height, width)
    if scale >= 1:
        return sample
    size = max(1, round(width * scale)), max(1, round(height * scale))
    boxes = (sample.boxes * np.float32(scale)).astype(np.float32)
    return replace(sample, image=resize(sample.image, size), boxes=boxes)


class DetectorTask(DigitTask):
    """Metrics: F1, recall and precision of digits (right class, IoU 0.5 or more, score from `MIN_SCORE`), and the share
    of negatives without a detection.
    """

    kind = "detector"
    model: FasterRCNN
    metrics = ("f1", "recall", "precision", "negatives_left_alone")

    extra_classes = 1  # the background

    @staticmethod
    def usable(record: Record) -> bool:
        """Whether its digits have boxes, or there are none."""
        return len(record.boxes) > 0 or not record.numbers

    @staticmethod
    def network(config: Config) -> tuple[dict[str, Any], FasterRCNN]:
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

    @staticmethod
    def stream(config: Config, number: int, examples: Examples) -> Callable[[int], Sample]:
        if not isinstance(examples.data, Pictures):
            return Synthesizer(examples.data, seed=stream_seed(config.seed, number), scene_size=config.data.size).scene
        return partial(_window, DetectionTransform(*config.data.size), examples.data, config.seed, number)

    @staticmethod
    def validation_makers(examples: Examples) -> list[Callable[[], Sample]]:
        if isinstance(examples.data, Pictures):
            return [partial(_reduced, examples.data, i) for i in chosen(examples)]
        composed = Synthesizer(examples.data, seed=_VALIDATION_SEED, scene_size=_VALIDATION_SIZE).composed
        return [partial(composed, i) for i in range(examples.count or _VALIDATION_SCENES)]

    def stages(self) -> Sequence[nn.Module]:
        return self.model.backbone.stages()

    def collate(self, examples: Sequence[Sample]) -> dict:
        images, targets = zip(*map(to_target, examples), strict=True)
        return {"images": list(images), "targets": list(targets), "ids": [sample.image_id for sample in examples]}

    def losses(self, batch: dict) -> dict[str, Tensor]:
        weight = self.class_weights_on(batch["images"][0].device)
        return detection_losses(self.model, batch, self.recipe, weight)

    def score(self, model: nn.Module, batch: dict) -> dict[str, float]:
        counts: dict[str, float] = {"found": 0, "right": 0, "digits": 0, "negatives": 0, "left alone": 0}
        for image, target in zip(batch["images"], batch["targets"], strict=True):
            prediction = model([image])[0]
            kept = prediction["scores"] >= MIN_SCORE
            boxes, labels = prediction["boxes"][kept], prediction["labels"][kept]
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
        """Validation pictures with the model's detections."""
        shown = []
        for index in spread(_SHOWN, len(self.validation_examples())):
            sample = self.validation_examples()[index]
            image, _ = to_target(sample)
            found = model([image.to(next(model.parameters()).device)])[0]
            kept = found["scores"] >= MIN_SCORE
            boxes, labels = found["boxes"][kept].cpu().numpy(), found["labels"][kept].cpu().numpy() - 1
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
