"""Counting samples and looking at them."""

import re

import numpy as np
import pytest
from PIL import Image

from digits import DatasetError
from digits.datasets.contact import contact_sheet, tile
from digits.datasets.items import Sample, empty_boxes
from digits.datasets.pictures import Pictures, Problem, make_record
from digits.datasets.statistics import Statistics

LINE = [[10, 10, 20, 30], [22, 10, 32, 30]]
STACK = [[50, 10, 60, 30], [50, 33, 60, 53]]


def sample(boxes, labels, numbers, shape=(80, 120, 3)):
    boxes = np.float32(boxes) if len(boxes) else empty_boxes()
    return Sample(np.full(shape, 128, np.uint8), boxes, np.array(labels, np.int64), numbers, "s")


def test_what_is_counted():
    size = (120, 80)
    records = [
        make_record("a", "a.png", size, LINE + STACK, [1, 4, 2, 8], ["14", "28"]),
        make_record("b", "b.png", size, LINE, [1, 4]),  # not known what they make
        make_record("c", "c.png", size),
        make_record("d", "d.png", size, numbers=["007"]),
    ]
    rows = Statistics.of(Pictures("some", records, [Problem("e", "missing")])).rows()
    assert {k: rows[k] for k in ("pictures", "left out", "negatives", "numbers", "stacked numbers")} == {
        "pictures": "4",
        "left out": "1",
        "negatives": "1",
        "numbers": "3",
        "stacked numbers": "1",
    }
    assert rows["numbers of 2 digits"] == "2" and rows["numbers of 3 digits"] == "1"
    assert rows["digit 1"] == rows["digit 4"] == "2" and rows["digit 0"] == "0"
    assert rows["digit height, pixels, 5/50/95 %"] == "20.0 / 20.0 / 20.0"
    assert rows["digit height over the picture's, 5/50/95 %"] == "0.250 / 0.250 / 0.250"
    assert rows["digit width over height, 5/50/95 %"] == "0.50 / 0.50 / 0.50"


@pytest.mark.parametrize("records", [[], [make_record("a", "a.png", (0, 0), LINE, [1, 4], ["14"])]])
def test_nothing_and_annotations_alone_can_be_counted_and_plotted(tmp_path, records):
    counted = Statistics.of(Pictures("few", records))
    assert counted.rows()["picture width, pixels, 5/50/95 %"] == "-"
    counted.plot(tmp_path / "plots.png", "few")
    assert Image.open(tmp_path / "plots.png").size[0] > 1000


def test_plots_say_what_they_show(tmp_path):
    """Axes have units, the map of places a scale; an SVG keeps its texts as comments."""
    boxed = make_record("a", "a.png", (120, 80), LINE + STACK, [1, 4, 2, 8], ["14", "28"])
    Statistics.of(Pictures("some", [boxed])).plot(tmp_path / "plots.svg", "some")
    texts = re.findall("<!-- (.*?) -->", (tmp_path / "plots.svg").read_text())
    for label in ("digits in the number", "height, pixels", "width over height", "from the top, share of the height"):
        assert label in texts
    assert texts.count("numbers") == 2 and texts.count("digits") == 3 and texts.count("pictures") == 1


@pytest.mark.parametrize(
    ("records", "said"),
    [
        pytest.param([make_record("a", "a.png", (120, 80), LINE, [1, 4]), make_record("n", "n.png", (9, 9))],
                     {"not known": 3}, id="YOLO"),
        pytest.param([make_record("a", "a.png", (120, 80), numbers=["14"])], {"not known": 1, "no digit has a box": 3},
                     id="crops"),
        pytest.param([make_record("n", "n.png", (120, 80))], {"none": 5}, id="negatives"),
        pytest.param([make_record("a", "a.png", (120, 80), LINE, [1, 4], ["14"])], {}, id="all known"),
    ],
)  # fmt: skip
def test_plots_say_what_is_not_known(tmp_path, records, said):
    Statistics.of(Pictures("some", records)).plot(tmp_path / "plots.svg", "some")
    texts = re.findall("<!-- (.*?) -->", (tmp_path / "plots.svg").read_text())
    counts = {text: texts.count(text) for text in ("not known", "no digit has a box", "none")}
    assert {text: count for text, count in counts.items() if count} == said


@pytest.mark.parametrize("title", ["a$b_\\foo$", "家番号", "two\nlines\x1b", "$", "x" * 400])
def test_plots_are_titled_by_any_name(tmp_path, title, recwarn):
    Statistics.of(Pictures("none", [])).plot(tmp_path / "plots.png", title)
    assert (tmp_path / "plots.png").exists() and not recwarn.list


@pytest.mark.parametrize(("path", "message"), [("file/plots.png", "cannot be written"), ("plots.odd", "not supported")])
def test_plots_that_cannot_be_saved(tmp_path, path, message):
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=message):
        Statistics.of(Pictures("none", [])).plot(tmp_path / path, "none")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("shape", "size"), [((2, 30_000, 3), (1600, 176)), ((30_000, 2, 3), (32, 176))])
def test_slivers_are_shown_whole_and_fit(shape, size):
    assert tile(sample([], [], (), shape), 160).size == size


def test_tiles_show_boxes_where_they_are():
    """Around the digits, over nothing of them, and nowhere else but in labels above."""
    shown = np.asarray(tile(sample(LINE, [1, 4], ("14",)), 160))
    assert shown.shape[:2] == (176, 240)
    for x1, y1, x2, y2 in np.array(LINE) * 2:
        assert (shown[y1 : y2 + 1, x1 : x2 + 1] == 128).all(2).mean() > 0.9
    changed = np.argwhere((shown[:160] != 128).any(2))
    assert changed[:, 0].max() <= 62 and changed[:, 1].min() >= 16 and changed[:, 1].max() <= 66


@pytest.mark.parametrize(
    ("boxes", "shape"),
    [
        ([[400, 300, 404, 309], [405, 300, 409, 309]], (600, 800, 3)),
        ([[0, 0, 4, 9], [5, 0, 9, 9]], (600, 800, 3)),
        ([[790, 590, 794, 599], [795, 590, 799, 599]], (600, 800, 3)),
        ([[3, 4, 6, 10], [7, 4, 10, 10]], (20, 40, 3)),
    ],
    ids=["far off", "upper left", "lower right", "a small picture"],
)
@pytest.mark.parametrize("height", [48, 160, 300])
def test_labels_of_tiny_digits_are_legible_and_beside_them(boxes, shape, height):
    """In type that is 12 pixels high, whole within the tile, and over nothing of the digits."""
    shown = np.asarray(tile(sample(boxes, [1, 4], ("14",), shape), height))[:height]
    plain = np.asarray(tile(sample([], [], ("14",), shape), height))[:height]
    changed = np.argwhere((shown != plain).any(2))
    assert np.ptp(changed[:, 0]) >= 12 and np.ptp(changed[:, 1]) >= 12
    black = (shown < 60).all(2)  # the ink of labels
    assert np.ptp(np.flatnonzero(black.any(1))) + 1 >= 8
    scale = height / shape[0]
    x1, y1, x2, y2 = (np.array([*boxes[0][:2], *boxes[1][2:]]) * scale).astype(int)
    assert not black[max(0, y1) : y2 + 1, max(0, x1) : x2 + 1].any()


@pytest.mark.parametrize(
    "shown",
    [
        sample([], [], ()),
        sample([], [], ("0042",)),
        sample(LINE, [1, 4], ()),
        sample(LINE, [1, 4], ("14",), (4000, 3000, 3)),
        sample([[0, 0, 1, 1]], [1], ("1",), (1, 1, 3)),
        sample([], [], (), (10, 5000, 3)),
    ],
)
def test_anything_can_be_put_on_a_sheet(shown):
    sheet = contact_sheet([shown] * 5, height=64, width=300)
    assert sheet.width == 300 and sheet.height % 84 == 0


def test_an_empty_sheet():
    assert contact_sheet([]).size[0] == 1600
