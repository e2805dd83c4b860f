"""Web servers and multiprocessing fork: what was made before must work in the new process, or say why not."""

import multiprocessing
import pickle
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

import digits
from digits import Detector, DeviceError, Reader, Recognizer, WeightsError
from digits.core.resources import shipped
from digits.nn.device import resolve_device

FORK = multiprocessing.get_context("fork")
PATIENCE = 60  # seconds; a reading takes less than one


def in_child(work):
    """What `work` returns in a forked process; no process is left behind."""
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: theirs.send(work()))
    process.start()
    theirs.close()
    try:
        assert ours.poll(PATIENCE), "the forked process hangs"
        return ours.recv()
    finally:
        process.kill()
        process.join()


@pytest.fixture(scope="module")
def photo(make_photo):
    return np.asarray(make_photo("1428"))


def readings(reader, photo):
    return [reading.to_dict() for reading in reader.read(photo).readings]


@pytest.mark.parametrize("which", ["reader", "onnx_reader"])
def test_a_reader_reads_the_same_in_a_forked_process(which, photo, request):
    reader = request.getfixturevalue(which)
    here = readings(reader, photo)
    assert in_child(lambda: readings(reader, photo)) == here
    assert in_child(lambda: in_child(lambda: readings(reader, photo))) == here
    assert readings(reader, photo) == here


def test_so_does_one_in_pytorch(torch_reader, photo):
    """With one thread, which adds up in another order."""
    here = torch_reader.read(photo)
    text, confidence = in_child(
        lambda: (lambda scene: (scene.text, scene.readings[0].confidence))(torch_reader.read(photo))
    )
    assert text == here.text == "1428"
    assert confidence == pytest.approx(here.readings[0].confidence, abs=1e-4)


@pytest.mark.parametrize(
    "options", [{}, {"threads": 1}, {"backend": "torch"}, {"backend": "torch", "threads": 2}], ids=str
)
def test_a_reader_is_made_in_a_forked_process(options, torch_reader, photo):
    torch_reader.read(photo)
    assert in_child(lambda: Reader(**options).read(photo).text) == "1428"


def test_one_thread_starts_no_other(photo):
    before = threading.active_count()
    reader = Reader(threads=1)
    assert reader.read(photo).text == "1428"
    assert [threading.active_count() for _ in reader.read_all([photo] * 2)] == [before] * 2
    assert in_child(lambda: (reader.read(photo).text, threading.active_count())) == ("1428", 1)


def test_the_reader_that_is_kept_is_kept_for_forked_processes(photo):
    """As in a web server: made once, before the workers are."""
    assert digits.read(photo).text == "1428"
    results = FORK.SimpleQueue()
    workers = [FORK.Process(target=lambda: results.put(digits.read(photo).text)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        worker.kill()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert [results.get() for _ in workers] == ["1428", "1428"]


def test_forked_while_another_thread_reads(reader, photo):
    done = threading.Event()

    def read_on():
        while not done.is_set():
            reader.read(photo)

    other = threading.Thread(target=read_on)
    other.start()
    try:
        for _ in range(2):
            assert in_child(lambda: reader.read(photo).text) == "1428"
            assert in_child(lambda: [scene.text for scene in reader.read_all([photo] * 3)]) == ["1428"] * 3
    finally:
        done.set()
        other.join()


def test_what_was_begun_before_the_fork_says_so(reader, photo):
    scenes = reader.read_all([photo] * 4)
    next(scenes)

    def go_on():
        with pytest.raises(RuntimeError, match="forked; begin it here"):
            next(scenes)
        return "said"

    assert in_child(go_on) == "said"
    assert [scene.text for scene in scenes] == ["1428"] * 3


@pytest.mark.parametrize("which", ["reader", "onnx_reader", "torch_reader"])
def test_readers_and_networks_are_sent_to_other_processes(which, photo, request):
    """As `Pool.map(reader.read, paths)` does, however its processes are started: they open their weights again."""
    reader = request.getfixturevalue(which)
    sent = pickle.dumps(reader)
    assert len(sent) < 3000
    assert readings(pickle.loads(sent), photo) == readings(reader, photo)
    detector, recognizer = (pickle.loads(pickle.dumps(each)) for each in (reader.detector, reader.recognizer))
    assert (detector.backend, detector.header) == (reader.detector.backend, reader.detector.header)
    assert detector.predict([photo])[0].to_dict() == reader.detector.predict([photo])[0].to_dict()
    crop = photo[180:300, 200:440]
    assert recognizer.predict([crop]) == reader.recognizer.predict([crop])


@pytest.mark.parametrize("suffix", [".onnx", ".int8.onnx", ".safetensors"])
def test_so_are_those_of_weights_of_ones_own(tmp_path, monkeypatch, suffix, photo):
    """Named from where they were opened; where they are not any more, that is said."""
    for kind in ("detector", "recognizer"):
        shutil.copy(shipped(f"digits.{kind}.weights", f"{kind}{suffix}"), tmp_path)
    monkeypatch.chdir(tmp_path)
    reader = Reader(Detector(f"detector{suffix}", long_side=400), Recognizer(f"recognizer{suffix}"), effort="quick")
    monkeypatch.chdir("/")
    there = pickle.loads(pickle.dumps(reader))
    assert (there.detector.long_side, there.effort, there.detector.backend) == (400, "quick", reader.detector.backend)
    assert readings(there, photo) == readings(reader, photo)
    sent = pickle.dumps(reader.recognizer)
    (tmp_path / f"recognizer{suffix}").unlink()
    with pytest.raises(WeightsError, match=rf"recognizer{suffix}"):
        pickle.loads(sent)


def test_no_forked_process_computes_on_a_gpu():
    def refused(device):
        with pytest.raises(DeviceError) as raised:
            resolve_device(device)
        return str(raised.value)

    for device in ("cuda", "mps"):
        assert in_child(lambda device=device: refused(device)).startswith(
            f"{device}: cannot be used in a forked process"
        )
    assert in_child(lambda: resolve_device("auto").type) == "cpu"


@pytest.mark.parametrize("then", ["pass", "del reader", "reader.read(photo)"])
def test_a_forked_process_comes_to_its_end(then):
    """It ends as Python does, not as multiprocessing ends what it forks: whatever is left is destroyed."""
    code = f"""
import os, signal, sys
import numpy as np
from digits import Reader
reader, photo = Reader(), np.full((120, 160, 3), 128, np.uint8)
reader.read(photo)
child = os.fork()
if child == 0:
    signal.alarm({PATIENCE})
    {then}
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.stdout, done.stderr, done.returncode) == ("7\n", "", 0)
