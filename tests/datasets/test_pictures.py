import os

import cv2
import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from digits import DatasetError
from digits.datasets.items import split_of
from digits.datasets.pictures import Pictures, Problem, list_pictures, make_record, picture_size, read_negatives

BOX = [2, 3, 12, 23]


def paint(path, size=(60, 40)):
    Image.new("RGB", size, (200, 100, 50)).save(path)
    return path


@pytest.mark.parametrize(
    ("boxes", "labels", "numbers", "reason"),
    [
        ([[2, 3, 2, 23]], [1], ["1"], "no area"),
        ([[9, 3, 2, 23]], [1], ["1"], "no area"),
        ([[60, 3, 70, 23]], [1], ["1"], "outside the picture"),
        ([[-9, 3, 0, 23]], [1], ["1"], "outside the picture"),
        ([[np.nan, 3, 9, 23]], [1], ["1"], "not finite"),
        ([[2, 3, np.inf, 23]], [1], ["1"], "not finite"),
        ([BOX], [10], [], "not all digits"),
        ([BOX], [99], ["10"], "not all digits"),
        ([BOX], [10], ["10"], "spell"),
        ([BOX], [1, 2], ["12"], "boxes"),
        ([BOX], [1], ["2"], "spell"),
    ],
)
def test_bad_annotations_say_why(boxes, labels, numbers, reason):
    with pytest.raises(ValueError, match=reason):
        make_record("a", "a.png", (60, 40), boxes, labels, numbers)


@pytest.mark.parametrize(
    ("size", "clipped"), [((60, 40), [0, 0, 60, 40]), ((0, 0), [0, 0, 99, 99]), ((200, 200), [0, 0, 99, 99])]
)
def test_boxes_are_clipped_to_what_is_known_of_the_picture(size, clipped):
    record = make_record("a", "a.png", size, [[-1, -2, 99, 99]], [4], ["4"])
    assert record.boxes.tolist() == [clipped] and record.boxes.dtype == np.float32


def test_numbers_and_their_boxes():
    record = make_record("a", "a.png", (60, 40), [BOX, BOX, [20, 1, 30, 9]], [4, 2, 7], ["42", "7"])
    assert [len(boxes) for boxes in record.number_boxes()] == [2, 1]
    assert make_record("a", "a.png", (60, 40), [BOX], [4]).number_boxes() == []  # not known what belongs together
    assert make_record("a", "a.png", (60, 40), numbers=["0012"]).number_boxes() == []  # only the text is known


def test_opening(tmp_path):
    path = paint(tmp_path / "a.png")
    sample = make_record("a", path, (60, 40), [BOX], [4], ["4"]).open()
    assert sample.image.shape == (40, 60, 3) and sample.image[0, 0].tolist() == [200, 100, 50]
    with pytest.raises(DatasetError, match="is 60x40, annotated as 61x40"):
        make_record("a", path, (61, 40)).open()
    with pytest.raises(DatasetError, match="no such file"):
        make_record("a", tmp_path / "gone.png", (61, 40)).open()


def test_a_turned_photograph_is_measured_and_opened_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", exif=exif)
    assert picture_size(tmp_path / "a.jpg") == (40, 60)
    assert make_record("a", tmp_path / "a.jpg", (40, 60)).open().image.shape == (60, 40, 3)


def test_a_broken_picture_is_left_out_when_it_comes_to_it(tmp_path, caplog):
    whole = paint(tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) * 2 // 3])
    pictures = read_negatives(tmp_path)
    assert not pictures.problems and [s.image_id for s in pictures.readable()] == ["a.png"]
    assert pictures.problems[0].image_id == "b.png" and "damaged" in pictures.problems[0].reason
    assert "b.png" in caplog.text
    assert [s.image_id for s in pictures.readable([0, 0])] == ["a.png"] * 2


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "missing"), (b"", "readable"), (b"hello", "readable"), (b"\x89PNG\r\n", "readable")]
)
def test_sizes_of_what_is_no_picture(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        picture_size(tmp_path / "a.png")


def test_negatives(tmp_path, caplog):
    (tmp_path / "deep").mkdir()
    paint(tmp_path / "b.png")
    paint(tmp_path / "deep" / "a.webp")
    (tmp_path / "broken.jpg").write_bytes(b"no")
    pictures = read_negatives(tmp_path)
    assert [s.image_id for s in pictures] == ["b.png", "deep/a.webp"]
    assert all(s.boxes.shape == (0, 4) and s.labels.shape == (0,) and s.numbers == () for s in pictures)
    assert pictures.problems[0].image_id == "broken.jpg" and "left out" in caplog.text
    with pytest.raises(DatasetError, match="no such folder"):
        list_pictures(tmp_path / "gone")
    os.mkdir(tmp_path / "empty")
    with pytest.raises(DatasetError, match="holds no picture"):
        read_negatives(tmp_path / "empty")


def test_it_is_a_torch_dataset(tmp_path):
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((8, 8, 3), i, np.uint8))
    pictures = read_negatives(tmp_path)
    assert isinstance(pictures, Pictures)
    loader = DataLoader(pictures, batch_size=2, num_workers=2, collate_fn=list)
    assert [[s.image_id for s in batch] for batch in loader] == [[f"{i}.png", f"{i + 1}.png"] for i in (0, 2, 4)]


def test_parts_keep_their_problems(tmp_path):
    """So that what is left out of a split is told there."""
    problems = [Problem(f"{i}.png", "picture missing") for i in range(60)]
    records = [make_record(f"{i}.png", tmp_path / f"{i}.png", (4, 4)) for i in range(60, 90)]
    whole = Pictures("made up", records, problems)
    splits = [whole.split(name) for name in ("train", "validation", "test")]
    assert sorted(problem for split in splits for problem in split.problems) == sorted(problems)
    assert all(split_of(problem.image_id) == "test" for problem in splits[2].problems)
    few = whole.limited(4)
    assert [record.image_id for record in few.records] == ["60.png", "70.png", "79.png", "89.png"]
    assert few.problems == problems and len(whole.limited(None)) == len(whole.limited(100)) == 30


def test_what_a_folder_hides_becomes_a_problem(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    paint(tmp_path / "out" / "linked.png")
    paint(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "._a.png").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "in" / "out").symlink_to(tmp_path / "out", target_is_directory=True)
    (tmp_path / "in" / "gone.png").symlink_to("nowhere")
    pictures = read_negatives(tmp_path / "in")
    assert [record.image_id for record in pictures.records] == ["a.png", "out/linked.png"]
    assert pictures.problems == [Problem("gone.png", "a link that leads nowhere")]
    caplog.clear()
    assert len(list_pictures(tmp_path / "in")) == 2 and "1 entry left out, the first gone.png" in caplog.text
    (tmp_path / "in" / "a.png").unlink()
    (tmp_path / "in" / "out").unlink()
    with pytest.raises(DatasetError, match=r"holds no picture; .*gone.png: a link that leads nowhere"):
        list_pictures(tmp_path / "in")
