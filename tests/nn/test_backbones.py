from urllib.error import URLError

import pytest
import torch
import torchvision

from digits import WeightsError
from digits.detector.nn.model import build_detector
from digits.nn.backbones import by_resolution, torchvision_features
from digits.recognizer.nn.model import NumberNet


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "efficientnet_b0", "vgg11", "densenet121"])
def test_stages_halve_the_picture_one_after_the_other(name):
    stages = by_resolution(torchvision_features(name).eval())
    x, sizes = torch.zeros(1, 3, 128, 128), []
    with torch.inference_mode():
        for stage in stages:
            x = stage(x)
            sizes.append(x.shape[-1])
    assert sizes == sorted(set(sizes), reverse=True) and sizes[-1] == 4


def test_stages_are_told_apart_where_the_network_is():
    features = NumberNet().features
    here = [len(stage) for stage in by_resolution(features)]
    assert [len(stage) for stage in by_resolution(features.to("meta"))] == here  # a device that every machine has


@pytest.mark.parametrize("name", ["nothing", "vit_b_16", "regnet_y_400mf", "swin_t", "r3d_18"])
def test_what_is_no_backbone(name):
    with pytest.raises(WeightsError, match=f"{name}: not a backbone"):
        torchvision_features(name)


def test_weights_from_a_file_for_another_number_of_classes(tmp_path):
    torch.manual_seed(5)
    model = torchvision.models.get_model("mobilenet_v3_small", num_classes=7)
    torch.save(model.state_dict(), tmp_path / "own.pth")
    features = torchvision_features("mobilenet_v3_small", str(tmp_path / "own.pth"))
    assert torch.equal(features[0][0].weight, model.features[0][0].weight)
    net = NumberNet("mobilenet_v3_small", pretrained=str(tmp_path / "own.pth"))
    assert torch.equal(net.features[0][0].weight, model.features[0][0].weight)
    detector = build_detector("mobilenet_v3_small", pretrained=str(tmp_path / "own.pth"))
    assert torch.equal(detector.backbone.body[0][0][0].weight, model.features[0][0].weight)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file of pretrained weights"),
        (b"not a checkpoint", "cannot be read"),
        ([1, 2], "not a state dict"),
        ({"x": torch.zeros(1)}, "of another model"),
    ],
)
def test_files_that_are_no_weights(tmp_path, content, message):
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=rf"w\.pth: {message}"):
        torchvision_features("resnet18", str(path))
    with pytest.raises(WeightsError, match=r"w\.pth"):
        NumberNet("lenet", pretrained=str(path))


def test_without_a_network_it_is_said_in_one_line(monkeypatch):
    def offline(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.WeightsEnum.get_state_dict", offline)
    with pytest.raises(WeightsError, match=r"resnet18: its ImageNet weights cannot be fetched \(Name or .*name a file"):
        torchvision_features("resnet18", "imagenet")


def test_own_backbones_have_no_imagenet_weights():
    with pytest.raises(WeightsError, match="residual: there are no ImageNet weights of it"):
        NumberNet("residual", pretrained="imagenet")


@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vgg11_bn"])
def test_detectors_over_other_backbones(name, pretrained, tmp_path):
    """Boxes come out; statistics of pretrained features stay as they came in training too, others are measured."""
    torch.save(torchvision.models.get_model(name).state_dict(), tmp_path / "w.pth")
    model = build_detector(name, channels=16, hidden=32, pretrained=str(tmp_path / "w.pth") if pretrained else None)
    assert len(model.backbone.stages()) >= 5
    target = {"boxes": torch.tensor([[10.0, 10, 22, 34]]), "labels": torch.tensor([3])}
    before = {key: value.clone() for key, value in model.state_dict().items() if "running" in key}
    losses = model.train()([torch.rand(3, 64, 96)], [target])
    assert all(torch.isfinite(loss) for loss in losses.values())
    after = model.state_dict()
    assert before and all(torch.equal(value, after[key]) for key, value in before.items()) == pretrained
    assert model.eval()([torch.rand(3, 50, 70)])[0]["boxes"].shape[1] == 4


def test_a_backbone_without_a_pyramid_is_refused():
    with pytest.raises(WeightsError, match="squeezenet1_0: no backbone for a pyramid; its strides are"):
        build_detector("squeezenet1_0")


def test_a_backbone_that_leaves_nothing_of_a_crop_is_refused():
    with pytest.raises(WeightsError, match="alexnet: no backbone for crops"):
        NumberNet("alexnet")
