"""COCO detection files, as annotation tools and torchvision have them, in and out.

Five keys that other software passes over keep what plain COCO cannot say: the "info"'s "upright", that boxes are on
pictures turned upright by their EXIF orientation; an image's "numbers", the texts of its
numbers; an annotation's "number", the index of the one its digit belongs to; an image's "source_id", its id where that
is not its file_name; an image's "shared_out", true where whole numbers were annotated and their boxes shared out among
their digits. An image with numbers but without annotations is a crop of which only the text is known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from digits.core.alphabet import DIGITS, is_digits, is_house_number
from digits.core.boxes import reading_order
from digits.core.errors import DatasetError
from digits.core.progress import progress
from digits.datasets.classes import Digit, repeats
from digits.datasets.coco_entries import Annotated, annotated, listed
from digits.datasets.files import picture_folder, picture_path, write_text
from digits.datasets.orientation import UPRIGHT, Evidence, Habit, Photograph
from digits.datasets.pictures import LARGEST, Pictures, Problem, Record, is_number, make_record, read_json, stored_size

_OVER = 1.1  # of a picture's side: farther out reaches no box that was drawn on it
_SAID = ("width", "height", "numbers", "source_id", "shared_out")  # of an image
_SHARES = 2  # from the corner: so far reach a place and a size that are shares of the picture
_OUT = 0.05  # of a box's side: what is drawn at the edge of a picture reaches out by less


def _size(image: dict) -> tuple[int, int]:
    """(width, height) as annotated, (0, 0) where it is not; ValueError if they are no numbers of pixels."""
    size = image.get("width") or 0, image.get("height") or 0
    if not all(is_number(value) and 0 <= value <= LARGEST and value == int(value) for value in size):
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
    known = is_digits if labels else is_house_number  # letters have no boxes
    if not isinstance(numbers, list) or not all(isinstance(n, str) and known(n) for n in numbers):
        raise ValueError("numbers must be a list of texts made of digits" + ("" if labels else ", or house numbers"))
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
    entries = listed(path, content, "images", "file_name", _SAID)
    found, problems = annotated(path, content, entries)
    problems = entries.problems + problems
    folder = picture_folder(path, images)

    images_seen = []
    for key, image in progress(entries.usable.items(), "measuring pictures", len(entries.usable), quiet):
        try:
            images_seen.append(_seen(image, folder, found.get(key, Annotated()), annotations_only))
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
    problems += repeats(sum(seen.repeats for seen in images_seen))
    return Pictures(str(path), records, problems, upright=_is_upright(content) or not annotations_only)


class _Seen(NamedTuple):
    """An image of the file, held against its picture.

    groups: of every digit the index of its number. corners: whether something shows that boxes are given by them.
    """

    image: dict
    picture: Path
    photograph: Photograph
    evidence: Evidence
    digits: list[Digit]
    groups: list[object]
    repeats: int
    corners: bool


def _seen(image: dict, folder: Path, annotations: Annotated, annotations_only: bool) -> _Seen:
    """ValueError if the picture is missing or not as stated, or the annotations cannot be trusted."""
    picture, stated = picture_path(folder, str(image["file_name"])), _size(image)
    photograph = Photograph(stated, 1) if annotations_only else Photograph(*stored_size(picture))
    by_size = photograph.of_size(stated)
    digits, groups, repeats = annotations.boxed(bool(image.get("numbers")))
    evidence = photograph.evidence(by_size, [box for box, _ in digits])
    return _Seen(image, picture, photograph, evidence, digits, groups, repeats, annotations.corners)


def _are_corners(images: Iterable[_Seen]) -> bool:
    """Whether boxes seem to be given by two corners.

    That is where all can be, and one reaches out of its picture otherwise, or its area or outline shows it. What is no
    box either way, such as one without an area, says nothing.
    """
    shown_by_one = False
    for seen in images:
        width, height = seen.photograph.widest
        shown_by_one |= seen.corners
        for (x, y, right, low), _ in seen.digits if width else ():
            across, down = right - x, low - y
            if x < across <= width * _OVER and y < down <= height * _OVER:
                shown_by_one |= right - width > _OUT * across or low - height > _OUT * down
            elif across > 0 and down > 0 and right <= width * _OVER and low <= height * _OVER:
                return False
    return shown_by_one


def _record(seen: _Seen, habit: Habit) -> Record:
    """ValueError if a box or a number is wrong, or it is not known how the boxes were drawn."""
    image, labels = seen.image, [digit for _, digit in seen.digits]
    numbers: tuple[str, ...] = ()
    if seen.digits and all(max(box) <= _SHARES for box, _ in seen.digits):
        raise ValueError("bbox is given in shares of the picture, pixels are expected")
    if seen.corners:
        raise ValueError("bbox seems to be [x1, y1, x2, y2] by its area or outline, [x, y, width, height] is expected")
    boxes = habit.upright(seen.photograph, [box for box, _ in seen.digits], seen.evidence)
    if image.get("numbers"):
        boxes, labels, numbers = _grouped(boxes, labels, seen.groups, image["numbers"])
    shared_out = image.get("shared_out") is True
    return make_record(_image_id(image), seen.picture, seen.photograph.upright, boxes, labels, numbers, shared_out)


def _image_id(image: dict) -> str:
    given = image.get("source_id")
    return str(PurePosixPath(str(image["file_name"])) if given is None else given)


def _is_upright(content: dict) -> bool:
    """Whether the file says itself that all boxes are on upright pictures, as those that are written here do."""
    info = content.get("info")
    return isinstance(info, dict) and info.get("upright") is True


def coco_document(records: Iterable[Record], file_name: Callable[[Record], str], upright: bool = True) -> dict:
    """Records as COCO detection, which `read_coco` turns back into the very same; plain Python types.

    file_name: what an image is called in the document. Categories are the digits, their ids shifted by one, since
    torchvision's detectors keep 0 for the background. Sizes that are not known are left out. upright: as of `Pictures`.
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
        "info": {"description": "House numbers, every digit boxed"} | ({"upright": True} if upright else {}),
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name, "supercategory": "digit"} for i, name in enumerate(DIGITS, start=1)],
    }


def write_json(path: str | Path, document: dict | list) -> None:
    """Write a JSON file all or nothing; DatasetError if that fails."""
    write_text(path, json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n")
