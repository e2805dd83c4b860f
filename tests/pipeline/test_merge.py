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
    return sorted(("".join(map(str, r.evidence.argmax(1))), r.stacked) for r in regions)


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


def pair(dx: float, dy: float, second: float = 40.0) -> tuple:
    """Two digits, 20 by 40 pixels: the corner of the second is so far from that of the first; and it is so high."""
    boxes = np.float32([[200, 200, 220, 240], [200 + dx, 200 + dy, 220 + dx, 200 + dy + second]])
    return boxes, np.float32([0.9, 0.8]), np.array([1, 2])


JOINED, APART, STACKED = [("12", False)], [("1", False), ("2", False)], [("12", True)]


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        (pair(59, 0), JOINED),  # a height from edge to edge …
        (pair(61, 0), APART),
        (pair(8, 0), JOINED),  # … or overlapping by a third of one
        (pair(26, 9), JOINED),  # a step up or down, however near
        (pair(26, -9), JOINED),
        (pair(8, 9.5), JOINED),
        (pair(24, 23), JOINED),  # as far as the line runs on
        (pair(24, -23), JOINED),
        (pair(24, 25), APART),
        (pair(24, -25), APART),
        (pair(34, 27), JOINED),  # but not by seven tenths of a height
        (pair(34, 29), APART),
        (pair(34, -29), APART),
        (pair(26, 0, 59), JOINED),  # half as high again
        (pair(26, -5, 61), APART),
        (pair(26, 0, 27), JOINED),
        (pair(26, 5, 26), APART),
        (pair(0, 89), STACKED),  # a height and a quarter from edge to edge
        (pair(0, 91), APART),
        (pair(0, 29), STACKED),  # or overlapping a little
        (pair(13, 60), STACKED),  # shifted by a third of a height
        (pair(-13, 60), STACKED),
        (pair(15, 60), APART),
        (pair(-15, 60), APART),
        (pair(0, 60, 59), STACKED),
        (pair(0, 60, 61), APART),
    ],
)
@pytest.mark.parametrize("scale", [1, 0.01])
def test_which_two_digits_make_a_number(digits, expected, scale):
    boxes, scores, labels = digits
    for shift in (0, 50):
        assert summary(merge(boxes * np.float32(scale) + shift, scores, labels)) == expected


@pytest.mark.parametrize("nearer", [[222, 120, 242, 160], [222, 80, 242, 120]], ids=["lower", "higher"])
def test_the_next_digit_is_the_level_one_even_if_another_is_nearer(nearer):
    boxes = np.float32([[200, 100, 220, 140], [236, 102, 256, 142], nearer])
    assert summary(merge(boxes, np.float32([0.9] * 3), np.array([1, 2, 3]))) == [("12", False), ("3", False)]


def test_a_number_is_read_on_along_its_line_not_across():
    """Two climbing rows, one below the other."""
    rows = together(line("123", rise=-9), line("456", y=150, rise=-9))
    assert summary(merge(*rows)) == [("123", False), ("456", False)]


@pytest.mark.parametrize("count", [6, 7])
def test_more_digits_than_a_number_has_are_none(count):
    assert summary(merge(*line("1234567"[:count]))) == ([("123456", False)] if count == 6 else [])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], ["234567"]),
        ([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2], ["123456"]),
        ([0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.25], ["234567"]),  # the fainter end goes, and no more than needed
        ([0.25, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2], ["123456"]),
        ([0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2], ["234567"]),
        ([0.31, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], []),
        ([0.9, 0.9, 0.2, 0.9, 0.9, 0.9, 0.9], []),  # within the row it says nothing
    ],
)
def test_which_end_of_a_row_that_is_too_long_is_dropped(scores, expected):
    boxes, _, labels = line("1234567")
    assert [text for text, _ in summary(merge(boxes, np.float32(scores), labels))] == expected


@pytest.mark.parametrize(("gap", "expected"), [(6, []), (11, []), (13, ["123", "4567"]), (30, ["123", "4567"])])
@pytest.mark.parametrize("make", [line, stack])
def test_a_row_that_is_too_long_is_parted_at_a_gap_twice_as_wide_as_the_others(make, gap, expected):
    """Those are 6 pixels wide."""
    if make is line:
        digits = together(line("123"), line("4567", x=100 + 2 * 26 + 20 + gap))
    else:
        digits = together(stack("123", step=46), stack("4567", step=46, y=100 + 2 * 46 + 40 + gap))
    assert summary(merge(*digits)) == [(text, make is stack) for text in expected]


def test_digits_that_touch_are_parted_at_a_gap_of_a_fifth_of_their_height():
    for gap, expected in ((7, []), (9, ["123", "4567"])):
        digits = together(line("123", step=20), line("4567", x=160 + gap, step=20))
        assert [text for text, _ in summary(merge(*digits))] == expected


def test_a_row_is_parted_until_its_parts_are_numbers():
    digits = together(line("1234"), line("5678", x=240), line("9012", x=380))
    assert [text for text, _ in summary(merge(*digits))] == ["1234", "5678", "9012"]


@pytest.mark.parametrize(("score", "found"), [(0.29, 0), (0.31, 1)])
def test_a_number_needs_one_sure_digit(score, found):
    boxes, _, labels = line("128")
    assert len(merge(boxes, np.float32([0.2, score, 0.2]), labels)) == found


def test_the_best_number_comes_first():
    boxes, _, labels = together(line("12"), line("34", x=400), line("5", x=800))
    regions = merge(boxes, np.float32([0.5, 0.7, 0.9, 0.8, 0.7]), labels)
    assert [region.score for region in regions] == pytest.approx([0.85, 0.7, 0.6])
    assert [len(region.digit_boxes) for region in regions] == [2, 1, 2]


def test_a_surer_line_is_taken_before_one_that_crosses_it():
    """The middle digit belongs to either; the rest of the other is left alone."""
    boxes = np.float32([[100, 100, 120, 140], [126, 100, 146, 140], [152, 100, 172, 140], [126, 152, 146, 192]])
    found = summary(merge(boxes, np.float32([0.9, 0.9, 0.9, 0.9]), np.array([1, 2, 3, 4])))
    assert found == [("123", False), ("4", False)]


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        (0.9, [("135", False), ("2", False), ("4", False)]),
        (0.7, [("135", False), ("2", False), ("4", False)]),
        (0.5, [("1", False), ("234", True), ("5", False)]),
    ],
)
def test_a_stack_needs_to_be_clearly_surer_than_the_lines_it_breaks_up(sides, expected):
    """A stack of three whose middle digit has a neighbour at either side."""
    boxes = np.float32(
        [[70, 152, 90, 192], [100, 100, 120, 140], [100, 152, 120, 192], [100, 204, 120, 244], [130, 152, 150, 192]]
    )
    scores = np.float32([sides, 0.9, 0.9, 0.9, sides])
    assert summary(merge(boxes, scores, np.array([1, 2, 3, 4, 5]))) == expected


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([5, 0, 15, 20], 1 / 3),
        ([0, 12, 10, 32], 0.25),
        ([2, 0, 8, 10], 0.9),  # within the other
        ([2, -2, 8, 10], 0.75),  # five sixths of it
        ([2, -4, 8, 10], 60 / 224),  # not much more than half
        ([0, 0, 10, 19], 0.95),
        ([100, 100, 110, 120], 0),
        ([3, 3, 3, 9], 0),
    ],
)
@pytest.mark.parametrize("scale", [1, 50])
def test_overlaps_do_not_depend_on_scale_or_place(box, expected, scale):
    whole, box = np.array([0, 0, 10, 20.0]) * scale + 5, np.array(box, float) * scale + 5
    assert overlap_of(whole, box[None]) == pytest.approx([expected])
    assert overlap_of(box, whole[None]) == pytest.approx([expected])


def test_each_digit_keeps_the_best_score_of_each_label_seen_in_its_place_only():
    boxes = np.float32([[0, 0, 10, 20], [0, 0, 10, 19], [0, 1, 10, 20], [30, 0, 40, 20], [30, 0, 40, 19]])
    kept, evidence = suppress(boxes, np.float32([0.5, 0.8, 0.6, 0.4, 0.9]), np.array([3, 8, 3, 3, 1]))
    assert kept.tolist() == [4, 1]
    expected = np.zeros((2, 10))
    expected[0, [1, 3]], expected[1, [3, 8]] = (0.9, 0.4), (0.6, 0.8)
    assert evidence == pytest.approx(expected)
