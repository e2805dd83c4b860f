"""House numbers drawn without end: typefaces, signs, the light of the street, and photographs to put them into."""

from digits.datasets.synthesis.synthesizer import Sources, Synthesizer, Synthetic, plate_patch

__all__ = ["Sources", "Synthesizer", "Synthetic", "plate_patch"]
