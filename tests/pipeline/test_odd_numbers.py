"""Numbers with letters and marks, words, and turned ones, read by the weights that ship: rightly, or not surely."""

from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "cases" / "numbers"
NEVER = set()  # what stands there is no number that is read


@pytest.mark.parametrize(
    ("name", "first", "may_be_sure"),
    [
        ("s_12B", "12B", {"12B"}),
        ("s_12-14", "12-14", {"12-14"}),
        ("s_12_3", "12/3", {"12/3"}),
        ("x_247", "24/7", {"24/7"}),
        ("s_221half", None, NEVER),
        ("s_A12", None, NEVER),
        ("s_SOS", None, NEVER),
        ("x_date", None, NEVER),
        ("two_plates_apart", None, {"12", "34"}),
        ("r_69_180", "69", {"69"}),
        ("r_9_180", "6", {"6"}),
        ("r_246_180", None, NEVER),
        ("m_18_mirror", None, {"81"}),
        ("m_18_flip", None, {"18"}),
        ("m_2457_mirror", None, NEVER),
    ],
)
def test_a_number_is_read_as_it_stands_or_not_surely(reader, name, first, may_be_sure):
    scene = reader.read(CASES / f"{name}.jpg")
    sure = {reading.text for reading in scene.readings if reading.status == "read"}
    assert sure <= may_be_sure
    if first is not None:
        assert scene.text == first
