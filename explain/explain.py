"""Explains readings: heat maps of both networks, and the spread of the recogniser's readings under dropout.

Heat maps are Grad-CAM (Selvaraju et al. 2017) with the gradient of each cell (HiResCAM, Draelos and Carin 2020) instead
of its mean over the map. The mean loses positions: in 7171 each 7 would highlight both, and the detector, whose
gradient is confined to a few boxes, would highlight every edge in the photograph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from digits.core.errors import DigitsError
from digits.detector import Detector
from digits.pipeline.fuse import fuse
from digits.pipeline.merge import NumberRegion
from digits.pipeline.reader import Reader
from digits.pipeline.results import Reading, format_confidence
from digits.recognizer import Recognizer, Transcription
from digits.recognizer.crops import HEIGHT, WIDTH, cut_both, letterbox
from digits.recognizer.heads import LENGTHS

_OTHERS = 3  # number of other texts that are listed
_CELLS = 4  # height of a digit in cells of the map: fewer are too coarse, and finer maps show strokes, not digits


@dataclass(frozen=True)
class Doubt:
    """The uncertainty of a text by Monte-Carlo dropout, over `passes` passes.

    mean, spread: mean and standard deviation of the text's probability, fused with the detector's evidence but not
    calibrated. agreeing: passes in which it was the most probable text. others: the texts read in other passes, "" for
    no number, with their counts; the three most frequent ones.
    """

    passes: int
    mean: float
    spread: float
    agreeing: int
    others: tuple[tuple[str, int], ...]

    def to_dict(self) -> dict:
        """Plain Python types."""
        others = [{"text": text, "passes": count} for text, count in self.others]
        figures = {"mean": self.mean, "spread": self.spread, "agreeing": self.agreeing}
        return {"passes": self.passes, **figures, "others": others}


@dataclass(frozen=True)
class Explanation:
    """The explanation of one region of a photograph.

    reading: its reading; None for a candidate without one. region: that of the detector. seen: the recogniser's own
    transcription. crop: its input, uint8 (48, 96, 3). Maps are float32, 0 to 1, each scaled by its own maximum, and all
    0 if nothing supports what they explain. detector_map: (h, w), for the labels of the region's digits, over the whole
    photograph at the scale that suits such digits. length_map: (48, 96), for the length of the text. position_maps: (N,
    48, 96), for each of its N digits. doubt: of the text.
    """

    reading: Reading | None
    region: NumberRegion
    seen: Transcription
    crop: np.ndarray
    detector_map: np.ndarray
    length_map: np.ndarray
    position_maps: np.ndarray
    doubt: Doubt

    @property
    def text(self) -> str:
        """The text of the reading, "" for none."""
        return self.reading.text if self.reading else ""

    @property
    def status(self) -> str:
        """`read`, `unsure` or `none`."""
        return self.reading.status if self.reading else "none"

    @property
    def sentence(self) -> str:
        """Text, confidence and doubt, on one line."""
        text = {"read": self.text, "unsure": f"unsure, perhaps {self.text}", "none": "no number found"}[self.status]
        doubt = (
            f"{format_confidence(self.doubt.mean)} ± {self.doubt.spread:.2f}, "
            f"{self.doubt.agreeing} of {self.doubt.passes} agree"
        )
        if self.reading is None:
            return f"{text}  probability of that with dropout {doubt}"
        return f"{text}  confidence {format_confidence(self.reading.confidence)}, dropout {doubt}"

    def to_dict(self) -> dict:
        """Plain Python types, without the maps."""
        labels, scores = self.region.evidence.argmax(1), self.region.evidence.max(1)
        detector = [{"digit": str(k), "score": float(s)} for k, s in zip(labels, scores, strict=True)]
        reading = self.reading.to_dict() if self.reading else {"text": "", "status": "none"}
        return {**reading, "detector": detector, "recognizer": self.seen.to_dict(), "dropout": self.doubt.to_dict()}


def require_captum() -> None:
    """Raises DigitsError if Captum, which makes the heat maps, is not installed."""
    if find_spec("captum") is None:
        raise DigitsError("explaining needs Captum: pip install 'street-digits[explain]'")


def explain(reader: Reader, image: np.ndarray, passes: int = 30, seed: int = 0) -> list[Explanation]:
    """Explain every reading of an upright photograph, RGB uint8 (H, W, 3), most likely house number first.

    If nothing is read, the strongest candidate is explained, if there is one. passes, seed: of Monte-Carlo dropout.
    reader: with `digits.Detector` and `digits.Recognizer`, else TypeError. Raises DigitsError without Captum.
    """
    require_captum()
    detector, recognizer = reader.own_networks()
    observations = reader.observe(image)
    explanations = []
    # without a reading, the strongest candidate comes first
    for each in [each for each in observations if each.reading] or observations[:1]:
        region, text = each.region, each.reading.text if each.reading else ""
        crop, _ = cut_both(image, region.digit_boxes, region.stacked)
        maps = recognizer_maps(recognizer, crop, text)
        doubtful = recognizer.sample(crop, passes, seed)
        sampled = [fuse(one, each.with_room, region.evidence, reader.fusion) for one in doubtful]
        explanations.append(
            Explanation(
                each.reading,
                region,
                each.close,
                letterbox(crop),
                detector_map(detector, image, region.digit_boxes, region.evidence.argmax(1)),
                maps[0],
                maps[1:],
                _doubt(sampled, text),
            )
        )
    return explanations


@torch.inference_mode(False)
def recognizer_maps(recognizer: Recognizer, crop: np.ndarray, text: str) -> np.ndarray:
    """Heat maps of a crop, RGB uint8 (h, w, 3), for the length of a text and for each of its digits.

    Returns float32 (1 + len(text), 48, 96), 0 to 1, over the crop as the network sees it.
    """
    eager, classes = recognizer.eager, LENGTHS
    targets = [len(text)] + [classes + 10 * i + int(char) for i, char in enumerate(text)]

    def score(x: Tensor) -> Tensor:
        length, digits, *_ = eager.model(x)
        return torch.cat([_log_odds(length), _log_odds(digits).flatten(1)], 1)

    inputs = eager.tensor(np.stack([letterbox(crop)] * len(targets)))
    heat = _heat(score, eager.model.features, inputs, torch.tensor(targets, device=eager.device))
    return np.stack([_unit(each) for each in interpolate(heat, (HEIGHT, WIDTH), mode="bilinear")[:, 0]])


@torch.inference_mode(False)
def detector_map(detector: Detector, image: np.ndarray, boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The heat map of a photograph, RGB uint8 (H, W, 3), for the labels (N,), 0 to 9, of digit boxes (N, 4), N >= 1.

    The boxes replace the network's proposals, so that suppression does not block the gradient. It is taken in the stage
    in which such digits are about four cells high. Returns float32 (h, w), 0 to 1, over the photograph as scaled for
    the network: the maximum over one map per digit, so that no digit outshines the others.
    """
    device, network = detector.eager.device, detector.eager.model
    heads = network.roi_heads
    digit_height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    view, scale = detector.view(image, digit_height)
    images, _ = network.transform([detector.eager.tensor(view)])
    places = torch.from_numpy(boxes * np.float32(scale)).to(device)
    classes = torch.from_numpy(labels).to(device)[:, None] + 1  # 0 is the background

    def score(x: Tensor) -> Tensor:
        pooled = heads.box_roi_pool(network.backbone(x), [places], images.image_sizes)
        logits, _ = heads.box_predictor(heads.box_head(pooled))
        return _log_odds(logits).gather(1, classes).T  # as of one picture with N classes

    stages = network.backbone.fpn.inner_blocks  # their inputs are the features of a stage; strides 4, 8, 16, 32
    k = int(np.clip(np.round(np.log2(digit_height * scale / _CELLS / 4)), 0, len(stages) - 1))
    height, width = view.shape[:2]  # without the padding
    maps = []
    for i in range(len(boxes)):  # one by one: a batch of whole photographs takes gigabytes
        heat = _heat(score, stages[k], images.tensors, i, of_input=True)
        maps.append(_unit(interpolate(heat, images.tensors.shape[2:], mode="bilinear")[0, 0, :height, :width]))
    return np.max(maps, axis=0)


def _heat(
    score: Callable, layer: nn.Module, inputs: Tensor, target: Tensor | int | None = None, of_input: bool = False
) -> Tensor:
    """The heat map of scores in the output, or input, of a layer: float (B, 1, h, w), 0 or more."""
    from captum.attr import LayerGradientXActivation

    attribution = LayerGradientXActivation(score, layer)
    heat = attribution.attribute(inputs.requires_grad_(), target, attribute_to_layer_input=of_input)
    return heat.detach().sum(1, keepdim=True).relu()


def _log_odds(logits: Tensor) -> Tensor:
    """The log odds of every class against all others, (..., K).

    Their gradient has the direction of that of the log probability, but does not vanish at high probabilities.
    """
    own = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
    return logits - torch.where(own, -torch.inf, logits[..., None, :]).logsumexp(-1)


def _unit(heat: Tensor) -> np.ndarray:
    """Scaled by its maximum, unless that is 0, as float32."""
    values = heat.float().cpu().numpy()
    return values / (values.max() or 1)


def _doubt(sampled: Sequence[Transcription], text: str) -> Doubt:
    """The doubt of a text. sampled: the transcription of each pass, fused with the detector's evidence."""
    probabilities = np.exp([each.distribution.log_probability(text) for each in sampled])
    texts = Counter(each.text for each in sampled)
    agreeing = texts.pop(text, 0)
    mean, spread = float(probabilities.mean()), float(probabilities.std())
    return Doubt(len(sampled), mean, spread, agreeing, tuple(texts.most_common(_OTHERS)))
