"""What a user installs: the wheel, the example, two commands."""

import ast
import doctest
import importlib
import inspect
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import digits

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_one_package_with_weights(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"digits"}
    for needed in (
        "digits/py.typed",
        "digits/detector/weights/detector.safetensors",
        "digits/recognizer/weights/recognizer.safetensors",
        "digits/pipeline/calibration.json",
        "digits/cli/read.py",
        "digits/datasets/synthesis/svhn_layout.json",
    ):
        assert needed in names


def test_every_module_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = {init.parent for init in ROOT.glob("*/__init__.py")} - {ROOT / "package"}
    assert {ROOT / "cli", ROOT / "detector", ROOT / "nn"} <= folders
    for folder in folders:
        for module in folder.rglob("*.py"):
            assert f"digits/{module.relative_to(ROOT).as_posix()}" in names


def test_weights_are_small(wheel):
    sizes = [i.file_size for i in zipfile.ZipFile(wheel).infolist() if i.filename.endswith(".safetensors")]
    assert len(sizes) == 2 and sum(sizes) <= 30_000_000


def test_it_lives_beside_a_package_named_datasets(wheel, tmp_path):
    """Installed outside the checkout, next to a stranger called `datasets`: both import, and a photograph is read."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (site / "datasets").mkdir()
    (site / "datasets" / "__init__.py").write_text("owner = 'somebody else'\n")
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
        "import datasets, digits, digits.datasets.items\n"
        f"assert digits.__file__.startswith({str(site)!r}), digits.__file__\n"
        f"print(datasets.owner, digits.read({str(ROOT / 'examples' / 'doorway.jpg')!r}).text)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split("\n")[0] == "somebody else 1428", done.stderr


def test_the_example_is_read(reader):
    scene = reader.read(ROOT / "examples" / "doorway.jpg")
    assert (scene.text, scene.status) == ("1428", "read")
    assert [r.text for r in scene.readings if r.status == "read"] == ["1428"]


def test_public_names():
    for name in digits.__all__:
        assert getattr(digits, name) is not None
        assert name in dir(digits)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = digits.nonsense


@pytest.mark.parametrize("package", ["digits", "digits.datasets", "digits.metrics"])
def test_type_checkers_know_every_public_name(package):
    """What is loaded on first use is imported once more where type checkers alone look."""
    module = importlib.import_module(package)
    (block,) = (node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    told = {name.asname: (line.module, name.name) for line in block.body for name in line.names}
    assert set(told) == set(module.__all__) - {"__version__"}
    for public, (home, name) in told.items():
        assert getattr(module, public) is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize(
    "module",
    [
        *("core.boxes", "datasets.items", "datasets.coco", "datasets.yolo", "datasets.transforms"),
        *("datasets.synthesis.synthesizer", "pipeline.merge", "pipeline.results", "recognizer.decode"),
        *("nn.backbones", "datasets.mixture", "training.schedule", "training.losses", "training.search"),
        *("metrics.detection", "metrics.transcription", "metrics.confidence", "metrics.end_to_end"),
        *("metrics.significance", "evaluation.report", "evaluation.result", "evaluation.blind"),
    ],
)
def test_examples_in_docstrings(module):
    outcome = doctest.testmod(importlib.import_module(f"digits.{module}"))
    assert outcome.attempted > 0 and outcome.failed == 0


@pytest.mark.parametrize("package", ["digits", "digits.datasets", "digits.metrics"])
def test_every_public_name_has_its_docstring(package):
    module = importlib.import_module(package)
    for name in set(module.__all__) - {"__version__"}:
        assert getattr(module, name).__doc__, name


def test_every_metric_shows_an_example():
    from digits import metrics

    for name in metrics.__all__:
        assert ">>> " in getattr(metrics, name).__doc__, name


def test_documents_are_finished():
    for path in ROOT.glob("*.md"):
        assert not re.search(r"@[A-Z_]+@", path.read_text()), path.name


def test_changelog_knows_this_version():
    assert re.search(rf"^## {re.escape(digits.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)
