"""The digit detector: torchvision's Faster R-CNN (Ren et al. 2015) with a fine feature pyramid and digit anchors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from digits.core.alphabet import DIGIT_COUNT
from digits.detector.nn.backbone import LITE0, build_pyramid

CLASSES = 1 + DIGIT_COUNT  # digits 0 to 9 are labels 1 to 10: torchvision keeps 0 for the background

# Square roots of anchor areas a level (strides 4, 8, 16, 32) and heights over widths: digits of 8 to 200 pixels.
_ANCHOR_SIZES = ((6.0, 9.0), (13.0, 19.0), (27.0, 39.0), (60.0, 110.0))
_ANCHOR_RATIOS = (1.5, 2.5)

# Mean and standard deviation of the colours that the pretrained backbones expect.
_LITE0_NORM = ([0.498] * 3, [0.502] * 3)
_IMAGENET_NORM = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


class NormaliseOnly(GeneralizedRCNNTransform):
    """Normalises and pads to a batch, but looks at images at the size they have.

    torchvision's own `_skip_resize` holds in training only: in evaluation it would still scale to 800 pixels.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__(min_size=1, max_size=1, image_mean=list(mean), image_std=list(std))

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


def build_detector(
    backbone: str = LITE0,
    channels: int = 64,
    pool: int = 7,
    hidden: int = 256,
    *,
    pretrained: str | None = None,
) -> FasterRCNN:
    """A detector whose heads are untrained. Images are given at the scale they are to be looked at: it does not resize.

    backbone, pretrained: see `build_pyramid`; channels: width of the pyramid; pool: side of the pooled grid of
    a proposal; hidden: width of the box head.
    """
    pyramid = build_pyramid(backbone, channels, pretrained)
    anchors = AnchorGenerator(_ANCHOR_SIZES, (_ANCHOR_RATIOS,) * len(_ANCHOR_SIZES))
    # Canonical scale 96 sends digits up to about 68 px high to the finest level, where a pooled cell is 1-3 px wide.
    roi_pool = MultiScaleRoIAlign(["0", "1", "2", "3"], pool, 2, canonical_scale=96, canonical_level=4)
    # It would guess the strides from the first image it is given, and guess wrong if that one is tiny.
    guide = {str(k): torch.zeros(1, channels, 64 >> k, 64 >> k) for k in range(4)}
    roi_pool(guide, [torch.zeros(0, 4)], [(256, 256)])
    model = FasterRCNN(
        pyramid,
        rpn_anchor_generator=anchors,
        rpn_head=RPNHead(channels, anchors.num_anchors_per_location()[0]),
        rpn_pre_nms_top_n_train=400,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=150,  # a level
        rpn_post_nms_top_n_test=64,  # each costs as much as a small view; more find nothing more
        rpn_batch_size_per_image=96,
        rpn_score_thresh=0.01,
        box_roi_pool=roi_pool,
        box_head=TwoMLPHead(channels * pool * pool, hidden),
        box_predictor=FastRCNNPredictor(hidden, CLASSES),
        box_score_thresh=0.05,
        box_nms_thresh=0.5,
        box_detections_per_img=100,
        box_batch_size_per_image=128,
        box_positive_fraction=0.4,
    )
    model.transform = NormaliseOnly(*(_LITE0_NORM if backbone == LITE0 else _IMAGENET_NORM))
    return model
