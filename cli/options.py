"""Option types that click lacks."""

from __future__ import annotations

import math

import click


class _Finite(click.FloatRange):
    """A finite number in a range. click accepts NaN for any range, since all comparisons with it are false."""

    def convert(self, value, param, ctx) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


SHARE = _Finite(0, 1)
SECONDS = _Finite(0, min_open=True)
