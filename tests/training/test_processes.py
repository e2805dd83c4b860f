"""Runs as processes of their own: killed, and shared by two."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from toy import history
from without_dropout import make_task

from digits import ConfigError
from digits.nn.weights import load_weights
from digits.training.config import load_config
from digits.training.processes import ProcessGroup
from digits.training.run import train

CONFIG = """
kind = "recognizer"
epoch_steps = 6
[model]
backbone = "lenet"
[data]
root = "{root}"
batch_size = 8
workers = {workers}
[[data.train]]
source = "crops"
split = "train"
[[data.validation]]
source = "crops"
split = "validation"
count = 9
[optimiser]
warmup = 2
[[stages]]
features = 1
rate = 1e-3
[[stages]]
epochs = {epochs}
rate = 1e-3
decay = 0.5
[machine]
threads = 1
precision = "{precision}"
log_every = 1
checkpoint_seconds = 0.001
"""
COUNT = 9  # of validation crops
WEIGHTS = "recognizer.safetensors"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def write_config(folder: Path, crops: Path, *, epochs=2, precision="auto", workers=1) -> Path:
    path = folder / "config.toml"
    path.write_text(CONFIG.format(root=crops.parent, epochs=epochs, precision=precision, workers=workers))
    return path


def wait_for_steps(run: Path, count: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    log = run / "log.jsonl"
    while not log.exists() or log.read_text().count("\n") < count:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_and_resumed_the_losses_are_the_same(tmp_path, crops):
    """SIGKILL to the command itself, twice; a real network, with dropout and a worker process."""
    config = write_config(tmp_path, crops, epochs=5)
    command = [sys.executable, "-m", "digits.cli", "train", "recognizer", "--quiet", "--config", str(config), "--out"]
    for count in (4, 16):
        resume = ["--resume"] if count > 4 else []
        process = subprocess.Popen([*command, str(tmp_path / "killed"), *resume], env=ENVIRONMENT)
        wait_for_steps(tmp_path / "killed", count, process)
        process.kill()
        process.wait()
    assert not (tmp_path / "killed" / WEIGHTS).exists()
    for run in ("killed", "whole"):
        resume = ["--resume"] if run == "killed" else []
        done = subprocess.run([*command, str(tmp_path / run), *resume], env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{tmp_path / run / WEIGHTS}\n"
    assert history(tmp_path / "killed") == history(tmp_path / "whole")
    assert len(history(tmp_path / "whole", "loss")) == 36
    killed, whole = (load_weights(tmp_path / run / WEIGHTS, "recognizer") for run in ("killed", "whole"))
    assert all(torch.equal(killed[1][key], whole[1][key]) for key in whole[1])
    assert killed[0]["temperature"] == whole[0]["temperature"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_stops_it_with_all_saved(tmp_path, crops, number):
    """As a scheduler or a terminal sends it: to the worker that draws, too."""
    config = write_config(tmp_path, crops, epochs=50)
    command = [sys.executable, "-m", "digits.cli", "train", "recognizer", "--quiet", "--config", str(config)]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        env=ENVIRONMENT,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_steps(tmp_path / "run", 9, process)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2 and "all saved; go on with --resume" in said and "Traceback" not in said
    step = int(re.search(r"stopped at step (\d+)", said)[1])
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == step


def test_two_processes_do_what_one_does(tmp_path, crops):
    """Same global batch, same losses, same metrics within rounding; both halves of the validation data are counted."""
    config = write_config(tmp_path, crops, precision="fp32", workers=0)
    script = Path(__file__).with_name("without_dropout.py")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, str(script), str(config), str(tmp_path / "two")], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    train(make_task, load_config(config), tmp_path / "one", quiet=True)
    for name in ("loss", "length", "digits", "rate"):
        one, two = ([value for (value,) in history(tmp_path / run, name)] for run in ("one", "two"))
        assert len(one) == 18 and two == pytest.approx(one, rel=1e-4), name
    for name in ("exact", "length_accuracy"):
        one, two = ([value for (value,) in history(tmp_path / run, name)] for run in ("one", "two"))
        assert two == pytest.approx(one, abs=1 / COUNT + 1e-6)
        assert [COUNT * value for value in two] == pytest.approx([round(COUNT * value) for value in two], abs=1e-4)
    one, two = (load_weights(tmp_path / run / WEIGHTS, "recognizer")[1] for run in ("one", "two"))
    assert all(torch.allclose(one[key], two[key], atol=2e-3) for key in one)


def test_a_wrong_run_is_refused_in_every_process(tmp_path, crops):
    """Nobody waits for a process that has given up."""
    config = write_config(tmp_path, crops, workers=0)
    script = Path(__file__).with_name("without_dropout.py")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "config.toml").write_text(config.read_text())
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, str(script), str(config), str(tmp_path / "taken")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0 and "holds a run already" in done.stderr


def test_alone_nothing_is_exchanged():
    alone = ProcessGroup(0, 1, torch.device("cpu"))
    net = torch.nn.Linear(1, 1)
    assert alone.share(net) is net and alone.gather("x") == ["x"] and alone.first
    with pytest.raises(ConfigError, match="no"):
        alone.agree_on(lambda: (_ for _ in ()).throw(ConfigError("no")))
