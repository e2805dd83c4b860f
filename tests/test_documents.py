"""Documents are as they are typed: every command in them, in help texts and in recipes is run here, in short.

Commands are collected from the texts, so that a new one is tried by itself. They run in a folder that holds what the
documents speak of (`photo.jpg`, `DATA`, `svhn/`, `runs/`), all of it small and drawn. What would take long, or change
the machine, is held against the real options, the real keys of configurations, and the files it needs.
"""

import configparser
import json
import pickle
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from digits.cli import main

ROOT = Path(__file__).parents[1]
WRITTEN = sorted([*ROOT.glob("*.md"), *ROOT.glob("[!.]*/*.md"), *ROOT.glob("benchmarks/notes/*.md")])
DOCUMENTS = [path for path in WRITTEN if path.name != "CHANGELOG.md"]
SCRIPT = ROOT / "training" / "rounds.sh"
SHELLS = ("", "sh", "bash", "console")

TINY = [
    *("epoch_steps=1", "stages=[{rate = 1e-3}]", "data.batch_size=4", "data.workers=0", "machine.threads=1"),
    *("model.backbone=lenet", 'data.validation=[{source = "svhn_test_grey", count = 4}]'),
]
SMALL = [part for setting in TINY for part in ("--set", setting)]
# What makes a command short: options that come after its own, and win. None: it is only parsed.
SHORT = {
    "data download": None,  # the network
    "data synthesize": ["--count", "3", "--workers", "0"],
    "evaluate detector": ["--limit", "1"],
    "evaluate pipeline": ["--limit", "1"],
    "evaluate recognizer": ["--limit", "3"],
    "explain": ["--passes", "2"],
    "export": None,  # a minute, and with --format int8 several
    "train calibrate": ["--drawn", "2"],
    "train detector": None,  # minutes at the least; its configuration is checked
    "train grid": SMALL,
    "train mine": ["--limit", "2"],
    "train recognizer": SMALL,
    "train search": [*SMALL, "--trials", "1"],
}


# --- what is collected


def blocks(text: str, kinds) -> list[str]:
    return [content for kind, content in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S) if kind in kinds]


def spans(text: str) -> list[str]:
    """What stands in backticks within sentences."""
    running = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", running)]


def commands_of(block: str) -> list[tuple[str, str | None]]:
    """Command lines, and what each prints where that is shown: after lines that begin with a $."""
    lines = block.replace("\\\n", " ").splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return [(" ".join(line.split()), None) for line in lines if line.strip()]
    found: list[tuple[str, str | None]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            found[-1] = found[-1][0], found[-1][1] + line + "\n"
    return found


def every_command(group: click.Group, name: str = ""):
    for key, command in group.commands.items():
        yield f"{name} {key}".strip(), command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{name} {key}".strip())


def collected() -> dict[str, tuple[str, str | None]]:
    """Command lines, where each stands first, and what it prints."""
    found: dict[str, tuple[str, str | None]] = {}

    def add(place: str, line: str, output: str | None = None) -> None:
        if line not in found or output:
            found[line] = place, output

    for path in DOCUMENTS:
        for block in blocks(path.read_text(encoding="utf-8"), SHELLS):
            for line, output in commands_of(block):
                add(path.relative_to(ROOT).as_posix(), line.partition("  #")[0].strip(), output)
    for line in re.sub(r"^(#.*|set -eu)\n", "", SCRIPT.read_text(encoding="utf-8"), flags=re.M).split("\n\n"):
        for command, _ in commands_of(line):
            add("training/rounds.sh", command)
    for name, command in every_command(main):
        for line in re.findall(r"^ {2}(\w[\w-]* .*)$", f"{command.help}\n{command.epilog or ''}", re.M):
            if line.startswith(("digits ", "torchrun ")) or "|" in line:
                add(f"{name} --help", line)
    for path in sorted((ROOT / "configs").glob("*.toml")):
        for line in re.findall(r"^#.*?(?: {2,}|First: |\()(digits [^()\n]*)", path.read_text(encoding="utf-8"), re.M):
            add(f"configs/{path.name}", line.strip())
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        for line in re.findall(r"^ {4}(python benchmarks/.*)$", path.read_text(encoding="utf-8"), re.M):
            add(f"benchmarks/{path.name}", line)
    for path in DOCUMENTS:
        for span in spans(path.read_text(encoding="utf-8")):
            if re.match(r"(python|pip|apt-get|ruff|pytest) ", span):
                add(path.relative_to(ROOT).as_posix(), span)
    return found


COMMANDS = collected()
SNIPPETS = [
    pytest.param(block, id=f"{path.relative_to(ROOT).as_posix()} {k}")
    for path in DOCUMENTS
    for k, block in enumerate(blocks(path.read_text(encoding="utf-8"), ["python"]))
]


# --- the folder they run in


@pytest.fixture(scope="module")
def world(tmp_path_factory, data, make_photo, synthesizer):
    """All that the documents speak of, whatever made it; weights are those that ship."""
    from digits.datasets.rendering import render
    from digits.datasets.synthesis import Synthetic

    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(ROOT / "configs", folder / "configs")
    for name in ("smoke.toml", "a.toml", "b.toml"):
        shutil.copy(ROOT / "configs" / "smoke.toml", folder / name)
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "training").mkdir()
    shutil.copy(ROOT / "training" / "debian_fonts.txt", folder / "training")
    (folder / "pipeline").mkdir()

    door = make_photo("1428")
    for name in ("photo.jpg", "facade.jpg"):
        shutil.copy(ROOT / "examples" / "doorway.jpg", folder / name)
    for name in ("photos", "street", "frames", "test"):
        (folder / name).mkdir()
        door.save(folder / name / "1.jpg")
    shutil.copytree(data, folder / "DATA")
    for name in ("wild", "campus", "icdar2003"):
        images = folder / "DATA" / name / "images"
        images.mkdir(parents=True)
        door.save(images / "1.jpg")
        entry = {"file": "1.jpg", "numbers": [{"text": "1428", "box": [240, 205, 400, 275]}]}
        (images.parent / "annotations.json").write_text(json.dumps([entry]))
    for name in ("svhn_train_color", "campus_letters"):
        images = folder / "DATA" / name / "images"
        images.mkdir(parents=True)
        entries = []
        for k in range(3):  # one of each split
            door.save(images / f"facade_000{k}.jpg")
            boxes = [[240 + 40 * place, 205, 40, 70] for place in range(4)]
            entries.append(json.dumps({"file": f"facade_000{k}.jpg", "digits": "1428", "boxes": boxes}))
        (images.parent / "annotations.jsonl").write_text("\n".join(entries))
    text = folder / "DATA" / "icdar2003" / "text_without_digits"
    mined = [folder / "DATA" / "mined" / name for name in ("windows", "crops")]
    for path in (text, *mined):
        path.mkdir(parents=True)
        for k in range(4):
            make_photo("").save(path / f"{k}.jpg")

    render(Synthetic(synthesizer, "crop", 12), folder / "crops", suffix=".png", workers=0, quiet=True)
    render(Synthetic(synthesizer, "composed", 12), folder / "scenes", suffix=".jpg", workers=0, quiet=True)
    for name in ("svhn/train", "svhn/test", "svhn/extra", "svhn-coco", "drawn", "campus"):
        shutil.copytree(folder / "scenes", folder / name)
    shutil.copytree(folder / "svhn", folder / "data" / "svhn")
    shutil.copytree(folder / "crops", folder / "DATA" / "svhn_test_grey")
    rows = {"left": [10], "top": [10], "width": [9], "height": [20], "label": [1]}
    listed = {0: {"filename": "1.jpg", "metadata": rows, "split": "test"}}
    (folder / "test_metadata.pkl").write_bytes(pickle.dumps(listed))
    shutil.copy(folder / "scenes" / "instances.json", folder / "instances_test.json")
    shutil.copytree(folder / "scenes" / "images", folder / "images")
    (folder / "others.jsonl").write_text('{"id": "1.jpg", "readings": []}\n')

    for kind in ("detector", "recognizer"):
        (folder / kind / "weights").mkdir(parents=True)
        for path in (ROOT / kind / "weights").glob(f"{kind}.*"):
            for place in (f"{kind}/weights", "exported", "int8"):
                (folder / place).mkdir(exist_ok=True)
                (folder / place / path.name).symlink_to(path)
        runs = {"detector": ["detector", "detector-tuned", "detector-close", "detector-last", "detector-real", "tuned",
                             "detector-gpu"],
                "recognizer": ["recognizer", "recognizer-tuned", "letters", "recognizer-letters"]}[kind]  # fmt: skip
        for path in [*(f"runs/{run}/{kind}.safetensors" for run in runs), f"runs/{kind}.safetensors"]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(ROOT / kind / "weights" / f"{kind}.safetensors")
    for name in ("runs/first.safetensors", "thin.safetensors", "WEIGHTS"):
        (folder / name).symlink_to(ROOT / "detector" / "weights" / "detector.safetensors")
    (folder / "mine.safetensors").symlink_to(ROOT / "recognizer" / "weights" / "recognizer.safetensors")

    fonts = folder / "bin" / "fc-list"  # the fonts of the system are one
    fonts.parent.mkdir()
    fonts.write_text(f"#!/bin/sh\necho {data / 'fonts' / 'one.ttf'}\n")
    fonts.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PATH", str(fonts.parent), prepend=":")
        smoke = "train recognizer --config configs/smoke.toml --set data.root=DATA --out runs/smoke"
        report = "evaluate recognizer svhn/train --limit 12 --out reports/validation"
        for arguments in ([*smoke.split(), *SMALL], report.split()):
            done = CliRunner().invoke(main, arguments)
            assert done.exit_code == 0, done.output
    for path in (folder / "runs" / "smoke").glob("*.pt"):
        path.unlink()
    for name in ("plain", "mined"):
        shutil.copytree(folder / "runs" / "smoke", folder / "runs" / name)
    for name in ("before", "after", "shipped", "mine"):
        shutil.copytree(folder / "reports" / "validation", folder / "reports" / name)
    return folder


@pytest.fixture
def here(world, tmp_path, monkeypatch):
    """A copy of it, entered; benchmarks are where they are."""
    shutil.copytree(world, tmp_path / "world", symlinks=True)
    (tmp_path / "world" / "benchmarks").symlink_to(ROOT / "benchmarks")
    monkeypatch.chdir(tmp_path / "world")
    monkeypatch.setenv("PATH", str(world / "bin"), prepend=":")
    return tmp_path / "world"


# --- the programs they call, each given its words and what is piped into it; they return what they print


def leaf(words: list[str]) -> tuple[str, click.Command, list[str]]:
    """The command that is named, and its arguments."""
    command, name = main, []
    while isinstance(command, click.Group):
        if not words or words[0] not in command.commands:
            return " ".join(name), command, words
        command, name, words = command.commands[words[0]], [*name, words[0]], words[1:]
    return " ".join(name), command, words


@contextmanager
def parsed(command: click.Command, arguments: list[str]):
    """The parameters by name. Whatever click finds wrong is raised."""
    with command.make_context("", list(arguments)) as context:
        yield context.params


def check_training(params: dict) -> None:
    """That the configuration can be what is set, and that what it names is there."""
    from digits.training.config import load_config

    config = load_config(params["path"], params["settings"])
    for source in (*config.data.train, *config.data.validation):
        for name in filter(None, (source.source, source.synthetic and f"{source.synthetic}/negatives", source.mined)):
            assert config.path(name).exists(), f"{config.path(name)}: not there; is --set data.root=DATA missing?"
    start = config.model.start
    assert start in (None, "shipped") or Path(start).exists(), start


def digits(words: list[str], piped: bytes, whole: bool) -> str:
    name, command, arguments = leaf(words)
    if arguments in (["--help"], ["--version"]):
        return ""
    with parsed(command, arguments) as params:
        if params.get("path") and "settings" in params:  # a resumed run has its own
            check_training(params)
        elif name == "train grid":
            from digits.training.search import plan

            plan(params["configs"], params["vary"], params["settings"])
        for option, value in params.items():
            for path in value if isinstance(value, tuple) else [value]:
                written = option in ("out", "plot")
                assert written or not isinstance(path, Path) or path.exists(), f"{path}: not in the folder made here"
        out = params.get("out")
        resumed = params.get("resume")
    short = SHORT.get(name, [])
    if short is None or (name == "train recognizer" and not resumed and "configs/smoke.toml" not in arguments):
        return ""
    if isinstance(out, Path) and not resumed:  # made by the fixture, or by a command that stands before
        if out.is_dir():
            shutil.rmtree(out)
        else:
            out.unlink(missing_ok=True)
    if name == "train grid":  # one of each is enough
        arguments = [word.partition("|")[0] if "=" in word else word for word in arguments]
    more = [] if resumed or whole else short
    done = CliRunner().invoke(main, [*words[: len(name.split())], *arguments, *more], piped)
    assert done.exit_code in ((0, 1) if name in ("read", "explain") else (0,)), done.output
    return done.stdout


def python(words: list[str], piped: bytes, whole: bool) -> str:
    """A script of the checkout: its options are parsed by the command it defines."""
    if words[:2] == ["-m", "venv"]:
        return ""
    script = Path(words[0])
    assert script.exists(), script
    if script.parts[0] == "benchmarks":
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(script.parent)
            defined = runpy.run_path(str(script), run_name="looked at").values()
        (command,) = {each for each in defined if isinstance(each, click.Command) and each is not main}
        arguments = [re.sub(r"=/.*", f"={sys.executable}", word) for word in words[1:]]
        with parsed(command, arguments):
            pass
    return ""


def torchrun(words: list[str], piped: bytes, whole: bool) -> str:
    at = words.index("-m")
    assert words[at + 1] == "digits.cli"
    with parsed(*leaf(words[at + 2 :])[1:]) as params:
        if not params["resume"]:
            check_training(params)
    return ""


def packages() -> dict[str, str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return dict(setup["options.extras_require"])


def pip(words: list[str], piped: bytes, whole: bool) -> str:
    assert words[0] == "install"
    for extras in re.findall(r"\[(.*?)\]", " ".join(words)):
        assert set(extras.split(",")) <= packages().keys(), extras
    return ""


def apt_get(words: list[str], piped: bytes, whole: bool) -> str:
    for path in re.findall(r"\$\(cat (.*?)\)", " ".join(words)):
        assert Path(path).read_text().split()
    return ""


def tool(name: str):
    def run(words: list[str], piped: bytes, whole: bool) -> str:
        assert re.search(rf"^{name}\b", packages()["dev"], re.M), f"{name} does not come with the extra dev"
        return ""

    return run


def cp(words: list[str], piped: bytes, whole: bool) -> str:
    for source in words[:-1]:
        assert Path(words[-1]).is_dir()
        Path(words[-1], Path(source).name).unlink(missing_ok=True)  # a link to what ships, which must stay as it is
        shutil.copy(source, words[-1])
    return ""


def mv(words: list[str], piped: bytes, whole: bool) -> str:
    source, target = map(Path, words)
    assert source.exists() and not target.exists()
    source.rename(target)
    return ""


PROGRAMS = {
    "digits": digits,
    "python": python,
    "python3": python,
    "torchrun": torchrun,
    "pip": pip,
    "apt-get": apt_get,
    "ruff": tool("ruff"),
    ".ci/borders": tool("import-linter"),
    ".ci/types": tool("mypy"),
    "pytest": tool("pytest"),
    "cp": cp,
    "mv": mv,
    ".": lambda *_: "",
    "camera-snapshot": lambda *_: Path("photo.jpg"),
}


def run(line: str, whole: bool = False) -> str:
    """A command line, with && and |; a redirected output is thrown away. whole: as it is, not made short."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|>;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    printed, words = "", []
    for token in [*lexer, "&&"]:
        if token not in ("&&", "|"):
            words.append(token)
            continue
        words = words[: words.index(">")] if ">" in words else words
        assert words[0] in PROGRAMS, f"{words[0]}: say here how it is tried, or in the document that it is ```text"
        piped = printed.read_bytes() if isinstance(printed, Path) else b""
        printed, words = PROGRAMS[words[0]](words[1:], piped, whole), []
    return printed


@pytest.mark.parametrize("line", COMMANDS, ids=lambda line: f"{COMMANDS[line][0]}: {line[:90]}")
def test_a_command(here, line):
    expected = COMMANDS[line][1]
    printed = run(line, whole=bool(expected))
    assert not expected or printed == expected


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_of_python(here, code):
    image = np.asarray(Image.open("photo.jpg"))
    exec(code, {"paths": ["photo.jpg"], "image": image, "crop": image[150:250, 200:400]})


def test_the_script_of_the_training_rounds_is_a_script():
    subprocess.run(["sh", "-n", SCRIPT], check=True)


# --- what is mentioned in sentences


def mentioned() -> list:
    found = {}
    for path in DOCUMENTS:
        for span in spans(path.read_text(encoding="utf-8")):
            if "--" in span or re.match(r"digits [a-z]", span):
                found.setdefault(span, path.relative_to(ROOT).as_posix())
    return [pytest.param(span, id=f"{place}: {span}") for span, place in found.items()]


@pytest.mark.parametrize("span", mentioned())
def test_what_is_mentioned_exists(span):
    """Commands by name, `a|b` for both; options of the command, or alone of any, scripts of benchmarks included."""
    words = span.split()
    options = {option.partition("=")[0] for word in words for option in re.findall(r"^(--[\w-]+)", word)}
    if "digits" not in words:
        known = {option for _, command in every_command(main) for param in command.params for option in param.opts}
        scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py"))
        assert options <= known | {"--help"} | set(re.findall(r'"(--[\w-]+)"', scripts)), span
        return
    words = words[words.index("digits") + 1 :]
    choices = next((word.split("|") for word in words if "|" in word), [None])
    for choice in choices:
        name, command, _ = leaf([choice if "|" in word else word for word in words])
        assert name or not words or words[0].startswith("-") or not words[0].isalpha(), span
        assert choice is None or choice in name.split(), span
        assert options <= {option for param in command.params for option in param.opts} | {"--help"}, span


def test_the_table_of_configuration_keys_is_whole():
    from digits.training.config import Config, DataSource, Stage

    text = (ROOT / "training" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `\[*([\w.]+?)\]*` \| (.*) \|$", text.partition("| section | keys |")[2], re.M))
    sections = {name: Config.model_fields[name].annotation for name in rows if "." not in name}
    sections["stages"], sections["data.train"] = Stage, DataSource
    assert set(rows) == {*sections, "data.validation"}
    for name, model in sections.items():
        keys = set(model.model_fields) - {"train", "validation", "count"}
        assert keys <= set(re.findall(r"`(\w+)`", rows[name])), name


@pytest.mark.parametrize("name", ["", *(name for name, command in every_command(main) if hasattr(command, "commands"))])
def test_summaries_of_commands_are_not_cut(name):
    done = CliRunner().invoke(main, [*name.split(), "--help"], terminal_width=80)
    assert done.exit_code == 0 and "..." not in done.stdout.partition("Commands:")[2]


def links(path: Path) -> list[str]:
    """Links of a document within the project, pictures too."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [target for target in re.findall(r"\]\(([^)\s]+)", text) if "://" not in target]


def anchors(path: Path) -> set[str]:
    """The places in a document that a link may name."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_files_of_the_project_that_a_document_names_exist(path):
    """Files are named from the root, or from the document's folder, with the suffix of a file that is kept here."""
    for link in links(path):
        target, _, anchor = link.partition("#")
        linked = path.parent / target if target else path
        assert linked.exists(), link
        assert not anchor or anchor in anchors(linked), link
    if path not in DOCUMENTS:  # the changelog names what is gone
        return
    for span in spans(path.read_text(encoding="utf-8")):
        if re.fullmatch(r"[a-z_]+/[\w/.-]+\.(py|toml|sh|md|txt)", span):
            assert (ROOT / span).exists() or (path.parent / span).exists(), span


def test_every_note_is_in_the_index():
    index = ROOT / "benchmarks" / "notes" / "README.md"
    listed = [link for link in links(index) if not link.startswith("../")]
    assert sorted(listed) == sorted(path.name for path in index.parent.glob("*.md") if path != index)


def test_the_front_page_is_short():
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) < 900
