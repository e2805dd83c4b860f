"""What a COCO file lists: images, categories and annotations, each of which may be wrong by itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from digits.core.errors import DatasetError
from digits.datasets.classes import (
    Digit,
    check_others,
    counted,
    digit_classes,
    other_classes,
    without_repeats,
)
from digits.datasets.pictures import LARGEST, Problem, is_number

_SLANT = 10  # degrees; what is turned by more is not in the box that is written down
_APART = 0.05  # of a digit's width or height
_ROUNDED = 0.002  # of an area, as programs round it
_CROWD = {0: False, "0": False, "false": False, "no": False, 1: True, "1": True, "true": True, "yes": True}


class Listed(NamedTuple):
    """What is listed under a key of the file. usable: entries by their id. spoilt: ids of those that are left out."""

    usable: dict[Hashable, dict]
    spoilt: set[Hashable]
    problems: list[Problem]


def listed(path: Path, content: dict, key: str, name: str, says: Sequence[str] = ()) -> Listed:
    """The entries under `key`, each with an id and a text or number called `name`; others are left out.

    says: what two entries of one id must have in common; else none of them can be trusted. Raises DatasetError if there
    is no such list, or none of it can be used.
    """
    usable: dict[Hashable, dict] = {}
    spoilt: set[Hashable] = set()
    problems = []
    entries = _list(path, content, key)
    for place, entry in enumerate(entries):
        number = entry.get("id")
        about = entry.get(name)
        if not _is_id(number):
            called = str(about) if _is_named(about) else f"entry {place} of {key!r}"
            problems.append(Problem(called, "lacks its id" if entry else "an object is expected"))
        elif not _is_named(about):
            spoilt.add(number)
            problems.append(Problem(f"id {number} of {key!r}", f"lacks its {name}"))
        elif number in usable and any(usable[number].get(each) != entry.get(each) for each in (name, *says)):
            spoilt.add(number)
            problems.append(Problem(str(about), f"{key!r} has its id {number} twice, each time otherwise"))
        else:
            usable[number] = entry
    problems += [
        Problem(str(usable[number][name]), f"{key!r} has its id {number} twice, each time otherwise")
        for number in spoilt & set(usable)
    ]
    usable = {number: entry for number, entry in usable.items() if number not in spoilt}
    if entries and not usable:
        raise DatasetError(f"{path}: nothing under {key!r} can be used; {problems[0].image_id} {problems[0].reason}")
    return Listed(usable, spoilt, problems)


def _list(path: Path, content: dict, key: str) -> list[dict]:
    """What is listed under `key`, empty objects for what is none; DatasetError if there is no list of objects."""
    entries = content.get(key)
    if isinstance(entries, list) and (not entries or any(isinstance(entry, dict) for entry in entries)):
        return [entry if isinstance(entry, dict) else {} for entry in entries]
    raise DatasetError(f"{path}: not COCO detection, a list of objects is expected under {key!r}")


def _is_id(value: object) -> bool:
    return _is_named(value) or (isinstance(value, float) and value.is_integer())


def _is_named(value: object) -> bool:
    """Whether it is a text or a number; `true` is none, though Python has it equal to 1."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


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
    """Whether it is a region of many; ValueError if that is not known."""
    flag = annotation.get("iscrowd") or 0
    crowd = _CROWD.get(flag.strip().lower() if isinstance(flag, str) else flag) if isinstance(flag, Hashable) else None
    if crowd is None:
        raise ValueError(f"iscrowd is {flag!r}, neither 0 nor 1")
    return crowd


def _check_level(annotation: dict) -> None:
    """Raises ValueError if it is a box that is turned, as CVAT writes it: where it was before, and the angle.

    FiftyOne passes that on, beside what COCO has.
    """
    attributes = annotation.get("attributes")
    angle = (attributes if isinstance(attributes, dict) else {}).get("rotation", annotation.get("rotation"))
    if is_number(angle) and not abs((angle + 90) % 180 - 90) <= _SLANT:
        raise ValueError(f"a box is turned by {angle} degrees, level ones are expected")


def _box(box: object) -> tuple[float, ...]:
    """xyxy from COCO's xywh; ValueError if it is no such box."""
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise ValueError("bbox must be four numbers, [x, y, width, height]")
    try:
        x, y, width, height = map(float, box)
    except OverflowError:
        raise ValueError("a box is larger than any picture") from None
    return x, y, x + width, y + height


def _about_equal(box: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether they differ by no more than programs round."""
    sides = [min(each[side + 2] - each[side] for each in (box, other)) for side in (0, 1)]
    return all(abs(a - b) <= _APART * side for a, b, side in zip(box, other, sides * 2, strict=True))


def _shows_corners(annotation: dict) -> bool:
    """Whether the outline or the area of what is boxed says that its bbox is [x1, y1, x2, y2]."""
    try:
        x1, y1, right, low = _box(annotation.get("bbox"))
    except ValueError:
        return False
    x2, y2 = right - x1, low - y1
    if not (x1 < x2 and y1 < y2 and right < LARGEST and low < LARGEST):
        return False
    outline, area = annotation.get("segmentation"), annotation.get("area")
    parts = [part for part in outline if isinstance(part, list)] if isinstance(outline, list) else []
    points = [value for part in parts for value in part]
    if len(points) >= 6 and len(points) % 2 == 0 and all(map(is_number, points)):
        around = min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])
        return _about_equal(around, (x1, y1, x2, y2)) and not _about_equal(around, (x1, y1, right, low))
    if not is_number(area):
        return False
    # a mask is smaller than its box, but by no certain share
    apart = [abs(area - size) for size in ((x2 - x1) * (y2 - y1), x2 * y2)]
    return apart[0] <= _ROUNDED * area < apart[1]


@dataclass
class Annotated:
    """What the annotations of an image say.

    doubt: why they cannot be trusted, if so. corners: whether one of them shows that its box is given by its corners.
    """

    digits: list[tuple[object, int, object]] = field(default_factory=list)  # bbox, digit, index of its number
    others: list[str] = field(default_factory=list)
    doubt: str = ""
    corners: bool = False

    def add(self, annotation: dict, digit: int) -> None:
        self.digits.append((annotation.get("bbox"), digit, annotation.get("number")))
        self.corners |= _shows_corners(annotation)
        try:
            _check_level(annotation)
            if _is_crowd(annotation):
                self.doubt = "it has a crowd: digits without a box each"
        except ValueError as error:
            self.doubt = str(error)

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


def annotated(path: Path, content: dict, images: Listed) -> tuple[dict[Hashable, Annotated], list[Problem]]:
    """What is said of every listed image that has an annotation, by its id, and what is passed over.

    Raises DatasetError if no class is a digit, or no annotation is of an image, or none of a category.
    """
    categories = listed(path, content, "categories", "name")
    names = {key: str(category["name"]) for key, category in categories.usable.items()}
    digits = digit_classes(names, path)
    image_of, category_of = (_finder({*each.usable, *each.spoilt}) for each in (images, categories))
    found: defaultdict[Hashable, Annotated] = defaultdict(Annotated)
    others: Counter[str] = Counter()
    unknown: list[str] = []  # categories
    strays = placed = 0
    entries = _list(path, content, "annotations")
    for annotation in entries:
        image, category = image_of(annotation.get("image_id")), category_of(annotation.get("category_id"))
        if image is None:
            strays += 1
            continue
        placed += 1
        if category not in names:
            unknown.append(
                f"annotation {annotation.get('id')}: no category has the id {annotation.get('category_id')!r}"
            )
            found[image].doubt = unknown[-1]
        elif category not in digits:
            others[names[category]] += 1
            found[image].others.append(names[category])
        else:
            found[image].add(annotation, digits[category])
    if entries and not placed:
        raise DatasetError(
            f"{path}: none of its {counted(strays)} is of an image that it lists; compare their image_id"
        )
    if unknown and len(unknown) == placed:
        raise DatasetError(f"{path}: {unknown[0]}")
    problems = categories.problems + other_classes(others)
    if strays:
        problems.append(Problem("an image that is not listed", counted(strays)))
        for image in set(images.usable) - set(found):  # which may be the one that is meant
            if not images.usable[image].get("numbers"):
                found[image].doubt = "it has no annotation, while some are of images that are not listed"
    return found, problems
