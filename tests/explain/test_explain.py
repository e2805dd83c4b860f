import re
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from digits.core.errors import DigitsError
from digits.core.images import load_image
from digits.explain.explain import explain, recognizer_maps
from digits.explain.sheet import render
from digits.recognizer.crops import cut_number

needs_captum = pytest.mark.skipif(find_spec("captum") is None, reason="needs Captum: pip install -e '.[dev]'")
WALL = np.full((120, 160, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def reader(torch_reader):
    return torch_reader


@pytest.fixture(scope="module")
def photo(make_photo):
    return load_image(make_photo("7171", (320, 240), 40))


@pytest.fixture(scope="module")
def crop(reader, photo):
    return cut_number(photo, reader.find(photo)[0].digit_boxes)


@pytest.fixture(scope="module")
def explained(reader, photo):
    return explain(reader, photo)


def state_of(reader):
    """All that explaining must leave as it is."""
    networks = reader.detector.eager.model, reader.recognizer.eager.model
    values = [value.clone() for network in networks for value in network.state_dict().values()]
    training = [part.training for network in networks for part in network.modules()]
    frozen = [value.requires_grad for network in networks for value in network.parameters()]
    return [*values, torch.get_rng_state()], [training, frozen]


@needs_captum
def test_shapes_and_ranges(reader, photo, explained):
    (only,) = explained
    assert (only.text, only.status) == ("7171", only.reading.status)
    assert only.crop.shape == (48, 96, 3) and only.crop.dtype == np.uint8
    assert only.detector_map.shape == tuple(round(side * reader.detector.scale(photo)) for side in photo.shape[:2])
    assert only.length_map.shape == (48, 96) and only.position_maps.shape == (4, 48, 96)
    for heat in (only.detector_map, only.length_map, *only.position_maps):
        assert heat.dtype == np.float32
        assert heat.min() >= 0 and heat.max() == pytest.approx(1) and heat.std() > 0.01


@needs_captum
def test_places_of_like_digits_are_told_apart(explained):
    """Each 7 is read from itself, not from the other one, and each 1. Neighbours may share what lies between them."""
    maps = explained[0].position_maps
    centres = (maps.sum(1) * np.arange(96)).sum(1) / maps.sum((1, 2))
    assert (np.diff(centres) > -3).all()
    assert centres[2] - centres[0] > 20 and centres[3] - centres[1] > 20


@needs_captum
def test_the_detector_looks_at_the_digits(reader, photo, explained):
    heat, inside = explained[0].detector_map, np.zeros(explained[0].detector_map.shape, bool)
    for x1, y1, x2, y2 in (explained[0].region.digit_boxes * reader.detector.scale(photo)).astype(int):
        inside[y1:y2, x1:x2] = True
        assert heat[y1:y2, x1:x2].max() > 0.4
    assert heat[inside].mean() > 10 * heat[~inside].mean()


@needs_captum
def test_explaining_changes_nothing(reader, photo, explained):
    before, after = state_of(reader), reader.read(photo)
    with torch.inference_mode():  # nor does it matter what the caller has switched off
        again = explain(reader, photo)
    tensors, flags = state_of(reader)
    assert all(torch.equal(one, other) for one, other in zip(before[0], tensors, strict=True)) and before[1] == flags
    assert reader.read(photo).readings == after.readings == (explained[0].reading,)
    assert again[0].doubt == explained[0].doubt
    assert np.allclose(again[0].position_maps, explained[0].position_maps, atol=1e-4)


def test_passes_depend_on_the_seed_alone(reader, crop):
    def lengths(seed, passes=5):
        return np.stack([seen.distribution.length for seen in reader.recognizer.sample(crop, passes, seed)])

    first = lengths(1)
    torch.rand(3)
    assert np.array_equal(lengths(1), first)
    assert not np.allclose(lengths(2), first)
    assert len(np.unique(first[:, 0])) == 5  # every pass drops others


@needs_captum
def test_doubt(reader, photo, explained):
    doubt = explained[0].doubt
    assert doubt.passes == 30 and 0 <= doubt.mean <= 1 and doubt.spread > 0
    assert doubt.agreeing + sum(count for _, count in doubt.others) <= 30
    assert explain(reader, photo, seed=1)[0].doubt.mean != doubt.mean


@needs_captum
def test_without_dropout_there_is_no_doubt(reader, photo, monkeypatch):
    for part in reader.recognizer.eager.model.modules():
        if isinstance(part, nn.Dropout):
            monkeypatch.setattr(part, "p", 0.0)
    doubt = explain(reader, photo, passes=7)[0].doubt
    assert doubt.spread == pytest.approx(0, abs=1e-6)
    assert (doubt.agreeing, doubt.passes, doubt.others) == (7, 7, ())


@needs_captum
def test_a_candidate_in_which_nothing_is_read(reader, photo, monkeypatch):
    observe = reader.observe
    monkeypatch.setattr(reader, "observe", lambda image: [replace(each, reading=None) for each in observe(image)])
    (candidate,) = explain(reader, photo, passes=3)
    assert candidate.reading is None and (candidate.text, candidate.status) == ("", "none")
    assert candidate.position_maps.shape == (0, 48, 96) and candidate.detector_map.max() == pytest.approx(1)
    assert re.fullmatch(
        r"no number found  probability of that with dropout 0\.\d\d ± 0\.\d\d, 0 of 3 agree", candidate.sentence
    )
    assert candidate.to_dict()["recognizer"]["text"] == "7171"
    assert render(photo, [candidate]).width > 1000


@needs_captum
def test_nothing_to_explain(reader):
    assert explain(reader, WALL) == []
    for wide in (WALL, WALL[:, :20], np.repeat(np.repeat(WALL, 9, 0), 9, 1)):
        sheet = np.asarray(render(wide, []))
        assert (sheet == 128).all(2).any() and (sheet[-40:] < 100).any()  # the picture, and a caption below
        assert len(np.unique(sheet[-12:].reshape(-1, 3), axis=0)) == 1


@needs_captum
def test_a_stack_is_laid_into_a_line(reader, make_photo):
    photo = load_image(make_photo("35", (240, 320), 50, stacked=True))
    (stack,) = explain(reader, photo, passes=2)
    assert stack.reading.orientation == "vertical" and stack.text == "35"
    left, right = (int(heat.max(0).argmax()) for heat in stack.position_maps)
    assert left < 48 < right


@needs_captum
def test_the_picture(photo, explained):
    picture = render(photo, explained)
    twice = render(photo, explained * 2)
    assert picture.mode == "RGB" and twice.width == picture.width and twice.height > picture.height
    pixels = np.asarray(picture.convert("HSV"))
    assert (pixels[..., 1] > 150).mean() > 0.01  # colours glow in it


@needs_captum
def test_the_legend_shows_the_scale_of_colours(photo, explained):
    """Below everything, from grey to the colour of what is hottest."""
    below = np.asarray(render(photo, explained).convert("HSV"))[-120:]
    lines = [row for row in below if (row[:, 1] > 100).sum() > 100]
    assert 10 <= len(lines) <= 20
    hues = lines[5][lines[5][:, 1] > 100][:, 0]
    assert len(np.unique(hues)) > 20  # every colour of the scale
    assert (below[-60:, :, 2] < 100).any(0).sum() > 200  # sentences under it


@needs_captum
def test_captions_are_never_clipped(photo, explained):
    """Long ones go on below; margins stay empty."""
    many = replace(explained[0].doubt, others=tuple((str(number), 10) for number in range(100_000, 100_020)))
    region = explained[0].region
    digits, evidence = (np.repeat(values, 2, 0)[:6] for values in (region.digit_boxes, region.evidence))
    wordy = replace(explained[0], doubt=many, region=replace(region, digit_boxes=digits, evidence=evidence))
    plain, picture = render(photo, explained), np.asarray(render(photo, [wordy]))
    assert picture.shape[1] == plain.width and picture.shape[0] > plain.height
    for margin in (picture[:12], picture[-12:], picture[:, :12], picture[:, -12:]):
        assert len(np.unique(margin.reshape(-1, 3), axis=0)) == 1


def test_without_captum(reader, photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(DigitsError, match=r"pip install 'street-digits\[explain\]'"):
        explain(reader, photo)


@needs_captum
def test_maps_of_a_text_of_ones_own(reader, crop):
    """What speaks for another text may be asked too."""
    assert recognizer_maps(reader.recognizer, crop, "71").shape == (3, 48, 96)
