import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.datasets.synthesis.fonts import builtin_typefaces
from digits.datasets.synthesis.layout import svhn_layout
from digits.datasets.synthesis.lettering import Lettering, Suffix, random_number, random_street, random_word, set_text

FACE = builtin_typefaces()[0]


def set_(seed: int, text: str, height: float, **options) -> Lettering:
    return set_text(np.random.default_rng(seed), FACE, text, height, svhn_layout(), **options)


def ink_box(ink: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(ink > 0.2)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    digit=st.sampled_from("0123456789"),
    height=st.floats(8, 120),
    stencil=st.booleans(),
)
def test_the_box_of_a_digit_is_that_of_its_ink(seed, digit, height, stencil):
    """Crooked, stretched or stencilled: to within a pixel and a half and, of large ones, 2 %."""
    text = set_(seed, digit, height, stencil=stencil)
    (outline,) = text.outlines
    box = [*outline.min(0), *outline.max(0)]
    assert ink_box(text.ink) == pytest.approx(box, abs=1.5 + 0.02 * height)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    text=st.text("0123456789", min_size=2, max_size=6),
    height=st.floats(8, 90),
    vertical=st.booleans(),
)
def test_numbers_are_boxed_digit_by_digit_in_reading_order(seed, text, height, vertical):
    lettering = set_(seed, text, height, vertical=vertical)
    assert lettering.text == text and len(lettering.outlines) == len(text) == len(lettering.spans)
    boxes = np.array([[*o.min(0), *o.max(0)] for o in lettering.outlines])
    union = [*boxes[:, :2].min(0), *boxes[:, 2:].max(0)]
    assert ink_box(lettering.ink) == pytest.approx(union, abs=1.5 + 0.02 * height)
    assert (boxes[:, :2] >= -0.01).all() and (boxes[:, 2:] <= np.array(lettering.ink.shape[::-1]) + 0.01).all()
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (np.diff(centres[:, 1 if vertical else 0]) > 0).all()


@pytest.mark.parametrize("seed", range(10))
def test_captions_are_drawn_and_not_reported(seed):
    plain, more = set_(seed, "38", 40), set_(seed, "38 B", 40, caption="OAK LANE 5")
    assert more.text == "38B" and len(more.outlines) == 3
    assert len(more.spans) > 4 and more.ink.sum() > plain.ink.sum()


@pytest.mark.parametrize(
    ("text", "suffix", "reported"),
    [
        ("12-14", None, "12-14"),
        ("12 – 14", None, "12-14"),
        ("12/3", None, "12/3"),
        ("12.3", None, "12.3"),
        ("12:30", None, "12.30"),  # every other mark is one
        ("B316", None, "B316"),
        ("502", Suffix("C"), "502C"),
        ("7", Suffix("b", 0.9), "7B"),
        ("21", Suffix("A", 0.5, 1.0, 0.3), "21A"),
    ],
)
def test_letters_and_marks_are_reported_with_their_outlines(text, suffix, reported):
    lettering = set_(3, text, 60, suffix=suffix)
    assert lettering.text == reported and len(lettering.outlines) == len(reported)
    centres = [outline.mean(0)[0] for outline in lettering.outlines]
    assert centres == sorted(centres)


def test_a_raised_letter_ends_where_the_digits_do():
    low, raised = (set_(5, "84", 100, suffix=Suffix("B", 0.5, lift)) for lift in (0.0, 1.0))
    digits, letter = np.concatenate(low.outlines[:2]), low.outlines[2]
    assert abs(letter[:, 1].max() - digits[:, 1].max()) < 8 and np.ptp(letter[:, 1]) < 0.7 * np.ptp(digits[:, 1])
    digits, letter = np.concatenate(raised.outlines[:2]), raised.outlines[2]
    assert abs(letter[:, 1].min() - digits[:, 1].min()) < 8


def test_nothing_to_draw():
    assert set_(0, "", 20) is None and set_(0, " ", 20) is None


def test_widths_follow_the_layout():
    """Over many numbers the digits are as slim as SVHN's, whatever the typeface."""
    sizes = [np.ptp(o, axis=0) for seed in range(300) for o in set_(seed, "2568", 60).outlines]
    aspect = np.array(sizes)[:, 0] / np.array(sizes)[:, 1]
    assert np.median(aspect) == pytest.approx(0.5, abs=0.05)
    assert np.quantile(aspect, 0.9) - np.quantile(aspect, 0.1) > 0.15


def test_number_lengths_follow_their_weights():
    rng = np.random.default_rng(0)
    numbers = [random_number(rng, (0.5, 0.5)) for _ in range(2000)]
    assert np.mean([len(n) == 1 for n in numbers]) == pytest.approx(0.5, abs=0.05)
    assert any(n[0] == "0" and len(n) == 2 for n in numbers)


def test_words_have_no_digits():
    rng = np.random.default_rng(0)
    words = [make(rng) for make in (random_word, random_street) for _ in range(300)]
    assert all(words) and not any(char.isdigit() for word in words for char in word)
