import itertools
import math
import pickle

import numpy as np
import pytest

from digits import Distribution, Transcription
from digits.recognizer.decode import joint_decode, log_softmax
from digits.recognizer.heads import SUFFIXES, UNCLEAR


def random_heads(seed: int, most: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities of lengths 0 to `most`, and of the digits at each position."""
    rng = np.random.default_rng(seed)
    return log_softmax(rng.normal(0, 2, most + 1)), log_softmax(rng.normal(0, 2, (most, 10)))


def every_text(length: np.ndarray, digit: np.ndarray) -> dict[str, float]:
    """Every string there is, with its log probability."""
    return {
        "".join(map(str, string)): length[n] + sum(digit[i, d] for i, d in enumerate(string))
        for n in range(len(length))
        for string in itertools.product(range(10), repeat=n)
    }


@pytest.mark.parametrize("seed", range(8))
def test_joint_decoding_finds_the_most_probable_string(seed):
    """Against every string there is: 1 + 10 + 100 + 1000 of them."""
    length, digit = random_heads(seed)
    scores = every_text(length, digit)
    text, score = joint_decode(length, digit)
    assert text == max(scores, key=scores.get)
    assert score == pytest.approx(scores[text])


def test_a_likely_length_yields_to_unlikely_digits():
    length = np.log([0.05, 0.45, 0.5])
    digit = np.log(np.stack([np.eye(10)[3] * 0.9 + 0.01, np.full(10, 0.1)]))
    assert joint_decode(length, digit)[0] == "3"


def test_no_number():
    assert joint_decode(np.log([0.9, 0.1]), np.log(np.full((1, 10), 0.1))) == ("", pytest.approx(np.log(0.9)))


def test_log_softmax_of_large_logits():
    assert np.exp(log_softmax(np.array([1000.0, 1000.0]))) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("seed", range(4))
def test_a_distribution_knows_every_text(seed):
    length, digit = random_heads(seed)
    scores, distribution = every_text(length, digit), Distribution(length, digit)
    assert {text: distribution.log_probability(text) for text in scores} == pytest.approx(scores)
    assert sum(math.exp(distribution.log_probability(text)) for text in scores) == pytest.approx(1)


@pytest.mark.parametrize("count", [1, 2, 7, 60, 2000])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_texts_are_exact(seed, count):
    """Against every string there is."""
    length, digit = random_heads(seed)
    scores, distribution = every_text(length, digit), Distribution(length, digit)
    best = distribution.best(count)
    assert [text for text, _ in best] == sorted(scores, key=scores.get, reverse=True)[:count]
    assert all(score == distribution.log_probability(text) for text, score in best)
    assert best[0][0] == joint_decode(length, digit)[0]


def test_texts_of_like_probability_come_short_and_small_first():
    distribution = Distribution(np.log(np.full(3, 1 / 3)), np.log(np.full((2, 10), 0.1)))
    assert [text for text, _ in distribution.best(13)] == ["", *"0123456789", "00", "01"]


@pytest.mark.parametrize("text", ["1234567", "12a", "A", "-1", "1 2", " ", "１", "٣", "²", "1\n", "\ud800"], ids=ascii)
def test_what_a_distribution_cannot_express(text):
    assert Distribution(*random_heads(1, 6)).log_probability(text) == -math.inf


def test_impossible_texts_are_not_among_the_best():
    with np.errstate(divide="ignore"):
        length, digit = np.log([0.0, 0.4, 0.6]), np.log(np.eye(10)[[3, 5]])
    distribution = Distribution(length, digit)
    assert distribution.best(9) == [("35", pytest.approx(math.log(0.6))), ("3", pytest.approx(math.log(0.4)))]
    assert distribution.log_probability("") == distribution.log_probability("36") == -math.inf
    assert distribution.best(0) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_letter_may_stand_behind_the_digits(seed):
    """Against every string there is, with each letter and with none."""
    length, digit = random_heads(seed, 2)
    suffix = log_softmax(np.random.default_rng(100 + seed).normal(0, 2, len(SUFFIXES)))
    letters = dict(zip(SUFFIXES, suffix, strict=True))
    scores = {
        number + letter: score + (behind if number else 0)
        for number, score in every_text(length, digit).items()
        for letter, behind in (letters.items() if number else [("", 0)])
        if letter != UNCLEAR
    }
    distribution = Distribution(length, digit, suffix)
    assert {text: distribution.log_probability(text) for text in scores} == pytest.approx(scores)
    for count in (1, 5, 300):
        assert [text for text, _ in distribution.best(count)] == sorted(scores, key=scores.get, reverse=True)[:count]


@pytest.mark.parametrize(
    ("letter", "text"), [("", "42"), ("C", "42C"), ("Z", "42Z"), (UNCLEAR, "42")], ids=["none", "C", "Z", "unclear"]
)
def test_the_suffix_of_a_transcription(letter, text):
    length, digit = np.log([0.1, 0.1, 0.8]), np.log(np.full((2, 10), 0.01) + 0.9 * np.eye(10)[[4, 2]])
    suffix = np.log(np.where(np.array(SUFFIXES) == letter, 0.73, 0.01))
    seen = Transcription.of(Distribution(length, digit, suffix), {"left": 0.2})
    assert (seen.text, seen.suffix, "".join(char for char, _ in seen.digits)) == (text, letter, "42")
    assert seen.confidence == pytest.approx(0.8 * 0.91**2 * 0.73) and seen.flags == {"left": 0.2}
    nothing = Transcription.of(Distribution(np.log([0.9, 0.1, 1e-9]), digit, suffix))
    assert (nothing.text, nothing.suffix) == ("", "")


@pytest.mark.parametrize("text", ["4C2", "C", "42CD", "42c", "42?", "42 C", "42-4"])
def test_texts_with_letters_elsewhere_cannot_be_expressed(text):
    distribution = Distribution(*random_heads(1, 4), np.log(np.full(len(SUFFIXES), 1 / 28)))
    assert distribution.log_probability(text) == -math.inf


@pytest.mark.parametrize(("length", "positions"), [((6,), (6, 10)), ((7,), (6, 9)), ((7, 1), (6, 10)), ((1,), (0,))])
def test_distributions_are_validated(length, positions):
    with pytest.raises(ValueError, match="expected"):
        Distribution(np.zeros(length), np.zeros(positions))


def test_a_transcription_is_the_best_of_its_distribution():
    seen = Transcription.of(Distribution(*random_heads(2, 6)))
    [(text, score)] = seen.distribution.best(1)
    assert (seen.text, seen.confidence) == (text, pytest.approx(math.exp(score)))
    assert "distribution" not in repr(seen) and "distribution" not in seen.to_dict()
    copy = pickle.loads(pickle.dumps(seen))
    assert copy == seen and copy.distribution.best(5) == seen.distribution.best(5)
