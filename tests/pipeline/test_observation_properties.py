"""What holds of any regions and opinions: of the order and the boxes of readings, and of their reasons."""

from itertools import pairwise

import numpy as np
import pytest

from digits import Distribution, Transcription
from digits.pipeline.fuse import Fusion, TranscribedRegion, same_place
from digits.pipeline.merge import NumberRegion
from digits.pipeline.observations import readings_of, weigh, with_reasons
from digits.recognizer.heads import FLAGS

PLAIN = Fusion(digit_weight=0, length_weight=0)  # the recogniser speaks alone, and its text is all that counts
WIDTH, HEIGHT = 640, 480


def says(shares: dict[str, float], flags: dict[str, float] | None = None) -> Transcription:
    """Of a recogniser that gives texts of one length their shares, and what is left to other lengths."""
    [n], total = {len(text) for text in shares}, sum(shares.values())
    length, places = np.full(7, (1 - total) / 6), np.full((6, 10), 1e-4)
    length[n] = total
    for text, share in shares.items():
        for place, char in zip(places, text, strict=False):
            place[int(char)] += share / total
    places /= places.sum(1, keepdims=True)
    return Transcription.of(Distribution(np.log(length), np.log(places)), flags)


def region(boxes, score=0.9, stacked=False) -> NumberRegion:
    boxes = np.float32(boxes)
    box = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
    evidence = np.full((len(boxes), 10), score / 2, np.float32)
    evidence[:, 0] = score
    return NumberRegion(box, boxes, evidence, float(score), "vertical" if stacked else "horizontal")


def line(count: int, x=100.0, y=100.0, height=40.0, stacked=False, **of) -> NumberRegion:
    step = (0, 1.3 * height) if stacked else (0.6 * height, 0)
    corners = np.array([x, y]) + np.arange(count)[:, None] * step
    return region(np.concatenate([corners, corners + np.array([0.5, 1]) * height], 1), stacked=stacked, **of)


def other(text: str, where: NumberRegion, share=0.95) -> TranscribedRegion:
    return TranscribedRegion(where, *[says({text: share})] * 2)


def drawn(seed: int) -> list[TranscribedRegion]:
    """Twelve regions all over a photograph and across its edges; some are no number to the recogniser."""
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(12):
        x, y, height = rng.uniform(-30, WIDTH), rng.uniform(-30, HEIGHT), rng.uniform(10, 90)
        x, y = min(x, WIDTH - 6), min(y, HEIGHT - 6)
        where = line(rng.integers(1, 5), x, y, height, rng.random() < 0.3, score=rng.uniform(0.3, 1.02))
        text = "".join(map(str, rng.integers(0, 10, rng.integers(0, 5))))
        seen.append(other(text, where, rng.uniform(0.3, 0.98)))
    return seen


SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_every_observation_is(seed):
    seen = drawn(seed)
    found = weigh(seen, PLAIN, 0.6, WIDTH, HEIGHT)
    assert sorted(id(each.region) for each in found) == sorted(id(each.region) for each in seen)
    readings = readings_of(found)
    assert [each.reading for each in found] == [*readings, *[None] * (len(found) - len(readings))]
    assert [each.status for each in readings] == sorted(each.status for each in readings)  # read, then unsure
    others = [each.region.score for each in found if each.reading is None]
    assert others == sorted(others, reverse=True)
    for each, reading in zip(found, readings, strict=False):
        assert reading.text == each.fused.text
        assert reading.confidence == each.confidence
        assert (reading.status == "read") <= (reading.confidence >= 0.6)
        x1, y1, x2, y2 = reading.box
        if min(x1, y1, WIDTH - x2, HEIGHT - y2) > 30:  # what the edge may cut off is another matter
            assert (reading.status == "read") == (reading.confidence >= 0.6)
        assert reading.detection_score == pytest.approx(min(1, each.region.score))
        assert reading.orientation == each.region.orientation


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_stay_inside_the_photograph_and_digits_inside_their_number(seed):
    for each in weigh(drawn(seed), PLAIN, 0.6, WIDTH, HEIGHT):
        if not each.reading:
            continue
        x1, y1, x2, y2 = each.reading.box
        assert 0 <= x1 <= x2 <= WIDTH
        assert 0 <= y1 <= y2 <= HEIGHT
        boxes = np.array([digit.box for digit in each.reading.digits])
        assert len(boxes) == len(each.reading.number)
        along = int(each.region.stacked)
        assert (np.diff(boxes[:, along]) >= 0).all() and (np.diff(boxes[:, along + 2]) >= 0).all()
        assert [*boxes[:, :2].min(0), *boxes[:, 2:].max(0)] == pytest.approx([x1, y1, x2, y2])
        if len(boxes) != len(each.region.digit_boxes):  # equal parts, side by side
            assert all(a[along + 2] == pytest.approx(b[along]) for a, b in pairwise(boxes))
            assert np.ptp(boxes[:, along + 2] - boxes[:, along]) < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_of_regions_in_one_place_the_surest_is_read(seed):
    found = weigh(drawn(seed), PLAIN, 0.6, WIDTH, HEIGHT)
    read = [each for each in found if each.reading]
    for i, one in enumerate(read):
        others = np.array([other.region.box for other in read[:i] + read[i + 1 :]]).reshape(-1, 4)
        assert not same_place(one.region.box, others).any()
    for each in found:
        if each.reading is None and each.fused.text:
            there = same_place(each.region.box, np.array([one.region.box for one in read]).reshape(-1, 4))
            assert max(one.confidence for one, here in zip(read, there, strict=True) if here) >= each.confidence


@pytest.mark.parametrize("scale", [0.5, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_photograph_in_another_size_has_the_same_readings_in_the_same_places(seed, scale):
    seen = drawn(seed)
    larger = [
        TranscribedRegion(
            region(each.region.digit_boxes * scale, each.region.score, each.region.stacked), each.close, each.with_room
        )
        for each in seen
    ]
    plain = readings_of(weigh(seen, PLAIN, 0.6, WIDTH, HEIGHT))
    scaled = readings_of(weigh(larger, PLAIN, 0.6, round(WIDTH * scale), round(HEIGHT * scale)))
    assert [(each.text, each.status) for each in scaled] == [(each.text, each.status) for each in plain]
    for before, after in zip(plain, scaled, strict=True):
        assert after.box == pytest.approx([v * scale for v in before.box], abs=1e-3)
        for one, other in zip(before.digits, after.digits, strict=True):
            assert other.box == pytest.approx([v * scale for v in one.box], abs=1e-3)


def test_of_numbers_that_are_equally_sure_the_larger_comes_first():
    heights = [20.0, 80, 41, 40, 12]
    seen = [
        TranscribedRegion(line(2, 60, 20 + 90 * i, height), *[says({"12": 0.9})] * 2)
        for i, height in enumerate(heights)
    ]
    found = weigh(seen, PLAIN, 0.6, WIDTH, HEIGHT)
    assert [each.region.digit_boxes[0, 3] - each.region.digit_boxes[0, 1] for each in found] == [80, 41, 40, 20, 12]


def reasons_of(where, close, with_room=None, beside=(), image=None, fusion=PLAIN) -> set[str]:
    """The reasons why the first region is unsure, in a photograph that is sharp all over unless given."""
    if image is None:
        image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    seen = [TranscribedRegion(where, close, with_room or close), *beside]
    found = weigh(seen, fusion, 1.0, image.shape[1], image.shape[0])
    [first] = [each for each in found if each.region is where]
    return set(with_reasons(first, image).reading.reasons)


SURE = says({"12": 0.95})


def tall(*heights: float) -> NumberRegion:
    return region([[100 + 30 * i, 100, 120 + 30 * i, 100 + height] for i, height in enumerate(heights)])


REASON_CASES = {
    "nothing": ((line(2), SURE), {"rival"}),
    "one of many texts": ((line(2), says({"12": 0.3, "22": 0.25, "32": 0.25, "42": 0.19})), {"rival"}),
    "small": ((line(2, height=10), SURE), {"small"}),
    "small for the most part": ((tall(10, 10, 10, 30, 30), says({"12345": 0.95})), {"small"}),
    "large for the most part": ((tall(10, 10, 30, 30, 30), says({"12345": 0.95})), {"rival"}),
    "at the left": ((line(2, x=1), SURE), {"cut_left"}),
    "at the top": ((line(2, y=1), SURE), {"cut_top"}),
    "at the right": ((line(2, x=WIDTH - 45), SURE), {"cut_right"}),
    "at the bottom": ((line(2, y=HEIGHT - 41), SURE), {"cut_bottom"}),
    "lone": ((line(1), says({"1": 0.95})), {"lone"}),
    "lone, read as two": ((line(1), SURE), {"lone"}),
    "beside another, not quite a digit": ((line(2), SURE, None, [other("", line(1, 160, score=0.45))]), {"rival"}),
    "beside another, hardly surer": ((line(2), SURE, None, [other("", line(1, 160, score=0.6))]), {"part"}),
    "part of another": ((line(3), SURE, None, [other("123", line(3), 0.6)]), {"part"}),
    "part of another, less likely": ((line(3), SURE, None, [other("123", line(3), 0.45)]), {"rival"}),
    "another there": ((line(2), SURE, None, [other("34", line(2, 104), 0.7)]), {"rival"}),
}


@pytest.mark.parametrize(("given", "expected"), REASON_CASES.values(), ids=REASON_CASES)
def test_reasons_of_what_is_seen(given, expected):
    assert reasons_of(*given) == expected


RIVAL_CASES = {
    "a text nearly as likely": (line(1), says({"1": 0.3, "2": 0.25, "3": 0.25, "4": 0.19}), (), True),
    "two that are far less likely": (line(1), says({"1": 0.9, "2": 0.05}), (), False),
    "another there, nearly as likely": (line(1), says({"1": 0.95}), [other("2", line(1, 104), 0.8)], True),
    "another there, hardly likely": (line(1), says({"1": 0.97}), [other("2", line(1, 104), 0.35)], False),
    "another elsewhere": (line(1), says({"1": 0.95}), [other("2", line(1, 400), 0.95)], False),
}


@pytest.mark.parametrize(("where", "close", "beside", "rival"), RIVAL_CASES.values(), ids=RIVAL_CASES)
def test_a_rival_is_a_text_that_is_nearly_as_likely(where, close, beside, rival):
    """Of a lone digit, for which there is another reason anyway."""
    assert reasons_of(where, close, None, beside) == {"lone"} | ({"rival"} if rival else set())


@pytest.mark.parametrize("close", [0.2, 0.8])
@pytest.mark.parametrize("with_room", [0.2, 0.8])
@pytest.mark.parametrize(
    ("flag", "reason"),
    [("left", "part"), ("right", "part"), ("turned", "turned"), ("slash", "mark"), ("letters", "letters")],
)
def test_a_flag_of_either_crop_is_a_reason(flag, reason, close, with_room):
    crops = (says({"12": 0.95}, dict.fromkeys(FLAGS, 0.1) | {flag: value}) for value in (close, with_room))
    assert reasons_of(line(2), *crops) == ({reason} if max(close, with_room) > 0.5 else {"rival"})


@pytest.mark.parametrize("stacked", [False, True])
def test_blur_is_measured_where_the_number_is(stacked):
    """A sharp number on a plain wall, and a plain one in sharp surroundings."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    where = line(2, stacked=stacked)
    x1, y1, x2, y2 = where.box.astype(int) + np.array([-10, -10, 10, 10])
    sharp, plain = np.full_like(noise, 128), noise.copy()
    sharp[y1:y2, x1:x2], plain[y1:y2, x1:x2] = noise[y1:y2, x1:x2], 128
    assert reasons_of(where, SURE, image=sharp) == {"rival"}
    assert reasons_of(where, SURE, image=plain) == {"blurred"}


def test_what_is_read_has_no_reasons_and_what_is_no_number_neither():
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    seen = [other("12", line(2)), other("", line(1, 300), 0.99)]
    found = [with_reasons(each, image) for each in weigh(seen, PLAIN, 0.5, WIDTH, HEIGHT)]
    assert [each.reading.status if each.reading else None for each in found] == ["read", None]
    assert found[0].reading.reasons == ()
