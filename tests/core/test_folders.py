"""Nothing below a folder is passed over silently."""

import errno
import os
from pathlib import Path

import pytest

from digits.core.folders import files_below, files_matching, pictures_below

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to stand in, and what makes files in it: make("a.jpg", "sub/b.png")."""
    monkeypatch.chdir(tmp_path)

    def make(*names, content=b"whatever"):
        for name in names:
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            with open(name, "wb") as file:
                file.write(content)

    return make


@pytest.fixture
def lock(monkeypatch):
    """Makes folders that may not be entered; for root, who may enter any, this must be acted."""
    locked = set()
    scandir = os.scandir

    def refuse(folder="."):
        if os.fspath(folder) in locked:
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    return locked.add


def texts(paths):
    return [path.as_posix() for path in paths]


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        *[(f"a{suffix}", True) for suffix in (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".JFIF", ".Jpg")],
        *[(f"a{suffix}", True) for suffix in (".png", ".webp", ".bmp", ".dib", ".tif", ".TIFF", ".heic", ".HIF")],
        *[(f"a{suffix}", False) for suffix in (".gif", ".AVIF", ".ppm", ".dng")],  # lost, see below
        *[(f"a{suffix}", True) for suffix in (".MPO", ".pjpeg", ".pjp", ".jps")],
        *[("deep/er/a.jpg", True), (".hidden.jpg", True), (".hidden/a.jpg", True), ("a.b.jpg", True), (".jpg", True)],
        *[("._real.jpg", True), ("a.txt", False), ("a.jpg.txt", False), (".DS_Store", False), ("jpg", False)],
    ],
)
def test_what_is_listed(place, name, listed):
    place(f"in/{name}")
    assert texts(pictures_below("in")[0]) == [f"in/{name}"] * listed
    assert texts(files_below("in")[0]) == [f"in/{name}"]


def test_what_macos_leaves_beside_pictures_is_none(place):
    place("in/a.jpg", "in/__MACOSX/b.jpg")
    place("in/._a.jpg", "in/__MACOSX/._b.jpg", content=APPLE_DOUBLE)
    assert (texts(pictures_below("in")[0]), pictures_below("in")[1]) == (["in/__MACOSX/b.jpg", "in/a.jpg"], [])


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ({"in/linked": "../out"}, ["in/a.jpg", "in/linked/o.jpg"]),
        ({"in/b.jpg": "../out/o.jpg"}, ["in/a.jpg", "in/b.jpg"]),
        ({"in/one": "../out", "in/two": "../out"}, ["in/a.jpg", "in/one/o.jpg"]),
        ({"in/1": "sub", "in/sub/x": "../../out"}, ["in/a.jpg", "in/sub/x/o.jpg"]),
        ({"in/self": "."}, ["in/a.jpg"]),
        ({"in/up": ".."}, ["in/a.jpg"]),
        ({"in/root": "/"}, ["in/a.jpg"]),
        ({"in/sub/x": "../../out", "out/back": "../in"}, ["in/a.jpg", "in/sub/x/o.jpg"]),
        ({"in/sub/x": "../../out", "out/up": ".."}, ["in/a.jpg", "in/sub/x/o.jpg"]),
        ({f"in/sub/{i}": ".." for i in range(9)}, ["in/a.jpg"]),
    ],
    ids=["folder", "file", "twice", "own-name-first", "self", "parent", "root", "to-and-fro", "up-out-there", "many"],
)
def test_links_are_followed_once(place, links, found):
    place("in/a.jpg", "in/sub/notes.txt", "out/o.jpg")
    for link, target in links.items():
        os.symlink(target, link, target_is_directory=True)
    assert (texts(pictures_below("in")[0]), pictures_below("in")[1]) == (found, [])
    assert texts(files_matching("in/**/*.jpg")[0]) == found


@pytest.mark.parametrize(
    ("name", "content", "listed"),
    [
        ("photo", b"\xff\xd8\xff\xe0" + bytes(20), True),
        ("IMG_0001", b"\x89PNG\r\n\x1a\n" + bytes(20), True),
        ("photo", b"\xff\xd8\xff", False),
        ("README", b"Photographs of doors.", False),
        ("empty", b"", False),
        (".DS_Store", b"\0\0\0\1Bud1" + bytes(20), False),
        ("a.txt", b"\xff\xd8\xff\xe0" + bytes(20), False),
        ("house no. 12", b"\xff\xd8\xff\xe0" + bytes(20), True),
        ("door 12.5", b"\xff\xd8\xff\xe0" + bytes(20), True),
        ("a.jpg (1)", b"\xff\xd8\xff\xe0" + bytes(20), True),
        ("a.jpg_large", b"\xff\xd8\xff\xe0" + bytes(20), True),
        ("a.JPG?w=200", b"\xff\xd8\xff\xe0" + bytes(20), True),
        ("door 12.5", b"twelve and a half" + bytes(20), False),
    ],
)
def test_without_a_suffix_the_beginning_tells(place, name, content, listed):
    place(f"in/{name}", content=content)
    assert pictures_below("in") == ([Path("in", name)] * listed, [])


def test_what_may_be_a_picture_and_cannot_be_opened_is_lost(place, monkeypatch):
    place("in/a.jpg", "in/photo", "in/notes.txt")

    def refuse(path, *mode):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(Path, "open", refuse)  # root may open any
    assert pictures_below("in") == ([Path("in/a.jpg")], [(Path("in/photo"), "permission denied")])


def test_photographs_in_other_formats_are_lost_not_passed_over(place):
    place("in/a.jpg", "in/b.gif", "in/sub/c.AVIF", "in/d.txt")
    found, lost = pictures_below("in")
    assert texts(found) == ["in/a.jpg"]
    assert lost == [(Path(path), "a picture in a format that is not read") for path in ("in/b.gif", "in/sub/c.AVIF")]


def test_what_is_lost_is_said(place, lock):
    place("in/a.jpg", "in/locked/b.jpg", "in/sub/c.jpg")
    for link, target in {"gone": "nowhere", "gone.jpg": "nowhere.jpg", "round.jpg": "round.jpg"}.items():
        os.symlink(target, f"in/{link}")
    os.mkfifo("in/pipe.jpg")
    os.mkfifo("in/pipe")
    lock("in/locked")
    found, lost = pictures_below("in")
    assert texts(found) == ["in/a.jpg", "in/sub/c.jpg"]
    assert {path.as_posix(): reason for path, reason in lost} == {
        "in/gone": "a link that leads nowhere",
        "in/gone.jpg": "a link that leads nowhere",
        "in/locked": "permission denied",
        "in/pipe.jpg": "not a file",
        "in/round.jpg": os.strerror(errno.ELOOP).lower(),
    }
    lock("in")
    assert pictures_below("in") == ([], [(Path("in"), "permission denied")])


@pytest.mark.parametrize(
    ("pattern", "found", "lost"),
    [
        ("*.jpg", ["a.jpg"], []),
        ("./*.jpg", ["a.jpg"], []),
        ("*/*.jpg", ["in/b.jpg"], ["locked"]),
        ("**/*.jpg", ["a.jpg", "in/b.jpg", "in/deep/c.jpg"], ["locked"]),
        ("in/**", ["in/b.jpg", "in/deep/c.jpg", "in/notes.txt"], []),
        ("in/**/deep/**/*.jpg", ["in/deep/c.jpg"], []),
        ("i?/[ab].jpg", ["in/b.jpg"], []),
        ("l*/*.jpg", [], ["locked"]),
        ("locked/*.jpg", [], ["locked"]),
        ("in/.*.jpg", ["in/.hidden.jpg"], []),
        ("in/x*", [], []),
        ("gone/*.jpg", [], ["gone"]),
    ],
)
def test_patterns(place, lock, pattern, found, lost):
    place("a.jpg", "in/b.jpg", "in/deep/c.jpg", "in/notes.txt", "in/.hidden.jpg", ".dark/d.jpg", "locked/e.jpg")
    lock("locked")
    files, missed = files_matching(pattern)
    assert (texts(files), texts(each.path for each in missed)) == (found, lost)
