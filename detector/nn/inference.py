"""What a trained Faster R-CNN finds in one view: the arithmetic of torchvision's, in few operations.

torchvision decodes every anchor of a view, and is made for lists of images of differing sizes. Here only the best
anchors of each level are decoded and there is one image: the same digits, from a smaller graph in less time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.onnx.operators import shape_as_tensor
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import nms

from digits.detector.nn.pooling import pooled

_STRIDES = (4, 8, 16, 32)
_MULTIPLE = 32  # pixels: sides are padded to multiples of it
_APART = 16384.0  # pixels: more than any view measures
_NARROW = 1e-2  # pixels: boxes narrower than this are none


class SingleImageRCNN(nn.Module):
    """RGB uint8 (h, w, 3) of any size to boxes (N, 4), xyxy in its pixels, scores (N,) and labels (N,), 1 to 10.

    Suppressed per class and best first, as the `forward` of the model gives them. model: as of `build_detector`.
    """

    mean: Tensor
    gain: Tensor
    anchors: Tensor
    strides: Tensor

    def __init__(self, model: FasterRCNN):
        super().__init__()
        self.model = model
        mean, deviation = (
            255 * torch.tensor(v)[:, None, None] for v in (model.transform.image_mean, model.transform.image_std)
        )
        if (mean == mean[0]).all() and (deviation == deviation[0]).all():
            mean, deviation = mean[:1], deviation[:1]  # a single number is subtracted many times faster
        constants = {
            "mean": mean,
            "gain": 1 / deviation,
            "anchors": torch.stack(model.rpn.anchor_generator.cell_anchors),  # (levels, kinds, 4)
            "strides": torch.tensor(_STRIDES),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self._maps(view)
        _, proposals = self._proposals(view, maps)
        return self._digits(view, maps, proposals)

    def proposals(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """What the first stage suggests in a view, boxes (N, 4): the best of every level, and what suppression left."""
        return self._proposals(view, self._maps(view))

    def _maps(self, view: Tensor) -> list[Tensor]:
        """The pyramid of a view, the finest level first."""
        height, width = _padded(view)
        x = (view.permute(2, 0, 1).float() - self.mean) * self.gain
        x = F.pad(x[None], (0, width - view.shape[1], 0, height - view.shape[0]))
        backbone, fpn = self.model.backbone, self.model.backbone.fpn
        merged = [inner(level) for inner, level in zip(fpn.inner_blocks, backbone.levels(x).values(), strict=True)]
        for k in range(len(merged) - 2, -1, -1):
            merged[k] = merged[k] + _doubled(merged[k + 1], height // _STRIDES[k], width // _STRIDES[k])
        return [layer(level) for layer, level in zip(fpn.layer_blocks, merged, strict=True)]

    def _proposals(self, view: Tensor, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The best anchors of every level, moved to where they fit, before and after suppression within the level."""
        rpn, kinds = self.model.rpn, self.anchors.shape[1]
        most = rpn.pre_nms_top_n()
        classifier, regressor = rpn.head.cls_logits, rpn.head.bbox_pred
        indices, deltas, logits = [], [], []
        for level in maps:
            # as products, pixel by pixel, whose sums stay whole where all else is in integers
            pixels = rpn.head.conv(level).permute(0, 2, 3, 1).reshape(-1, classifier.in_channels)
            objectness = F.linear(pixels, classifier.weight.flatten(1), classifier.bias).flatten()
            regressed = F.linear(pixels, regressor.weight.flatten(1), regressor.bias)  # (h * w, 4 * kinds)
            # as if followed by many that are sure to be nothing, since the smallest maps hold fewer than are taken
            best, place = F.pad(objectness, (0, most), value=-100.0).topk(most)
            place = place.clamp(max=objectness.shape[0] - 1)
            indices.append(place)
            deltas.append(regressed.view(-1, 4)[place])
            logits.append(best)
        levels = torch.arange(len(maps), device=view.device).repeat_interleave(most)
        stride, index = self.strides[levels], torch.cat(indices)
        pixel, kind = index // kinds, index % kinds
        wide = _padded(view)[1] // stride
        shift = torch.stack([pixel % wide, pixel // wide], 1) * stride[:, None]
        anchors = self.anchors[levels, kind] + torch.cat([shift, shift], 1)
        boxes = _decoded(anchors, torch.cat(deltas), rpn.box_coder, _corner(view))
        scores = torch.cat(logits).sigmoid()
        kept = ((scores > rpn.score_thresh) & _wide(boxes)).nonzero().flatten()
        boxes = boxes[kept]
        best = _suppress(boxes, scores[kept], levels[kept], rpn.nms_thresh)[: rpn.post_nms_top_n()]
        return boxes, boxes[best]

    def _digits(self, view: Tensor, maps: list[Tensor], proposals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The second stage: what digit, if any, each proposal (N, 4) holds."""
        heads = self.model.roi_heads
        features, order = self._pooled(view, maps, proposals)
        proposals = proposals[order]
        logits, deltas = heads.box_predictor(heads.box_head(features))
        scores = logits.softmax(1)[:, 1:]
        row, digit = (scores > heads.score_thresh).nonzero().unbind(1)
        deltas = deltas.view(-1, logits.shape[1], 4)[row, digit + 1]
        boxes, scores = _decoded(proposals[row], deltas, heads.box_coder, _corner(view)), scores[row, digit]
        kept = _wide(boxes).nonzero().flatten()
        boxes, scores, digit = boxes[kept], scores[kept], digit[kept]
        best = _suppress(boxes, scores, digit, heads.nms_thresh)[: heads.detections_per_img]
        return boxes[best], scores[best], digit[best] + 1

    def _pooled(self, view: Tensor, maps: list[Tensor], proposals: Tensor) -> tuple[Tensor, Tensor]:
        """Proposals pooled, each from the level of its size (Lin et al. 2017), and in what order they come."""
        pool = self.model.roi_heads.box_roi_pool
        size = (proposals[:, 2:] - proposals[:, :2]).prod(1).sqrt()
        level = (torch.log2(size / pool.canonical_scale) + pool.canonical_level + 1e-6).floor()
        level = (level - 2).clamp(0, len(maps) - 1).long()  # level 2 is the one of stride 4
        height, width = _padded(view)
        sizes = torch.stack([width // self.strides, height // self.strides], 1)
        boxes = proposals / self.strides[level][:, None]
        pixels = [each.permute(0, 2, 3, 1).reshape(-1, self.model.backbone.out_channels) for each in maps]
        return pooled(pixels, sizes, boxes, level, pool.output_size[0], pool.sampling_ratio)


def _padded(view: Tensor) -> tuple[int, int]:
    """Height and width of a view (h, w, 3) that is padded. To ask its maps would turn integers to floating point."""
    height, width = view.shape[:2]
    return height + -height % _MULTIPLE, width + -width % _MULTIPLE


def _doubled(level: Tensor, height: int, width: int) -> Tensor:
    """A map (B, C, H, W) twice as high and wide, its pixels repeated; height and width are those it gets.

    Rows and columns are chosen in the layout that convolutions in integers work in: the channels of a pixel together.
    """
    rows, columns = ((0.5 * torch.arange(side, device=level.device)).long() for side in (height, width))
    return level.permute(0, 2, 3, 1)[:, :, columns][:, rows].permute(0, 3, 1, 2)


def _corner(view: Tensor) -> Tensor:
    """The largest x1, y1, x2 and y2 that a box of a view may have, (4,)."""
    height, width = (
        shape_as_tensor(view)[:2].to(view.device).float()
    )  # plain sizes would be constants of an exported graph
    return torch.stack([width, height, width, height])


def _decoded(boxes: Tensor, deltas: Tensor, coder: BoxCoder, corner: Tensor) -> Tensor:
    """Boxes moved and stretched as regressed (Girshick et al. 2014), and clipped."""
    wx, wy, ww, wh = coder.weights
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + 0.5 * size + deltas[:, :2] / deltas.new_tensor([wx, wy]) * size
    half = 0.5 * size * (deltas[:, 2:] / deltas.new_tensor([ww, wh])).clamp(max=coder.bbox_xform_clip).exp()
    return torch.cat([centre - half, centre + half], 1).clamp(min=0).minimum(corner)


def _wide(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).amin(1) >= _NARROW


def _suppress(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Indices of the boxes that stay, best first; those of different groups are moved out of each other's way."""
    return nms(boxes + (groups * _APART)[:, None], scores, threshold)
