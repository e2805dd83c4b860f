"""COCO detection files, as annotation tools and torchvision have them, in and out.

Four keys that other software passes over keep what plain COCO cannot say: an image's "numbers", the texts of its
numbers; an annotation's "number", the index of the one its digit belongs to; an image's "source_id", its id where that
is not its file_name; an image's "shared_out", true where whole numbers were annotated and their boxes shared out among
their digits. An image with numbers but without annotations is a crop of which only the text is known.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path

import numpy as np

from digits.core.boxes import reading_order
from digits.core.errors import DatasetError
from digits.core.progress import shown
from digits.datasets.files import picture_folder, write_text
from digits.datasets.pictures import Pictures, Problem, Record, make_record, picture_size, read_json


def digit_classes(names: Mapping[Hashable, object], path: Path) -> dict[Hashable, int]:
    """The digit of every class that is named after one, by class id; DatasetError if there is none.

    The name "10" is a 0 where no class is called "0", as SVHN has it.

    >>> digit_classes({1: "1", 2: "door", 3: "10"}, Path("labels.json"))
    {1: 1, 3: 0}
    """
    spelled = {str(digit): digit for digit in range(10)}
    texts = {key: str(name).strip() for key, name in names.items()}
    if "0" not in texts.values():
        spelled["10"] = 0
    digits = {key: spelled[text] for key, text in texts.items() if text in spelled}
    if not digits:
        raise DatasetError(f"{path}: none of its classes is a digit, one named 0 to 9 is needed")
    return digits


def other_classes(counts: Mapping[str, int]) -> list[Problem]:
    """A problem a class that is no digit, from the number of its annotations by its name."""
    return [
        Problem(name, f"{count} annotation{'s' * (count != 1)} of a category that is no digit")
        for name, count in counts.items()
    ]


def _entries(path: Path, content: dict, key: str) -> list[dict]:
    """The objects listed under `key`; DatasetError if there is no such list."""
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DatasetError(f"{path}: not COCO detection, a list of objects is expected under {key!r}")
    return entries


def _by_id(path: Path, content: dict, key: str, name: str) -> dict[Hashable, dict]:
    """The entries under `key` by their id, each with a text or number called `name`; DatasetError if they are not."""
    found = {}
    for entry in _entries(path, content, key):
        number = entry.get("id")
        if not isinstance(number, (int, str)) or not isinstance(entry.get(name), (int, str)):
            raise DatasetError(f"{path}: an entry of {key!r} lacks its id or {name}")
        if number in found:
            raise DatasetError(f"{path}: {key!r} has the id {number} twice")
        found[number] = entry
    return found


def _box(box: object) -> list[float]:
    """xyxy from COCO's xywh; ValueError if it is no such box."""
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(value, (int, float)) for value in box):
        raise ValueError("bbox must be four numbers, [x, y, width, height]")
    x, y, width, height = box
    return [x, y, x + width, y + height]


def _size(image: dict) -> tuple[int, int]:
    """(width, height) as annotated, (0, 0) where it is not; ValueError if they are no numbers of pixels."""
    size = image.get("width") or 0, image.get("height") or 0
    if not all(isinstance(value, (int, float)) and value >= 0 and value == int(value) for value in size):
        raise ValueError("width and height must be whole numbers of pixels")
    return (int(size[0]), int(size[1])) if all(size) else (0, 0)


def _spell(labels: list[int], members: list[int]) -> str:
    return "".join(str(labels[i]) for i in members)


def _grouped(boxes: list, labels: list[int], groups: list, numbers) -> tuple[list, list[int], tuple[str, ...]]:
    """Digits in the order in which `numbers` spells them; ValueError if they do not spell it.

    groups: for every digit the index of its number, or whatever else the file had there.
    """
    if not isinstance(numbers, list) or not all(isinstance(n, str) and n.isascii() and n.isdigit() for n in numbers):
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


def read_coco(
    path: str | Path, images: str | Path | None = None, *, annotations_only: bool = False, quiet: bool = False
) -> Pictures:
    """Every image of a COCO detection file, those without digits too; the id is "source_id" or else file_name.

    Categories count by name, see `digit_classes`; annotations of others, of crowds and of images that are not listed
    are left out and counted as problems. images: where the pictures are, else `images/` beside the file, else beside
    it. annotations_only: the pictures need not be there, and a size that the file does not state is 0. quiet: no
    progress bar.

    Raises DatasetError if the file is not COCO detection. An image that is missing, or of which a box or a number is
    wrong, is left out as a problem.
    """
    path = Path(path)
    content = read_json(path, dict)
    listed = _by_id(path, content, "images", "file_name")
    names = {key: str(category["name"]) for key, category in _by_id(path, content, "categories", "name").items()}
    digits = digit_classes(names, path)
    folder = picture_folder(path, images)

    found, others, strays = defaultdict(list), Counter(), Counter()
    for annotation in _entries(path, content, "annotations"):
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if not isinstance(image, Hashable) or image not in listed:
            strays["an image that is not listed"] += 1
            continue
        if not isinstance(category, Hashable) or category not in names:
            raise DatasetError(f"{path}: annotation {annotation.get('id')}: no category has the id {category!r}")
        if category not in digits:
            others[names[category]] += 1
        elif annotation.get("iscrowd"):
            strays["a crowd"] += 1
        else:
            found[image].append((annotation.get("bbox"), digits[category], annotation.get("number")))

    problems = other_classes(others)
    problems += [Problem(what, f"{count} annotation{'s' * (count != 1)}") for what, count in strays.items()]
    records = []
    for key, image in shown(listed.items(), "measuring pictures", len(listed), quiet):
        image_id, picture = str(image.get("source_id", image["file_name"])), folder / str(image["file_name"])
        boxes, labels, groups = (list(column) for column in zip(*found[key], strict=True)) if found[key] else ([],) * 3
        try:
            size, boxes = _size(image), [_box(box) for box in boxes]
            if not annotations_only and not (size[0] and os.path.isfile(picture)):
                size = picture_size(picture)
            numbers = ()
            if image.get("numbers"):
                boxes, labels, numbers = _grouped(boxes, labels, groups, image["numbers"])
            shared_out = image.get("shared_out") is True
            records.append(make_record(image_id, picture, size, boxes, labels, numbers, shared_out))
        except ValueError as error:
            problems.append(Problem(image_id, str(error)))
    return Pictures(str(path), records, problems)


def coco_document(records: Iterable[Record], file_name: Callable[[Record], str]) -> dict:
    """Records as COCO detection, which `read_coco` turns back into the very same; plain Python types.

    file_name: what an image is called in the document. Categories are the digits, their ids shifted by one, since
    torchvision's detectors keep 0 for the background. Sizes that are not known are left out.
    """
    images, annotations = [], []
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
        "info": {"description": "House numbers, every digit boxed"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": digit + 1, "name": str(digit), "supercategory": "digit"} for digit in range(10)],
    }


def write_json(path: str | Path, document: dict | list) -> None:
    """Write a JSON file all or nothing; DatasetError if that fails."""
    write_text(path, json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n")
