import hashlib
import io
import re
import shutil
import tarfile
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from digits import DatasetError
from digits.datasets import download
from digits.datasets.download import SVHN_ARCHIVES, Archive, download_svhn


def member(name: str, content: bytes = b"content", **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def packed(*members) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archive_of(name: str) -> bytes:
    noise = np.random.default_rng(1).bytes(100_000)
    folder = member(name, b"", type=tarfile.DIRTYPE, mode=0o755)
    return packed(folder, member(f"{name}/digitStruct.mat", b"boxes"), member(f"{name}/1.png", noise))


def described(content: bytes) -> Archive:
    return Archive(len(content), hashlib.sha256(content).hexdigest())


class Server(ThreadingHTTPServer):
    """Serves `files`, by name. `requests`: the name and the Range of each request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.ranges = True  # whether it can send a part of a file
        self.refuse_ranges = False
        self.stop_after: int | None = None  # bytes, after which the connection breaks off
        self.url = f"http://127.0.0.1:{self.server_port}/housenumbers/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.requests.append((self.path, asked))
        content = server.files.get(self.path.removeprefix("/housenumbers/"))
        if content is None:
            return self.send_error(404)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges else 0
        if start and (server.refuse_ranges or start >= len(content)):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start:] if server.stop_after is None else content[start : start + server.stop_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        running.files = {f"{name}.tar.gz": archive_of(name) for name in ("train", "test")}
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def fetch(server, tmp_path):
    """download_svhn from the server to tmp_path/svhn; `archives`, if they are not to be those on the server."""
    known = {name.removesuffix(".tar.gz"): described(content) for name, content in server.files.items()}

    def run(splits=("train",), archives=known):
        return download_svhn(tmp_path / "svhn", splits, server.url, archives=archives)

    return run


def names(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


WHOLE = ["train", "train/1.png", "train/digitStruct.mat"]


def test_downloads_and_unpacks(fetch, server, tmp_path, capsys):
    out = tmp_path / "svhn"
    assert fetch(("train", "test", "train")) == [out / "train", out / "test"]
    assert names(out) == ["test", "test/1.png", "test/digitStruct.mat", *WHOLE]
    assert (out / "train" / "digitStruct.mat").read_bytes() == b"boxes"
    assert server.requests == [("/housenumbers/train.tar.gz", None), ("/housenumbers/test.tar.gz", None)]
    capsys.readouterr()
    assert fetch(("train",)) == [out / "train"] and len(server.requests) == 2
    captured = capsys.readouterr()
    assert f"{out / 'train'}: already there" in captured.err and captured.out == ""


def test_quiet(server, tmp_path, capsys):
    archives = {"train": described(server.files["train.tar.gz"])}
    for _ in range(2):
        download_svhn(tmp_path, ("train",), server.url, quiet=True, archives=archives)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("ranges", "refuse", "asked"),
    [(True, False, ["bytes=30000-"]), (False, False, ["bytes=30000-"]), (True, True, ["bytes=30000-", None])],
    ids=["resumes", "server sends everything", "server answers 416"],
)
def test_goes_on_after_the_connection_broke_off(fetch, server, tmp_path, ranges, refuse, asked):
    server.stop_after = 30_000
    with pytest.raises(DatasetError, match=r"broke off; run it again to go on from train\.tar\.gz\.partial"):
        fetch()
    assert names(tmp_path / "svhn") == ["train.tar.gz.partial"]
    assert (tmp_path / "svhn" / "train.tar.gz.partial").stat().st_size == 30_000
    server.stop_after, server.ranges, server.refuse_ranges = None, ranges, refuse
    fetch()
    assert [kind for _, kind in server.requests[1:]] == asked
    assert names(tmp_path / "svhn") == WHOLE


@pytest.mark.parametrize("surplus", [0, 9])
def test_partial_file_that_is_whole_or_too_long(fetch, server, tmp_path, surplus):
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / "train.tar.gz.partial").write_bytes(server.files["train.tar.gz"] + bytes(surplus))
    fetch()
    assert len(server.requests) == bool(surplus) and names(tmp_path / "svhn") == WHOLE


def test_archive_put_there_by_hand(fetch, server, tmp_path):
    archive = tmp_path / "svhn" / "train.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(b"other")
    with pytest.raises(DatasetError, match=r"train\.tar\.gz: size or SHA-256 is not that of the official archive"):
        fetch()
    assert archive.read_bytes() == b"other"
    archive.write_bytes(server.files["train.tar.gz"])
    fetch()
    assert server.requests == [] and names(tmp_path / "svhn") == WHOLE


def test_wrong_checksum(fetch, server, tmp_path):
    content = server.files["train.tar.gz"]
    server.files["train.tar.gz"] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(DatasetError, match="size or SHA-256 is not that of the official archive"):
        fetch()
    assert names(tmp_path / "svhn") == []


def test_wrong_size_keeps_what_there_is(fetch, server, tmp_path):
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / "train.tar.gz.partial").write_bytes(b"begun")
    server.files["train.tar.gz"], server.ranges = b"<html>please log in</html>", False
    with pytest.raises(DatasetError, match=r"has 26 bytes, but the official archive has \d+"):
        fetch()
    assert (tmp_path / "svhn" / "train.tar.gz.partial").read_bytes() == b"begun"


def test_what_the_server_refuses(fetch, server, tmp_path):
    server.files.clear()
    with pytest.raises(DatasetError, match=r"train\.tar\.gz: the server answers 404 Not Found"):
        fetch()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9/", r"cannot reach 127\.0\.0\.1"),
        ("http://nowhere.invalid/svhn", r"cannot reach nowhere\.invalid"),
        *[
            (url, "not an address")
            for url in (
                *(
                    "nonsense",
                    "//127.0.0.1/",
                    "ftp://127.0.0.1/",
                    "http://",
                    "https:///path",
                    "http://user@:80/",
                    "http://[::bad",
                ),
                *(
                    "http://host:abc/",
                    "http://host:99999/",
                    "http://127.0.0.1:0/",
                    "http://one two/",
                    "http://host/\n",
                    "http://\0/",
                ),
            )
        ],
    ],
)
def test_no_network(tmp_path, url, message):
    with pytest.raises(DatasetError, match=message) as caught:
        download_svhn(tmp_path, ("test",), url, archives={"test": Archive(10, "")})
    assert "\n" not in str(caught.value) and names(tmp_path) == []


def test_unknown_part(tmp_path):
    with pytest.raises(DatasetError, match="valid: no split of SVHN; there are train, test, extra"):
        download_svhn(tmp_path, ("valid",))


def test_something_else_is_in_the_way(fetch, tmp_path):
    (tmp_path / "svhn" / "train").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"train: is there but holds no digitStruct\.mat"):
        fetch()


def test_too_little_space(monkeypatch, tmp_path):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1e9))
    with pytest.raises(DatasetError, match=r"1\.5 GB more are needed there, and 1\.0 GB are free"):
        download_svhn(tmp_path)
    assert SVHN_ARCHIVES["extra"].size == 1955489752


class FullDisk(io.BytesIO):
    def write(self, _):
        raise OSError(28, "No space left on device")


def test_disk_full(fetch, tmp_path, monkeypatch):
    opened = download.Path.open
    monkeypatch.setattr(
        download.Path, "open", lambda path, mode="r": opened(path, mode) if mode == "rb" else FullDisk()
    )
    with pytest.raises(DatasetError, match=r"svhn: no space left on device"):
        fetch()


def test_out_cannot_be_made(fetch, tmp_path):
    (tmp_path / "svhn").write_text("a file")
    with pytest.raises(DatasetError, match=r"svhn: (file exists|not a directory)"):
        fetch()


def test_interrupted_download_is_kept(fetch, server, tmp_path, monkeypatch):
    receive = download._receive

    def interrupted(response, *rest):
        if interrupted.calls:
            raise KeyboardInterrupt
        interrupted.calls += 1
        return receive(response, *rest)[:20_000]

    interrupted.calls = 0
    monkeypatch.setattr(download, "_receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch()
    assert names(tmp_path / "svhn") == ["train.tar.gz.partial"]
    monkeypatch.undo()
    fetch()
    assert server.requests[-1][1] == "bytes=20000-" and names(tmp_path / "svhn") == WHOLE


def test_interrupted_unpacking_leaves_no_folder(fetch, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("digits.datasets.download.shutil.copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch()
    assert names(tmp_path / "svhn") == ["train.tar.gz"]
    monkeypatch.undo()
    (tmp_path / "svhn" / ".train.unpacking").mkdir()  # as a run that was killed leaves it
    fetch()
    assert names(tmp_path / "svhn") == WHOLE


MAT = member("train/digitStruct.mat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed(MAT, member("../escaped")), r"'\.\./escaped' is no plain file or folder in train/"),
        (packed(MAT, member("train/../../escaped")), "is no plain file or folder"),
        (packed(MAT, member("/tmp/escaped")), "is no plain file or folder"),
        (packed(MAT, member("train/a\\..\\escaped")), "is no plain file or folder"),
        (packed(MAT, member("test/1.png")), "is no plain file or folder in train/"),
        (packed(MAT, member("train/s", b"", type=tarfile.SYMTYPE, linkname="/etc")), "is no plain file or folder"),
        (packed(MAT, member("train/l", b"", type=tarfile.LNKTYPE, linkname=MAT[0].name)), "is no plain file or folder"),
        (packed(MAT, member("train/p", b"", type=tarfile.FIFOTYPE)), "is no plain file or folder"),
        (packed(MAT, member("train/d", b"", type=tarfile.CHRTYPE)), "is no plain file or folder"),
        (packed(member("train", b"")), r"holds no train/digitStruct\.mat"),
        (packed(member("train/1.png")), r"holds no train/digitStruct\.mat"),
        (archive_of("train")[:50_000], "damaged; remove it"),
        (b"no archive at all", "damaged; remove it"),
    ],
    # named, since the bytes of a compressed file hold the time: processes side by side must name a case alike
    ids=[
        *("above", "above from within", "absolute", "backslashes", "elsewhere", "link", "hard link", "pipe", "device"),
        *("a file for a folder", "no annotations", "cut off", "no archive"),
    ],
)
def test_hostile_and_damaged_archives(fetch, server, tmp_path, content, message):
    server.files["train.tar.gz"] = content
    with pytest.raises(DatasetError, match=message) as caught:
        fetch(archives={"train": described(content)})
    assert "train" in str(caught.value) and "\n" not in str(caught.value)
    assert names(tmp_path) == ["svhn", "svhn/train.tar.gz"]
