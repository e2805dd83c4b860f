import io
import json
import math
import pickle
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import digits
from digits import Detections, Distribution, ImageError, Reader, Transcription
from digits.pipeline.fuse import FEATURES, Fusion
from digits.recognizer.decode import log_softmax


class StubDetector:
    """Finds the digits it was told of, in every photograph."""

    def __init__(self, boxes, labels, scores=None):
        self.boxes, self.labels = np.float32(boxes).reshape(-1, 4), np.array(labels, np.int64)
        self.scores = np.full(len(labels), 0.9, np.float32) if scores is None else np.float32(scores)

    def predict(self, images):
        return [Detections(self.boxes, self.scores, self.labels) for _ in images]

    def passes(self, image, effort):
        return self.predict([image])


class StubRecognizer:
    """Says `text` of every crop, as sure as told; notes the sizes of its batches."""

    def __init__(self, text: str, sure: float = 12.0):
        length, places = np.zeros(7), np.zeros((6, 10))
        length[len(text)] = sure
        for place, char in zip(places, text, strict=False):
            place[int(char)] = sure
        self.heads = log_softmax(length), log_softmax(places)
        self.batches = []

    def predict(self, crops):
        self.batches.append(len(crops))
        return [Transcription.of(Distribution(*self.heads)) for _ in crops]


PHOTO = np.full((100, 200, 3), 120, np.uint8)
LINE = [[20, 30, 35, 60], [40, 30, 55, 60], [60, 30, 75, 60]]


def stub_reader(text="306", sure=12.0, labels=(3, 0, 6), **options):
    return Reader(StubDetector(LINE[: len(labels)], labels), StubRecognizer(text, sure), **options)


def test_a_reading():
    scene = stub_reader(min_confidence=0.5).read(PHOTO)
    assert (scene.text, scene.status, scene.width, scene.height) == ("306", "read", 200, 100)
    reading = scene.readings[0]
    assert reading.box == (20, 30, 75, 60)
    assert [d.digit for d in reading.digits] == ["3", "0", "6"]
    assert [d.box for d in reading.digits] == [tuple(map(float, box)) for box in LINE]
    assert reading.orientation == "horizontal"
    assert reading.detection_score == pytest.approx(0.9)


def test_each_digit_has_its_probability():
    """That of the heads alone, where the detector's opinion has no weight."""
    fusion = Fusion(digit_weight=0, length_weight=0)
    [reading] = stub_reader(sure=3.0, fusion=fusion).read(PHOTO).readings
    assert [digit.probability for digit in reading.digits] == pytest.approx([np.exp(3) / (np.exp(3) + 9)] * 3)


def test_the_time_that_reading_takes_is_told():
    started = time.perf_counter()
    scene = stub_reader().read(PHOTO)
    assert 0 <= scene.seconds <= time.perf_counter() - started + 1e-4


@pytest.mark.parametrize(("threshold", "status"), [(0.0, "read"), (1.0, "unsure")])
def test_the_threshold_decides_the_status(threshold, status):
    assert stub_reader(min_confidence=threshold).read(PHOTO).status == status


@pytest.mark.parametrize("replaced", ["detector", "recognizer"])
def test_what_looks_into_the_networks_needs_those_of_this_project(reader, replaced):
    assert reader.own_networks() == (reader.detector, reader.recognizer)
    stubs = {"detector": StubDetector([], []), "recognizer": StubRecognizer("1")}
    own = {"detector": reader.detector, "recognizer": reader.recognizer}
    with pytest.raises(TypeError, match=f"Detector and a Recognizer expected.*Stub{replaced.title()}"):
        Reader(**own | {replaced: stubs[replaced]}).own_networks()


@pytest.mark.parametrize("threshold", [1.5, -0.1, float("nan"), "0.5", [0.5]])
def test_thresholds_are_checked(threshold):
    with pytest.raises(ValueError, match="min_confidence must be a number within 0 and 1, got "):
        stub_reader(min_confidence=threshold)


@pytest.mark.parametrize("one", ["a.jpg", Path("a.jpg"), b"bytes", PHOTO, Image.new("RGB", (9, 9))])
def test_one_photograph_is_not_taken_for_many(one):
    with pytest.raises(TypeError, match=r"several photographs expected, got one \w+; use read"):
        list(stub_reader().read_all(one))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"detector": StubDetector}, "detector: .* got type"),
        ({"detector": "weights.onnx"}, r"detector: .* got str; for a weights file, digits.Detector\(path\)"),
        ({"detector": StubRecognizer("1")}, "detector: .* got StubRecognizer"),
        ({"recognizer": Path("weights.onnx")}, r"recognizer: .* for a weights file, digits.Recognizer\(path\)"),
        ({"recognizer": 0}, "recognizer: .* got int"),
        ({"fusion": "calibration.json"}, r"fusion: a Fusion expected, got str; for a file, Fusion.load\(path\)"),
    ],
)
def test_what_cannot_take_part_is_refused(given, message):
    with pytest.raises(TypeError, match=message):
        Reader(**{"detector": StubDetector([], []), "recognizer": StubRecognizer("1"), **given})


def test_what_is_no_number_gives_no_reading():
    assert stub_reader(text="").read(PHOTO).status == "none"
    assert Reader(StubDetector([], []), StubRecognizer("1")).read(PHOTO).readings == ()


def test_counts_that_differ_share_the_region_out():
    reading = stub_reader(text="36").read(PHOTO).readings[0]
    assert reading.text == "36"
    assert [d.box for d in reading.digits] == [(20, 30, 47.5, 60), (47.5, 30, 75, 60)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [({3: "306", 2: "30"}, "306"), ({3: "", 2: "30"}, "30"), ({3: "306", 2: ""}, "306")],
    ids=["the surer one", "the rest of it", "all of it"],
)
def test_of_readings_in_one_place_one_is_left(said, expected):
    """With a faint digit there are two regions: with it, and without."""

    class ByWidth(StubRecognizer):
        def predict(self, crops):
            counts = [3 if crop.shape[1] > 50 else 2 for crop in crops]
            return [StubRecognizer(said[n], 3.0 * n).predict([None])[0] for n in counts]

    reader = Reader(StubDetector(LINE, [3, 0, 6], [0.9, 0.9, 0.2]), ByWidth(""), fusion=Fusion())
    assert [reading.text for reading in reader.read(PHOTO).readings] == [expected]


def test_a_stack_is_vertical():
    boxes = [[50, y, 65, y + 25] for y in (5, 35, 65)]
    reader = Reader(StubDetector(boxes, [3, 0, 6]), StubRecognizer("306"))
    assert reader.read(PHOTO).readings[0].orientation == "vertical"


class Several:
    """A recogniser and a detector of lone digits: each box (x, y, width, height) is read as its label, so surely."""

    def __init__(self, *digits):
        self.digits = digits

    def passes(self, image, effort):
        boxes = np.float32([[x, y, x + width, y + height] for (x, y, width, height), _, _ in self.digits])
        labels = np.array([label for _, label, _ in self.digits])
        yield Detections(boxes, np.full(len(labels), 0.9, np.float32), labels)

    def predict(self, crops):
        sure = dict((label, sure) for _, label, sure in self.digits)
        return [StubRecognizer(str(label), sure[label]).predict([None])[0] for label in map(self.seen, crops)]

    @staticmethod
    def seen(crop):
        """The label that most of a crop is painted with."""
        return int(np.bincount(crop[crop > 0]).argmax())

    def read(self, size=(400, 300), min_confidence=0.9):
        image = np.zeros((*size[::-1], 3), np.uint8)
        for (x, y, width, height), label, _ in self.digits:
            image[max(0, y) : y + height, max(0, x) : x + width] = label
        fusion = Fusion(digit_weight=0, length_weight=0)
        return Reader(self, self, fusion=fusion, min_confidence=min_confidence).read(image)


LARGE, SMALL = (60, 40, 60, 100), (250, 200, 6, 12)
SURE, DOUBTFUL, FAINT = 12.0, 4.6, 3.0


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ((LARGE, 1, SURE), (SMALL, 2, SURE), "12"),  # large before small
        ((LARGE, 1, DOUBTFUL), (SMALL, 2, SURE), "21"),  # but sure before unsure, however large
        ((LARGE, 1, FAINT), (SMALL, 2, SURE), "21"),
        ((LARGE, 1, SURE), (SMALL, 2, DOUBTFUL), "12"),
        ((LARGE, 1, DOUBTFUL), (SMALL, 2, DOUBTFUL), "12"),
        ((LARGE, 1, FAINT), ((250, 150, 55, 90), 2, DOUBTFUL), "21"),  # of about one size the surer one
    ],
)
def test_the_likeliest_house_number_comes_first(first, second, order):
    for both in ((first, second), (second, first)):
        for shift in (0, 60):
            moved = [((x + shift, y, width, height), *rest) for (x, y, width, height), *rest in both]
            scene = Several(*moved).read()
            assert "".join(reading.text for reading in scene.readings) == order
            assert [r.status for r in scene.readings] == sorted(r.status for r in scene.readings)
    assert scene.text == order[0]


@pytest.mark.parametrize(("height", "order"), [(300, "12"), (4000, "21")])
def test_sizes_count_as_shares_of_the_photograph(height, order):
    """Where both are small, the surer one comes first."""
    scene = Several((LARGE, 1, 3.6), (SMALL, 2, 5.0)).read((400, height), min_confidence=1)
    assert "".join(reading.text for reading in scene.readings) == order


@pytest.mark.parametrize(
    ("digit", "box"),
    [
        ((-10, 20, 60, 100), (0, 20, 50, 120)),
        ((20, -30, 60, 100), (20, 0, 80, 70)),
        ((360, 20, 60, 100), (360, 20, 400, 120)),
        ((20, 240, 60, 100), (20, 240, 80, 300)),
    ],
)
def test_boxes_end_where_the_photograph_does(digit, box):
    [reading] = Several((digit, 7, SURE)).read().readings
    assert reading.box == reading.digits[0].box == box


def test_a_stack_whose_counts_differ_is_shared_out_from_top_to_bottom():
    boxes = [[50, y, 65, y + 25] for y in (5, 35, 65)]
    [reading] = Reader(StubDetector(boxes, [3, 0, 6]), StubRecognizer("36")).read(PHOTO).readings
    assert [d.box for d in reading.digits] == [(50, 5, 65, 47.5), (50, 47.5, 65, 90)]


@pytest.mark.parametrize("effort", ["normal", "quick", "thorough"])
def test_passes_end_with_the_first_number_that_is_read(effort):
    asked = []

    class Closer(StubDetector):
        """Sees a number from its second pass on."""

        def passes(self, image, effort):
            for i in range(2 if effort == "quick" else 3):
                asked.append(i)
                yield (
                    self.predict([image])[0]
                    if i
                    else Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
                )

    for sure, least, count in ((12.0, 0.5, 2), (12.0, 1.0, 3)):
        asked.clear()
        scene = Reader(Closer(LINE, [3, 0, 6]), StubRecognizer("306", sure), min_confidence=least, effort=effort).read(
            PHOTO
        )
        assert scene.text == "306"
        assert len(asked) == {"normal": count, "quick": 2, "thorough": 3}[effort]


class Passing(StubDetector):
    """Yields the same digits in each of four passes; notes how many were begun, and of which effort."""

    def __init__(self, boxes=LINE, labels=(3, 0, 6)):
        super().__init__(boxes, labels)
        self.begun, self.efforts = 0, []

    def passes(self, image, effort):
        self.efforts.append(effort)
        for _ in range(4):
            self.begun += 1
            yield self.predict([image])[0]


@pytest.mark.parametrize("effort", ["quick", "normal", "thorough"])
@pytest.mark.parametrize(
    ("budget", "begun"), [(1e-9, 1), (5e-324, 1), (np.float32(1e-9), 1), (1e9, 4), (10**9, 4), (None, 4)], ids=str
)
def test_after_its_budget_no_pass_is_begun(budget, begun, effort):
    detector = Passing()
    reader = Reader(detector, StubRecognizer("306"), min_confidence=1.0, effort=effort, budget=budget)
    scene = reader.read(PHOTO)
    assert (scene.text, scene.status) == ("306", "unsure")
    assert (detector.begun, detector.efforts) == (begun, [effort])
    assert [found.text for found in reader.read_all([PHOTO] * 2)] == ["306"] * 2
    assert detector.begun == 3 * begun  # each photograph has a budget of its own


def test_a_number_that_is_read_ends_the_passes_before_the_budget():
    detector = Passing()
    assert Reader(detector, StubRecognizer("306"), min_confidence=0.1, budget=1e9).read(PHOTO).status == "read"
    assert detector.begun == 1


@pytest.mark.parametrize("budget", [0, -1, math.nan, math.inf, -math.inf, "1", [1.0], 1j], ids=str)
def test_budgets_that_may_not_be(budget):
    with pytest.raises(ValueError, match="budget must be a finite number of seconds above 0, got "):
        stub_reader(budget=budget)


def test_observations_are_all_that_was_seen():
    """First those with a reading, in the order of the scene; then the others, best detection score first."""
    numbers = Several(
        ((20, 20, 60, 100), 1, SURE),
        ((100, 20, 60, 100), 2, 9.0),
        ((250, 200, 6, 12), 3, SURE),
    )
    reader = Reader(numbers, numbers, fusion=Fusion(digit_weight=0, length_weight=0), min_confidence=0.9)
    image = np.zeros((300, 400, 3), np.uint8)
    for (x, y, width, height), label, _ in numbers.digits:
        image[y : y + height, x : x + width] = label
    observations = reader.observe(image)
    kept = [each.reading for each in observations if each.reading]
    assert tuple(kept) == reader.read(image).readings
    assert [each.reading is not None for each in observations] == [True] * len(kept) + [False] * (
        len(observations) - len(kept)
    )
    scores = [each.region.score for each in observations[len(kept) :]]
    assert scores == sorted(scores, reverse=True)
    for each in observations:
        assert each.features.shape == (len(FEATURES),) and 0 < each.confidence < 1
        assert each.fused.text == each.close.text == each.with_room.text
        if each.reading:
            assert (each.reading.text, each.reading.confidence) == (each.fused.text, each.confidence)
            assert each.reading.orientation == each.region.orientation
            assert each.reading.distribution is each.fused.distribution


def test_what_is_seen_twice_in_one_place_is_read_once():
    """With a faint digit there are two regions; the other one is an observation without a reading."""
    reader = Reader(StubDetector(LINE, [3, 0, 6], [0.9, 0.9, 0.2]), StubRecognizer("306"))
    observations = reader.observe(PHOTO)
    assert [bool(each.reading) for each in observations] == [True, False]
    assert Reader(StubDetector(LINE, [3, 0, 6]), StubRecognizer("")).observe(PHOTO)[0].reading is None


def test_readings_keep_the_distribution_of_their_texts():
    """Before calibration, with what the detector saw; neither in their JSON nor in what is compared."""
    [reading] = stub_reader(sure=3.0).read(PHOTO).readings
    [(text, score)] = reading.distribution.best(1)
    assert text == reading.text == "306"
    assert score == reading.distribution.log_probability("306") > reading.distribution.log_probability("308") > -99
    assert reading.distribution.log_probability("306a") == -math.inf
    assert "distribution" not in reading.to_dict() and "distribution" not in repr(reading)
    there = pickle.loads(pickle.dumps(reading))
    assert there == reading and there.distribution.best(3) == reading.distribution.best(3)
    assert len(pickle.dumps(reading)) < 3000


def test_one_sure_number_ends_the_passes():
    numbers, asked = Several((LARGE, 1, SURE), (SMALL, 2, FAINT)), []
    once = numbers.passes

    def passes(image, effort):
        for i in range(3):
            asked.append(i)
            yield from once(image, effort)

    numbers.passes = passes
    assert [reading.status for reading in numbers.read().readings] == ["read", "unsure"]
    assert asked == [0]


def test_numbers_that_touch_hardly_are_both_read():
    digits = ((100, 100, 60, 100), 1, SURE), ((100, 195, 20, 30), 2, SURE)
    assert len(Several(*digits).read().readings) == 2


def test_photographs_are_streamed():
    reader = stub_reader()
    pulled = []

    def photos():
        for i in range(10):
            pulled.append(i)
            yield PHOTO

    scenes = reader.read_all(photos())
    next(scenes)
    assert len(pulled) < 5  # the rest is not loaded before it is asked for
    assert len(list(scenes)) == 9


def test_photographs_come_in_their_order_whichever_is_done_first():
    reader = stub_reader()
    sizes = [(2000 if i % 3 == 0 else 40, 20 + i, 3) for i in range(12)]
    scenes = reader.read_all(np.full(size, 120, np.uint8) for size in sizes)
    assert [(scene.height, scene.width) for scene in scenes] == [size[:2] for size in sizes]


def test_a_folder_may_be_left_half_read():
    scenes = stub_reader().read_all(PHOTO for _ in range(10))
    next(scenes)
    scenes.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("digits-read")]


class Watcher(StubDetector):
    """Notes how many pixels are being looked at, at most, and whether any are still there later."""

    def __init__(self):
        super().__init__([], [])
        self.lock, self.pixels, self.most, self.seen = threading.Lock(), 0, 0, []

    def passes(self, image, effort):
        count = image.shape[0] * image.shape[1]
        with self.lock:
            self.seen.append(weakref.ref(image))
            self.pixels += count
            self.most = max(self.most, self.pixels)
        time.sleep(0.02)  # so that others would be loaded meanwhile
        with self.lock:
            self.pixels -= count
        return self.predict([image])


@pytest.mark.parametrize(
    ("sizes", "most"),
    [
        ([(60, 100)] * 6, 6000),
        ([(10, 100), (60, 100), (50, 100), (10, 100)] * 3, 10000),
        ([(100, 100), (1, 1)] * 4, 10000),
        ([(10, 100)] * 8, 2000),
    ],
    ids=["large ones go one by one", "as many as one may have", "the largest alone", "small ones side by side"],
)
def test_pixels_in_memory_are_limited(tmp_path, monkeypatch, sizes, most):
    monkeypatch.setattr("digits.pipeline.reader.MAX_PIXELS", 10_000)
    paths = [tmp_path / f"{i}.png" for i in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        Image.new("RGB", size).save(path)
    watcher = Watcher()
    scenes = list(Reader(watcher, StubRecognizer("1")).read_all(paths))
    assert [(scene.width, scene.height) for scene in scenes] == sizes
    assert watcher.most <= most
    assert not any(seen() is not None for seen in watcher.seen)  # scenes keep paths, no pixels


def test_an_error_of_the_detector_leaves_room_for_the_next(tmp_path, monkeypatch):
    """It is none of the photograph's, and raised as it is."""
    monkeypatch.setattr("digits.pipeline.reader.MAX_PIXELS", 1)

    class Failing(StubDetector):
        def passes(self, image, effort):
            raise RuntimeError("no detector")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no detector"):
            list(Reader(Failing([], []), StubRecognizer("1")).read_all([PHOTO] * 4, skip_errors=True))


def test_errors_raise_or_stand_in_place(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    sources = [PHOTO, tmp_path / "bad.jpg", tmp_path / "gone.jpg", PHOTO]
    results = list(stub_reader().read_all(sources, skip_errors=True))
    assert [isinstance(r, ImageError) for r in results] == [False, True, True, False]
    scenes = stub_reader().read_all(sources)
    assert next(scenes).text == "306"
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        next(scenes)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("error", [ImageError, RuntimeError])
def test_what_the_sources_raise_comes_in_its_turn(threads, error):
    def photos():
        yield from [PHOTO] * 3
        raise error("no more")

    scenes = stub_reader(threads=threads).read_all(photos(), skip_errors=True)
    assert [next(scenes).text for _ in range(3)] == ["306"] * 3
    with pytest.raises(error, match="no more"):
        next(scenes)


def test_every_source_reads_and_renders_alike(tmp_path, make_photo, reader):
    picture = make_photo("1428")
    path = tmp_path / "photo.png"
    picture.save(path)
    data = path.read_bytes()
    scenes = [reader.read(s) for s in (path, str(path), data, io.BytesIO(data), picture, np.asarray(picture))]
    assert {scene.text for scene in scenes} == {"1428"}
    assert [scene.path for scene in scenes] == [str(path)] * 2 + [None] * 4
    rendered = {np.asarray(scene.render()).tobytes() for scene in scenes}
    assert len(rendered) == 1


@pytest.mark.parametrize("text", ["7", "35", "906", "1428", "2076"])
def test_real_weights_read_a_plaque(reader, make_photo, text):
    scene = reader.read(make_photo(text))
    assert (scene.text, scene.status) == (text, "read")
    box = scene.readings[0].box
    assert 170 < box[1] < 230 and 240 < box[3] < 300
    json.dumps(scene.to_dict())


def test_real_weights_read_a_stack(reader, make_photo):
    scene = reader.read(make_photo("280", stacked=True))
    assert (scene.text, scene.readings[0].orientation) == ("280", "vertical")


def test_boxes_are_in_pixels_of_the_upright_photograph(reader, make_photo):
    picture = make_photo("935")
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.rotate(90, expand=True).save(out, "PNG", exif=exif)
    upright, turned = reader.read(picture), reader.read(out.getvalue())
    assert (turned.width, turned.height) == (640, 480)
    assert turned.readings == upright.readings


@pytest.mark.parametrize("value", [0, 128, 255])
def test_nothing_is_read_on_a_blank_wall(reader, value):
    scene = reader.read(np.full((300, 400, 3), value, np.uint8))
    assert scene.status != "read"


def test_module_level_read_keeps_its_reader(make_photo):
    assert digits.read(make_photo("35")).text == "35"
    from digits.pipeline.reader import _default_reader

    assert _default_reader() is _default_reader()


def test_huge_jpegs_are_decoded_smaller_and_read_in_their_own_pixels(make_photo, reader, tmp_path):
    """As large as a camera of 100 megapixels makes them, but low, to be quick."""
    photo = make_photo("1428", size=(8700, 600), height=240)
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side
    photo.transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=exif)
    scene, whole = reader.read(path), reader.read(np.asarray(photo))
    assert (scene.width, scene.height, scene.text, scene.status) == (8700, 600, "1428", "read")
    assert np.allclose(scene.readings[0].box, whole.readings[0].box, atol=30)
    digits_found = zip(scene.readings[0].digits, whole.readings[0].digits, strict=True)
    assert all(np.allclose(one.box, other.box, atol=30) for one, other in digits_found)
    assert np.asarray(scene.render()).shape == (600, 8700, 3)


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_photograph_on_its_side_is_tried_both_ways(reader, make_photo, quarters):
    """Only if that effort is asked for, and it stays unsure; its boxes are on the photograph as it was given."""
    upright = make_photo("1428")
    lying = np.ascontiguousarray(np.rot90(upright, quarters))
    box = np.array(reader.read(upright).readings[0].box)
    thorough = Reader(reader.detector, reader.recognizer, effort="thorough")
    (reading, *_) = thorough.read(lying).readings
    assert (reading.text, reading.status) == ("1428", "unsure") and "turned" in reading.reasons
    back = np.rot90(lying, -quarters)
    x1, y1, x2, y2 = (int(v) for v in reading.box)
    assert (back == upright).all() and x2 - x1 < y2 - y1
    marked = np.zeros(lying.shape[:2])
    marked[y1:y2, x1:x2] = 1
    rows, columns = np.nonzero(np.rot90(marked, -quarters))
    assert [columns.min(), rows.min(), columns.max(), rows.max()] == pytest.approx(box.tolist(), abs=6)
    assert not any(each.text == "1428" for each in reader.read(lying).readings)


@pytest.mark.parametrize(("quarters", "edge"), [(1, "cut_bottom"), (3, "cut_top")])
def test_the_edge_that_cuts_a_lying_number_is_that_of_the_photograph(reader, make_photo, quarters, edge):
    upright = np.asarray(make_photo("1428"))
    left = int(reader.read(upright).readings[0].box[0])
    lying = np.ascontiguousarray(np.rot90(upright[:, left - 8 :], quarters))
    (reading, *_) = Reader(reader.detector, reader.recognizer, effort="thorough").read(lying).readings
    assert reading.text == "1428" and edge in reading.reasons
    assert [name for name in reading.reasons if name.startswith("cut")] == [edge]
