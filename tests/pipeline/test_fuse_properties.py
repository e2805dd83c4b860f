"""What holds of any regions and opinions: what each feature depends on, and what it does not."""

import numpy as np
import pytest

from digits import Distribution, Transcription
from digits.pipeline.fuse import FEATURES, Fusion, TranscribedRegion, confidence, features, fuse
from digits.pipeline.merge import NumberRegion
from digits.recognizer.heads import FLAGS, SUFFIXES

SEEDS = range(8)
FUSION = Fusion(digit_weight=0.6, length_weight=1.5)
NAMES = (  # those that are looked at here
    *("text", "with_room", "detection", "rival", "whole", "beside", "lone_digit", "always"),
    *("suffix", "ends", "letters", "mark", "turned", "height"),
)
HEIGHT = NAMES.index("height")


def drawn_opinion(rng) -> Transcription:
    """Of up to four digits in places of three, so that one text often is a part of another."""
    length, places, letters = rng.normal(0, 1, 7), rng.normal(0, 1, (6, 10)), rng.normal(0, 1, len(SUFFIXES))
    length[rng.integers(0, 5)] += 5
    places[np.arange(6), rng.integers(0, 3, 6)] += 5
    letters[SUFFIXES.index("")] += 8
    logs = (each - np.logaddexp.reduce(each, axis=-1, keepdims=True) for each in (length, places, letters))
    return Transcription.of(Distribution(*logs), dict(zip(FLAGS, rng.uniform(0, 1, len(FLAGS)), strict=True)))


def drawn(seed: int, count: int = 14) -> list[TranscribedRegion]:
    """Lines and stacks all over a photograph, many of them in one place; edges of one meet middles of others."""
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(count):
        digits, height, stacked = rng.integers(1, 5), rng.choice([24, 32, 40]), rng.random() < 0.3
        step = (0, 1.25 * height) if stacked else (0.75 * height, 0)
        corners = 4 * rng.integers(0, 60, 2) + np.arange(digits)[:, None] * step
        boxes = np.concatenate([corners, corners + np.array([0.5, 1]) * height], 1)
        seen.append((boxes, rng.uniform(0, 1, (digits, 10)), stacked, drawn_opinion(rng), drawn_opinion(rng)))
    return [as_seen(*each) for each in seen]


def as_seen(boxes, evidence, stacked, close, with_room) -> TranscribedRegion:
    box = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
    score = float(evidence.max(1).mean())
    where = NumberRegion(box, boxes, evidence, score, "vertical" if stacked else "horizontal")
    return TranscribedRegion(where, close, with_room)


def table(seen: list[TranscribedRegion]) -> np.ndarray:
    """Features (N, 14), as in NAMES."""
    rows = features(seen, [fuse(each.close, each.with_room, each.region.evidence, FUSION) for each in seen])
    return rows[:, [FEATURES.index(name) for name in NAMES]]


def changed(seen, change) -> list[TranscribedRegion]:
    return [
        as_seen(change(each.region.digit_boxes), each.region.evidence, each.region.stacked, each.close, each.with_room)
        for each in seen
    ]


AWAY, MIRROR, TURN = np.array([300, -80, 300, -80]), np.array([-1, 1, -1, 1]), np.array([1, -1, 1, -1])
CHANGES = {
    "moved": (lambda b: b + AWAY, 0),
    "twice as large": (lambda b: b * 2, np.log(2)),
    "half as large": (lambda b: b / 2, np.log(0.5)),
    "mirrored": (lambda b: (b * MIRROR)[:, [2, 1, 0, 3]], 0),
    "upside down": (lambda b: (b * TURN)[:, [0, 3, 2, 1]], 0),
}


@pytest.mark.parametrize(("change", "higher"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("seed", SEEDS)
def test_of_where_and_how_large_digits_are_only_their_height_counts(seed, change, higher):
    seen = drawn(seed)
    before, after = table(seen), table(changed(seen, change))
    assert after[:, HEIGHT] - before[:, HEIGHT] == pytest.approx(np.full(len(seen), higher))
    assert np.delete(after, HEIGHT, 1) == pytest.approx(np.delete(before, HEIGHT, 1))


def test_what_is_drawn_here_has_all_features():
    rows = np.concatenate([table(drawn(seed)) for seed in SEEDS])
    assert {name for name, spread in zip(NAMES, np.ptp(rows, axis=0), strict=True) if spread < 0.4} == {"always"}


@pytest.mark.parametrize("seed", SEEDS)
def test_regions_have_the_same_features_in_any_order(seed):
    seen = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(seen))
    assert table([seen[i] for i in order]) == pytest.approx(table(seen)[order])


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_far_away_does_not_count(seed):
    here, there = drawn(seed), changed(drawn(seed + 100), lambda b: b + 5000)
    assert table([*here, *there]) == pytest.approx(np.concatenate([table(here), table(there)]))


@pytest.mark.parametrize(
    ("heights", "pixels"),
    [([24, 24], 24), ([48], 48), ([12, 12, 12], 12), ([20, 30, 90], 30), ([0.2], 1), ([1.5, 1.5], 1.5)],
)
def test_the_height_of_a_number_is_that_of_most_of_its_digits(heights, pixels):
    """As the logarithm of its 24ths of a pixel; of less than one pixel nothing more is made."""
    boxes = np.array([[30 * i, 50, 30 * i + 20, 50 + height] for i, height in enumerate(heights)])
    read = drawn_opinion(np.random.default_rng(0))
    [row] = table([as_seen(boxes, np.full((len(heights), 10), 0.5), False, read, read)])
    assert row[HEIGHT] == pytest.approx(np.log(pixels / 24))


def test_digits_beside_a_number_are_as_high_as_its_digits_on_average():
    """Those of 30 pixels; twice as high, or half, is too much. Below the mean, 15 pixels are enough."""
    read = drawn_opinion(np.random.default_rng(0))
    number = np.array([[100, 100, 120, 120], [125, 100, 145, 140.0]])
    for height, near in ((15.5, True), (14.5, False), (59, True), (61, False)):
        beside = np.array([[150, 100, 160, 100 + height]])
        rows = table([as_seen(each, np.full((len(each), 10), 0.9), False, read, read) for each in (number, beside)])
        assert (rows[0, NAMES.index("beside")] > 0) == near


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_raises_no_feature_but_its_own(name):
    own = {"left": "ends", "right": "ends", "letters": "letters", "turned": "turned"}.get(name, "mark")
    plain = drawn(0, 1)[0].close
    low, high = (Transcription.of(plain.distribution, dict.fromkeys(FLAGS, 0.1) | {name: p}) for p in (0.1, 0.7))
    boxes = np.array([[10, 10, 30, 50.0]])
    for pair in ((high, low), (low, high), (high, high)):
        [before], [after] = (
            table([as_seen(boxes, np.full((1, 10), 0.5), False, *each)]) for each in ((low, low), pair)
        )
        gained = dict(zip(NAMES, after - before, strict=True))
        assert gained.pop(own) == pytest.approx(np.log(0.7 / 0.3) - np.log(0.1 / 0.9))
        assert set(gained.values()) == {0}


@pytest.mark.parametrize("name", NAMES[1:])
def test_the_more_a_feature_weighs_the_more_it_says(name):
    values = np.linspace(-3, 3, 7)
    rows = np.zeros((7, len(FEATURES)))
    rows[:, FEATURES.index(name)] = values
    none, some, more = (confidence(rows, Fusion(weights={"text": 0.5, name: weight})) for weight in (0.0, 1.0, 2.0))
    assert none.tolist() == [0.5] * 7
    assert np.sign(some - none).tolist() == np.sign(more - some).tolist() == np.sign(values).tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_detector_can_only_speak_for_what_it_saw(seed):
    """Of any opinion: its count gains, or that without a letter; of equal counts the digit that it saw best most."""
    rng = np.random.default_rng(seed)
    read, seen = drawn_opinion(rng), rng.uniform(0, 1, (rng.integers(1, 7), 10))
    found = fuse(read, read, seen, FUSION).distribution
    n = len(seen)
    gained = found.length - read.distribution.length
    assert gained[n] >= max(0, gained[n - 1]) and (np.delete(gained, [n - 1, n]) <= 0).all()
    gained = found.positions[:n] - read.distribution.positions[:n]
    assert (np.argsort(gained, axis=1) == np.argsort(seen, axis=1)).all()
    assert found.positions[n:] == pytest.approx(read.distribution.positions[n:])
    assert found.suffix == pytest.approx(read.distribution.suffix)
