import numpy as np
import pytest

from digits.datasets.synthesis.displays import displays
from digits.datasets.synthesis.fonts import DIGITS, GLYPH_HEIGHT, builtin_typefaces
from digits.datasets.synthesis.patch import ink_against
from digits.datasets.synthesis.signs import KINDS, draw

FACE = builtin_typefaces()[0]


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("height", [10, 40, 90])
def test_outlines_fit_the_ink(vertical, height):
    """A flat white number on nothing: every digit's ink lies inside its outline's box, and fills it."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        patch = draw(rng, FACE, "2075", height, surface=0, kind="paint", vertical=vertical)
        assert patch.text == "2075" and len(patch.outlines) == 4
        assert patch.colour.shape == (*patch.alpha.shape, 3)
        assert patch.alpha.min() >= 0 and patch.alpha.max() <= 1.001
        boxes = np.array([[*o.min(0), *o.max(0)] for o in patch.outlines])
        tall = boxes[:, 3] - boxes[:, 1]
        assert np.median(tall) == pytest.approx(height, rel=0.25)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert (np.diff(centres[:, 1 if vertical else 0]) > 0).all()
        inside = (boxes[:, :2] >= -1).all() and (boxes[:, 2:] <= np.array(patch.alpha.shape[::-1]) + 1).all()
        assert inside
        for x1, y1, x2, y2 in boxes.astype(int):
            assert patch.alpha[y1 : y2 + 1, x1 : x2 + 1].max() > 0.3


def test_captions_are_drawn_but_not_reported():
    patch = draw(np.random.default_rng(0), FACE, "12 A", 40, 120, caption="OAK LANE")
    assert patch.text == "12A" and len(patch.outlines) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("height", [8, 30, 120])
def test_every_kind_of_sign_can_be_told_from_its_ground(kind, height):
    """Between the digits' boxes and what is just around them there is some contrast, for most seeds a clear one."""
    clear = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        patch = draw(rng, FACE, "38", height, 120.0, kind=kind)
        assert patch.text == "38" and np.isfinite(patch.colour).all()
        assert patch.alpha.min() >= -1e-3 and patch.alpha.max() <= 1.001
        assert patch.colour.min() >= -1e-2 and patch.colour.max() <= 256
        seen = (patch.colour + 120 * (1 - patch.alpha[..., None])).mean(2)
        x1, y1 = np.floor(np.min([o.min(0) for o in patch.outlines], axis=0)).astype(int).clip(0)
        x2, y2 = np.ceil(np.max([o.max(0) for o in patch.outlines], axis=0)).astype(int)
        clear += np.ptp(np.quantile(seen[y1:y2, x1:x2], [0.1, 0.9])) > 18
    assert clear >= 8


def test_a_display_has_ten_different_digits_and_no_letters():
    for face in displays():
        masks = [face.glyph(char).mask for char in DIGITS]
        assert all(mask.shape[0] == pytest.approx(GLYPH_HEIGHT, rel=0.2) for mask in masks)
        assert len({mask.tobytes() for mask in masks}) == 10
        assert face.glyph("A") is None


def test_stencilled_digits_fall_into_parts():
    def ink(kind):
        return draw(np.random.default_rng(3), FACE, "0", 80, 0.0, kind=kind).alpha.sum()

    assert ink("stencil") < ink("paint")


def test_a_face_that_draws_nothing_gives_an_empty_patch():
    patch = draw(np.random.default_rng(0), FACE, "A", 20, 100.0, kind="led")
    assert patch.text == "" and not patch.alpha.any()


def test_ink_can_be_told_from_what_is_under_it():
    rng = np.random.default_rng(0)
    for under in (0, 60, 128, 200, 255):
        inks = np.array([ink_against(rng, under) for _ in range(200)])
        assert (np.abs(inks - under) > 10).all() and (inks >= 0).all() and (inks <= 255).all()
