"""Photographs from pipes and devices, output that goes nowhere, and names that no terminal should be shown raw."""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

from digits.cli import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes with names, and devices as files, are of POSIX")


@pytest.fixture
def place(tmp_path, make_photo, monkeypatch):
    """A folder to stand in, with a photograph, a socket and a pipe."""
    monkeypatch.chdir(tmp_path)
    make_photo("1428").save("a.jpg")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind("socket")
    os.mkfifo("pipe")
    return tmp_path


@pytest.fixture
def run():
    return lambda *arguments, **options: CliRunner().invoke(main, ["read", *arguments], **options)


def shell(line, **environment):
    """A line of bash in which `digits` is this project's."""
    line = f'digits() {{ "{sys.executable}" -m digits "$@"; }}; {line}'
    return subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, env={**os.environ, **environment})


def writing(path, pauses=0.0):
    """Somebody who opens a pipe after a while and writes the photograph into it, with a pause on the way."""

    def write():
        time.sleep(pauses)
        with open(path, "wb") as pipe, open("a.jpg", "rb") as photo:
            pipe.write(photo.read(100))
            pipe.flush()
            time.sleep(pauses)
            pipe.write(photo.read())

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize("pauses", [0.0, 0.5], ids=["at once", "slow"])
def test_a_pipe_is_read(run, place, pauses):
    writer = writing("pipe", pauses)
    done = run("pipe", "a.jpg", "--annotate", "drawn")
    writer.join()
    assert re.fullmatch(r"pipe: 1428  \(0\.\d\d\)\na.jpg: 1428  \(0\.\d\d\)\n", done.stdout) and done.exit_code == 0
    assert sorted(os.listdir("drawn")) == ["a.jpg", "pipe.png"]


@pytest.mark.parametrize("line", ["read <(cat a.jpg) a.jpg", "read /dev/stdin a.jpg < a.jpg"])
def test_what_a_shell_makes_is_read(place, line):
    done = shell(f"digits {line}")
    assert (done.stdout.count(b": 1428  ("), done.stderr, done.returncode) == (2, b"", 0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (["pipe"], "pipe: nothing writes into this pipe"),
        (["socket"], "socket: is a socket, not a file"),
        (["/dev/zero"], "/dev/zero: not a picture in a format known here"),
        (["/dev/urandom"], "/dev/urandom: not a picture in a format known here"),
        (["/dev/null"], "/dev/null: empty file"),
        (["-"], "standard input: not a picture in a format known here"),
        (["-", "-"], "standard input: named twice, it can be read once"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_stream_keeps_nothing_from_being_read(run, place, bad, message):
    done = run(*bad, "a.jpg", "--quiet", input=b"no photograph, but longer than its head")
    assert done.exit_code == 2 and f"Error: {message}\n" in done.stderr
    assert done.stderr.count("\n") == len(bad) and done.stdout.startswith("a.jpg: 1428  (")


def test_the_library_reads_pipes_too(place):
    import digits

    writer = writing("pipe")
    assert digits.load_image("pipe").shape == (480, 640, 3)
    writer.join()
    with pytest.raises(digits.ImageError, match="socket: is a socket"):
        digits.load_image("socket")


def test_what_comes_before_does_not_wait_and_an_interrupt_ends_the_wait(place):
    held = os.open("pipe", os.O_RDWR)  # a writer who never writes
    command = [sys.executable, "-m", "digits", "read", "a.jpg", "pipe"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("a.jpg: 1428")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    os.close(held)
    assert (process.returncode, rest) == (130, "") and "interrupted" in errors and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "code", "printed", "error"),
    [
        ("digits read a.jpg a.jpg > /dev/full", 2, "", "Error: standard output: no space left on device\n"),
        ("digits read a.jpg --json >&-", 2, "", "Error: standard output: bad file descriptor\n"),
        ("digits read - a.jpg --quiet <&-", 2, "1428", "Error: standard input: bad file descriptor\n"),
        ("digits read gone.jpg a.jpg 2>&-", 2, "1428", ""),
        ("digits read gone.jpg a.jpg 2> /dev/full", 2, "1428", ""),
        ("digits read a.jpg <&- >&- 2>&-", 2, "", ""),
        ("digits read a.jpg | true; exit ${PIPESTATUS[0]}", 141, "", ""),
        ("digits read a.jpg a.jpg a.jpg | head -1; exit ${PIPESTATUS[0]}", 141, "1428", ""),
        ("digits --help > /dev/full", 2, "", "Error: standard output: no space left on device\n"),
        ("digits train --help | true; exit ${PIPESTATUS[0]}", 141, "", ""),
        ("digits data stats . --quiet > /dev/full", 2, "", "Error: standard output: no space left on device\n"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("digits") else "",
)
def test_output_that_fails_is_not_taken_for_a_door_without_a_number(place, line, code, printed, error):
    done = shell(line)
    assert (done.returncode, done.stderr.decode()) == (code, error)
    assert printed in done.stdout.decode() and done.stdout.count(b"\n") == bool(printed)


NAMES = {  # of a file: as it is shown
    b"door 3\xe2\x80\xaf10.jpg": "door 3\u202f10.jpg",
    b"Stra\xc3\x9fe.jpg": "Straße.jpg",
    b"\xe9\x96\x80.jpg": "門.jpg",
    b"caf\xe9.jpg": r"caf\xe9.jpg",
    b"clear\x1b[2J\x1b[31m.jpg": r"clear\x1b[2J\x1b[31m.jpg",
    b"forged.jpg: 9999  (0.99)\nx.jpg": r"forged.jpg: 9999  (0.99)\nx.jpg",
    b"over\rwritten\t\x7f.jpg": r"over\rwritten\t\x7f.jpg",
    "c1\x9b2J.jpg".encode(): r"c1\x9b2J.jpg",
    "right\u202egpj.jpg".encode(): r"right\u202egpj.jpg",
    "two\u2028lines.jpg".encode(): r"two\u2028lines.jpg",
}


@pytest.fixture
def named(place):
    """Files of such names that are no photographs, which is the quickest to be said."""
    os.mkdir("named")
    for name in NAMES:
        with open(os.path.join(b"named", name), "wb") as file:
            file.write(b"no photograph")
    return "named"


@pytest.mark.parametrize("encoding", ["utf-8:surrogateescape", "cp1252", "ascii"])
def test_names_are_shown_without_harm(named, encoding):
    done = shell(f"mv a.jpg 門.jpg; digits read {named} 門.jpg --quiet", PYTHONIOENCODING=encoding)
    spelt = "cp1252" if encoding == "cp1252" else "utf-8"  # ASCII is what a machine without a language says
    lines = [f"Error: named/{name}: not a picture in a format known here\n" for name in NAMES.values()]
    errors = [line.encode(spelt, "backslashreplace") for line in lines]
    assert sorted(done.stderr.splitlines(keepends=True)) == sorted(errors) and done.returncode == 2
    assert done.stdout.startswith("門.jpg: 1428  (".encode(spelt, "backslashreplace")) and done.stdout.count(b"\n") == 1


def test_json_loses_nothing_of_a_name(named):
    done = shell(f"digits read {named} --json --quiet", PYTHONIOENCODING="cp1252")
    records = [json.loads(line) for line in done.stdout.split(b"\n")[:-1]]
    found = {
        base64.b64decode(each["path_base64"]) if "path_base64" in each else each["path"].encode() for each in records
    }
    assert found == {b"named/" + name for name in NAMES}
    assert [each["path"] for each in records if "path_base64" in each] == [r"named/caf\xe9.jpg"]
    assert done.stderr == b"" and json.dumps(records, ensure_ascii=False).encode()  # no lone surrogate is left


@pytest.mark.parametrize(
    "arguments",
    [["read", "a.jpg", "--detector", "gone\x1b[2J\nx.onnx"], ["read", "gone\x1b[2J\nx.onnx"], ["\x1b[2J\nx"]],
    ids=["weights", "photograph", "command"],
)
def test_errors_are_shown_without_harm(place, arguments):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2 and r"\x1b[2J\nx" in done.stderr and "\x1b" not in done.output
