import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from digits import DatasetError
from digits.datasets.classes import digit_classes
from digits.datasets.coco import coco_document, read_coco, write_json
from digits.datasets.pictures import Record, make_record
from digits.datasets.real import read_annotated

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real training data is not here")

CATEGORIES = [{"id": 10 + digit, "name": str(digit)} for digit in range(10)]
IMAGE = {"id": 1, "file_name": "a.png", "width": 60, "height": 40}


def digit(label: int, box=(2, 3, 10, 20), **more) -> dict:
    return {"id": 1, "image_id": 1, "category_id": 10 + label, "bbox": list(box), **more}


def write(folder: Path, annotations=(), images=(IMAGE,), categories=CATEGORIES, **more) -> Path:
    path = folder / "labels.json"
    document = {"images": list(images), "annotations": list(annotations), "categories": categories, **more}
    path.write_text(json.dumps(document))
    return path


def picture(path: Path, width: int = 60, height: int = 40) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), (200, 100, 50), np.uint8))


ALIKE = ("image_id", "width", "height", "numbers", "shared_out")


def same(a: Record, b: Record) -> bool:
    return (
        all(getattr(a, name) == getattr(b, name) for name in ALIKE)
        and a.boxes.dtype == b.boxes.dtype
        and a.boxes.tobytes() == b.boxes.tobytes()
        and a.labels.tolist() == b.labels.tolist()
    )


@st.composite
def records(draw) -> list[Record]:
    """Negatives, crops with text only, digits of unknown numbers, digits grouped into numbers."""
    made = []
    for i in range(draw(st.integers(0, 4))):
        size = draw(st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)))
        numbers = draw(st.lists(st.text("0123456789", min_size=1, max_size=4), max_size=3))
        boxes, labels = [], [int(char) for char in "".join(numbers)] if draw(st.booleans()) else []
        for _ in labels:
            (x1, x2), (y1, y2) = (
                sorted(draw(st.lists(st.floats(0, side, width=32), min_size=2, max_size=2, unique=True)))
                for side in size
            )
            shared = [min(x2, b[2]) > max(x1, b[0]) and min(y2, b[3]) > max(y1, b[1]) for b in boxes]
            if max(x2, y2) > 2 and not any(shared):  # else they are shares
                boxes.append([x1, y1, x2, y2])
        if len(boxes) < len(labels):  # only foreign files have two digits in about one box, or shares
            boxes, labels = [], []
        if labels and draw(st.booleans()):
            numbers = []
        if draw(st.booleans()):
            size = (0, 0)
        image_id = draw(st.sampled_from([f"{i}.png", f"night/{i}", f"ü {i}"]))
        made.append(make_record(image_id, Path(f"{i}.png"), size, boxes, labels, numbers, draw(st.booleans())))
    return made


@settings(deadline=None, max_examples=60)
@given(records())
def test_round_trip(tmp_path_factory, made):
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    write_json(path, coco_document(made, lambda record: record.path.name))
    back = read_coco(path, annotations_only=True)
    assert not back.problems and len(back) == len(made)
    assert all(same(a, b) for a, b in zip(made, back.records, strict=True))


def test_pycocotools_reads_what_is_written(tmp_path, capsys):
    box = [[1.5, 2, 11.5, 22], [12, 2, 20, 22]]
    made = [
        make_record("a.png", Path("a.png"), (60, 40), box, [0, 7], ("07",)),
        make_record("empty.png", Path("empty.png"), (60, 40)),
    ]
    document = coco_document(made, lambda record: record.image_id)
    write_json(tmp_path / "labels.json", document)
    coco = COCO(str(tmp_path / "labels.json"))
    assert coco.getImgIds() == [1, 2] and sorted(coco.getCatIds()) == list(range(1, 11))
    first, second = coco.loadAnns(coco.getAnnIds(imgIds=1))
    assert first["bbox"] == [1.5, 2, 10, 20] and first["area"] == 200 and first["category_id"] == 1
    assert coco.loadCats(second["category_id"])[0]["name"] == "7"
    assert coco.getAnnIds(imgIds=2) == []
    assert coco.loadRes([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 20], "score": 0.5}])
    assert document == coco_document(made, lambda record: record.image_id)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({1: "1", 2: "door"}, {1: 1}),
        ({1: "1", 10: "10"}, {1: 1, 10: 0}),
        ({0: "0", 10: "10"}, {0: 0}),
        ({i: f" {i}" for i in range(1, 11)} | {11: "door"}, {i: i % 10 for i in range(1, 11)}),
        ({i: str(i) for i in range(1, 13)}, {i: i for i in range(1, 10)}),
        ({1: "10", 2: "14", 3: "7"}, {3: 7}),
        ({1: "10", 2: 100, 3: "7"}, {3: 7}),
        ({1: "10", 2: "007", 3: "7"}, {3: 7}),
        ({5: 7, 6: " 8 "}, {5: 7, 6: 8}),
    ],
)
def test_classes_count_by_name(names, expected):
    assert digit_classes(names, Path("labels.json")) == expected


@pytest.mark.parametrize(
    ("image", "annotations", "numbers", "labels"),
    [
        ({}, [], (), []),
        ({}, [digit(4), digit(2, (20, 3, 9, 20))], (), [4, 2]),
        ({"numbers": ["007"]}, [], ("007",), []),
        ({"numbers": ["42"]}, [digit(4, number=0), digit(2, (20, 3, 9, 20), number=0)], ("42",), [4, 2]),
        # in another order than they are read, and mixed with those of another number
        (
            {"numbers": ["42", "7"]},
            [digit(2, (20, 3, 9, 20), number=0), digit(7, number=1), digit(4, number=0)],
            ("42", "7"),
            [4, 2, 7],
        ),
    ],
)
def test_digits_and_numbers(tmp_path, image, annotations, numbers, labels):
    (record,) = read_coco(write(tmp_path, annotations, [IMAGE | image]), annotations_only=True).records
    assert record.numbers == numbers and record.labels.tolist() == labels
    assert record.boxes.shape == (len(labels), 4) and record.boxes.dtype == np.float32
    assert (record.width, record.height) == (60, 40)


@pytest.mark.parametrize(
    ("image", "annotation", "reason"),
    [
        ({}, digit(4, (5, 5, -2, 10)), "no area"),
        ({}, digit(4, (70, 5, 10, 10)), "outside the picture"),
        ({}, digit(4, (float("nan"), 5, 10, 10)), "not finite"),
        ({"numbers": ["5"]}, digit(4, number=0), "is '5' but its digits spell '4'"),
        ({"numbers": ["4"]}, digit(4), "is '4' but its digits spell ''"),
        ({"numbers": ["4"]}, digit(4, number=3), "is '4' but"),
        ({"numbers": "4"}, digit(4, number=0), "list of texts"),
        ({"numbers": ["4a"]}, digit(4, number=0), "list of texts"),
        ({"width": "60"}, digit(4), "whole numbers"),
        ({"width": 60.5}, digit(4), "whole numbers"),
        ({}, digit(4, (1, 2, 3)), "bbox must be four numbers"),
        ({}, {"id": 3, "image_id": 1, "category_id": 11}, "bbox must be four numbers"),
    ],
)
def test_a_bad_image_is_left_out(tmp_path, image, annotation, reason):
    good = {"id": 2, "file_name": "b.png"}
    found = read_coco(write(tmp_path, [annotation], [IMAGE | image, good]), annotations_only=True)
    assert [record.image_id for record in found.records] == ["b.png"]
    ((image_id, why),) = found.problems
    assert image_id == "a.png" and reason in why


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "object is expected at its top"),
        ({"images": None}, "a list of objects is expected under 'images'"),
        ({"annotations": {}}, "a list of objects is expected under 'annotations'"),
        ({"images": ["a.png"]}, "a list of objects is expected under 'images'"),
        ({"images": [{"id": 1}]}, "nothing under 'images' can be used; id 1 of 'images' lacks its file_name"),
        ({"images": [None, {"file_name": "a.png"}]}, "nothing under 'images' can be used; entry 0"),
        ({"images": [IMAGE, IMAGE | {"file_name": "b.png"}]}, "'images' has its id 1 twice, each time otherwise"),
        ({"categories": [{"id": 1}]}, "nothing under 'categories' can be used; id 1 of 'categories' lacks its name"),
        ({"categories": [{"id": 1, "name": "door"}]}, "none of its classes is a digit"),
        ({"annotations": [digit(1) | {"category_id": 99}]}, "no category has the id 99"),
    ],
)
def test_files_of_another_schema(tmp_path, content, message):
    path = tmp_path / "labels.json"
    full = {"images": [IMAGE], "annotations": [], "categories": CATEGORIES}
    path.write_text(content if isinstance(content, str) else json.dumps(full | content))
    with pytest.raises(DatasetError, match=message) as error:
        read_coco(path, annotations_only=True)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.json"):
        read_coco(tmp_path / "gone.json")
    with pytest.raises(DatasetError, match="gone: no such folder"):
        read_coco(write(tmp_path), tmp_path / "gone")


def test_strays_are_counted(tmp_path):
    found = read_coco(
        write(tmp_path, [digit(4), digit(6, image_id=9), digit(7, image_id=[1])], [IMAGE]),
        annotations_only=True,
    )
    assert found.records[0].labels.tolist() == [4]
    assert found.problems == [("an image that is not listed", "2 annotations")]


def test_sizes_may_be_written_as_decimals(tmp_path):
    found = read_coco(write(tmp_path, [digit(4)], [IMAGE | {"width": 60.0}]), annotations_only=True)
    assert (found.records[0].width, found.records[0].height) == (60, 40)


def test_other_categories_are_counted(tmp_path):
    door = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5]}
    path = write(tmp_path, [door, digit(4), door], categories=[*CATEGORIES, {"id": 1, "name": "door"}])
    found = read_coco(path, annotations_only=True)
    assert found.problems == [("door", "2 annotations of a category that is no digit")]
    assert found.records[0].labels.tolist() == [4]


@pytest.mark.parametrize("place", ["images", "pictures", "."])
def test_pictures_are_found_and_measured(tmp_path, place):
    """Beside the file, in images/ beside it, or where the caller says."""
    for name in ("a.png", "unmeasured.png"):
        picture(tmp_path / place / name)
    images = [IMAGE, {"id": 2, "file_name": "unmeasured.png", "source_id": "u"}, {"id": 3, "file_name": "gone.png"}]
    path = write(tmp_path, [digit(4)], images)
    found = read_coco(path, tmp_path / "pictures" if place == "pictures" else None)
    assert [(record.image_id, record.width, record.height) for record in found.records] == [
        ("a.png", 60, 40),
        ("u", 60, 40),
    ]
    assert found.problems == [("gone.png", "picture missing")]
    assert found[0].image[0, 0].tolist() == [50, 100, 200] and found[0].labels.tolist() == [4]


def test_writing_is_all_or_nothing(tmp_path):
    path = tmp_path / "new" / "labels.json"
    write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1} and [p.name for p in path.parent.iterdir()] == ["labels.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        write_json(tmp_path / "file" / "labels.json", {})
    (tmp_path / "taken").mkdir()
    with pytest.raises(DatasetError, match="taken: cannot be written"):
        write_json(tmp_path / "taken", {})
    assert not (tmp_path / "taken.partial").exists()


@needs_data
@pytest.mark.parametrize("name", ["icdar2003", "iiit5k"])
def test_real_annotations_survive(tmp_path, name):
    made = read_annotated(SHARED / name).records
    write_json(tmp_path / "labels.json", coco_document(made, lambda record: record.path.name))
    back = read_coco(tmp_path / "labels.json", SHARED / name / "images")
    assert not back.problems and len(made) > 50
    assert all(same(a, b) and a.path == b.path for a, b in zip(made, back.records, strict=True))
