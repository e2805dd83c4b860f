import numpy as np
import pytest

from digits.pipeline.merge import candidates, merge, overlap_of, suppress


def line(text, x=100.0, y=100.0, height=40.0, step=26.0, rise=0.0, width=20.0):
    """Boxes, scores and labels of `text`, side by side."""
    boxes = [[x + i * step, y + i * rise, x + i * step + width, y + i * rise + height] for i in range(len(text))]
    return np.float32(boxes), np.full(len(text), 0.9, np.float32), np.array([int(c) for c in text])


def stack(text, x=100.0, y=100.0, height=40.0, step=52.0, lean=0.0):
    boxes = [[x + i * lean, y + i * step, x + i * lean + 22, y + i * step + height] for i in range(len(text))]
    return np.float32(boxes), np.full(len(text), 0.9, np.float32), np.array([int(c) for c in text])


def together(*groups):
    return tuple(np.concatenate(parts) for parts in zip(*groups, strict=True))


def summary(regions):
    """Text by the best class of each place, and orientation, in any order."""
    return sorted(("".join(map(str, r.evidence.argmax(1))), r.vertical) for r in regions)


CASES = {
    "a line": (line("1428"), [("1428", False)]),
    "wide spacing": (line("507", step=50), [("507", False)]),
    "overlapping script": (line("38", step=15), [("38", False)]),
    "a lone digit": (line("7"), [("7", False)]),
    "rising line": (line("245", rise=-9), [("245", False)]),
    "falling line, 40 degrees": (line("245", step=32, rise=26), [("245", False)]),
    "a stack": (stack("280"), [("280", True)]),
    "a leaning stack": (stack("6307", lean=5), [("6307", True)]),
    "a stack of two": (stack("19"), [("19", True)]),
    "two lines, one above the other": (
        together(line("12"), line("34", y=150)),
        [("12", False), ("34", False)],
    ),
    "two numbers far apart": (together(line("12"), line("34", x=400)), [("12", False), ("34", False)]),
    "unlike heights are not neighbours": (
        together(line("12"), line("5", x=152, y=105, height=18, width=9)),
        [("12", False), ("5", False)],
    ),
    "a stack beside a line": (
        together(line("12"), stack("34", x=300)),
        [("12", False), ("34", True)],
    ),
    "a stack spaced like tiles": (stack("5753", step=82), [("5753", True)]),
    "a stack that nearly overlaps": (stack("104", step=32), [("104", True)]),
    "three lines of two": (
        together(line("12"), line("34", y=150), line("56", y=200)),
        [("12", False), ("34", False), ("56", False)],
    ),
    "six digits": (line("123456"), [("123456", False)]),
    "two long plates side by side": (
        together(line("1428"), line("1430", x=224)),
        [("1428", False), ("1430", False)],
    ),
    "a telephone number": (line("5551234567"), []),
}


@pytest.mark.parametrize(("digits", "expected"), CASES.values(), ids=CASES)
def test_grouping(digits, expected):
    assert summary(merge(*digits)) == sorted(expected)


@pytest.mark.parametrize(("digits", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_grouping_is_the_same_at_any_scale_and_order(digits, expected, scale):
    boxes, scores, labels = digits
    shuffled = np.random.default_rng(1).permutation(len(boxes))
    regions = merge(boxes[shuffled] * scale, scores[shuffled], labels[shuffled])
    assert summary(regions) == sorted(expected)


def test_nothing():
    assert merge(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)) == []


def test_doubles_of_any_class_become_one_digit_with_both_opinions():
    boxes, scores, labels = line("14")
    doubles = boxes + np.float32([1, -1, 1, 2])
    regions = merge(
        np.concatenate([boxes, doubles]), np.concatenate([scores, scores - 0.3]), np.concatenate([labels, [7, 4]])
    )
    assert summary(regions) == [("14", False)]
    assert regions[0].evidence[0, [1, 7]] == pytest.approx([0.9, 0.6])
    assert regions[0].evidence[1, 4] == pytest.approx(0.9)


def test_a_part_of_a_digit_is_not_another_digit():
    boxes, scores, labels = line("88")
    upper_ring = np.float32([[101, 101, 119, 120]])
    regions = merge(np.concatenate([boxes, upper_ring]), np.append(scores, 0.7), np.append(labels, 0))
    assert summary(regions) == [("88", False)]


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        ([0.9, 0.2, 0.9], ["128"]),  # a faint digit inside a sure number counts
        ([0.2, 0.2, 0.2], []),  # faint ones alone do not
        ([0.9, 0.05, 0.9], ["1", "8"]),  # what is hardly there leaves a gap
    ],
)
def test_scores(scores, found):
    boxes, _, labels = line("128", step=40)
    regions = merge(boxes, np.float32(scores), labels)
    assert [text for text, _ in summary(regions)] == found


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.9, 0.9, 0.9], ["128"]),
        ([0.9, 0.9, 0.2], ["12", "128"]),  # is it a digit, or the frame?
        ([0.4, 0.9, 0.2], ["12", "128", "2"]),
        ([0.2, 0.2, 0.2], []),
    ],
)
def test_candidates_with_and_without_faint_digits(scores, expected):
    boxes, _, labels = line("128")
    found = candidates(boxes, np.float32(scores), labels)
    assert [text for text, _ in summary(found)] == expected
    assert [region.score for region in found] == sorted((r.score for r in found), reverse=True)


def test_the_edge_of_a_plaque_does_not_break_a_stack():
    boxes, scores, labels = stack("5753")
    edges = boxes[1:3] - np.float32([24, 0, 24, 0])
    regions = merge(np.concatenate([boxes, edges]), np.append(scores, [0.3, 0.35]), np.append(labels, [1, 1]))
    assert ("5753", True) in summary(regions)


def test_faint_ends_of_a_row_that_is_too_long_are_dropped():
    boxes, _, labels = line("1145281")
    regions = merge(boxes, np.float32([0.13, 0.9, 0.9, 0.9, 0.9, 0.9, 0.14]), labels)
    assert summary(regions) == [("145281", False)]


def test_unsure_digits_do_not_turn_lines_into_a_stack():
    boxes, _, labels = together(line("123"), line("456", y=150))
    scores = np.float32([0.9, 0.5, 0.5] * 2)
    assert summary(merge(boxes, scores, labels)) == [("123", False), ("456", False)]


def test_boxes_without_area_are_left_out():
    boxes, scores, labels = line("12")
    flat = np.float32([[300, 50, 320, 50]])
    assert summary(merge(np.concatenate([boxes, flat]), np.append(scores, 0.9), np.append(labels, 1))) == [
        ("12", False)
    ]


def test_regions_hold_their_digits_in_reading_order():
    regions = merge(*together(line("1428"), line("9", x=500)))
    assert [len(r.digit_boxes) for r in regions if len(r.digit_boxes) > 1] == [4]
    region = max(regions, key=lambda r: len(r.digit_boxes))
    assert (np.diff(region.digit_boxes[:, 0]) > 0).all()
    assert region.box.tolist() == [100, 100, 198, 140]
    assert region.score == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("other", "expected"),
    [([0, 0, 10, 20], 1.0), ([20, 0, 30, 20], 0.0), ([0, 0, 10, 10], 0.9), ([5, 0, 15, 20], 1 / 3)],
)
def test_overlap(other, expected):
    assert overlap_of(np.float32([0, 0, 10, 20]), np.float32([other]))[0] == pytest.approx(expected)


def test_suppress_keeps_the_best():
    kept, evidence = suppress(np.float32([[0, 0, 9, 20], [0, 0, 10, 20]]), np.float32([0.5, 0.8]), np.array([3, 8]))
    assert kept.tolist() == [1]
    assert evidence[0, [3, 8]].tolist() == pytest.approx([0.5, 0.8])
