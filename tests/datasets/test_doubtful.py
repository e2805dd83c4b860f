"""Annotations as they come from elsewhere: read rightly, or left out and listed. None makes a negative of a number."""

import json
import os
import pickle
import shutil
import unicodedata
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from digits import DatasetError, load_image
from digits.cli import main
from digits.datasets import open_source
from digits.datasets.export import convert, split
from digits.evaluation.predictions import read_predictions
from digits.training.config import load_config

CASES = Path(__file__).parents[1] / "cases"
BOX = [5, 5, 8, 20]
STORED = (80, 60)  # of photographs that are turned
UPRIGHT_BOX, FLAT_BOX = [10, 20, 8, 16], [20, 10, 16, 8]


def pictures_of(cases: Path) -> None:
    """The pictures that the files in `cases` are about; the photograph is stored on its side."""
    for folder in (cases / "coco", *(cases / "yolo").iterdir()):
        (folder / "images").mkdir()
        for name in ("a.png", "b.png") if folder.name == "coco" else ("a.png",):
            Image.new("RGB", (200, 120), (90, 90, 90)).save(folder / "images" / name)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 300), (90, 90, 90)).save(cases / "coco" / "exif" / "phone.jpg", exif=exif)


def found_in(source, **options) -> dict[str, list[int]]:
    """The digits of every picture that is not left out."""
    return {record.image_id: record.labels.tolist() for record in open_source(source, quiet=True, **options).records}


def coco(folder: Path, images=None, annotations=None, categories=None, **more) -> Path:
    """`a.png` shows 7 and 2, `n.png` nothing; 60 x 40 pixels."""
    (folder / "images").mkdir(exist_ok=True)
    for name in ("a.png", "n.png"):
        Image.new("RGB", (60, 40)).save(folder / "images" / name)
    document = {
        "images": images or [image(1, "a.png"), image(2, "n.png")],
        "annotations": annotations if annotations is not None else [digit(7), digit(2, [20, 5, 8, 20])],
        "categories": categories or [{"id": i, "name": str(i)} for i in range(10)],
        **more,
    }
    (folder / "labels.json").write_text(json.dumps(document))
    return folder / "labels.json"


def image(key, name, **more) -> dict:
    return {"id": key, "file_name": name, "width": 60, "height": 40, **more}


def digit(label, box=BOX, key=1, **more) -> dict:
    return {"image_id": key, "category_id": label, "bbox": list(box), **more}


@pytest.mark.parametrize(
    ("case", "digits", "listed"),
    [
        ("coco/bom.json", {"a.png": [1, 0], "b.png": []}, []),
        ("coco/strids.json", {"a.png": [1, 0], "b.png": []}, []),
        ("coco/crowdstr.json", {"a.png": [1, 0], "b.png": []}, []),
        ("coco/dupann.json", {"a.png": [1, 0], "b.png": []}, ["a box that is listed twice"]),
        ("coco/bboxhuge.json", {"b.png": []}, ["a.png"]),
        ("coco/exif/result.json", {"phone.jpg": [2, 7]}, []),
        ("yolo/classes_txt", {"a.png": [2, 1]}, []),
        ("yolo/caselabel", {"a.png": [1, 0]}, []),
        ("yolo/jpgtxt", {"a.png": [1, 0]}, []),
        ("yolo/dictstr", {"a.png": [1, 0]}, []),
        ("yolo/ymlsuffix", {"a.png": [8, 9]}, []),
        ("yolo/othername", {"a.png": [8, 9]}, []),
        ("yolo/orphan", {"a.png": [1, 0]}, ["labels/zzz.txt"]),
    ],
)
def test_files_that_went_wrong(tmp_path, case, digits, listed):
    shutil.copytree(CASES, tmp_path / "cases")
    pictures_of(tmp_path / "cases")
    pictures = open_source(tmp_path / "cases" / case, quiet=True)
    assert {record.image_id: record.labels.tolist() for record in pictures.records} == digits
    assert [problem.image_id for problem in pictures.problems] == listed
    assert len(list(pictures.readable())) == len(digits)


# --- COCO


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"annotations": [digit("7", key="1"), digit("2", [20, 5, 8, 20], "1")]}, id="ids as texts"),
        pytest.param({"annotations": [digit(7.0, key=1.0), digit(2, [20, 5, 8, 20])]}, id="ids as decimals"),
        pytest.param({"images": [image("1", "a.png"), image("2", "n.png")]}, id="ids of images as texts"),
        pytest.param(
            {"annotations": [digit(7, iscrowd="0"), digit(2, [20, 5, 8, 20], iscrowd="False")]}, id="no crowd"
        ),
        pytest.param({"annotations": [digit(7), digit(7, id=9), digit(2, [20, 5, 8, 20])]}, id="a box twice"),
        pytest.param({"images": [image(1, "a.png"), image(1.5e1, "a.png"), image(2, "n.png")],
                      "annotations": [digit(7), digit(2, [20, 5, 8, 20]), digit(7, key=15),
                                      digit(2, [20, 5, 8, 20], 15)]}, id="an image twice, the same"),
        pytest.param({"annotations": [digit(7), digit(7, [5, 5.2, 8.3, 19.9]), digit(2, [20, 5, 8, 20])]},
                     id="a box twice, a little off"),
        pytest.param({"annotations": [digit(7), digit(7, [6, 4, 8, 21]), digit(2, [20, 5, 8, 20]),
                                      digit(2, [21, 6, 7.5, 19])]}, id="boxes of two annotators"),
        pytest.param({"annotations": [digit(7, attributes={"rotation": 358.5, "occluded": False}),
                                      digit(2, [20, 5, 8, 20], attributes=[])]}, id="boxes about level"),
        pytest.param({"images": [image(1, "./a.png", width=None), image(2, "n.png", height=0)]}, id="no size"),
        pytest.param({"annotations": [digit(7), digit(2, [20, 5, 8, 20]), digit(5, key=9)],
                      "images": [image(1, "a.png")]}, id="a stray annotation"),
        pytest.param({"categories": [*({"id": i, "name": f" {i} "} for i in range(10)), {"id": 11, "name": "7"}]},
                     id="a digit with two categories"),
    ],
)  # fmt: skip
def test_coco_that_can_be_read(tmp_path, change):
    found = found_in(coco(tmp_path, **change))
    assert found["a.png"] == [7, 2] and not found.get("n.png")


DOUBTFUL = [
    *(
        pytest.param({"annotations": [digit(7), digit(2, box)]}, reason, id=f"box {str(box)[:24]}")
        for box, reason in [
            ([10**400, 5, 8, 20], "larger than any picture"),
            ([1e30, 5, 8, 20], "larger than any picture"),
            ([float("nan"), 5, 8, 20], "not finite"),
            ([20, 5, float("inf"), 20], "not finite"),
            ([5, 5, -8, 20], "no area"),
            ([5, 5, 0, 20], "no area"),
            ([20, 5, 900, 900], "outside the picture"),
            ([-50, 5, 51, 20], "outside the picture"),
            ([90, 5, 8, 20], "outside the picture"),
            (["5", "5", "8", "20"], "four numbers"),
            ([5, 5, 8, True], "four numbers"),
            ([5, 5, 8], "four numbers"),
        ]
    ),
    pytest.param({"annotations": [{"image_id": 1, "category_id": 7}]}, "four numbers", id="no box"),
    pytest.param({"annotations": [digit(7, [0.1, 0.2, 0.15, 0.5])]}, "shares", id="shares of the picture"),
    pytest.param({"annotations": [digit(7, [0.4375, 0.2, 0.5626, 0.5])]}, "shares", id="shares, rounded at the edge"),
    pytest.param({"annotations": [digit(7, [0.3, 0.5, 0.2, 0.8]), digit(2, [0.8, 0.5, 0.3, 0.8])]}, "shares",
                 id="shares as YOLO has them, from the middle"),
    pytest.param({"annotations": [digit(7), digit(2)]}, "two different digits", id="one box, two digits"),
    pytest.param({"annotations": [digit(7), digit(2, [5.3, 5, 8, 20])]}, "two different digits",
                 id="nearly one box, two digits"),
    pytest.param({"annotations": [digit(7), digit(1, [6, 4, 8, 21])]}, "two different digits",
                 id="two annotators, two digits"),
    pytest.param({"annotations": [digit(7), digit(1, [6, 8, 3, 12])]}, "two different digits", id="one in another"),
    pytest.param({"images": [image(1, "a.png"), image(3, "images/a.png"), image(2, "n.png")],
                  "annotations": [digit(7), digit(2, [20, 5, 8, 20], 3)]}, "other digits under another id",
                 id="two names, each with other digits"),
    *(
        pytest.param({"annotations": [digit(7, attributes={"rotation": angle})]}, "turned", id=f"rotation {angle}")
        for angle in (90, 45.5, 270, -30, float("nan"))
    ),
    pytest.param({"annotations": [digit(7, rotation=45.0, attributes={"occluded": False})]}, "turned",
                 id="rotation as FiftyOne has it"),
    pytest.param({"annotations": [digit(7), digit(2, [1, 1, 50, 30], iscrowd=1)]}, "crowd", id="a crowd"),
    pytest.param({"annotations": [digit(2, [1, 1, 50, 30], iscrowd="true")]}, "crowd", id="nothing but a crowd"),
    pytest.param({"annotations": [digit(7, iscrowd="perhaps")]}, "iscrowd", id="iscrowd is anything"),
    pytest.param({"annotations": [digit(7, iscrowd=[1])]}, "iscrowd", id="iscrowd is a list"),
    *(
        pytest.param({"images": [image(1, "a.png", **size), image(2, "n.png")]}, reason, id=f"size {size}")
        for size, reason in [
            ({"width": 61}, "is 60x40, annotated as 61x40"),
            ({"width": 40, "height": 60}, "is 60x40, annotated as 40x60"),
            ({"width": "60"}, "whole numbers"),
            ({"width": float("inf")}, "whole numbers"),
            ({"width": float("nan")}, "whole numbers"),
            ({"height": -40}, "whole numbers"),
            ({"height": 10**400}, "whole numbers"),
        ]
    ),
    pytest.param({"categories": [{"id": 7, "name": "7"}, {"id": 2, "name": "digit_2"}]}, "may be a digit",
                 id="a category renamed"),
    *(
        pytest.param({"categories": [{"id": 7, "name": "7"}, {"id": 2, "name": name}]}, "may be a digit", id=name)
        for name in ("two", "Two ", "O")
    ),
    pytest.param({"categories": [{"id": 3, "name": "3"}, *({"id": i, "name": "house number"} for i in (2, 7))]},
                 "no digit", id="nothing but whole numbers"),
    pytest.param({"images": [image(1, "a.png"), image(3, "a.png"), image(2, "n.png")]}, "with different annotations",
                 id="an image twice, once without digits"),
    pytest.param({"annotations": [digit(7, key=9), digit(4, key=2)]}, "no annotation", id="its annotations are strays"),
    pytest.param({"annotations": [digit(7, key=True), digit(4, key=2)]}, "no annotation", id="true is no id"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), DOUBTFUL)
def test_coco_that_cannot_be_trusted(tmp_path, change, reason):
    pictures = open_source(coco(tmp_path, **change), quiet=True)
    assert "a.png" not in [record.image_id for record in pictures.records]
    assert any(image_id == "a.png" and reason in why for image_id, why in pictures.problems)


@pytest.mark.parametrize("name", ["images/{}", "images\\{}", ".\\{}", "images/images\\{}"])
def test_pictures_as_other_systems_name_them(tmp_path, name):
    """Windows has other separators; Label Studio names the folder too."""
    names = [name.format(each) for each in ("a.png", "n.png")]
    path = coco(tmp_path, [image(1, names[0]), image(2, names[1])])
    if name.startswith("images/images"):
        shutil.copytree(tmp_path / "images", tmp_path / "images" / "images")
    pictures = open_source(path, quiet=True)
    assert [record.labels.tolist() for record in pictures.records] == [[7, 2], []] and not pictures.problems


@pytest.mark.parametrize(("there", "named"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_letters_with_accents_are_encoded_in_two_ways(tmp_path, there, named):
    """macOS writes them as two characters, and others as one."""
    here, other = (unicodedata.normalize(form, "porte-é.png") for form in (there, named))
    path = coco(tmp_path, [image(1, other), image(2, "n.png")])
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / here)
    assert found_in(path)[other] == [7, 2]
    folder = yolo(tmp_path / "yolo", {f"labels/{other[:-4]}.txt": LINES})
    (folder / "images" / "a.png").rename(folder / "images" / here)
    assert found_in(folder)[here] == [7, 2]


@pytest.mark.parametrize("name", ["images/a.png", "images\\a.png", ".\\a.png"])
def test_a_picture_with_digits_is_no_negative_under_another_name(tmp_path, name):
    path = coco(tmp_path, [image(1, "a.png"), image(2, "n.png"), image(3, name)])
    assert found_in(path) == {"a.png": [7, 2], "n.png": []}
    (tmp_path / "labels.csv").write_text(f"file,text\na.png,72\n{name},\n")
    assert found_in(tmp_path / "labels.csv") == {"a.png": []}


@pytest.mark.parametrize("command", [["convert", "--to", "coco"], ["convert", "--to", "yolo"], ["split"]])
def test_where_all_is_left_out_nothing_is_written(tmp_path, command):
    path = coco(tmp_path, [image(1, "gone.png")])
    done = CliRunner().invoke(main, ["data", *command, str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2 and "gone.png: picture missing" in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", [9, "x", None, [1]])
def test_coco_without_any_match_is_refused(tmp_path, key):
    with pytest.raises(DatasetError, match="none of its 1 annotation is of an image that it lists"):
        open_source(coco(tmp_path, annotations=[digit(7, key=key)]))


@pytest.mark.parametrize(
    ("boxes", "corners"),
    [
        ([[5, 5, 13, 25], [40, 5, 48, 25]], True),
        ([[5, 5, 13, 25], [4, 20, 12, 38]], True),
        ([[6, 5, 60, 25]] * 4, True),  # a tenth of the picture beyond its edge
        ([[34, 5, 38, 25]] * 4, True),
        ([[0, 0, 0, 0], [34, 5, 38, 25]], True),  # a placeholder
        ([[34, 5, 38, 25], [3, 3, 0, 9], [90, 5, 8, 20], [5, 5, -8, 20], [1e30, 5, 8, 20]], True),  # no boxes at all
        ([[5, 5, 13, 25], [20, 5, 28, 25]], False),  # nothing shows it
        ([[30, 5, 8, 20], [50, 5, 51, 20]], False),  # one box that is wrong
        ([[1, 1, 60, 40]], False),  # a careless one
    ],
)
def test_boxes_given_by_their_corners(tmp_path, boxes, corners):
    path = coco(tmp_path, annotations=[digit(7, box) for box in boxes])
    with pytest.raises(DatasetError, match=r"seem to be \[x1, y1") if corners else nullcontext():
        open_source(path, quiet=True)


CORNERS = [20, 5, 28, 25]
OUTLINE = [[20, 5, 28, 5, 28, 25, 20, 25]]


@pytest.mark.parametrize(
    ("says", "corners"),
    [
        ({"area": 160}, True),
        ({"area": 160.2}, True),
        ({"segmentation": OUTLINE}, True),
        ({"segmentation": OUTLINE, "area": 120}, True),  # that of a mask
        ({"segmentation": [OUTLINE[0][:6], OUTLINE[0][2:]]}, True),
        ({"area": 28 * 25}, False),
        ({"area": 500}, False),
        ({"area": None, "segmentation": []}, False),
        ({"area": 160, "segmentation": [[20, 5, 48, 5, 48, 30, 20, 30]]}, False),
        ({"segmentation": {"size": [40, 60], "counts": "abc"}}, False),
        ({"segmentation": [[20, 5, "28"]], "area": "160"}, False),
    ],
)
def test_corners_by_what_else_is_said(tmp_path, says, corners):
    path = coco(tmp_path, annotations=[digit(7, CORNERS, **says)])
    with pytest.raises(DatasetError, match=r"seem to be \[x1, y1") if corners else nullcontext():
        open_source(path, quiet=True)
    pictures = open_source(
        coco(tmp_path, annotations=[digit(7, CORNERS, **says), digit(2, [30, 5, 8, 20], 2)]), quiet=True
    )
    assert {record.image_id for record in pictures.records} == {"n.png"} | ({"a.png"} if not corners else set())
    assert all("seems to be [x1" in problem.reason for problem in pictures.problems)


NAMED = [{"id": i, "name": str(i)} for i in range(10)]


@pytest.mark.parametrize(
    ("change", "kept", "listed"),
    [
        *(
            pytest.param({"images": [image(1, "a.png"), image(2, "n.png"), entry]}, ["a.png", "n.png"], listed,
                         id=f"image {str(entry)[:40]}")
            for entry, listed in [
                (None, ["entry 2 of 'images'"]),
                (7, ["entry 2 of 'images'"]),
                ({}, ["entry 2 of 'images'"]),
                (image(None, "b.png"), ["b.png"]),
                (image(True, "b.png"), ["b.png"]),
                (image([1], "b.png"), ["b.png"]),
                (image(3, None), ["id 3 of 'images'"]),
                (image(2, "n.png", license=1), []),
                (image(2, "n.png", source_id=None), []),
            ]
        ),
        pytest.param({"images": [image(1, "a.png"), image(2, None), image(3, "n.png")],
                      "annotations": [digit(7), digit(2, key=2)]}, ["a.png", "n.png"], ["id 2 of 'images'"],
                     id="an image without a name has annotations"),
        pytest.param({"images": [image(1, "a.png"), image(1, "b.png"), image(2, "n.png")]}, ["n.png"],
                     ["a.png", "b.png"], id="two images of one id"),
        pytest.param({"images": [image(1, "a.png"), image(1, "a.png", width=61), image(2, "n.png")]}, ["n.png"],
                     ["a.png", "a.png"], id="two sizes of one id"),
        *(
            pytest.param({"annotations": [digit(7), digit(2, key=2), digit(kind, key=2)]}, ["a.png"], ["n.png"],
                         id=f"category {kind}")
            for kind in (None, 77, "x", [1], True)
        ),
        *(
            pytest.param({"annotations": [digit(7), entry]}, ["a.png"], ["an image that is not listed", "n.png"],
                         id=f"annotation {entry}")
            for entry in (None, "7", {})
        ),
        *(
            pytest.param({"categories": [*NAMED, entry]}, ["a.png", "n.png"], listed, id=f"category {entry}")
            for entry, listed in [
                (None, ["entry 10 of 'categories'"]),
                ({"id": None, "name": "door"}, ["door"]),
                ({"id": 77, "name": None}, ["id 77 of 'categories'"]),
                ({"id": 77}, ["id 77 of 'categories'"]),
                ({"id": 5, "name": "5", "supercategory": "x"}, []),
                ({"id": 5, "name": "6"}, ["5", "6"]),
            ]
        ),
        pytest.param({"categories": [*NAMED, {"id": 7, "name": "8"}]}, ["n.png"], ["7", "8", "a.png"],
                     id="two names of a category that is used"),
        pytest.param({"categories": [*NAMED[:7], {"id": 7}]}, ["n.png"], ["id 7 of 'categories'", "a.png"],
                     id="no name of a category that is used"),
    ],
)  # fmt: skip
def test_one_bad_entry_of_coco_spoils_no_other(tmp_path, change, kept, listed):
    pictures = open_source(coco(tmp_path, **change), quiet=True)
    assert [record.image_id for record in pictures.records] == kept
    assert sorted(problem.image_id for problem in pictures.problems) == sorted(listed)


def test_ids_that_differ_in_their_kind_alone(tmp_path):
    path = coco(tmp_path, [image(1, "a.png"), image("1", "n.png")], [digit(7, key=1), digit(3, key="1")])
    assert found_in(path) == {"a.png": [7], "n.png": [3]}


OUTSIDE = ["../secret.png", "images/../../secret.png", "..\\secret.png", "C:\\secret.png", "/secret.png"]


@pytest.mark.parametrize("kind", ["coco", "crops", "annotated"])
@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("only", [[], ["--annotations-only"]], ids=["", "annotations only"])
def test_nothing_is_copied_from_outside(tmp_path, kind, name, only):
    source = tmp_path / "source"
    source.mkdir()
    secret = tmp_path / "secret.png"
    Image.new("RGB", (60, 40), "red").save(secret)
    name = str(secret) if name == "/secret.png" else name
    path = coco(source, [image(1, "a.png"), image(2, name)])
    if kind == "crops":
        path = source / "labels.csv"
        path.write_text(f"file,text\na.png,72\n{name},5\n")
    if kind == "annotated":
        path = source / "annotations.json"
        entries = [{"file": file, "numbers": [{"text": "72", "box": [5, 5, 30, 25]}]} for file in ("a.png", name)]
        path.write_text(json.dumps(entries))
    if kind == "annotated" and only:
        only = []
    for command in (["convert", "--to", "coco"], ["split"]):
        out = tmp_path / command[0]
        done = CliRunner().invoke(main, ["data", *command, str(path), "--out", str(out), *only])
        assert done.exit_code == 0 and "leads out of the folder of pictures" in done.stderr
        written = [json.loads(file.read_text()) for file in out.glob("*.json")]
        assert [image["file_name"] for each in written for image in each["images"]] == ["a.png"]
        assert secret.read_bytes() not in [file.read_bytes() for file in out.rglob("*") if file.is_file()]


@pytest.mark.parametrize("name", ["passwd", "b.gif", "b.ppm"])
def test_what_is_no_picture_that_is_read_is_not_copied(tmp_path, name):
    path = coco(tmp_path, [image(1, "a.png"), image(2, name)])
    if name == "passwd":
        (tmp_path / "images" / "passwd").write_text("root:x:0:0")
    else:
        Image.new("RGB", (60, 40)).save(tmp_path / "images" / name)
    pictures = open_source(path, quiet=True)
    convert(pictures, tmp_path / "out", "coco", quiet=True)
    assert [file.name for file in (tmp_path / "out" / "images").iterdir()] == ["a.png"]
    assert pictures.problems == [(name, "not a readable picture (not a picture in a format known here)")]


def test_a_split_of_a_split_is_read_where_it_is(tmp_path):
    (tmp_path / "source").mkdir()
    pictures = open_source(coco(tmp_path / "source"), quiet=True)
    split(pictures, tmp_path / "parts")
    parts = [open_source(tmp_path / "parts" / f"{part}.json", quiet=True) for part in ("train", "validation", "test")]
    assert sorted(r.image_id for part in parts for r in part.records) == ["a.png", "n.png"]
    whole = next(part for part in parts if len(part))
    split(whole, tmp_path / "again")
    shutil.move(tmp_path, tmp_path.with_name(tmp_path.name + "-moved"))
    again = tmp_path.with_name(tmp_path.name + "-moved") / "again"
    assert any(len(open_source(again / f"{part}.json", quiet=True)) for part in ("train", "validation", "test"))


# --- photographs that are turned


def phone(path: Path, orientation: int, size=STORED) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", size).save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("drawn", ["stored", "upright"])
def test_boxes_turn_with_their_picture(tmp_path, orientation, drawn):
    """A white digit is drawn; its box must be where it is in the picture as it is opened."""
    path = tmp_path / "images" / "p.png"
    phone(path, orientation)
    box = FLAT_BOX if orientation > 4 else UPRIGHT_BOX
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    upright = cv2.cvtColor(load_image(path), cv2.COLOR_RGB2GRAY)
    rows, columns = np.nonzero(upright > 128)
    seen = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
    size, stated = (upright.shape[1], upright.shape[0]), STORED
    if drawn == "upright":
        box, stated = [seen[0], seen[1], seen[2] - seen[0], seen[3] - seen[1]], size
    images = [{"id": 1, "file_name": "p.png", "width": stated[0], "height": stated[1]}]
    # half turns and mirrored pictures keep their size: another picture of the file tells how its boxes were drawn
    phone(tmp_path / "images" / "q.jpg", 6)
    other = (80, 60) if drawn == "stored" else (60, 80)
    images.append({"id": 2, "file_name": "q.jpg", "width": other[0], "height": other[1]})
    path = coco(tmp_path, images, [digit(7, box), digit(2, FLAT_BOX if drawn == "stored" else UPRIGHT_BOX, 2)])
    pictures = open_source(path, quiet=True)
    assert not pictures.problems
    record = pictures.records[0]
    assert (record.width, record.height) == size and record.boxes.tolist() == [seen]


@pytest.mark.parametrize(
    ("orientation", "size", "stated", "box", "kept"),
    [
        pytest.param(6, STORED, (60, 80), UPRIGHT_BOX, [10, 20, 18, 36], id="size upright"),
        pytest.param(6, STORED, (80, 60), FLAT_BOX, [42, 20, 50, 36], id="size stored"),
        pytest.param(6, STORED, (80, 60), [10, 60, 8, 16], [10, 60, 18, 76], id="size stored, box upright"),
        pytest.param(6, STORED, (80, 60), UPRIGHT_BOX, None, id="size stored, digit would lie"),
        pytest.param(6, STORED, (0, 0), [10, 60, 8, 16], [10, 60, 18, 76], id="no size, box fits upright"),
        pytest.param(6, STORED, (60, 80), [10, 64, 16, 8], [10, 64, 26, 72], id="size and box upright, digit lies"),
        pytest.param(6, STORED, (60, 80), [55, 20, 8, 16], None, id="size upright, box stored, digit would lie"),
        pytest.param(6, STORED, (0, 0), FLAT_BOX, None, id="no size"),
        pytest.param(6, STORED, (64, 64), UPRIGHT_BOX, None, id="another size"),
        pytest.param(6, (60, 60), (60, 60), UPRIGHT_BOX, None, id="square"),
        pytest.param(3, STORED, STORED, UPRIGHT_BOX, None, id="half turn"),
        pytest.param(1, STORED, STORED, UPRIGHT_BOX, [10, 20, 18, 36], id="not turned"),
        pytest.param(1, STORED, (60, 80), UPRIGHT_BOX, None, id="not turned, size is"),
        pytest.param(99, STORED, STORED, UPRIGHT_BOX, [10, 20, 18, 36], id="no such orientation"),
    ],
)
def test_photographs_that_are_turned(tmp_path, orientation, size, stated, box, kept):
    phone(tmp_path / "images" / "p.jpg", orientation, size)
    images = [{"id": 1, "file_name": "p.jpg", "width": stated[0], "height": stated[1]}]
    pictures = open_source(coco(tmp_path, images, [digit(7, box)]), quiet=True)
    assert [record.boxes[0].tolist() for record in pictures.records] == ([kept] if kept else [])
    assert len(pictures.problems) == (kept is None)


@pytest.mark.parametrize("box", [[55, 20, 8, 16], [54, 10, 16, 40]], ids=["a little", "far"])
def test_one_box_that_is_wrong_turns_no_others(tmp_path, box):
    """It reaches out of the picture as it is seen, and fits the stored one, on which its digit would lie."""
    for name in "pqr":
        phone(tmp_path / "images" / f"{name}.jpg", 3 if name == "r" else 6)
    images = [{"id": i, "file_name": f"{name}.jpg", "width": 60, "height": 80} for i, name in enumerate("pq")]
    images.append({"id": 2, "file_name": "r.jpg", "width": 80, "height": 60})
    path = coco(tmp_path, images, [digit(7, UPRIGHT_BOX, 0), digit(7, box, 1), digit(7, UPRIGHT_BOX, 2)])
    pictures = open_source(path, quiet=True)
    kept = {record.image_id: record.boxes.tolist() for record in pictures.records}
    assert kept == {"p.jpg": [[10, 20, 18, 36]], "r.jpg": [[10, 20, 18, 36]]}
    assert [problem.image_id for problem in pictures.problems] == ["q.jpg"]


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_boxes_given_by_their_corners_where_all_is_turned(tmp_path, orientation):
    phone(tmp_path / "images" / "p.jpg", orientation)
    width, height = STORED if orientation == 3 else STORED[::-1]
    images = [{"id": 1, "file_name": "p.jpg", "width": width, "height": height}]
    with pytest.raises(DatasetError, match=r"seem to be \[x1, y1"):
        open_source(coco(tmp_path, images, [digit(7, [10, 40, 18, 56]), digit(2, [20, 40, 28, 56])]), quiet=True)


@pytest.mark.parametrize(
    ("stated", "box", "kept"),
    [
        pytest.param(STORED, FLAT_BOX, [62, 24, 70, 40], id="stored"),
        pytest.param(STORED, UPRIGHT_BOX, None, id="stored, where its digit would lie"),
        pytest.param(STORED, None, None, id="stored, without a digit"),
        pytest.param(STORED[::-1], UPRIGHT_BOX, [10, 20, 18, 36], id="upright"),
        pytest.param(STORED[::-1], None, [10, 20, 18, 36], id="upright, without a digit"),
    ],
)
def test_what_another_photograph_says_of_a_half_turn(tmp_path, stated, box, kept):
    """Some tools state the size as stored and draw on what the browser turns."""
    for name, orientation in (("half.jpg", 3), ("other.jpg", 6)):
        phone(tmp_path / "images" / name, orientation)
    images = [
        {"id": 1, "file_name": "half.jpg", "width": 80, "height": 60},
        {"id": 2, "file_name": "other.jpg", "width": stated[0], "height": stated[1]},
    ]
    path = coco(tmp_path, images, [digit(7, UPRIGHT_BOX), *([digit(7, box, 2)] if box else [])])
    half = [r.boxes[0].tolist() for r in open_source(path, quiet=True).records if r.image_id == "half.jpg"]
    assert half == ([kept] if kept else [])


@pytest.mark.parametrize("command", [["convert", "--to", "coco"], ["split"]])
@pytest.mark.parametrize(("info", "kept"), [({}, []), ({"upright": True}, [[10, 20, 18, 36]])])
def test_boxes_are_called_upright_only_if_it_is_known(tmp_path, command, info, kept):
    """Nobody looked at the picture: a half turn is seen in no size."""
    phone(tmp_path / "images" / "p.jpg", 3)
    path = coco(
        tmp_path, [{"id": 1, "file_name": "p.jpg", "width": 80, "height": 60}], [digit(7, UPRIGHT_BOX)], info=info
    )
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["data", *command, str(path), "--annotations-only", "--out", str(out)])
    assert done.exit_code == 0
    parts = [open_source(file, tmp_path / "images", quiet=True) for file in out.glob("*.json")]
    assert [box for part in parts for record in part.records for box in record.boxes.tolist()] == kept


def test_what_is_written_is_upright_whatever_the_picture(tmp_path):
    phone(tmp_path / "images" / "p.jpg", 3)
    images = [{"id": 1, "file_name": "p.jpg", "width": 80, "height": 60}]
    path = coco(tmp_path, images, [digit(7, UPRIGHT_BOX)], info={"upright": True})
    convert(open_source(path, quiet=True), tmp_path / "out", "coco", quiet=True)
    assert open_source(tmp_path / "out", quiet=True).records[0].boxes.tolist() == [[10, 20, 18, 36]]


# --- YOLO

LINES = "7 0.2 0.5 0.1 0.4\n2 0.4 0.5 0.1 0.4\n"


def yolo(folder: Path, files: dict[str, str | bytes], *pictures: str) -> Path:
    for name in (*(pictures or ("a.png",)), "n.png"):
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 40)).save(folder / "images" / name)
    for name, content in {"labels/n.txt": "", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


NINE_FIRST = "\n".join("9876543210")
NOTED = json.dumps({"categories": [{"id": i, "name": str(9 - i)} for i in range(10)], "info": {"year": 2026}})
QUOTED = "names:\n" + "".join(f"  '{i}': '{9 - i}'\n" for i in range(10))


@pytest.mark.parametrize(
    ("files", "digits"),
    [
        pytest.param({"labels/a.txt": LINES}, [7, 2], id="plain"),
        pytest.param({"labels/a.TXT": LINES}, [7, 2], id="another case"),
        pytest.param({"labels/A.txt": LINES}, [7, 2], id="another case of the name"),
        pytest.param({"labels/a.png.txt": LINES}, [7, 2], id="suffix of the picture"),
        pytest.param({"images/a.txt": LINES}, [7, 2], id="beside the picture"),
        pytest.param({"images/a.txt": "a house", "labels/a.txt": LINES}, [7, 2], id="a caption beside the picture"),
        pytest.param({"labels/a.txt": LINES, "labels/train.cache": b"\xff"}, [7, 2], id="a cache"),
        pytest.param({"labels/a.txt": LINES, "labels/README.txt": "mine"}, [7, 2], id="notes"),
        pytest.param({"labels/a.txt": LINES.replace("\n", "\r\n")}, [7, 2], id="CRLF"),
        pytest.param({"labels/a.txt": LINES.encode("utf-8-sig")}, [7, 2], id="mark of UTF-8"),
        pytest.param({"labels/a.txt": LINES.encode("utf-16")}, [7, 2], id="UTF-16"),
        pytest.param({"labels/a.txt": LINES.replace("7 ", "7.0 ")}, [7, 2], id="class as a decimal"),
        pytest.param({"labels/a.txt": LINES + LINES}, [7, 2], id="each box twice"),
        pytest.param(
            {"labels/a.txt": "7 0.1 0.3 0.2 0.3 0.2 0.7 0.1 0.7\n2 .3 .3 .4 .3 .4 .7\n"}, [7, 2], id="polygons"
        ),
        *(
            pytest.param({"labels/a.txt": f"7 {polygon}\n2 .4 .5 .1 .4\n"}, [7, 2], id=f"polygon {polygon}")
            for polygon in (
                ".60 .60 .66 .60 .66 .70 .60 .70",
                ".60 .70 .60 .60 .66 .60 .66 .70 .63 .71",
                ".90 .10 .95 .10 .95 .30 .90 .30",
                "0 0 .1 0 .1 1 0 1",
                ".2 .2 .25 .2 .3 .25 .3 .4 .25 .45 .2 .45 .15 .4",
            )
        ),
        pytest.param({"labels/a.txt": LINES, "notes.json": NOTED}, [2, 7], id="classes of Label Studio"),
        pytest.param({"labels/a.txt": LINES, "labels/notes.json": NOTED}, [2, 7], id="those beside labels"),
        pytest.param({"labels/a.txt": LINES, "classes.txt": NINE_FIRST, "notes.json": "{"}, [2, 7], id="both of them"),
        pytest.param({"labels/a.txt": LINES, "data.yaml": QUOTED, "hyp.yaml": "lr: [0.1"}, [2, 7], id="broken YAML"),
        pytest.param({"labels/a.txt": LINES, "classes.txt": NINE_FIRST, "h.yml": "\t"}, [2, 7], id="and a list"),
        pytest.param({"labels/a.txt": LINES, "labels/classes.txt": NINE_FIRST}, [2, 7], id="classes beside labels"),
        pytest.param({"labels/a.txt": LINES, "images/classes.txt": NINE_FIRST}, [2, 7], id="classes beside pictures"),
        pytest.param({"labels/a.txt": LINES, "classes.txt": "\ufeff" + NINE_FIRST}, [2, 7], id="classes with a mark"),
        pytest.param({"labels/a.txt": LINES, "labels/labels.txt": NINE_FIRST}, [2, 7], id="classes in labels.txt"),
        pytest.param({"labels/a.txt": LINES, "obj_names.txt": NINE_FIRST}, [2, 7], id="classes in another text"),
        pytest.param({"labels/a.txt": LINES, "labels/x/_darknet.labels": NINE_FIRST}, [2, 7], id="classes of Roboflow"),
        pytest.param({"labels/a.txt": LINES, "train.txt": "images/a.png\n7\n"}, [7, 2], id="a list of pictures"),
        pytest.param({"labels/a.txt": LINES, "obj.names": NINE_FIRST + "\r\n\n"}, [2, 7], id="names of Darknet"),
        pytest.param({"labels/a.txt": LINES, "data.yml": QUOTED}, [2, 7], id="data.yml"),
        pytest.param({"labels/a.txt": LINES, "Data.YAML": QUOTED}, [2, 7], id="Data.YAML"),
        pytest.param({"labels/a.txt": LINES, "house.yaml": QUOTED, "x.yml": "a: 1"}, [2, 7], id="another name"),
        pytest.param({"labels/a.txt": LINES, "../data.yml": QUOTED}, [2, 7], id="one folder up"),
        pytest.param({"labels/a.txt": LINES, "labels/data.yaml": QUOTED}, [2, 7], id="YAML beside labels"),
        pytest.param({"labels/a.txt": LINES, "images/x/house.yml": QUOTED}, [2, 7], id="YAML beside pictures"),
        pytest.param(
            {"labels/a.txt": LINES, "data.yaml": QUOTED, "._data.yaml": b"\0\5\x16\7\xff"}, [2, 7], id="YAML of macOS"
        ),
        pytest.param(
            {"labels/a.txt": LINES, "obj.names": NINE_FIRST, "._obj.names": b"\0\5\x16\7\xff"},
            [2, 7],
            id="names of macOS",
        ),
        pytest.param({"labels/a.txt": LINES, "data.yaml": QUOTED.encode("utf-8-sig")}, [2, 7], id="YAML with a mark"),
        *(
            pytest.param({"labels/a.txt": LINES, name: names}, [2, 7], id=name)
            for name, names in [
                *((f"../{name}", NINE_FIRST) for name in ("classes.txt", "obj.names", "_darknet.labels", "labels.txt")),
                *((f"../../{name}", NINE_FIRST) for name in ("Classes.TXT", "x.names")),
                *((name, QUOTED) for name in ("../house.yaml", "../../data.yaml", "../../x.yml")),
                ("../notes.json", NOTED),
            ]
        ),
        pytest.param(
            {"labels/a.txt": LINES, "classes.txt": NINE_FIRST, "../../digits.names": "0\n1"},
            [2, 7],
            id="the nearest list",
        ),
        pytest.param(
            {"labels/a.txt": LINES, "data.yaml": QUOTED, "../data.yaml": "names: ['0', '1']"},
            [2, 7],
            id="the nearest YAML",
        ),
        pytest.param(
            {"labels/a.txt": LINES, "data.yaml": QUOTED, "digits.txt": "0\n1", "classes.csv": "7"},
            [2, 7],
            id="the surest",
        ),
        *(
            pytest.param({"labels/a.txt": LINES, name: text}, [7, 2], id=f"{name} lists no classes")
            for name, text in [
                ("train.txt", "a\n2\n5\n7\n"),
                ("val.txt", "0\n1\n2"),
                ("../test-2.txt", "0\n1\n2"),
                ("all.txt", "a\nn"),
                ("sizes.txt", "7\n12\n300"),
                ("../chart.yaml", "{{ template }}: ["),
                ("../other/data.yaml", QUOTED),
                ("hyp.yaml", "lr: 0.1"),
            ]
        ),
    ],
)
def test_yolo_that_can_be_read(tmp_path, files, digits):
    assert found_in(yolo(tmp_path / "set" / "part", files)) == {"a.png": digits, "n.png": []}


@pytest.mark.parametrize("listed", ["1\n2\n5\n7\n8\n", "1.png\n2.png\n"])
@pytest.mark.parametrize("name", ["train.txt", "val.txt", "ImageSets/test.txt", "../train.txt"])
def test_a_list_of_pictures_is_none_of_classes(tmp_path, listed, name):
    folder = yolo(tmp_path / "part", {"labels/1.txt": LINES, "labels/2.txt": LINES, name: listed}, "1.png", "2.png")
    assert found_in(folder) == {"1.png": [7, 2], "2.png": [7, 2], "n.png": []}


@pytest.mark.parametrize("linked", ["part", "images and labels"])
@pytest.mark.parametrize("beside", ["link", "target", "above the link", "above the target", "both"])
def test_classes_beside_a_link_or_its_target(tmp_path, linked, beside):
    there, here = tmp_path / "a" / "there", tmp_path / "b" / "here"
    target, link = yolo(there / "part", {"labels/a.txt": LINES}), here / "part"
    here.mkdir(parents=True)
    if linked == "part":
        link.symlink_to(target)
    else:
        link.mkdir()
        for name in ("images", "labels"):
            (link / name).symlink_to(target / name)
    folder = {"link": here, "target": there, "above the link": here.parent, "above the target": there.parent}
    for each in [folder[beside]] if beside in folder else [here, there]:
        (each / "data.yaml").write_text(QUOTED)
    assert found_in(link) == {"a.png": [2, 7], "n.png": []}
    if beside == "both":
        (here / "data.yaml").write_text("names: ['1']")
        with pytest.raises(DatasetError, match="names other classes than"):
            open_source(link)


@pytest.mark.parametrize(
    ("files", "pictures"),
    [
        pytest.param({"labels/train/a.txt": LINES}, ["test/a.png", "test/b.png"], id="no folder of labels"),
        pytest.param({"labels/train/a.txt": LINES, "labels/test/z.npy": "?"}, ["test/a.png"], id="nothing in it"),
        pytest.param({"labels/train/a.txt": LINES}, ["val/night/a.png"], id="deeper"),
    ],
)
def test_a_part_without_labels_makes_no_negatives(tmp_path, files, pictures):
    opened = open_source(yolo(tmp_path, files, "train/a.png", "train/b.png", *pictures), quiet=True)
    assert {r.image_id: r.labels.tolist() for r in opened.records} == {
        "train/a.png": [7, 2], "train/b.png": [], "n.png": []}  # fmt: skip
    assert [(p.image_id, "has labels" in p.reason) for p in opened.problems] == [(name, True) for name in pictures]


@pytest.mark.parametrize(
    ("files", "listed"),
    [
        pytest.param({"labels/a.xml": "<a/>"}, ["a.png"], id="XML"),
        pytest.param({"labels/a.json": "{}"}, ["a.png"], id="JSON"),
        pytest.param({"images/a.xml": "<a/>"}, ["a.png"], id="XML beside the picture"),
        pytest.param({"labels/a.txt.bak": LINES}, ["a.png"], id="a copy"),
        pytest.param({"labels/a.text": LINES}, ["a.png"], id="another suffix"),
        pytest.param({"labels/a.txt": LINES, "labels/a.png.txt": ""}, ["a.png"], id="two label files"),
        pytest.param({"labels/a.txt": "", "labels/a.TXT": LINES}, ["a.png"], id="an empty one, and another"),
        pytest.param({"labels/b.txt": LINES}, ["a.png", "labels/b.txt"], id="labels of another picture"),
        pytest.param({"labels/a.txt": "7 20 50 10 40"}, ["a.png"], id="percentages"),
        pytest.param({"labels/a.txt": "7 12 20 6 16"}, ["a.png"], id="pixels"),
        pytest.param({"labels/a.txt": "7.5 0.2 0.5 0.1 0.4"}, ["a.png"], id="a broken class"),
        pytest.param({"labels/a.txt": "nan 0.2 0.5 0.1 0.4"}, ["a.png"], id="class nan"),
        pytest.param({"labels/a.txt": "1e999 0.2 0.5 0.1 0.4"}, ["a.png"], id="class infinite"),
        pytest.param({"labels/a.txt": "7 0,2 0,5 0,1 0,4"}, ["a.png"], id="decimal commas"),
        pytest.param({"labels/a.txt": "7 0.2 0.5 0.1 inf"}, ["a.png"], id="infinite"),
        pytest.param({"labels/a.txt": "7 0.2 0.5 0.2 0.5 0.2 0.7"}, ["a.png"], id="polygon without area"),
        *(
            pytest.param({"labels/a.txt": LINES + line}, ["a.png"], id=what)
            for what, line in {
                "score": "4 .7 .5 .1 .4 .93",
                "track": "4 .7 .5 .1 .4 1",
                "score and track": "4 .7 .5 .1 .4 .93 1",
                "score and track as a decimal": "4 .7 .5 .1 .4 1.0 1.00",
                "four key points": "4 .7 .5 .1 .4 .65 .3 .75 .3 .75 .7 .65 .7",
                "two key points": "4 .7 .5 .1 .4 .7 .35 .71 .66",
                "four key points, seen or not": "4 .7 .5 .1 .4 .65 .3 1 .75 .3 1 .75 .7 1 0 0 0",
                "two key points, seen or not": "4 .7 .5 .1 .4 .7 .35 1 0 0 0",
            }.items()
        ),
        pytest.param({"labels/a.txt": "7 0.2 0.5 0.1 0.4\n2 0.2 0.5 0.1 0.4"}, ["a.png"], id="one box, two digits"),
        pytest.param({"labels/a.txt": b"\xff\xfe7"}, ["a.png"], id="no text"),
        pytest.param({"labels/a.txt": LINES, "classes.txt": "x\n\n2"}, ["a.png"], id="unknown class"),
        pytest.param({"labels/a.txt": "1 .2 .5 .3 .4\n0 .6 .5 .1 .4", "data.yaml": "names: ['7', '10', '12']"},
                     ["10", "a.png"], id="whole numbers"),
        pytest.param({"labels/a.txt": LINES, "classes.txt": "\n".join(["0", "1", "digit 2", *"3456789"])},
                     ["digit 2", "a.png"], id="may be a digit"),
        pytest.param({"labels/a.txt": "0 0.2 0.5 0.1 0.4", "classes.txt": "number\n1"},
                     ["number", "a.png"], id="no digit"),
    ],
)  # fmt: skip
def test_yolo_that_cannot_be_trusted(tmp_path, files, listed):
    pictures = open_source(yolo(tmp_path, files), quiet=True)
    assert [record.image_id for record in pictures.records] == ["n.png"]
    assert [problem.image_id for problem in pictures.problems] == listed


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.yaml": QUOTED, "b.yaml": "names: ['1']"}, "names other classes than"),
        ({"data.yaml": QUOTED, "data.yml": "names: ['1']"}, "names other classes than"),
        ({"data.yaml": QUOTED, "labels/data.yaml": "names: ['1']"}, "names other classes than"),
        ({"classes.txt": NINE_FIRST, "labels/classes.txt": "0\n1"}, "names other classes than"),
        ({"data.yaml": "names: {'0': '1', 0: '2'}"}, "a duplicate key"),
        ({"data.yaml": "names: ['1']\nnames: ['2']"}, "a duplicate key"),
        ({"data.yaml": "names: {1: '1', '01': '2'}"}, "lacks the names"),
        ({"data.yaml": "names: {yes: '7', no: '2'}"}, "lacks the names"),
        ({"hyp.yaml": "lr: [0.1"}, "hyp.yaml: not YAML"),
        ({"notes.json": '{"categories": [{"id": true, "name": "7"}]}'}, "lacks the names"),
        ({"notes.json": '{"categories": [{"id": 7, "name": "2"}, {"id": 7, "name": "3"}]}'}, "lacks the names"),
        ({"notes.json": '{"info": {}}'}, "lacks the names"),
        ({"notes.json": "7 by the door"}, "notes.json: not JSON"),
        ({"notes.json": NOTED, "labels/notes.json": NOTED.replace('"9"', '"door"')}, "names other classes than"),
        ({"data.yaml": "names: [[a], [b]]"}, "lacks the names"),
        ({"data.yaml": "names: " + "[" * 1500}, "not YAML"),
        ({"data.yaml": "names: ['1']\nkpt_shape: [4, 2]"}, "key points"),
        *(
            ({name: text}, f"{name.rpartition('/')[2]}: may name the classes, but this is not certain")
            for name, text in [
                ("digits.txt", NINE_FIRST),
                ("digits.txt", "7\n2\nn"),
                ("labels/obj.txt", NINE_FIRST),
                ("image_names.txt", "7\n2\nn"),
                ("my_classes.txt", "seven\ntwo"),
                ("classes.csv", "9,0\n8,1"),
                ("classes.json", "[9, 8]"),
                ("label_map.pbtxt", "item {}"),
                ("configs/data.yaml", QUOTED),
                ("meta/house.yml", QUOTED),
            ]
        ),
        ({"labels/b.txt": LINES, "labels/c.txt": LINES}, None),
        ({"labels/labels.zip": b"PK"}, None),
        ({"labels/instances.json": "{}"}, None),
        ({"labels/voc/all.xml": "<a/>"}, None),
    ],
)
def test_yolo_that_is_refused(tmp_path, files, message):
    folder = yolo(tmp_path, files)
    if message is None:
        message = "no label file has a picture"
        (folder / "labels" / "n.txt").unlink()
    with pytest.raises(DatasetError, match=message) as error:
        open_source(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("data.yaml", "names: ['1', '2']", "set/part/data.yaml"),
        ("../classes.txt", "1\n2\n3", "set/classes.txt"),
        ("../../obj.names", "1\n2\n3", "obj.names"),
        ("README", "", "no file names them"),
    ],
)
def test_what_lacks_a_class_is_named(tmp_path, name, text, place):
    folder = yolo(tmp_path / "set" / "part", {"labels/a.txt": "12 .2 .5 .1 .4", name: text})
    ((image_id, why),) = open_source(folder, quiet=True).problems
    assert image_id == "a.png" and "there is no class 12" in why and place in why


@pytest.mark.parametrize("what", ["folder", "pipe", "broken link", "link to itself", "link to no folder"])
def test_labels_that_are_no_file(tmp_path, what):
    folder = yolo(tmp_path, {}, "val/a.png")
    labels = folder / "labels" / "val" / "a.txt"
    if what == "link to no folder":
        labels.parent.symlink_to("gone")
    else:
        labels.parent.mkdir()
        make = {"folder": labels.mkdir, "pipe": lambda: os.mkfifo(labels)}
        make.get(what, lambda: labels.symlink_to("a.txt" if "itself" in what else "gone"))()
    pictures = open_source(folder, quiet=True)
    assert [record.image_id for record in pictures.records] == ["n.png"]
    assert [problem.image_id for problem in pictures.problems] == ["val/a.png"]


def test_hidden_pictures_have_hidden_labels(tmp_path):
    assert found_in(yolo(tmp_path, {"labels/.a.txt": LINES}, ".a.png")) == {".a.png": [7, 2], "n.png": []}


@pytest.mark.parametrize("files", ["labels.json", "labels.csv", "labels/a.txt", "annotations/a.xml"])
@pytest.mark.parametrize("named", ["images", "images/train", "train2017"])
def test_pictures_beside_their_annotations_are_no_negatives(tmp_path, files, named):
    (tmp_path / files).parent.mkdir(exist_ok=True)
    (tmp_path / files).write_text("file,text\na.png,7\n")
    (tmp_path / named).mkdir(parents=True)
    Image.new("RGB", (60, 40)).save(tmp_path / named / "a.png")
    with pytest.raises(DatasetError, match="lies beside annotations"):
        open_source(tmp_path / named)
    assert found_in(tmp_path / named, format="negatives") == {"a.png": []}


@pytest.mark.parametrize("file", ["package.json", "annotations/instances_val.json", "labels/b.txt", "labels.csv"])
@pytest.mark.parametrize("about", ["b.png", "images/a.png"])
def test_annotations_of_other_pictures_leave_them_negatives(tmp_path, file, about):
    for each in (file, about):
        (tmp_path / each).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"file,text\n{Path(about).name},7\n")
    (tmp_path / "walls").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "walls" / "a.png")
    assert found_in(tmp_path / "walls") == {"a.png": []}


def test_a_pipe_among_the_pictures_is_not_waited_for(tmp_path):
    path = coco(tmp_path)
    (tmp_path / "images" / "a.png").unlink()
    os.mkfifo(tmp_path / "images" / "a.png")
    assert open_source(path, quiet=True).problems == [("a.png", "not a file")]


def test_two_pictures_of_one_label_file_are_left_out(tmp_path):
    pictures = open_source(yolo(tmp_path, {"labels/a.txt": LINES}, "a.png", "a.jpg"), quiet=True)
    assert [record.image_id for record in pictures.records] == ["n.png"] and len(pictures.problems) == 2


ROBOFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\nimg_1.jpg,60,40,7,5,5,13,25\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        *((name, "file,text\nimg_1.jpg,7\n") for name in
          ("Labels/img_1.txt", "txt/img_1.jpg.txt", "labels.jsonl", "house.names", "gt.csv", "deep/img_1.XML",
           "labels.xlsx", "labels.parquet", "data.mdb", "label_map.pbtxt")),
        ("_annotations.csv", ROBOFLOW),
        ("deep/annotations.CSV", ROBOFLOW.replace("img", "/home/me/IMG")),
        ("retina.csv", "img_1.jpg,20,22,35,52,7\n"),
        ("no_pictures.csv", "20,22,35,52,7\n"),
        ("via_export_csv.csv", 'filename,file_size,region_attributes\nimg_1.jpg,1,"{""digit"":""7""}"\n'),
        ("metadata.csv", "file_name,text\nimg_1.jpg,72\n"),
        ("train.csv", "id,label\nimg_1,72\nimg_2,14\n"),
        ("windows.csv", "path;number\r\nC:\\me\\img_1.jpg;72\r\n"),
        ("gt_img_1.txt", "377,117,463,117,465,130,378,130,72\n"),
        ("GT IMG_1 final.txt", "seven"),
        ("gt.txt", 'img_1.jpg, "72"\nimg_2.jpg, "14"\n'),
        ("labels.txt", "img_1.jpg\t72\n"),
        ("labels.txt", "img_1 72\nimg_2 14\n"),
        ("labels.txt", "\n".join(f"img_{i} 7" for i in range(1, 9)).encode("utf-16")),
        ("latin.txt", "img_1.jpg 7 caf\xe9".encode("latin-1")),
        ("labels", "img_1.jpg 72\n"),
        ("labels.tsv", "file\ttext\nimg_1.jpg\t72\n"),
        ("Label.txt", 'img_1.jpg\t[{"transcription": "72", "points": [[1, 1]]}]\n'),
        ("list.lst", "0\t72\t./img_1.jpg\n"),
        ("labels/other_1.txt", "7 0.2 0.5 0.1 0.4\n"),
        ("labels/other_1.txt", ""),
        ("boxes/other_1.txt", "7 0.2 0.5 0.1 0.4\n"),
        ("7/img_3.jpg", None),
        ("train/Seven/img_3.jpg", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
@pytest.mark.parametrize("picture", ["img_1.jpg", "IMG_1.JPG"])
def test_annotations_that_are_not_understood_make_no_negatives(tmp_path, file, text, picture):
    for name in (f"Images/{picture}", "img_2.jpg", *([] if text is not None else [file])):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 40)).save(tmp_path / name)
    if text is not None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match=r"not understood.*--format negatives"):
        open_source(tmp_path)


def test_many_files_of_annotations_are_not_all_named(tmp_path):
    for i in range(300):
        (tmp_path / f"i{i}.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"found i0\.json, i1\.json and 298 more; name the file") as error:
        open_source(tmp_path)
    assert len(str(error.value)) < len(str(tmp_path)) + 200


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.txt", "Walls, taken in 2025.\n3 of them at night.\n"),
        ("LICENSE", "Permission is granted to 1 person\n"),
        ("manifest.csv", "file,source_repository,source_path\nimg_1.jpg,a/b,train/2.jpg\n"),
        ("sources.tsv", "image\tlicense\turl\nimg_1.jpg\tCC0\thttps://example.org/img_1.jpg\n"),
        ("Thumbs.db", "\0img_1.jpg"),
        ("prices.csv", "paint,litres\nwhite,7\n"),
        ("deep/img_3.jpg.md", "A wall."),
    ],
    ids=lambda value: value[:12],
)
def test_what_annotates_no_picture_leaves_them_negatives(tmp_path, file, text):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    Image.new("RGB", (60, 40)).save(tmp_path / "img_1.jpg")
    assert found_in(tmp_path) == {"img_1.jpg": []}


# --- the other formats


@pytest.mark.parametrize(
    "entries",
    [
        [{"words": [{"text": "7", "boxes": [[10**400, 5, 13, 25]]}]}],
        [{"words": [{"text": "7", "boxes": [[1e30, 5, 1e31, 25]]}]}],
        [{"words": [{"text": "7", "boxes": [[5, 5, 13, None]]}]}],
        [{"words": [{"text": "7", "boxes": [{"x": 1}]}]}],
        [{"words": [{"text": "Bar", "boxes": [[5, 5, 13, 25], [15, 5, 23, 25]]}]}],
        [{"words": {}}],
        [{"numbers": ""}],
        [{"numbers": None}],
        [{"numbers": [{"text": "42", "box": [0, 0, 10**400, 20]}]}],
        [{"numbers": [{"text": "42", "box": [0, 0, float("inf"), 20]}]}],
        [{"numbers": [{"text": "42", "box": [5, 5, 1000, 1000]}]}],
        [{"text": "B", "boxes": [[5, 5, 13, 25], [15, 5, 23, 25]]}],
        [{"numbers": [{"text": "42", "box": [5, 5, 25, 25]}]}, {"numbers": []}],
        [{"words": [], "numbers": [{"text": "42", "box": [5, 5, 25, 25]}]}],
        [{"numbers": [{"text": "42", "box": [5, 5, 20, 20], "sure": "false"}]}],
        [{"numbers": [{"text": "42", "box": [5, 5, 20, 20], "sure": None}]}],
        [{"digits": "12A", "boxes": [[5, 5, 8, 20], [15, 5, 8, 20], [25, 5, 8, 20]]}],
        [{"digits": "1-2", "boxes": [[5, 5, 8, 20], [15, 5, 8, 20], [25, 5, 8, 20]]}],
        [{"digits": "", "boxes": []}],
    ],
    ids=lambda entries: json.dumps(entries)[:60],
)
def test_annotated_that_cannot_be_trusted(tmp_path, entries):
    coco(tmp_path)
    (tmp_path / "annotations.json").write_text(json.dumps([{"file": "a.png", **entry} for entry in entries]))
    pictures = open_source(tmp_path / "annotations.json", quiet=True)
    assert not pictures.records and {problem.image_id for problem in pictures.problems} == {"a.png"}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "it has none of words, numbers, digits, text"),
        ({"label": "7"}, "it has none of words, numbers, digits, text"),
        ({"text": "7", "digits": "7"}, "it has digits and text"),
        ({"text": 12}, "text must be a text, not 12"),
        ({"text": None}, "text must be a text, not null"),
        ({"text": "7"}, "boxes is missing"),
        ({"text": "7", "boxes": 5}, "boxes must be a list, not 5"),
        ({"text": "7", "boxes": [[1, 2, 3]]}, "a box must be four numbers, not [1, 2, 3]"),
        ({"text": "7", "boxes": ["1234"]}, 'a box must be four numbers, not "1234"'),
        ({"text": "7", "boxes": []}, "0 boxes for '7'"),
        ({"text": "door", "boxes": [BOX]}, "1 box for 'door'"),
        ({"digits": 12, "boxes": [BOX, BOX]}, "digits must be a text, not 12"),
        ({"digits": [1, 2], "boxes": [BOX, BOX]}, "digits must be a text, not [1, 2]"),
        ({"digits": "12", "boxes": [BOX]}, "1 box for '12'"),
        ({"words": ["7"]}, 'words must be objects, not "7"'),
        ({"words": [{"text": "7"}]}, "boxes is missing"),
        ({"numbers": [{"text": 12, "box": BOX}]}, "text must be a text, not 12"),
        ({"numbers": [{"text": "12"}]}, "box is missing"),
        ({"numbers": [{"text": "12", "box": {"x": 1}}]}, 'a box must be four numbers, not {"x": 1}'),
        ({"numbers": {str(i): i for i in range(99)}}, "numbers must be a list, not {"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_what_is_wrong_with_an_entry_is_said(tmp_path, entry, reason):
    coco(tmp_path)
    (tmp_path / "annotations.json").write_text(json.dumps([{"file": "a.png", **entry}]))
    ((name, why),) = open_source(tmp_path / "annotations.json", quiet=True).problems
    assert name == "a.png" and why.startswith(f"malformed annotation ({reason}") and len(why) < 100


@pytest.mark.parametrize("entry", [None, 7, "b.png", [], {}, {"text": "7"}, {"file": None}, {"file": 7}])
@pytest.mark.parametrize("kind", ["annotations.json", "annotations.jsonl"])
def test_one_bad_entry_spoils_no_other(tmp_path, entry, kind):
    coco(tmp_path)
    entries = [{"file": "a.png", "text": "7", "boxes": [[5, 5, 13, 25]]}, entry, {"file": "n.png", "numbers": []}]
    lines = "\n".join(map(json.dumps, entries))
    (tmp_path / kind).write_text(lines if kind.endswith("l") else json.dumps(entries))
    pictures = open_source(tmp_path / kind, quiet=True)
    assert [record.image_id for record in pictures.records] == ["a.png", "n.png"]
    assert [problem.image_id for problem in pictures.problems] == ["entry 1"]


@pytest.mark.parametrize("command", [["data", "convert", "--to", "coco"], ["data", "split"]])
def test_letters_reach_no_file_that_has_none(tmp_path, command):
    """What cannot be read back must not be written."""
    coco(tmp_path)
    boxes = [[5, 5, 8, 20], [15, 5, 8, 20], [25, 5, 8, 20]]
    lines = [{"file": "a.png", "digits": "12A", "boxes": boxes}, {"file": "n.png", "digits": "123", "boxes": boxes}]
    (tmp_path / "annotations.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "labels.json").unlink()
    done = CliRunner().invoke(main, [*command, str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0 and "a.png: malformed annotation (digits are '12A'" in done.stderr
    parts = [open_source(file, quiet=True) for file in (tmp_path / "out").glob("*.json")]
    assert [record.numbers for part in parts for record in part.records] == [("123",)]


LINE = '{"file": "a.png", "text": "7", "boxes": [[5, 5, 13, 25]], "note": "NOTE"}\n'


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85"])
def test_lines_of_json_end_where_json_says(tmp_path, mark):
    coco(tmp_path)
    text = LINE.replace("NOTE", mark) + LINE.replace("a.png", "n.png")
    (tmp_path / "annotations.jsonl").write_text(text, encoding="utf-8")
    assert found_in(tmp_path / "annotations.jsonl") == {"a.png": [7], "n.png": [7]}


def test_lines_of_json_put_one_behind_the_other(tmp_path):
    coco(tmp_path)
    (tmp_path / "annotations.jsonl").write_text("\ufeff" + LINE + "\ufeff" + LINE.replace("a.png", "n.png"))
    assert found_in(tmp_path / "annotations.jsonl") == {"a.png": [7], "n.png": [7]}


@pytest.mark.parametrize("broken", ["{", '{"file": "b.png"', "\0", '{"file": "b", "file": "c"}', "[" * 9999])
def test_the_line_that_is_no_json_is_named(tmp_path, broken):
    coco(tmp_path)
    (tmp_path / "annotations.jsonl").write_text(LINE + "\n" + broken)
    with pytest.raises(DatasetError, match=r"annotations\.jsonl: line 3: not lines of JSON") as error:
        open_source(tmp_path / "annotations.jsonl")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('a.png,"12\nn.png,13\nb.png,14"\nc.png,15\n', 4),
        ('a.png,"12\nn.png,13\nb.png,14\n', 4),
        ('"a.png,12\nn.png,13","14"\n', 3),
        ('a.png,12,"five inches\nn.png,13,""', 3),
        ('n.png,7\r\na.png,"1\r\n2"\r\n', 4),
    ],
)
def test_rows_are_not_lost_in_a_quote(tmp_path, rows, line):
    coco(tmp_path)
    (tmp_path / "labels.csv").write_bytes(f"file,text,note\n{rows}".encode())
    with pytest.raises(DatasetError, match=rf"labels\.csv: line {line}: its quotes go over several lines"):
        open_source(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("rows", "kept"), [("a.png,7\na.png,7\n", ["7"]), ("a.png,7\na.png,\n", []), ("a.png,7\na.png,70\n", [])]
)
def test_a_crop_that_is_listed_twice(tmp_path, rows, kept):
    coco(tmp_path)
    (tmp_path / "labels.csv").write_text("file,text\n" + rows)
    pictures = open_source(tmp_path / "labels.csv", quiet=True)
    assert [record.numbers[0] for record in pictures.records] == kept
    assert [problem.image_id for problem in pictures.problems] == ["a.png"] * (2 - len(kept))


# --- marks that a text begins with

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]


@pytest.mark.parametrize(
    "text",
    ["file;text\r\na.png;007\r\n", "file\ttext\na.png\t007\n", "sep=;\r\nfile;text\r\na.png;007\r\n",
     "sep=,\nfile,text\na.png,007\n", 'note;text;file\n"1,5";007;a.png\n'],
    ids=["semicolons", "tabs", "separator said", "comma said", "commas within"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tables_as_excel_writes_them(tmp_path, text, encoding):
    coco(tmp_path)
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    pictures = open_source(tmp_path / "labels.csv", quiet=True)
    assert [record.numbers for record in pictures.records] == [("007",)] and not pictures.problems


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["coco", "annotated", "crops"])
def test_marks_before_annotations(tmp_path, kind, encoding):
    path = coco(tmp_path)
    if kind == "annotated":
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps([{"file": "a.png", "words": [{"text": "72", "boxes": [[5, 5, 13, 25]] * 2}]}]))
    if kind == "crops":
        path = tmp_path / "labels.csv"
        path.write_text("file,text\na.png,72\n")
    path.write_bytes(path.read_text().encode(encoding))
    pictures = open_source(path, quiet=True)
    assert pictures.records[0].image_id == "a.png" and not pictures.problems


def test_a_mark_before_a_pickle(tmp_path):
    """Its oldest protocol is text."""
    coco(tmp_path)
    metadata = {"left": [5], "top": [5], "width": [8], "height": [20], "label": [7]}
    content = pickle.dumps({0: {"filename": "a.png", "metadata": metadata}}, 0)
    (tmp_path / "train.pkl").write_bytes(b"\xef\xbb\xbf" + content)
    assert list(found_in(tmp_path / "train.pkl", images=tmp_path / "images").values()) == [[7]]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_marks_before_a_configuration(tmp_path, encoding):
    text = 'kind = "detector"\r\n[data]\ntrain = [{source = "a"}]\n[[stages]]\nrate = 1.0\n'
    (tmp_path / "config.toml").write_bytes(text.encode(encoding))
    assert load_config(tmp_path / "config.toml").data.train[0].source == "a"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_marks_before_predictions(tmp_path, encoding):
    records = open_source(coco(tmp_path), quiet=True).records
    text = "".join(f'{{"image_id": "{r.image_id}", "boxes": [], "scores": [], "labels": []}}\r\n' for r in records)
    (tmp_path / "predictions.jsonl").write_bytes(text.encode(encoding))
    assert len(read_predictions(tmp_path / "predictions.jsonl", "detector", records)) == 2
