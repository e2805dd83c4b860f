"""What a house number may be."""

import doctest

import pytest

from digits.core import alphabet
from digits.core.alphabet import is_house_number


def test_examples_in_docstrings():
    assert doctest.testmod(alphabet).failed == 0


@pytest.mark.parametrize("text", ["7", "001", "123456", "12B", "12-14", "12A/3", "16-186C"])
def test_house_numbers(text):
    assert is_house_number(text)


@pytest.mark.parametrize(
    "text", ["", "A", "A12", "12b", "12AB", "1234567", "12-", "-12", "12--14", "1-2-3", "12.3", "١٢"]
)
def test_others(text):
    assert not is_house_number(text)
