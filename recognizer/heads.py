"""What the recogniser's heads say of a crop, and in what order."""

from __future__ import annotations

from digits.core.alphabet import DIGIT_COUNT, LETTERS, MAX_DIGITS

LENGTHS = MAX_DIGITS + 1  # 0 to 6 digits; 0: no number
CLASSES = DIGIT_COUNT  # at each of MAX_DIGITS positions
UNCLEAR = "?"
SUFFIXES = ("", *LETTERS, UNCLEAR)  # none, each letter, one that is there and cannot be told
# The number goes on beyond the left or the right end of the crop; it is turned or mirrored; marks that join no numbers,
# such as points, stand beside or between its digits; letters that are no suffix do.
FLAGS = ("left", "right", "turned", "other", "letters")
# A mark that joins two numbers is looked for in every column of the feature map. The probabilities are those of a
# hyphen in each, of a slash in each, and of none.
MARKS = ("hyphen", "slash")
