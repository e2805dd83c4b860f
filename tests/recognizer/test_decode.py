import itertools

import numpy as np
import pytest

from digits.recognizer.decode import joint_decode, log_softmax


@pytest.mark.parametrize("seed", range(8))
def test_joint_decoding_finds_the_most_probable_string(seed):
    """Against every string there is: 1 + 10 + 100 + 1000 of them."""
    rng = np.random.default_rng(seed)
    length, digit = log_softmax(rng.normal(0, 2, 4)), log_softmax(rng.normal(0, 2, (3, 10)))
    scores = {
        "".join(map(str, string)): length[n] + sum(digit[i, d] for i, d in enumerate(string))
        for n in range(4)
        for string in itertools.product(range(10), repeat=n)
    }
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
