"""Types of options that click lacks."""

from __future__ import annotations

import math

import click


class _Share(click.FloatRange):
    """From 0 to 1. click takes NaN for within any range: no comparison with it holds."""

    def convert(self, value, param, ctx) -> float:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number", param, ctx)
        return number


SHARE = _Share(0, 1)
