"""Synthetic house numbers: typefaces, signs, outdoor light, and photographs to put them into."""

from digits.datasets.synthesis.synthesizer import Sources, Synthesizer, Synthetic, plate_patch

__all__ = ["Sources", "Synthesizer", "Synthetic", "plate_patch"]
