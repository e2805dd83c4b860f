import numpy as np
import pytest

from digits.datasets.mixture import Mixture, shuffled


@pytest.mark.parametrize(
    ("shares", "batch_size"),
    [
        *(([1.0], 5), ([0.7, 0.2, 0.1], 8), ([0.05, 0.05, 0.9], 8), ([1 / 3] * 3, 7), ([0.15, 0.85], 1)),
        *(([0.5, 0.5], 3), ([0.38, 0.04, 0.05, 0.53], 8), ([0.3333333] * 3, 6)),
    ],
)
def test_every_batch_has_its_shares_and_every_stream_is_drawn_in_order(shares, batch_size):
    streams = [lambda draw, k=k: (k, draw) for k in range(len(shares))]
    mixture = Mixture(streams, shares)
    seen = [mixture[index] for index in range(batch_size * 300)]
    for k, share in enumerate(shares):
        draws = [draw for stream, draw in seen if stream == k]
        assert draws == list(range(len(draws)))
        assert len(draws) == pytest.approx(share * len(seen), abs=2.1)
        for batch in range(300):
            count = sum(stream == k for stream, _ in seen[batch * batch_size : (batch + 1) * batch_size])
            assert abs(count - share * batch_size) < 2


def test_an_index_is_always_the_same_in_whatever_order():
    mixture = Mixture([str, lambda draw: -draw], [0.6, 0.4])
    forward = [mixture[index] for index in range(50)]
    assert [mixture[index] for index in reversed(range(50))] == forward[::-1]


def test_shares_must_add_up():
    with pytest.raises(ValueError, match="add up to 1"):
        Mixture([str, str], [0.5, 0.6])
    with pytest.raises(ValueError, match="2 streams"):
        Mixture([str, str], [1.0])


def test_all_items_come_once_before_any_comes_again():
    order = np.array([shuffled(3, 0, draw, 11) for draw in range(44)]).reshape(4, 11)
    assert (np.sort(order, 1) == np.arange(11)).all()
    assert len({tuple(row) for row in order.tolist()}) == 4
    assert order[0].tolist() != [shuffled(4, 0, draw, 11) for draw in range(11)]
    assert order[0].tolist() != [shuffled(3, 1, draw, 11) for draw in range(11)]
