"""COCO detection files, as annotation tools and torchvision have them, in and out.

Five keys that other software passes over keep what plain COCO cannot say: the "info"'s "upright", that boxes are on
pictures turned upright by their EXIF orientation; an image's "numbers", the texts of its
numbers; an annotation's "number", the index of the one its digit belongs to; an image's "source_id", its id where that
is not its file_name; an image's "shared_out", true where whole numbers were annotated and their boxes shared out among
their digits. An image with numbers but without annotations is a crop of which only the text is known.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from digits.core.alphabet import DIGITS, is_digits
from digits.core.boxes import reading_order
from digits.core.errors import DatasetError
from digits.core.progress import progress
from digits.core.text import plural
from digits.datasets.files import picture_folder, picture_path, write_text
from digits.datasets.orientation import UPRIGHT, Evidence, Habit, Photograph
from digits.datasets.pictures import LARGEST, Pictures, Problem, Record, make_record, read_json, stored_size

Digit = tuple[tuple[float, ...], int]  # a box, xyxy, and what it shows

_WORDS = ("zero", "o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_OVER = 1.1  # of a picture's side: farther out reaches no box that was drawn on it
_OUT = 0.05  # of a box's side: what is drawn at the edge of a picture reaches out by less
_APART = 0.05  # of a digit's width or height; boxes of one digit, drawn or rounded twice, are not farther apart
_SLANT = 10  # degrees; what is turned by more is not in the box that is written down
_CROWD = {0: False, "0": False, "false": False, "no": False, 1: True, "1": True, "true": True, "yes": True}


def digit_classes(names: Mapping[Any, object], path: Path) -> dict[Hashable, int]:
    """The digit of every class that is named after one, by class id; DatasetError if there is none.

    The name "10" is a 0 where no class is called "0", as SVHN has it.

    >>> digit_classes({1: "1", 2: "door", 3: "10"}, Path("labels.json"))
    {1: 1, 3: 0}
    """
    spelled = {name: digit for digit, name in enumerate(DIGITS)}
    texts = {key: str(name).strip() for key, name in names.items()}
    if "0" not in texts.values():
        spelled["10"] = 0
    digits = {key: spelled[text] for key, text in texts.items() if text in spelled}
    if not digits:
        raise DatasetError(f"{path}: none of its classes is a digit, one named 0 to 9 is needed")
    return digits


def other_classes(counts: Mapping[str, int]) -> list[Problem]:
    """A problem a class that is no digit, from the number of its annotations by its name."""
    return [Problem(name, f"{_annotations(count)} of a category that is no digit") for name, count in counts.items()]


def _annotations(count: int) -> str:
    return plural(count, "annotation", "annotations")


def check_others(others: Iterable[str], digits: int) -> None:
    """Raises ValueError if a picture with annotations of these classes beside so many digits cannot be trusted.

    A class such as "digit_7" or "seven" may be a digit that is missing then, and what has no digit but a "number" is no
    negative.
    """
    for name in others:
        if any(char.isdigit() for char in name) or name.strip().lower() in _WORDS:
            raise ValueError(f"it has a {name!r}, which may be a digit; name the category 0 to 9")
        if not digits:
            raise ValueError(f"it has a {name!r} but no digit, which does not say that it shows no number")


def without_repeats(digits: Sequence[Digit]) -> list[Digit]:
    """Each box once, be it drawn a second time a little off; ValueError if one is of two different digits."""
    once: list[Digit] = []
    for box, digit in digits:
        same = [other for there, other in once if _about_equal(box, there)]
        if any(other != digit for other in same):
            raise ValueError("one box is that of two different digits")
        once += [(box, digit)] if not same else []
    return once


def _about_equal(box: tuple[float, ...], other: tuple[float, ...]) -> bool:
    sides = [min(each[side + 2] - each[side] for each in (box, other)) for side in (0, 1)]
    return all(abs(a - b) <= _APART * side for a, b, side in zip(box, other, sides * 2, strict=True))


def repeats(count: int) -> list[Problem]:
    """A problem, if there are any, for so many boxes that were left out by `without_repeats`."""
    return [Problem("a box that is listed twice", _annotations(count))] if count else []


def _entries(path: Path, content: dict, key: str) -> list[dict]:
    """The objects listed under `key`; DatasetError if there is no such list."""
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DatasetError(f"{path}: not COCO detection, a list of objects is expected under {key!r}")
    return entries


def _is_id(value: object) -> bool:
    return _is_named(value) or (isinstance(value, float) and value.is_integer())


def _is_named(value: object) -> bool:
    """Whether it is a text or a number; `true` is none, though Python has it equal to 1."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _by_id(path: Path, content: dict, key: str, name: str) -> dict[Hashable, dict]:
    """The entries under `key` by their id, each with a text or number called `name`; DatasetError if they are not."""
    found = {}
    for entry in _entries(path, content, key):
        number = entry.get("id")
        if not _is_id(number) or not _is_named(entry.get(name)):
            raise DatasetError(f"{path}: an entry of {key!r} lacks its id or {name}")
        if number in found:
            raise DatasetError(f"{path}: {key!r} has the id {number} twice")
        found[number] = entry
    return found


def _finder(ids: Iterable[Hashable]) -> Callable[[object], Hashable | None]:
    """Gives the id that is meant by another one, or None: "1" and 1 are the same unless both are there."""
    ids = set(ids)
    alike = defaultdict(list)
    for each in ids:
        alike[_spelled(each)].append(each)

    def find(number: object) -> Hashable | None:
        if not _is_id(number):
            return None
        same = [number] if number in ids else alike[_spelled(number)]
        return same[0] if len(same) == 1 else None

    return find


def _spelled(number: Any) -> str:
    return number.strip() if isinstance(number, str) else str(int(number))


def _is_crowd(annotation: dict) -> bool:
    """Whether it is a region of many; ValueError if that cannot be told."""
    flag = annotation.get("iscrowd") or 0
    told = _CROWD.get(flag.strip().lower() if isinstance(flag, str) else flag) if isinstance(flag, Hashable) else None
    if told is None:
        raise ValueError(f"iscrowd is {flag!r}, neither 0 nor 1")
    return told


def _check_level(annotation: dict) -> None:
    """Raises ValueError if it is a box that is turned, as CVAT writes it: where it was before, and the angle."""
    attributes = annotation.get("attributes")
    angle = attributes.get("rotation") if isinstance(attributes, dict) else None
    if isinstance(angle, (int, float)) and _is_number(angle) and not abs((angle + 90) % 180 - 90) <= _SLANT:
        raise ValueError(f"a box is turned by {angle} degrees, level ones are expected")


def _box(box: object) -> tuple[float, ...]:
    """xyxy from COCO's xywh; ValueError if it is no such box."""
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise ValueError("bbox must be four numbers, [x, y, width, height]")
    try:
        x, y, width, height = map(float, box)
    except OverflowError:
        raise ValueError("a box is larger than any picture") from None
    return x, y, x + width, y + height


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _size(image: dict) -> tuple[int, int]:
    """(width, height) as annotated, (0, 0) where it is not; ValueError if they are no numbers of pixels."""
    size = image.get("width") or 0, image.get("height") or 0
    if not all(_is_number(value) and 0 <= value <= LARGEST and value == int(value) for value in size):
        raise ValueError("width and height must be whole numbers of pixels")
    return (int(size[0]), int(size[1])) if all(size) else (0, 0)


def _spell(labels: list[int], members: list[int]) -> str:
    return "".join(str(labels[i]) for i in members)


def _grouped(
    boxes: Sequence, labels: list[int], groups: list, numbers: object
) -> tuple[list, list[int], tuple[str, ...]]:
    """Digits in the order in which `numbers` spells them; ValueError if they do not spell it.

    groups: for every digit the index of its number, or whatever else the file had there.
    """
    if not isinstance(numbers, list) or not all(isinstance(n, str) and is_digits(n) for n in numbers):
        raise ValueError("numbers must be a list of texts made of digits")
    if not labels:
        return [], [], tuple(numbers)
    order = []
    for k, text in enumerate(numbers):
        members = [i for i, group in enumerate(groups) if group == k]
        if _spell(labels, members) != text and members:
            members = [members[i] for i in reading_order(np.asarray([boxes[i] for i in members], np.float64))]
        if _spell(labels, members) != text:
            raise ValueError(f"number {k} is {text!r} but its digits spell {_spell(labels, members)!r}")
        order += members
    if len(order) != len(labels):
        raise ValueError("a digit belongs to none of the numbers")
    return [boxes[i] for i in order], [labels[i] for i in order], tuple(numbers)


@dataclass
class _Annotated:
    """What the annotations of an image say. doubt: why they cannot be trusted, if so."""

    digits: list[tuple[object, int, object]] = field(default_factory=list)  # bbox, digit, index of its number
    others: list[str] = field(default_factory=list)
    doubt: str = ""

    def boxed(self, numbers: bool) -> tuple[list[Digit], list[object], int]:
        """Digits, the indices of their numbers, and how many were repeats; ValueError if they cannot be trusted.

        numbers: whether it is known what they spell, which says better what belongs there.
        """
        if self.doubt:
            raise ValueError(self.doubt)
        check_others(self.others, len(self.digits))
        digits = [(_box(box), digit) for box, digit, _ in self.digits]
        once = digits if numbers else without_repeats(digits)
        return once, [number for _, _, number in self.digits], len(digits) - len(once)


def _annotated(
    path: Path, content: dict, listed: dict[Hashable, dict]
) -> tuple[dict[Hashable, _Annotated], list[Problem]]:
    """What is said of every listed image that has an annotation, by its id, and what is passed over.

    Raises DatasetError if no class is a digit, one is missing, or no annotation is of an image.
    """
    names = {key: str(category["name"]) for key, category in _by_id(path, content, "categories", "name").items()}
    digits = digit_classes(names, path)
    image_of, category_of = _finder(listed), _finder(names)
    found: defaultdict[Hashable, _Annotated] = defaultdict(_Annotated)
    others: Counter[str] = Counter()
    strays = 0
    annotations = _entries(path, content, "annotations")
    for annotation in annotations:
        image, category = image_of(annotation.get("image_id")), category_of(annotation.get("category_id"))
        if image is None:
            strays += 1
        elif category is None:
            number, kind = annotation.get("id"), annotation.get("category_id")
            raise DatasetError(f"{path}: annotation {number}: no category has the id {kind!r}")
        elif category not in digits:
            others[names[category]] += 1
            found[image].others.append(names[category])
        else:
            found[image].digits.append((annotation.get("bbox"), digits[category], annotation.get("number")))
            try:
                _check_level(annotation)
                if _is_crowd(annotation):
                    found[image].doubt = "it has a crowd: digits without a box each"
            except ValueError as error:
                found[image].doubt = str(error)
    if annotations and not found:
        raise DatasetError(
            f"{path}: none of its {_annotations(strays)} is of an image that it lists; compare their image_id"
        )
    problems = other_classes(others)
    if strays:
        problems.append(Problem("an image that is not listed", _annotations(strays)))
        for image in set(listed) - set(found):  # which may be the one that is meant
            if not listed[image].get("numbers"):
                found[image].doubt = "it has no annotation, while some are of images that are not listed"
    return found, problems


def read_coco(
    path: str | Path, images: str | Path | None = None, *, annotations_only: bool = False, quiet: bool = False
) -> Pictures:
    """Every image of a COCO detection file, those without digits too; the id is "source_id" or else file_name.

    Categories count by name, see `digit_classes`; annotations of others and of images that are not listed are passed
    over, and counted as problems. images: where the pictures are, else `images/` beside the file, else beside it.
    annotations_only: the pictures need not be there, and a size that the file does not state is 0. quiet: no progress
    bar.

    Where the EXIF orientation turns a picture, the size that is stated, and boxes that fit one way only, say whether
    they were drawn on it upright or as it is stored; these are turned with it. Where both fit, as of squares and half
    turns, the other pictures of the file say it.

    Raises DatasetError if the file is not COCO detection, if its boxes are given by their corners, or if none of its
    annotations is of an image that it lists. An image is left out as a problem if it is missing, not of the size that
    is stated, or turned and it is not certain how it was annotated; if a box or a number is wrong; if it has a crowd,
    or annotations but no digit.
    """
    path = Path(path)
    content = read_json(path, dict)
    listed = _by_id(path, content, "images", "file_name")
    found, problems = _annotated(path, content, listed)
    folder = picture_folder(path, images)

    images_seen = []
    for key, image in progress(listed.items(), "measuring pictures", len(listed), quiet):
        try:
            images_seen.append(_seen(image, folder, found.get(key, _Annotated()), annotations_only))
        except ValueError as error:
            problems.append(Problem(_image_id(image), str(error)))
    if _are_corners(images_seen):
        raise DatasetError(f"{path}: its boxes seem to be [x1, y1, x2, y2]; COCO has [x, y, width, height]")
    turned = [seen.evidence for seen in images_seen if seen.photograph.orientation != 1]
    habit = Habit(turned, UPRIGHT if _is_upright(content) else None)

    records = []
    for seen in images_seen:
        try:
            records.append(_record(seen, habit))
        except ValueError as error:
            problems.append(Problem(_image_id(seen.image), str(error)))
    return Pictures(str(path), records, problems + repeats(sum(seen.repeats for seen in images_seen)))


class _Seen(NamedTuple):
    """An image of the file, held against its picture. groups: of every digit the index of its number."""

    image: dict
    picture: Path
    photograph: Photograph
    evidence: Evidence
    digits: list[Digit]
    groups: list[object]
    repeats: int


def _seen(image: dict, folder: Path, annotated: _Annotated, annotations_only: bool) -> _Seen:
    """ValueError if the picture is missing or not as stated, or the annotations cannot be trusted."""
    picture, stated = picture_path(folder, str(image["file_name"])), _size(image)
    photograph = Photograph(stated, 1) if annotations_only else Photograph(*stored_size(picture))
    by_size = photograph.of_size(stated)
    digits, groups, repeats = annotated.boxed(bool(image.get("numbers")))
    evidence = Evidence(by_size, photograph.holding([box for box, _ in digits]))
    return _Seen(image, picture, photograph, evidence, digits, groups, repeats)


def _are_corners(images: Iterable[_Seen]) -> bool:
    """Whether a box reaches out of its picture, but none would if its width and height were its second corner."""
    over = False
    for seen in images:
        width, height = seen.photograph.upright
        for (x, y, right, low), _ in seen.digits if width and seen.photograph.orientation == 1 else ():
            if not (x < right - x <= width * _OVER and y < low - y <= height * _OVER):
                return False
            over |= right - width > _OUT * (right - x) or low - height > _OUT * (low - y)
    return over


def _record(seen: _Seen, habit: Habit) -> Record:
    """ValueError if a box or a number is wrong, or it is not known how the boxes were drawn."""
    image, labels = seen.image, [digit for _, digit in seen.digits]
    numbers: tuple[str, ...] = ()
    if seen.digits and all(max(box) <= 1 for box, _ in seen.digits):
        raise ValueError("bbox is given in shares of the picture, pixels are expected")
    boxes = habit.upright(seen.photograph, [box for box, _ in seen.digits], seen.evidence)
    if image.get("numbers"):
        boxes, labels, numbers = _grouped(boxes, labels, seen.groups, image["numbers"])
    shared_out = image.get("shared_out") is True
    return make_record(_image_id(image), seen.picture, seen.photograph.upright, boxes, labels, numbers, shared_out)


def _image_id(image: dict) -> str:
    return str(image.get("source_id", PurePosixPath(str(image["file_name"]))))


def _is_upright(content: dict) -> bool:
    """Whether the file says itself that all boxes are on upright pictures, as those that are written here do."""
    info = content.get("info")
    return isinstance(info, dict) and info.get("upright") is True


def coco_document(records: Iterable[Record], file_name: Callable[[Record], str]) -> dict:
    """Records as COCO detection, which `read_coco` turns back into the very same; plain Python types.

    file_name: what an image is called in the document. Categories are the digits, their ids shifted by one, since
    torchvision's detectors keep 0 for the background. Sizes that are not known are left out.
    """
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, record in enumerate(records, start=1):
        image = {"id": image_id, "file_name": file_name(record)}
        if record.width:
            image |= {"width": record.width, "height": record.height}
        if record.image_id != image["file_name"]:
            image["source_id"] = record.image_id
        if record.numbers:
            image["numbers"] = list(record.numbers)
        if record.shared_out:
            image["shared_out"] = True
        images.append(image)
        number_of = [k for k, number in enumerate(record.numbers) for _ in number]
        for i, ((x1, y1, x2, y2), label) in enumerate(zip(record.boxes.tolist(), record.labels.tolist(), strict=True)):
            annotation = {
                "id": len(annotations) + 1,
                "image_id": image_id,
                "category_id": label + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            annotations.append(annotation | ({"number": number_of[i]} if number_of else {}))
    return {
        "info": {"description": "House numbers, every digit boxed", "upright": True},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name, "supercategory": "digit"} for i, name in enumerate(DIGITS, start=1)],
    }


def write_json(path: str | Path, document: dict | list) -> None:
    """Write a JSON file all or nothing; DatasetError if that fails."""
    write_text(path, json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n")
