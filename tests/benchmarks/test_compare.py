"""The comparison with other engines: what is made of their answers, and the way to them and back."""

import json
import shutil
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw, ImageFont

LEVEL = [(0, 0), (50, 0), (50, 20), (0, 20)]  # 20 pixels high
TALL = [(0, 0), (50, 0), (50, 30), (0, 30)]
SLANTED = [(0, 0), (30, 40), (6, 58), (-24, 18)]  # 30 pixels high, its bounding box 58

# A worker with three engines more. "named" reads what the name of the file says before the first "-", and talks a lot.
WORKER = """
import importlib.util, os, socket, sys

spec = importlib.util.spec_from_file_location("engines", {engines!r})
engines = importlib.util.module_from_spec(spec)
spec.loader.exec_module(engines)


def named(crops):
    def read(path):
        print("noise")
        os.system("echo noise of a child")
        text = os.path.basename(path).split("-")[0]
        return engines.numbers([engines.Text(text, 0.9, () if crops else [(0, 0), (9, 0), (9, 5), (0, 5)])])

    return read


def broken(crops):
    def read(path):
        if "broken" in path:
            sys.exit("no idea what this is")
        return []

    return read


def online(crops):
    socket.create_connection(("127.0.0.1", {port}), timeout=5)


engines.ENGINES.update(
    named=engines.Engine(named, ("click",)),
    broken=engines.Engine(broken, ("click",)),
    online=engines.Engine(online, ("click",)),
    missing=engines.Engine(named, ("no-such-distribution",)),
)
engines.main()
"""


@pytest.fixture(scope="module")
def engines(script):
    return script("engines")


@pytest.fixture(scope="module")
def compare(script):
    return script("compare")


@pytest.fixture
def fakes(compare, engines, tmp_path, monkeypatch):
    """Lets the driver start the worker above; the socket that "online" tries to reach does listen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        worker = tmp_path / "worker.py"
        worker.write_text(WORKER.format(engines=engines.__file__, port=server.getsockname()[1]))
        monkeypatch.setattr(compare, "WORKER", worker)
        monkeypatch.setattr(compare, "TITLES", {n: n.title() for n in ("named", "broken", "missing")})
        yield


@pytest.fixture
def data(tmp_path):
    """Two photographs, two crops, and whatever part of the photographs without a number is tested on."""
    box = [0, 0, 20, 10]
    pictures = {
        "wild/images": ["12-a.png", "34-broken.png"],
        "svhn_test_grey/images": ["5-a.png", "x66-b.png"],
        "negatives": [f"wall-{i}.png" for i in range(40)],
        "icdar2003/text_without_digits": [f"7-{i}.png" for i in range(40)],
    }
    for folder, names in pictures.items():
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (8, 8)).save(tmp_path / folder / name)
    texts = zip(pictures["wild/images"], ("12", "35"), strict=True)
    records = [{"file": file, "numbers": [{"text": text, "box": box}]} for file, text in texts]
    (tmp_path / "wild" / "annotations.json").write_text(json.dumps(records))
    (tmp_path / "svhn_test_grey" / "labels.csv").write_text("file,text\n5-a.png,5\nx66-b.png,66\n")
    return tmp_path


@pytest.mark.parametrize(
    ("found", "texts"),
    [
        ([], []),
        ([("", 0.9, LEVEL)], []),
        ([("EXIT", 0.9, LEVEL)], []),
        ([("#12-B", 0.9, LEVEL)], []),
        ([("12-B", 0.9, LEVEL)], []),
        ([("-120 B", 0.9, LEVEL)], ["120"]),
        ([("2.5m", 0.9, TALL), ("208.", 0.9, LEVEL)], ["208"]),
        ([("007", 0.9, LEVEL)], ["007"]),
        ([("٣²", 0.9, LEVEL)], []),  # digits to Python, not here
        ([("123456", 0.9, LEVEL)], ["123456"]),
        ([("030 1234567", 0.9, TALL), ("8", 0.9, LEVEL)], ["8"]),
        ([("8", 0.9, LEVEL), ("14", 0.5, TALL)], ["14", "8"]),
        ([("OPEN", 0.9, TALL), ("8", 0.9, LEVEL)], ["8"]),
        ([("8", 0.7, LEVEL), ("14", 0.9, LEVEL)], ["14", "8"]),  # as tall: the surer
        ([("8", 0.7, LEVEL), ("14", 0.7, LEVEL)], ["8", "14"]),  # as sure: as they came
        ([("8", 0.9, [(0, 0), (50, 0), (50, 40), (0, 40)]), ("14", 0.9, SLANTED)], ["8", "14"]),
        ([("14", 0.9)], ["14"]),
    ],
)
def test_numbers_among_texts(engines, found, texts):
    assert [r["text"] for r in engines.numbers(engines.Text(*f) for f in found)] == texts


def test_a_reading_of_a_text(engines):
    (reading,) = engines.numbers([engines.Text("A14", 0.5, SLANTED)])
    assert reading == {"text": "14", "confidence": 0.5, "box": [-24, 0, 30, 58], "sure": True}
    assert engines.Text("14", 0.5, SLANTED).height == 30


def test_words_of_tesseract(engines):
    table = (
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
        "4\t1\t1\t1\t1\t0\t10\t20\t30\t40\t-1\t\n"
        '5\t1\t1\t1\t1\t1\t10\t20\t30\t40\t96.5\t"14\n'
    )
    (word,) = engines.tesseract_words(table)
    assert (word.text, word.confidence, word.box, word.height) == ('"14', 0.965, [10, 20, 40, 60], 40)


def answer(*readings, ms=1.0):
    keys = ("text", "sure")
    return {"readings": [dict(zip(keys, reading, strict=True)) for reading in readings], "ms": ms}


def test_photographs_are_counted(compare):
    """Right and sure, right and unsure though stacked, right in the second place only, nothing said."""
    level, tall = [0, 0, 20, 10], [0, 0, 10, 40]
    records = [
        {"numbers": [{"text": "12", "box": level}]},
        {"numbers": [{"text": "3", "box": tall}, {"text": "34", "box": tall}]},
        {"numbers": [{"text": "5", "box": tall}]},  # a single digit is no stack
        {"numbers": [{"text": "67", "box": tall}]},
    ]
    answers = [answer(("12", True)), answer(("34", False)), answer(("50", True), ("5", True)), answer()]
    assert list(compare.wild(records, answers).values()) == ["2 of 4", "1 of 2", "1 of 2"]


def test_crops_are_counted(compare):
    answers = [answer(("12", True)), answer(("3", False)), answer(), answer(("07", True))]
    assert list(compare.grey(["12", "3", "5", "7"], answers).values()) == ["50.0% of 4"]


def test_only_what_is_sure_is_a_false_reading(compare):
    answers = [answer(("12", True)), answer(("3", False), ("4", True)), answer(), answer()]
    assert list(compare.empty(answers, "walls").values()) == ["1 of 4 (25.0%)"]


@pytest.mark.parametrize(("size", "shown"), [(99.6, "100 MB"), (None, "")])
def test_costs(compare, size, shown):
    took = {"cpu_s": 0.6, "peak_mib": 99.7, "install_mb": size}
    assert list(compare.cost([answer(ms=100), answer(ms=90), answer(ms=900)], took).values()) == [
        "100",
        "200",
        "100 MiB",
        shown,
    ]


def test_a_table_has_a_column_an_engine(compare):
    columns = {"One 1.0": {"size": "1 MB", "time": "2"}, "Other 2.0": {"size": "", "time": "3"}}
    assert compare.table(columns).split("\n") == [
        "| measure | One 1.0 | Other 2.0 |",
        "| --- | --- | --- |",
        "| size | 1 MB |  |",
        "| time | 2 | 3 |",
    ]
    assert compare.table({}) == ""


def test_a_sample_is_evenly_spread(compare):
    assert compare.chosen(range(10), 3) == [0, 4, 9]
    assert compare.chosen(range(3), 5) == compare.chosen(range(3), None) == [0, 1, 2]


def test_engines_are_compared(compare, fakes, data):
    """Through real processes: one engine that reads, one that ends halfway, one that is not there."""
    done = CliRunner().invoke(compare.main, ["--data", str(data)], catch_exceptions=False)
    lines = done.stdout.strip().split("\n")
    assert lines[2].startswith("| measure | Named ")
    pictures = compare.load(data, 500, None)
    walls, words = len(pictures.negatives), len(pictures.words)
    assert walls and words
    assert [line.split(" | ")[1].rstrip(" |") for line in lines[4:10]] == [
        "1 of 2",
        "0 of 0",
        "1 of 2",
        "100.0% of 2",
        f"0 of {walls} (0.0%)",
        f"{words} of {words} (100.0%)",
    ]
    assert lines[-3:] == [
        "",
        "broken: stopped after 1 of 2 photographs: no idea what this is",
        "missing: not installed",
    ]


def test_without_an_engine_there_is_no_table(compare, data):
    pythons = ["--python", "digits=/no/such/python"]
    done = CliRunner().invoke(compare.main, ["--data", str(data), "--engine", "digits", *pythons])
    assert done.exit_code == 0
    assert done.stdout.strip().split("\n")[1:] == ["", "digits: /no/such/python: no such file or directory"]


@pytest.mark.parametrize("value", ["rapidocr", "rapidocr=", "=python", "abacus=python"])
def test_an_interpreter_is_of_an_engine(compare, data, value):
    done = CliRunner().invoke(compare.main, ["--data", str(data), "--python", value])
    assert done.exit_code == 2 and "is not ENGINE=INTERPRETER" in done.stderr


@pytest.mark.parametrize(
    ("status", "log_lines", "why"), [(-9, ["log"], "SIGKILL"), (1, ["a", "b ", ""], "b"), (3, [""], "exit status 3")]
)
def test_why_a_process_ended(compare, status, log_lines, why):
    assert compare.cause(status, log_lines) == why


def test_an_engine_cannot_connect(compare, fakes, data):
    with pytest.raises(compare.Unusable, match=r"Network is unreachable|the network is off"):
        compare.ask("online", sys.executable, [data / "wild" / "images" / "12-a.png"], "photographs")


def test_where_namespaces_are_forbidden_python_is_refused(engines):
    """In a process of its own: the refusal cannot be taken back."""
    code = (
        "import runpy, socket, sys, types\n"
        f"engines = runpy.run_path({engines.__file__!r})\n"
        "engines['ctypes'].CDLL = lambda *a, **k: types.SimpleNamespace(unshare=lambda flags: -1)\n"
        "print(engines['cut_network']())\n"
        "socket.create_connection(('127.0.0.1', 9))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("refused to Python code only")
    assert "PermissionError" in done.stderr


def test_this_reader_as_an_engine(compare, make_photo, tmp_path):
    path = tmp_path / "door.png"
    make_photo("1428", size=(320, 240)).save(path)
    (seen,), took = compare.ask("digits", sys.executable, [path], "photographs")
    assert seen["path"] == str(path) and seen["readings"][0]["text"] == "1428" and seen["readings"][0]["sure"]
    assert len(seen["readings"][0]["box"]) == 4
    assert took["network"] == "off" or took["network"].startswith("refused")
    assert took["peak_mib"] > 100 and took["cpu_s"] > 0 and took["install_mb"] > 100


@pytest.mark.skipif(not shutil.which("tesseract"), reason="the program tesseract is not installed")
@pytest.mark.parametrize("options", [(), ("--crops",)])
def test_tesseract_as_an_engine(compare, tmp_path, options):
    path = tmp_path / "page.png"
    page = Image.new("L", (180, 80) if options else (400, 300), "white")
    middle = page.width / 2, page.height / 2
    ImageDraw.Draw(page).text(middle, "1428", "black", ImageFont.load_default(60), anchor="mm")
    page.save(path)
    (seen,), took = compare.ask("tesseract", sys.executable, [path], "photographs", *options)
    assert [r["text"] for r in seen["readings"]] == ["1428"]
    assert took["version"][0].isdigit() and took["peak_mib"] > 10


def test_an_install_is_what_a_distribution_requires_too(engines):
    names = {d.metadata["Name"].lower() for d in engines.required(["street-digits"])}
    assert {"street-digits", "onnxruntime", "click", "flatbuffers"} <= names
    assert not {"pytest", "torch"} & names  # in extras
    files = {file.name for d in engines.required(["street-digits"])[:1] for file in engines.files_of(d)}
    assert {f"{kind}.{suffix}" for kind in ("detector", "recognizer") for suffix in ("onnx", "safetensors")} <= files
