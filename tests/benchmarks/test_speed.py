import pytest
from click.testing import CliRunner


@pytest.fixture(scope="module")
def speed(script):
    return script("speed")


@pytest.fixture
def photos(tmp_path, make_photo):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, size in enumerate([(640, 480), (1200, 1600), (300, 200)]):
        make_photo("1428", size).save(folder / f"{i}.png")
    return folder


def test_photographs_are_brought_to_one_size(speed, photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    small, large = speed.prepared(sorted(photos.iterdir()), out)
    assert [speed.Image.open(path).size for path in small] == [(640, 480), (480, 640), (640, 427)]
    assert speed.Image.open(large).size == (4000, 3000)


def test_the_table_has_every_backend_and_says_what_is_missing(speed, photos):
    options = ["--photos", str(photos), "--limit", "2", "--stream", "3"]
    asked = [part for engine in ("digits-int8", "digits-onnx") for part in ("--engine", engine)]
    done = CliRunner().invoke(
        speed.main, [*options, *asked, "--engine", "rapidocr", "--python", "rapidocr=/no/such/python"]
    )
    assert done.exit_code == 0, done.output
    table = done.stdout[done.stdout.index("| measure") :].splitlines()
    assert table[0].count("digits, ") == 2 and "int8" in table[0] and "onnx" in table[0]
    rows = [line for line in table[2:] if line.startswith("|")]
    assert len(rows) == 7 and all(cell.strip() for row in rows for cell in row.split("|")[1:-1])
    assert "rapidocr: /no/such/python: no such file" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--python", "tesseract=python"], "is not ENGINE=INTERPRETER"),
        (["--engine", "tesseract"], "is not one of"),
    ],
)
def test_wrong_usage(speed, photos, options, message):
    done = CliRunner().invoke(speed.main, ["--photos", str(photos), *options])
    assert done.exit_code == 2 and message in done.stderr


def test_one_photograph_is_too_few(speed, tmp_path, make_photo):
    make_photo("7").save(tmp_path / "only.png")
    done = CliRunner().invoke(speed.main, ["--photos", str(tmp_path)])
    assert done.exit_code == 2 and "two photographs are the least" in done.stderr
