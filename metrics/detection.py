"""Detection of digits: COCO's average precision (Lin et al. 2014) with pycocotools, recall, false alarms."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASSES = 10
_RECALLS = np.linspace(0, 1, 101)  # where COCO samples the precision
_ALL_SIZES = (0, 1e10)
_STATS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)


def _xywh(boxes: ArrayLike) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not np.isfinite(boxes).all():
        raise ValueError("a box is not finite")
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


def overlaps(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Intersection over union, float64 (N, M), of boxes (N, 4) and others (M, 4).

    >>> overlaps([[0, 0, 10, 10]], [[0, 0, 10, 5], [20, 0, 30, 10]]).tolist()
    [[0.5, 0.0]]
    """
    boxes, others = _xywh(boxes), _xywh(others)
    if not len(boxes) or not len(others):
        return np.zeros((len(boxes), len(others)))
    return mask.iou(boxes, others, [0] * len(others))


def best_overlaps(truth_boxes: ArrayLike, boxes: ArrayLike) -> np.ndarray:
    """For each true box (N, 4) of a picture its best intersection over union with boxes (M, 4), float64 (N,).

    The recall at an IoU of 0.5 is the share of these values that reach 0.5.

    >>> best_overlaps([[0, 0, 10, 10], [50, 0, 60, 10]], [[0, 0, 10, 8]]).tolist()
    [0.8, 0.0]
    """
    found = overlaps(truth_boxes, boxes)
    return found.max(1) if found.shape[1] else np.zeros(len(found))


def _coco(boxes: Sequence, labels: Sequence, scores: Sequence | None = None) -> COCO:
    """Boxes (N, 4) and labels (N,) of each picture as a COCO object of pycocotools.

    Not by its `loadRes`, which refuses an empty list. Ids begin at 1: COCOeval takes a match with id 0 for no match.
    """
    annotations: list[dict[str, object]] = []
    for picture, (rows, classes) in enumerate(zip(boxes, labels, strict=True), start=1):
        each = np.ones(len(rows)) if scores is None else scores[picture - 1]
        if not np.isfinite(np.asarray(each, float)).all():
            raise ValueError(f"picture {picture - 1}: a score is not finite")
        if not np.isin(classes, range(CLASSES)).all():
            raise ValueError(f"picture {picture - 1}: a label is not 0 to 9")
        for box, label, score in zip(_xywh(rows).tolist(), classes, each, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": picture,
                    "category_id": int(label) + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    "score": float(score),
                }
            )
    made = COCO()
    made.dataset = {
        "images": [{"id": picture} for picture in range(1, len(boxes) + 1)],
        "annotations": annotations,
        "categories": [{"id": label + 1} for label in range(CLASSES)],
    }
    made.createIndex()
    return made


def _evaluated(
    truth_boxes: Sequence[ArrayLike],
    truth_labels: Sequence[ArrayLike],
    boxes: Sequence[ArrayLike],
    scores: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    localisation: bool = False,
) -> COCOeval:
    with redirect_stdout(io.StringIO()):  # it prints its progress
        run = COCOeval(_coco(truth_boxes, truth_labels), _coco(boxes, labels, scores), "bbox")
        run.params.useCats = 0 if localisation else 1
        run.evaluate()
    return run


def _or_nan(value: float) -> float:
    """pycocotools gives -1 where there is no ground truth."""
    return float(value) if value > -1 else float("nan")


def coco_scores(
    truth_boxes: Sequence[ArrayLike],
    truth_labels: Sequence[ArrayLike],
    boxes: Sequence[ArrayLike],
    scores: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    *,
    localisation: bool = False,
) -> dict:
    """COCO's twelve figures, the average precision of each digit, and the precision–recall curve at IoU 0.5.

    One entry per picture, negatives included: true boxes (N, 4) and labels (N,), 0 to 9; detected boxes (M, 4), scores
    (M,) and labels (M,). localisation: ignore the labels and score positions only. As in COCO, the 100 best detections
    of each class in a picture count. AP is averaged over the digits that occur. A digit detected with two labels counts
    as two detections, which lowers the precision only with `localisation`.

    Returns the floats AP (IoU 0.5 to 0.95), AP50, AP75, AP_small, AP_medium, AP_large (digits under 32², up to 96² and
    larger, in pixels), AR_1, AR_10, AR_100 (by detections per picture), AR_small, AR_medium, AR_large;
    "AP_by_class", float64 (10,), absent if `localisation`; "recall" and "precision", float64 (101,).

    >>> digit = [np.array([[0, 0, 10, 20.0]])]
    >>> found = coco_scores(digit, [[4]], digit, [[0.9]], [[4]])
    >>> round(found["AP"], 6), found["AP_by_class"].round(6)[4].item(), found["AP_large"]
    (1.0, 1.0, nan)
    """
    run = _evaluated(truth_boxes, truth_labels, boxes, scores, labels, localisation)
    with redirect_stdout(io.StringIO()):
        run.accumulate()
        run.summarize()
    figures: dict[str, float | np.ndarray] = {
        name: _or_nan(value) for name, value in zip(_STATS, run.stats, strict=True)
    }
    precision = run.eval["precision"][:, :, :, 0, -1]  # (IoU, recall, class), all sizes, 100 detections
    present = precision[:, :, precision.max((0, 1)) > -1]
    if not localisation:
        by_class = np.where(precision > -1, precision, np.nan)
        figures["AP_by_class"] = by_class.mean((0, 1))
    figures["recall"] = _RECALLS
    figures["precision"] = present[0].mean(1) if present.shape[2] else np.full(len(_RECALLS), np.nan)
    return figures


class Matches(NamedTuple):
    """The detections of many pictures, which of them are right, and the true digits.

    Detections of all pictures, by descending score: scores float64 (D,); labels int64 (D,); pictures int64 (D,), the
    index of the picture; right bool (10, D), at the IoUs 0.5, 0.55, … 0.95. truths: int64 (P, 10), how often each
    picture shows each digit.
    """

    scores: np.ndarray
    labels: np.ndarray
    pictures: np.ndarray
    right: np.ndarray
    truths: np.ndarray


def match_digits(
    truth_boxes: Sequence[ArrayLike],
    truth_labels: Sequence[ArrayLike],
    boxes: Sequence[ArrayLike],
    scores: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
) -> Matches:
    """COCO's matching, from which `mean_average_precision` is computed for any selection of the pictures.

    Parameters as for `coco_scores`.

    >>> matches = match_digits([np.array([[0, 0, 10, 20.0]])], [[4]], [np.array([[0, 0, 10, 16.0]])], [[0.9]], [[4]])
    >>> matches.right[:, 0].tolist().index(False)  # IoU 0.8: no longer at 0.85, the eighth
    7
    """
    with redirect_stdout(io.StringIO()):
        run = COCOeval(_coco(truth_boxes, truth_labels), _coco(boxes, labels, scores), "bbox")
        run.params.areaRng, run.params.areaRngLbl = [_ALL_SIZES], ["all"]
        run.evaluate()
    truths = np.zeros((len(truth_boxes), CLASSES), np.int64)
    for row, classes in zip(truths, truth_labels, strict=True):
        np.add.at(row, np.asarray(classes, np.int64), 1)
    evaluated = [one for one in run.evalImgs if one is not None]
    sorted_scores = np.concatenate([np.zeros(0), *(one["dtScores"] for one in evaluated)])
    counts = [len(one["dtScores"]) for one in evaluated]
    right = np.concatenate([np.zeros((10, 0)), *(one["dtMatches"] for one in evaluated)], 1) > 0
    classes = np.repeat([one["category_id"] - 1 for one in evaluated], counts).astype(np.int64)
    pictures = np.repeat([one["image_id"] - 1 for one in evaluated], counts).astype(np.int64)
    order = np.argsort(-sorted_scores, kind="stable")
    return Matches(sorted_scores[order], classes[order], pictures[order], right[:, order], truths)


def mean_average_precision(matches: Matches, chosen: np.ndarray | None = None) -> tuple[float, float]:
    """AP[.5:.95] and AP50 over the pictures with the indices `chosen` (K,), repeated ones included; by default all.

    Over all pictures they equal those of `coco_scores`; over resampled ones they are what `paired_bootstrap` needs.

    >>> digit = [np.array([[0, 0, 10, 20.0]])] * 2
    >>> matches = match_digits(digit, [[4], [4]], digit, [[0.9], [0.8]], [[4], [7]])
    >>> [round(mean_average_precision(matches, np.array(chosen))[0], 6) for chosen in ([0], [1], [0, 1])]
    [1.0, 0.0, 0.50495]
    """
    count = len(matches.truths)
    weights = np.ones(count) if chosen is None else np.bincount(chosen, minlength=count).astype(float)
    positives = weights @ matches.truths
    found = []
    for label in np.flatnonzero(positives):
        mine = matches.labels == label
        each = weights[matches.pictures[mine]]
        hits = np.cumsum(matches.right[:, mine] * each, 1)
        detections = np.cumsum(each)
        precision = hits / np.maximum(detections, np.spacing(1))
        envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        padded = np.concatenate([envelope, np.zeros((len(envelope), 1))], 1)  # for recalls that are not reached
        recall = hits / positives[label]
        found.append([line[np.searchsorted(r, _RECALLS)].mean() for line, r in zip(padded, recall, strict=True)])
    if not found:
        return float("nan"), float("nan")
    by_overlap = np.mean(found, 0)
    return float(by_overlap.mean()), float(by_overlap[0])


def false_alarms(scores: Sequence[ArrayLike], threshold: float) -> tuple[float, float]:
    """Mean number of false alarms per picture, and the share of pictures with any, at a threshold.

    scores: the scores (N,) of the detections in each picture that shows no number.

    >>> false_alarms([[0.9, 0.4], [], [0.2]], 0.4)
    (0.6666666666666666, 0.3333333333333333)
    """
    if not len(scores):
        return float("nan"), float("nan")
    counts = np.array([np.count_nonzero(np.asarray(each) >= threshold) for each in scores])
    return float(counts.mean()), float((counts > 0).mean())


def false_alarm_curve(scores: Sequence[ArrayLike]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`false_alarms` at every threshold where they change, from high to low: thresholds, alarms per picture, shares.

    Each float64 (K,); empty if there is no alarm.

    >>> [values.round(2).tolist() for values in false_alarm_curve([[0.9, 0.4], [], [0.9]])]
    [[0.9, 0.4], [0.67, 1.0], [0.67, 0.67]]
    """
    of_pictures = [np.asarray(each, float) for each in scores]
    everything = np.sort(np.concatenate([np.zeros(0), *of_pictures]))
    if np.isnan(everything).any():
        raise ValueError("a score is not a number")
    worst = np.sort([each.max() for each in of_pictures if len(each)])
    thresholds = np.unique(everything)[::-1]
    total = max(1, len(scores))
    counts = len(everything) - np.searchsorted(everything, thresholds)
    pictures = len(worst) - np.searchsorted(worst, thresholds)
    return thresholds, counts / total, pictures / total
