"""The plain install reads, without PyTorch, OpenCV and all that training takes."""

import re
import subprocess
import sys

import pytest

from digits import Detector, Recognizer, __version__

TRAINING_STACK = [
    *("torch", "torchvision", "cv2", "albumentations", "pycocotools", "safetensors", "h5py", "matplotlib", "yaml"),
    *("tensorboard", "pydantic", "tomli_w", "onnx", "scipy", "captum", "optuna", "sklearn"),
]
CODE = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {TRAINING_STACK!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from digits.cli import main
main(sys.argv[1:])
"""


def digits(*arguments, cwd):
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture
def photo(tmp_path, make_photo):
    make_photo("1428").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_it_reads(photo, tmp_path):
    done = digits("read", "photo.png", "--annotate", "drawn", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("photo.png: 1428  (")
    assert (tmp_path / "drawn" / "photo.png").exists()


def test_the_version_names_the_weights_and_their_terms(tmp_path):
    done = digits("--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    version, weights, terms = done.stdout.splitlines()
    assert version == f"digits, version {__version__}"
    assert terms.startswith("terms: ") and "non-commercial" in terms
    for kind, network in (("detector", Detector().header), ("recognizer", Recognizer().header)):
        assert f"{kind} {network['sha256'][:12]}" in weights


def test_every_command_has_help(tmp_path):
    for command in ("read", "explain", "export", "data", "evaluate", "train", "train calibrate", "data synthesize"):
        done = digits(*command.split(), "--help", cwd=tmp_path)
        assert done.returncode == 0 and "Usage" in done.stdout, command


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ("read photo.png --backend torch", "train"),
        ("explain photo.png", "explain"),
        ("export --out exported", "train"),
        ("evaluate pipeline . --out report", "train"),
        ("train detector --config run.toml --out run", "train"),
        ("train grid run.toml --out run", "train"),
        ("train search --config run.toml --space space.toml --out run", "search"),
        ("train calibrate --data . --out calibration.json", "train"),
        ("data stats .", "train"),
    ],
)
def test_the_rest_says_in_one_line_what_is_missing(photo, tmp_path, arguments, extra):
    done = digits(*arguments.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"pip install 'street-digits[{extra}]'" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "gpu"], "gpu: not a device; use auto, cpu, cuda, cuda:N or mps"),
        (["--device", "cuda:x"], "cuda:x: not a device"),
        (["--device", "cuda"], "cuda: no CUDA device here; use cpu or auto|cuda needs torch, which is not installed"),
        (["--device", "mps"], "mps: no Apple GPU here; use cpu or auto|mps needs torch, which is not installed"),
        (["--backend", "onnx", "--device", "cuda"], "cuda: ONNX Runtime runs on the CPU"),
        (["--backend", "torch"], "the backend torch needs [a-z]+, which is not installed: pip install 'street-digits"),
        (["--detector", "my.safetensors"], "the backend torch needs [a-z]+, which is not installed"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_device_that_is_not_there(photo, tmp_path, arguments, message):
    done = digits("read", "photo.png", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(f"Error: ({message}).*\n", done.stderr)


def test_the_library_says_so_too(tmp_path):
    code = CODE.replace(
        "from digits.cli import main\nmain(sys.argv[1:])",
        "import digits\ntry: digits.Reader(backend='torch')\nexcept digits.DeviceError as error: print(error)",
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.startswith("the backend torch needs ")
