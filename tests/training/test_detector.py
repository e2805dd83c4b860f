import numpy as np
import pytest
import torch

from digits.datasets.items import Sample, empty_boxes
from digits.detector.nn.model import build_detector
from digits.training.config import Loss
from digits.training.detector import DetectorTask, detection_losses, to_target


def batch_of(*samples):
    images, targets = zip(*map(to_target, samples), strict=True)
    return {"images": list(images), "targets": list(targets)}


BLANK = Sample(np.full((96, 96, 3), 90, np.uint8), empty_boxes(), np.zeros(0, np.int64), (), "blank")


def test_one_step_of_training_with_a_negative(synthesizer):
    torch.manual_seed(0)
    model = build_detector().train()
    batch = batch_of(BLANK, synthesizer.scene(3))
    assert batch["targets"][0]["boxes"].shape == (0, 4)
    losses = detection_losses(model, batch, Loss())
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    sum(losses.values()).backward()
    assert model.backbone.stem[0].weight.grad.abs().sum() > 0


def test_the_losses_are_those_of_torchvision(synthesizer):
    """Without focus, smoothing or weights."""
    model = build_detector().train()
    batch = batch_of(synthesizer.scene(3), BLANK, synthesizer.scene(5))
    torch.manual_seed(0)
    expected = model(batch["images"], batch["targets"])
    torch.manual_seed(0)
    losses = detection_losses(model, batch, Loss())
    assert {k: v.item() for k, v in losses.items()} == pytest.approx({k: v.item() for k, v in expected.items()})
    torch.manual_seed(0)
    weighted = detection_losses(model, batch, Loss(focal=2.0), torch.cat([torch.ones(1), torch.full((10,), 3.0)]))
    assert weighted["loss_classifier"] != losses["loss_classifier"]
    assert weighted["loss_box_reg"] == losses["loss_box_reg"]


def test_scores_by_hand():
    """Two digits: one found, one called something else; a double; one negative left alone, one not."""
    box = torch.tensor([[10.0, 10, 20, 30]])
    far = box + 50
    replies = iter(
        [
            {"boxes": torch.cat([box, box + 1, far]), "scores": torch.tensor([0.9, 0.6, 0.8]), "labels": [3, 3, 5]},
            {"boxes": box, "scores": torch.tensor([0.4]), "labels": [2]},
            {"boxes": box, "scores": torch.tensor([0.7]), "labels": [2]},
        ]
    )

    def model(images):
        reply = next(replies)
        return [{**reply, "labels": torch.tensor(reply["labels"])}]

    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    targets = [{"boxes": torch.cat([box, far]), "labels": torch.tensor([3, 4])}, nothing, nothing]
    counts = DetectorTask.score(None, model, {"images": [None] * 3, "targets": targets})
    assert counts == {"found": 4, "right": 1, "digits": 2, "negatives": 2, "left alone": 1}
    measured = DetectorTask.measured(None, counts)
    assert measured["recall"] == 0.5 and measured["precision"] == 0.25 and measured["negatives_left_alone"] == 0.5
    assert measured["f1"] == pytest.approx(1 / 3)
    none = DetectorTask.measured(None, dict.fromkeys(counts, 0))
    assert set(none.values()) == {0.0}
