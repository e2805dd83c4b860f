"""What a crop is to be told about: text, suffix, and what speaks against a whole, upright number."""

import numpy as np
import pytest
import torch

from digits.recognizer.crops import HEIGHT, WIDTH
from digits.recognizer.heads import FLAGS, SUFFIXES
from digits.recognizer.nn.model import NumberNet
from digits.training.targets import IGNORED, NO_MARK, cut_with_target, negative, target_of, turn_number


def raised(target):
    return {name for name, value in zip(FLAGS, target.flags, strict=True) if value == 1}


def unknown(target):
    return {name for name, value in zip(FLAGS, target.flags, strict=True) if np.isnan(value)}


CASES = {
    "whole": ("1428", [1, 1, 1, 1], None, "1428", "", set()),
    "a digit cut in half": ("1428", [1, 1, 1, 0.6], None, "1428", "", {"right"}),
    "a sliver of a digit": ("1428", [0.3, 1, 1, 1], None, "428", "", {"left"}),
    "with its letter": ("502C", [1, 1, 1, 1], None, "502", "C", set()),
    "a letter cut": ("502C", [1, 1, 1, 0.6], None, "502", None, {"right"}),
    "a sliver of a letter": ("502C", [1, 1, 1, 0.2], None, "502", None, {"right"}),
    "a letter hidden": ("502C", [1, 1, 1, 1], 3, "502", "?", {"right"}),
    "a range": ("12-14", [1] * 5, None, None, None, set()),
    "a fraction": ("12/3", [1] * 4, None, None, None, set()),
    "a member and its mark": ("12-14", [1, 1, 1, 0.2, 0], None, "12", "", {"right"}),
    "a point": ("12.3", [1] * 4, None, None, None, {"other"}),
    "a letter before": ("B316", [1] * 4, None, "316", "", {"letters"}),
    "a word behind": ("24HOUR", [1] * 6, None, "24", "", set()),
    "a letter of a word": ("24HOUR", [1, 1, 1, 0, 0, 0], None, "24", None, set()),
    "a word before": ("ROOM5", [0, 0, 1, 1, 1], None, "5", "", set()),
    "a part of a number and a word": ("24HOUR", [0.6, 1, 1, 1, 0.5, 0], None, "24", "", {"left"}),
}


@pytest.mark.parametrize(("text", "visible", "blurred", "digits", "suffix", "flags"), CASES.values(), ids=CASES)
def test_targets(text, visible, blurred, digits, suffix, flags):
    target = target_of(text, np.array(visible, float), blurred)
    assert target.length == (IGNORED if digits is None else len(digits))
    if digits is not None:
        assert "".join(map(str, target.digits[: target.length])) == digits
    assert target.suffix == (IGNORED if suffix is None else SUFFIXES.index(suffix))
    assert raised(target) == flags


def test_a_hidden_digit_is_counted_but_not_guessed():
    target = target_of("84", np.ones(2), 0)
    assert (target.length, target.digits[:2]) == (2, (IGNORED, 4)) and raised(target) == {"left"}


def test_where_nothing_beside_a_number_is_annotated_nothing_is_asked():
    assert unknown(target_of("84", np.ones(2), plain=True)) == {"other", "letters"}
    assert len(unknown(negative())) == len(FLAGS) and negative().length == 0


def drawn(text, width=30, height=50):
    """A black box a character, 10 pixels apart, in a white picture; image and boxes."""
    image = np.full((120, 60 + 40 * len(text), 3), 255, np.uint8)
    boxes = np.array([[30 + 40 * k, 35, 30 + 40 * k + width, 35 + height] for k in range(len(text))], float)
    for x1, y1, x2, y2 in boxes.astype(int):
        image[y1:y2, x1:x2] = 0
    return image, boxes


@pytest.mark.parametrize("text", ["17", "1428", "502C", "12-14"])
def test_crops_and_targets_agree(text):
    """As many dark columns as characters are seen, a cut one more at each end at most."""
    image, boxes = drawn(text)
    for seed in range(60):
        crop, target = cut_with_target(image, boxes, text, None, np.random.default_rng(seed))
        assert crop.shape == (HEIGHT, WIDTH, 3)
        dark = (crop[HEIGHT // 3 : -HEIGHT // 3].mean((0, 2)) < 100).astype(int)
        runs = int((np.diff(np.concatenate([[0], dark])) == 1).sum())
        if target.length != IGNORED and text.isdigit():
            assert target.length <= runs <= target.length + 2
            assert "".join(map(str, target.digits[: target.length])) in text


@pytest.mark.parametrize("text", ["12-14", "3/5", "1428-1430"])
def test_a_mark_is_where_its_target_says(text):
    """It alone is red, as far as it lies in the crop."""
    image, boxes = drawn(text)
    at = next(i for i, char in enumerate(text) if not char.isdigit())
    x1, y1, x2, y2 = boxes[at].astype(int)
    image[y1:y2, x1:x2] = 255, 0, 0
    told = []
    for seed in range(40):
        crop, target = cut_with_target(image, boxes, text, None, np.random.default_rng(seed))
        if target.mark != NO_MARK and not np.isnan(target.mark):
            red = crop[HEIGHT // 2].astype(int) @ [1, -1, 0] > 100
            told.append(abs((np.flatnonzero(red).mean() + 0.5) / WIDTH + (text[at] == "/") - target.mark))
        elif target.mark == NO_MARK:
            assert (crop[HEIGHT // 2].astype(int) @ [1, -1, 0] > 100).sum() < 4
    assert len(told) > 10 and max(told) < 0.02


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("text", "stays"), [("247", False), ("69", True), ("18", True), ("17", False)])
def test_turned_numbers(seed, text, stays):
    image, boxes = drawn(text)
    around = turn_number(image, boxes, text, np.random.default_rng(seed))
    if around is None:
        assert stays
        return
    seen, there = around
    for x1, y1, x2, y2 in there.astype(int):
        assert (seen[y1:y2, x1:x2] == 0).all()


def test_the_heads_have_a_place_for_every_target():
    _, _, suffix, mark, flags = NumberNet("lenet", letters=True).eval()(torch.zeros(1, 3, HEIGHT, WIDTH))
    assert suffix.shape == (1, len(SUFFIXES)) and flags.shape == (1, len(FLAGS))
    assert mark.shape == (1, 2 * 12 + 1)
