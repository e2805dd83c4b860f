import numpy as np
import pytest

from digits import Recognizer
from digits.nn.weights import save_weights
from digits.recognizer.nn.model import NumberNet


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    header = {"kind": "recognizer", "architecture": {"backbone": "residual"}, "training": {}, "metrics": {}}
    save_weights(path, NumberNet().eval(), header)
    return Recognizer(path, device="cpu")


def test_predictions_are_probabilities_whatever_the_crop(small):
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in [(1, 1), (10, 500), (500, 10), (48, 96)]]
    for seen in small.predict(crops):
        assert 0 <= seen.confidence <= 1
        assert len(seen.digits) == len(seen.text)
        assert np.exp(seen.distribution.length).sum() == pytest.approx(1)
        assert np.exp(seen.distribution.positions).sum(1) == pytest.approx(np.ones(6))
        assert set(seen.to_dict()) == {"text", "confidence", "suffix", "digits"}


def test_a_batch_reads_as_its_crops_do(small):
    crops = [np.random.default_rng(i).integers(0, 256, (30, 40 + i, 3), np.uint8) for i in range(70)]
    together = small.predict(crops)
    assert [t.text for t in together] == [small.predict([crop])[0].text for crop in crops]
    assert small.predict([]) == []


def test_shipped_weights_read_numbers(reader, make_photo):
    texts = ["1428", "7", "35", "906"]
    crops = [np.asarray(make_photo(text, size=(60 + 45 * len(text), 100))) for text in texts]
    assert [seen.text for seen in reader.recognizer.predict(crops)] == texts
