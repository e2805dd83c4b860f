import json

import numpy as np
import pytest

from digits import WeightsError
from digits.pipeline.fuse import Fusion, confidence, features, fuse
from digits.recognizer import Transcription


def opinion(text: str, sure: float = 0.6, length: int | None = None):
    """Heads of a recogniser that leans to `text`."""
    n = len(text) if length is None else length
    lengths = np.full(7, (1 - sure) / 6)
    lengths[n] = sure
    places = np.full((6, 10), 0.1)
    for place, char in zip(places, text, strict=False):
        place[:] = (1 - sure) / 9
        place[int(char)] = sure
    return np.log(lengths), np.log(places)


def evidence(text: str, score: float = 0.9) -> np.ndarray:
    return np.float32([np.eye(10)[int(c)] * score for c in text])


FUSION = Fusion(digit_weight=0.6, length_weight=1.5)


def read(heads, seen, fusion=FUSION) -> Transcription:
    return Transcription.from_log_probabilities(*fuse(*heads, seen, fusion))


def test_agreement_raises_confidence():
    heads = opinion("42")
    assert read(heads, evidence("42")).text == "42"
    alone = Transcription.from_log_probabilities(*heads)
    assert read(heads, evidence("42")).confidence > alone.confidence


def test_a_doubtful_digit_is_settled_by_the_detector():
    length, places = opinion("17", sure=0.9)
    places[1] = np.log([0.02, 0.46, 0.02, 0.02, 0.02, 0.02, 0.02, 0.38, 0.02, 0.02])
    assert Transcription.from_log_probabilities(length, places).text == "11"
    assert read((length, places), evidence("17")).text == "17"


def test_a_doubtful_length_is_settled_by_the_detector():
    length, places = opinion("261", sure=0.9)
    length = np.log(np.array([0.01, 0.01, 0.43, 0.52, 0.01, 0.01, 0.01]))
    assert read((length, places), evidence("26")).text == "26"


def test_a_sure_recogniser_is_not_overruled():
    assert read(opinion("261", sure=0.999), evidence("26")).text == "261"
    assert read(opinion("", sure=0.999), evidence("0")).text == ""


def test_results_are_distributions_and_inputs_stay():
    heads = opinion("305")
    before = [h.copy() for h in heads]
    length, places = fuse(*heads, evidence("305"), FUSION)
    assert np.exp(length).sum() == pytest.approx(1)
    assert np.exp(places).sum(1) == pytest.approx(np.ones(6))
    assert all((a == b).all() for a, b in zip(heads, before, strict=True))


def test_without_weight_the_recogniser_speaks_alone():
    heads = opinion("305")
    length, places = fuse(*heads, evidence("999"), Fusion(digit_weight=0, length_weight=0))
    assert np.allclose(length, heads[0]) and np.allclose(places, heads[1])


def test_confidence_is_monotonic_and_bounded():
    fusion = Fusion(slope=0.8, detection_slope=0.4, lone_digit=-1, offset=-0.5)
    grid = [confidence(features(p, 0.7, 3), fusion) for p in (0.0, 0.1, 0.5, 0.9, 1.0)]
    assert grid == sorted(grid) and grid[0] > 0 and grid[-1] < 1
    assert confidence(features(0.9, 0.9, 3), fusion) > confidence(features(0.9, 0.3, 3), fusion)
    assert confidence(features(0.9, 0.9, 2), fusion) > confidence(features(0.9, 0.9, 1), fusion)


def test_file_round_trip(tmp_path):
    path = tmp_path / "calibration.json"
    FUSION.save(path)
    assert Fusion.load(path) == FUSION


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"slope": 1, "colour": 2})])
def test_bad_files(tmp_path, text):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(WeightsError, match=r"calibration\.json"):
        Fusion.load(path)
