"""Worker processes end with the command that started them, however that ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

RUN = """
kind = "recognizer"
epoch_steps = 100000
[model]
backbone = "lenet"
[data]
root = "{data}"
workers = 2
[[data.train]]
synthetic = "."
fonts = "fonts"
[[stages]]
rate = 1e-3
[machine]
log_every = 1
threads = 1
"""


@pytest.mark.skipif(os.name == "nt", reason="commands are killed as POSIX kills")
@pytest.mark.parametrize(
    ("command", "begun"),
    [
        ("data synthesize crops --count 1000000 --workers 2 --fonts FONTS --out drawn", ".drawn-*/images/*"),
        ("train recognizer --config run.toml --out run", "run/last.pt"),
    ],
    ids=["synthesize", "train"],
)
def test_a_killed_command_leaves_no_workers(data, tmp_path, command, begun):
    (tmp_path / "run.toml").write_text(RUN.format(data=data) + "checkpoint_seconds = 0.001\n")
    arguments = command.replace("FONTS", str(data / "fonts")).split()
    with subprocess.Popen(
        [sys.executable, "-m", "digits", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        while not any(tmp_path.glob(begun)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert any(tmp_path.glob(begun)), process.poll()
        process.send_signal(signal.SIGKILL)
        # workers hold the other end of this pipe: it is at its end once none of them is left
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
