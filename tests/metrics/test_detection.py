"""Boxes: cases worked out by hand, and pycocotools used as its own documentation says."""

import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from digits.metrics import (
    best_overlaps,
    coco_scores,
    false_alarm_curve,
    false_alarms,
    match_digits,
    mean_average_precision,
    overlaps,
)

ONE, TWO = [0, 0, 10, 20], [30, 0, 40, 20]
NO_BOXES = np.zeros((0, 4))


def pictures(*each):
    """Truths and detections, (boxes, labels) and (boxes, scores, labels) a picture, as the metrics take them."""
    truths, found = zip(*each, strict=True)
    truth_boxes, truth_labels = zip(*truths, strict=True)
    boxes, scores, labels = zip(*found, strict=True)
    return truth_boxes, truth_labels, boxes, scores, labels


NOTHING_THERE, NOTHING_FOUND = (NO_BOXES, []), (NO_BOXES, [], [])


@pytest.mark.parametrize(
    ("boxes", "others", "expected"),
    [
        ([ONE], [ONE], [[1.0]]),
        ([ONE], [TWO], [[0.0]]),
        ([ONE], [[0, 10, 10, 30]], [[1 / 3]]),
        ([ONE], [[10, 0, 20, 20]], [[0.0]]),  # they touch
        (NO_BOXES, [ONE], np.zeros((0, 1))),
        ([ONE, TWO], NO_BOXES, np.zeros((2, 0))),
    ],
)
def test_overlaps(boxes, others, expected):
    assert np.allclose(overlaps(boxes, others), expected)
    assert overlaps(boxes, others).shape == np.shape(expected)


def test_best_overlaps():
    assert best_overlaps([ONE, TWO], [ONE, [0, 0, 10, 10]]).tolist() == [1.0, 0.0]
    assert best_overlaps([ONE], NO_BOXES).tolist() == [0.0]
    assert best_overlaps(NO_BOXES, [ONE]).shape == (0,)


@pytest.mark.parametrize(
    ("case", "ap", "ap50", "recall"),
    [
        (pictures((([ONE, TWO], [1, 2]), ([ONE, TWO], [0.9, 0.8], [1, 2]))), 1, 1, 1),  # perfect
        (pictures((([ONE], [1]), NOTHING_FOUND)), 0, 0, 0),
        (pictures((([ONE], [1]), ([ONE], [0.9], [7]))), 0, 0, 0),  # all of a wrong class
        (pictures((([ONE], [1]), ([TWO], [0.9], [1]))), 0, 0, 0),  # all in a wrong place
        # IoU 0.8: right at 0.5 to 0.8, seven of ten overlaps
        (pictures((([ONE], [1]), ([[0, 0, 10, 16]], [0.9], [1]))), 0.7, 1, 0.7),
        # a false alarm before the right one, on a negative picture: precision 1/2 at every recall
        (pictures((([ONE], [1]), ([ONE], [0.5], [1])), (NOTHING_THERE, ([ONE], [0.9], [1]))), 0.5, 0.5, 1),
        # found twice: the second is a false alarm, behind all recall, and costs nothing
        (pictures((([ONE], [1]), ([ONE, ONE], [0.9, 0.8], [1, 1]))), 1, 1, 1),
        # one of two digits of a class: precision 1 up to recall 0.5, that is at 51 of 101 points
        (pictures((([ONE, TWO], [1, 1]), ([ONE], [0.9], [1]))), 51 / 101, 51 / 101, 0.5),
        (pictures((([ONE, TWO], [1, 2]), ([ONE], [0.9], [1]))), 0.5, 0.5, 0.5),  # one of two classes
        (pictures((NOTHING_THERE, ([ONE], [0.9], [1]))), math.nan, math.nan, math.nan),  # negatives only
        (pictures((NOTHING_THERE, NOTHING_FOUND)), math.nan, math.nan, math.nan),
        (((), (), (), (), ()), math.nan, math.nan, math.nan),  # no picture
    ],
)
def test_average_precision(case, ap, ap50, recall):
    figures = coco_scores(*case)
    assert figures["AP"] == pytest.approx(ap, nan_ok=True)
    assert figures["AP50"] == pytest.approx(ap50, nan_ok=True)
    assert figures["AR_100"] == pytest.approx(recall, nan_ok=True)
    assert mean_average_precision(match_digits(*case)) == pytest.approx((ap, ap50), nan_ok=True)


def test_classes_do_not_matter_to_localisation():
    case = pictures((([ONE], [1]), ([ONE], [0.9], [7])))
    assert coco_scores(*case, localisation=True)["AP"] == pytest.approx(1)
    assert "AP_by_class" not in coco_scores(*case, localisation=True)


def test_the_curve_and_the_classes():
    figures = coco_scores(*pictures((([ONE, TWO], [1, 1]), ([ONE], [0.9], [1]))))
    assert figures["recall"].tolist() == np.linspace(0, 1, 101).tolist()
    assert np.allclose(figures["precision"], np.arange(101) <= 50)
    assert figures["AP_by_class"][1] == pytest.approx(51 / 101)
    assert np.isnan(np.delete(figures["AP_by_class"], 1)).all()  # not there, so not measured


def test_a_hundred_detections_a_picture_count():
    """Of twenty digits of one class all are found."""
    boxes = np.array([[30 * i, 0, 30 * i + 10, 20] for i in range(20)])
    figures = coco_scores(*pictures(((boxes, [4] * 20), (boxes, np.linspace(0.9, 0.5, 20), [4] * 20))))
    assert (figures["precision"] == 1).all() and figures["AP_by_class"][4] == 1
    assert (figures["AR_1"], figures["AR_10"], figures["AR_100"]) == pytest.approx((0.05, 0.5, 1))


def test_sizes():
    """Digits of 10x20, 30x60 and 80x160 pixels: one small, one medium, one large."""
    boxes = [[0, 0, 10, 20], [50, 0, 80, 60], [100, 0, 180, 160]]
    figures = coco_scores(*pictures(((boxes, [1, 2, 3]), (boxes[:2], [0.9, 0.9], [1, 2]))))
    assert [figures[f"AP_{size}"] for size in ("small", "medium", "large")] == pytest.approx([1, 1, 0])


@pytest.fixture(scope="module")
def crowd():
    """Sixty pictures, a fifth of them negative, with detections that are shifted, doubled, misnamed and made up."""
    rng = np.random.default_rng(11)
    each = []
    for i in range(60):
        count = 0 if i % 5 == 0 else int(rng.integers(1, 6))
        corners = rng.uniform(0, 500, (count, 2))
        sizes = np.exp(rng.uniform(3, 5, (count, 1))) * [[0.5, 1]]
        truth = np.concatenate([corners, corners + sizes], 1)
        kept = rng.random(count) < 0.9
        found = np.concatenate([truth[kept] + rng.normal(0, 2, (kept.sum(), 4)), truth[:1] + 1])
        labels = rng.integers(0, 10, count)
        said = np.where(rng.random(len(found)) < 0.8, np.append(labels[kept], labels[:1]), 3) if count else []
        extra = rng.uniform(0, 500, (int(rng.integers(0, 3)), 2))
        found = np.concatenate([found, np.concatenate([extra, np.add(extra, (12, 24))], 1)])
        said = np.append(said, rng.integers(0, 10, len(extra))).astype(int)
        scores = rng.random(len(found)).round(1) + 1e-6 * (i * 20 + np.arange(len(found)))
        each.append(((truth, labels), (found, scores, said)))
    return pictures(*each)


def test_it_agrees_with_pycocotools(crowd, tmp_path):
    truth_boxes, truth_labels, boxes, scores, labels = crowd
    as_coco = [
        [
            {"image_id": i, "category_id": int(k), "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            for i, picture in enumerate(zip(*columns, strict=True))
            for (x1, y1, x2, y2), k in zip(*picture, strict=True)
        ]
        for columns in ((truth_boxes, truth_labels), (boxes, labels))
    ]
    for n, annotation in enumerate(as_coco[0], start=1):
        annotation |= {"id": n, "iscrowd": 0}
    for annotation, score in zip(as_coco[1], np.concatenate(scores), strict=True):
        annotation["score"] = float(score)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": [{"id": i} for i in range(60)], "annotations": as_coco[0]}
        truth.dataset["categories"] = [{"id": k} for k in range(10)]
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(as_coco[1]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    figures = coco_scores(*crowd)
    names = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR_1", "AR_10", "AR_100")
    assert 0.2 < figures["AP"] < 0.9
    assert [figures[name] for name in names] == pytest.approx(list(run.stats[:9]))
    assert mean_average_precision(match_digits(*crowd)) == pytest.approx((run.stats[0], run.stats[1]))


def test_chosen_pictures_count_as_often_as_they_are_chosen(crowd):
    chosen = np.array([1, 1, 2, 7, 30, 31])
    some = [[column[i] for i in chosen] for column in crowd]
    found = mean_average_precision(match_digits(*crowd), chosen)
    assert found == pytest.approx(tuple(coco_scores(*some)[name] for name in ("AP", "AP50")), abs=1e-3)
    assert mean_average_precision(match_digits(*crowd), np.array([0, 5])) == pytest.approx((math.nan,) * 2, nan_ok=True)


@pytest.mark.parametrize(
    ("scores", "threshold", "expected"),
    [
        ([[], []], 0.5, (0, 0)),
        ([[0.5], []], 0.5, (0.5, 0.5)),
        ([[0.4], [0.9, 0.9, 0.1]], 0.5, (1, 0.5)),
        ([], 0.5, (math.nan, math.nan)),
    ],
)
def test_false_alarms(scores, threshold, expected):
    assert false_alarms(scores, threshold) == pytest.approx(expected, nan_ok=True)


def test_the_curve_of_false_alarms_is_the_figure_at_each_threshold():
    scores = [[0.9, 0.4, 0.4], [], [0.4], [0.7]]
    curve = false_alarm_curve(scores)
    assert curve[0].tolist() == [0.9, 0.7, 0.4]
    for threshold, a_picture, share in zip(*curve, strict=True):
        assert false_alarms(scores, threshold) == (a_picture, share)
    assert all(len(column) == 0 for column in false_alarm_curve([[], []]))
    assert [column.tolist() for column in false_alarm_curve([[0.9]])] == [[0.9], [1], [1]]


@pytest.mark.parametrize(
    "case",
    [
        pictures((([ONE], [1]), ([[0, 0, math.nan, 5]], [0.9], [1]))),
        pictures((([[0, 0, math.inf, 5]], [1]), ([ONE], [0.9], [1]))),
        pictures((([ONE], [1]), ([ONE], [math.nan], [1]))),
        pictures((([ONE], [10]), ([ONE], [0.9], [1]))),  # as SVHN has its 0
        pictures((([ONE], [1]), ([ONE], [0.9], [-1]))),
    ],
)
def test_what_is_no_detection_is_refused(case):
    for measure in (coco_scores, match_digits):
        with pytest.raises(ValueError, match="is not"):
            measure(*case)
    with pytest.raises(ValueError, match="not a number"):
        false_alarm_curve([[math.nan]])


@pytest.mark.parametrize("side", [8, 60, 300])
def test_the_curve_and_the_classes_are_of_digits_of_all_sizes(side):
    digit = [[5, 5, 5 + side, 5 + 2 * side]]
    figures = coco_scores(*pictures(((digit, [3]), (digit, [0.9], [3]))))
    assert figures["precision"] == pytest.approx(np.ones(101))
    assert figures["AP_by_class"][3] == pytest.approx(1)


def test_averages_are_those_of_the_curve_and_of_the_classes(crowd):
    figures = coco_scores(*crowd)
    assert np.mean(figures["precision"]) == pytest.approx(figures["AP50"])
    assert np.nanmean(figures["AP_by_class"]) == pytest.approx(figures["AP"])
    assert (np.diff(figures["precision"]) <= 1e-12).all()
    alone = coco_scores(*crowd, localisation=True)
    assert np.mean(alone["precision"]) == pytest.approx(alone["AP50"])


def test_pictures_and_scales_do_not_matter_to_matches(crowd):
    """In any order, and twice as large, pictures have the same average precision; matches name their picture."""
    matches = match_digits(*crowd)
    truth_boxes, truth_labels, boxes, scores, labels = crowd
    larger = [np.multiply(each, 2) for each in truth_boxes], truth_labels, [each * 2 for each in boxes], scores, labels
    turned = [column[::-1] for column in crowd]
    for other in (larger, turned):
        assert mean_average_precision(match_digits(*other)) == pytest.approx(mean_average_precision(matches))
    assert (np.diff(matches.scores) <= 0).all()
    for picture in range(60):
        mine = matches.pictures == picture
        assert sorted(matches.scores[mine]) == sorted(scores[picture])
        assert sorted(matches.labels[mine]) == sorted(labels[picture])
        assert matches.truths[picture].tolist() == np.bincount(truth_labels[picture], minlength=10).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_overlaps_of_drawn_boxes_are_those_of_their_pixels(seed):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 20, (2, 5, 2))
    boxes, others = np.concatenate([corners, corners + rng.integers(1, 12, (2, 5, 2))], 2)
    grid = np.zeros((2, 5, 32, 32), bool)
    for masks, group in zip(grid, (boxes, others), strict=True):
        for pixels, (x1, y1, x2, y2) in zip(masks, group, strict=True):
            pixels[y1:y2, x1:x2] = True
    both, either = (op(grid[0][:, None], grid[1][None]).sum((2, 3)) for op in (np.logical_and, np.logical_or))
    assert overlaps(boxes, others) == pytest.approx(both / either)
    assert best_overlaps(boxes, others) == pytest.approx((both / either).max(1))
