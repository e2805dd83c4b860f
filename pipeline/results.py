"""What a photograph says: a Scene of Readings."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image, ImageDraw

from digits.core.alphabet import is_house_number, members_of, split_suffix
from digits.core.drawing import BLACK, BLUE, ORANGE, WHITE, Label, grown, outline, type_size, with_labels
from digits.core.images import ImageSource, load_image
from digits.pipeline.reasons import REASONS
from digits.recognizer.distribution import Distribution
from digits.recognizer.heads import UNCLEAR

Box = tuple[float, float, float, float]
FORMAT = 1  # of the JSON of a scene; a higher one means that its keys changed
STATUSES = ("read", "unsure", "none")
COLOURS = {"read": BLUE, "unsure": ORANGE}
_INKS = {"read": WHITE, "unsure": BLACK}  # on these
_IMPROBABLE = 0.1  # an unsure reading below this is not drawn
_ROOMY = 12  # lines that a digit is wide if one is drawn around it


def format_confidence(confidence: float) -> str:
    """Two decimals, rounded down: nothing is ever shown as certain.

    >>> format_confidence(0.9999), format_confidence(0.5)
    ('0.99', '0.50')
    """
    return f"{int(min(confidence, 0.999) * 100) / 100:.2f}"


def _check_box(box: Box) -> None:
    if len(box) != 4 or not (box[0] <= box[2] and box[1] <= box[3]):
        raise ValueError(f"box must be (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, got {box}")


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be within 0 and 1, got {value}")


@dataclass(frozen=True)
class Digit:
    """One digit of a reading: the character, its probability, and its box in pixels of the upright photograph."""

    digit: str
    probability: float
    box: Box

    def __post_init__(self) -> None:
        _check_probability("probability", self.probability)
        _check_box(self.box)

    def to_dict(self) -> dict:
        """Plain Python types."""
        return {"digit": self.digit, "probability": self.probability, "box": list(self.box)}


@dataclass(frozen=True)
class Reading:
    """One number in a photograph.

    text: as it stands there, leading zeros kept: one to six digits and at most one letter, or two such members with a
    hyphen or a slash between them. confidence: calibrated probability that the whole text is right.
    detection_score: how sure the detector was that digits are there, 0 to 1; not a probability. box: (x1, y1, x2, y2)
    in pixels of the upright photograph. orientation: horizontal or vertical (stacked). status: read, or unsure if the
    confidence is below the threshold. digits: of `number`, in its order. suffix: the letter behind `number`, "" for
    none, "?" if one is there and cannot be told: it is not in the text then. reasons: why it is unsure, of
    `reasons.REASONS`; none if it is read. distribution: natural-log probabilities of all texts, detector and recogniser
    taken together, before calibration: that of `text` is not the confidence. None in readings made by hand.
    """

    text: str
    confidence: float
    detection_score: float
    box: Box
    orientation: str
    status: str
    digits: tuple[Digit, ...]
    suffix: str = ""
    reasons: tuple[str, ...] = ()
    distribution: Distribution | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_house_number(self.text):
            raise ValueError(f"text must be a house number, got {self.text!r}")
        if self.suffix not in (split_suffix(self.members[0])[1], UNCLEAR):
            raise ValueError(f"the suffix {self.suffix!r} is not that of the text {self.text!r}")
        if len(self.digits) != len(self.number):
            raise ValueError(f"{len(self.digits)} digits for the text {self.text!r}")
        if not set(self.reasons) <= set(REASONS) or (self.reasons and self.status == "read"):
            raise ValueError(f"reasons of {', '.join(REASONS)} expected, none if it is read, got {self.reasons!r}")
        if self.orientation not in ("horizontal", "vertical"):
            raise ValueError(f"orientation must be horizontal or vertical, got {self.orientation!r}")
        if self.status not in ("read", "unsure"):
            raise ValueError(f"status must be read or unsure, got {self.status!r}")
        _check_probability("confidence", self.confidence)
        _check_probability("detection_score", self.detection_score)
        _check_box(self.box)

    @property
    def members(self) -> tuple[str, ...]:
        """The numbers that it is made of: two of a range or a fraction, else one."""
        return members_of(self.text)

    @property
    def number(self) -> str:
        """The digits of the first member."""
        return split_suffix(self.members[0])[0]

    def scaled(self, across: float, down: float) -> Reading:
        """The same in a picture that is so many times wider and higher."""
        if across == down == 1:
            return self
        digits = tuple(replace(each, box=_scaled(each.box, across, down)) for each in self.digits)
        return replace(self, box=_scaled(self.box, across, down), digits=digits)

    def to_dict(self) -> dict:
        """Plain Python types."""
        return {
            "text": self.text,
            "number": self.number,
            "suffix": self.suffix,
            "members": list(self.members),
            "confidence": self.confidence,
            "detection_score": self.detection_score,
            "box": list(self.box),
            "orientation": self.orientation,
            "status": self.status,
            "reasons": list(self.reasons),
            "digits": [digit.to_dict() for digit in self.digits],
        }


def _scaled(box: Box, across: float, down: float) -> Box:
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


@dataclass(frozen=True)
class Scene:
    """Everything read in one photograph.

    width, height: of the upright photograph, pixels. readings: most likely house number first. seconds: time spent
    on it. source: what was read, kept by reference so that `render` can draw on it; a path is opened again. A scene
    that is pickled or copied takes a path with it, but no pixels.
    """

    width: int
    height: int
    readings: tuple[Reading, ...]
    seconds: float = 0.0
    path: str | None = None
    source: ImageSource | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        keeps = isinstance(self.source, (str, os.PathLike))
        return {**vars(self), "source": self.source if keeps else None}

    @property
    def status(self) -> str:
        """`read`, `unsure` (something is there, but do not rely on it), or `none`."""
        return self.readings[0].status if self.readings else "none"

    @property
    def text(self) -> str:
        """The most likely house number, "" if there is none. Heed `status` before saying it aloud."""
        return self.readings[0].text if self.readings else ""

    def to_dict(self) -> dict:
        """Plain Python types, as `digits read --json` prints them; "format" changes when the keys do."""
        return {
            "format": FORMAT,
            "path": self.path,
            "width": self.width,
            "height": self.height,
            "status": self.status,
            "readings": [reading.to_dict() for reading in self.readings],
            "seconds": self.seconds,
        }

    def render(self, image: ImageSource | None = None) -> Image.Image:
        """The photograph with boxes and readings drawn on it.

        What is `read` has a whole box and a blue label, what is `unsure` a dashed box and an orange label with a
        question mark; unsure readings below 0.10 are left out. Labels stand beside the numbers. Where there is no
        place for one, in very small pictures above all, it stands in a strip that is added below.

        image: RGB uint8 (H, W, 3), or whatever else is read, to draw on instead of loading `source` again.

        Raises ImageError if it cannot be loaded, ValueError if the scene has no source and none is given.
        """
        source = self.source if image is None else image
        if source is None:
            raise ValueError("this scene does not have its picture (any more): pass the image, render(image)")
        picture = Image.fromarray(load_image(source))
        size = type_size(picture.size)
        line = max(1, size // 12)
        drawn = [r for r in self.readings if r.status == "read" or r.confidence >= _IMPROBABLE]
        for reading in reversed(drawn):  # the most likely one on top
            _outline(picture, reading, line)
        labels = [(_label(reading, size), grown(reading.box, 2 * line)) for reading in drawn]
        return with_labels(picture, labels, (), strip=True)


def _outline(picture: Image.Image, reading: Reading, line: int) -> None:
    """The box of a number, and those of its digits where they are so large that lines hide nothing of them."""
    colour = COLOURS[reading.status]
    draw = ImageDraw.Draw(picture)
    for digit in reading.digits:
        if min(digit.box[2] - digit.box[0], digit.box[3] - digit.box[1]) > _ROOMY * line:
            draw.rectangle(digit.box, outline=colour, width=max(1, line // 2))
    outline(picture, reading.box, line, colour, dashed=reading.status == "unsure")


def _label(reading: Reading, size: int) -> Label:
    text = f"{reading.text}{'?' if reading.status == 'unsure' else ''} {format_confidence(reading.confidence)}"
    return Label(text, size, COLOURS[reading.status], _INKS[reading.status])
