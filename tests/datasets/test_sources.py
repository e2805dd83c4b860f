import json
import shutil

import cv2
import numpy as np
import pytest

from digits import DatasetError
from digits.datasets import open_source
from digits.datasets.sources import format_of


@pytest.fixture
def pictures(tmp_path):
    """A folder with images/ that every format below can be put beside."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    for i in range(3):
        cv2.imwrite(str(folder / "images" / f"{i}.png"), np.full((40, 60, 3), 50 * i, np.uint8))
    return folder


def make(folder, kind):
    if kind == "negatives":
        return folder / "images"
    if kind == "crops":
        (folder / "labels.csv").write_text("file,text\n0.png,007\n1.png,\n")
    if kind == "annotated":
        entry = {"file": "0.png", "words": [{"text": "7", "boxes": [[1, 2, 11, 22]]}]}
        (folder / "annotations.json").write_text(json.dumps([entry]))
    if kind == "coco":
        image = {"id": 1, "file_name": "0.png", "width": 60, "height": 40}
        annotation = {"id": 1, "image_id": 1, "category_id": 8, "bbox": [1, 2, 10, 20]}
        document = {"images": [image], "annotations": [annotation], "categories": [{"id": 8, "name": "7"}]}
        (folder / "train.json").write_text(json.dumps(document))
    if kind == "yolo":
        (folder / "labels").mkdir()
        (folder / "labels" / "0.txt").write_text("7 0.1 0.3 0.16 0.5\n")
    return folder


@pytest.mark.parametrize("kind", ["negatives", "crops", "annotated", "coco", "yolo"])
def test_the_format_is_told_from_the_files(pictures, kind):
    source = make(pictures, kind)
    assert format_of(source) == kind
    opened = open_source(source)
    assert len(opened) and opened[0].image.shape == (40, 60, 3)
    assert [r.image_id for r in open_source(source, format=kind).records] == [r.image_id for r in opened.records]


def test_a_file_will_do_as_well(pictures):
    assert len(open_source(make(pictures, "crops") / "labels.csv")) == 2
    assert len(open_source(make(pictures, "annotated") / "annotations.json")) == 1
    assert len(open_source(make(pictures, "coco") / "train.json")) == 1


def test_what_the_synthesiser_writes_is_read_with_its_boxes(pictures):
    make(pictures, "crops")
    shutil.move(make(pictures, "coco") / "train.json", pictures / "instances.json")
    assert format_of(pictures) == "coco"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda f: f / "gone", "no such file or folder"),
        (lambda f: shutil.rmtree(f / "images") or f, "neither annotations nor pictures"),
        (lambda f: (f / "notes.txt").write_text("x") and f / "notes.txt", "not a source"),
        (lambda f: [(f / n).write_text("{}") for n in ("a.json", "b.json")] and f, "a.json, b.json; name the file"),
        (lambda f: (f / "images" / "0.xml").touch() or f / "images", "not understood, 0.xml"),
        (lambda f: (f / "images" / "0.txt").touch() or f / "images", "not understood, 0.txt"),
        (lambda f: (f / "a").mkdir() or (f / "a" / "x.json").touch() or f, "not understood, a/x.json"),
        (lambda f: (f / "images" / "images").mkdir() or (f / "images" / "labels").mkdir() or f, "parts images of YOLO"),
        (lambda f: (f / "train").mkdir() or (f / "train" / "digitStruct.mat").touch() or f, "name one, as"),
    ],
)
def test_what_cannot_be_opened(pictures, prepare, message):
    with pytest.raises(DatasetError, match=message):
        open_source(prepare(pictures))


def test_notes_beside_negatives_are_no_annotations(pictures):
    (pictures / "images" / "README.txt").write_text("mine")
    (pictures / "images" / "manifest.csv").write_text("file\n0.png\n")
    assert format_of(pictures / "images") == "negatives"


def test_an_unknown_format_is_refused(pictures):
    """Above all it must not be read as negatives."""
    with pytest.raises(DatasetError, match="cooc: not a format known here"):
        open_source(make(pictures, "coco"), format="cooc")


def test_pictures_elsewhere(pictures, tmp_path):
    make(pictures, "crops")
    shutil.move(pictures / "images", tmp_path / "elsewhere")
    assert len(open_source(pictures).problems) == 2
    assert len(open_source(pictures, tmp_path / "elsewhere")) == 2
    assert len(open_source(pictures, annotations_only=True)) == 2
    with pytest.raises(DatasetError, match="must be in their usual place"):
        open_source(tmp_path / "elsewhere", annotations_only=True)


@pytest.mark.parametrize("kind", ["negatives", "crops", "annotated", "coco", "yolo"])
def test_what_macos_leaves_beside_files_is_no_part_of_a_source(pictures, kind):
    source = make(pictures, kind)
    before = [record.image_id for record in open_source(source).records]
    for path in [path for path in pictures.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    assert format_of(source) == kind
    opened = open_source(source)
    assert ([record.image_id for record in opened.records], opened.problems) == (before, [])


def test_annotations_behind_a_link_make_no_negatives(pictures, tmp_path):
    make(pictures, "yolo")
    (tmp_path / "mixed" / "deep").mkdir(parents=True)
    (tmp_path / "mixed" / "deep" / "linked").symlink_to(pictures, target_is_directory=True)
    shutil.copy(pictures / "images" / "0.png", tmp_path / "mixed")
    (pictures / "data.yaml").write_text("names: ['0']\n")
    with pytest.raises(DatasetError, match=r"annotations that are not understood, deep.linked"):
        format_of(tmp_path / "mixed")
