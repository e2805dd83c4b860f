"""Downloads the official SVHN archives and unpacks them. Either step can be interrupted and run again."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from digits.core.errors import DatasetError, reason
from digits.datasets.svhn import ANNOTATIONS, is_plain_name

SVHN_URL = "http://ufldl.stanford.edu/housenumbers/"


class Archive(NamedTuple):
    """The expected size in bytes, and SHA-256 in hexadecimal."""

    size: int
    sha256: str


SVHN_ARCHIVES: Mapping[str, Archive] = {
    "train": Archive(404141560, "4b17bb33b6cd8f963493168f80143da956f28ec406cc12f8e5745a9f91a51898"),
    "test": Archive(276555967, "57ac9ceb530e4aa85b55d991be8fc49c695b3d71c6f6a88afea86549efde7fb5"),
    "extra": Archive(1955489752, "e857e27d1e65bd1e7d3959b094061777f6506bbc39889a0df3bba6a729d60f9c"),
}
_ROOM = 2.2  # disk space for an archive and its content, as a multiple of its size
_BLOCK = 1 << 18
_TIMEOUT = 30  # seconds without a byte


def download_svhn(
    out: str | Path,
    splits: Sequence[str] = ("train", "test"),
    url: str = SVHN_URL,
    quiet: bool = False,
    archives: Mapping[str, Archive] = SVHN_ARCHIVES,
) -> list[Path]:
    """Download the splits ("train", "test", "extra") from below `url` and unpack each; returns their folders OUT/SPLIT.

    A split that is there already is kept. An interrupted download leaves SPLIT.tar.gz.partial, and is resumed the next
    time; an archive is unpacked only if its size and checksum are right, and then deleted.
    Raises DatasetError if a split is unknown, the disk is too full, the server cannot be reached or refuses, the
    connection breaks off, or an archive is not the official one; nothing is then left half unpacked.
    """
    if not _is_address(url):
        raise DatasetError(f"{url!r}: not an address; one is http://HOST/PATH, or https://")
    unknown = [split for split in splits if split not in archives]
    if unknown:
        raise DatasetError(f"{unknown[0]}: no split of SVHN; there are {', '.join(archives)}")
    out = Path(out)
    say = Console(stderr=True, quiet=quiet, soft_wrap=True, highlight=False, markup=False)
    missing = []
    for split in dict.fromkeys(splits):
        if (out / split / ANNOTATIONS).is_file():
            say.print(f"{out / split}: already there")
        elif (out / split).exists():
            raise DatasetError(f"{out / split}: is there but holds no {ANNOTATIONS}; move it away first")
        else:
            missing.append(split)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _check_space(out, {split: archives[split] for split in missing})
        for split in missing:
            packed = out / f"{split}.tar.gz"
            if packed.is_file():
                _verify(packed, archives[split])
            else:
                say.print(f"{packed}: downloading")
                _fetch(f"{url.rstrip('/')}/{packed.name}", packed, archives[split], quiet)
            say.print(f"{out / split}: unpacking")
            _unpack(packed, out / split, quiet)
            packed.unlink()
    except OSError as error:  # of the disk; _fetch reports those of the network
        raise DatasetError(f"{error.filename or out}: {reason(error)}") from None
    return [out / split for split in dict.fromkeys(splits)]


def _is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        plain = url.isprintable() and " " not in url
        return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that are not closed, a port that is no number
        return False


def _partial(packed: Path) -> Path:
    return packed.with_name(f"{packed.name}.partial")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_space(out: Path, archives: Mapping[str, Archive]) -> None:
    """DatasetError if there is no space for what is still to be downloaded and unpacked."""
    packed = {out / f"{split}.tar.gz": archive for split, archive in archives.items()}
    there = sum(_size(path) + _size(_partial(path)) for path in packed)
    needed, free = _ROOM * sum(archive.size for archive in packed.values()) - there, shutil.disk_usage(out).free
    if free < needed:
        raise DatasetError(f"{out}: {needed / 1e9:.1f} GB more are needed there, and {free / 1e9:.1f} GB are free")


def _progress(quiet: bool) -> Progress:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    hidden = quiet or not sys.stderr.isatty()
    return Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True), disable=hidden)


# --- download


def _fetch(url: str, packed: Path, archive: Archive, quiet: bool) -> None:
    """Download to PACKED.partial, resuming if it exists, and rename it once it is verified."""
    partial = _partial(packed)
    if _size(partial) > archive.size:
        partial.unlink()
    if _size(partial) < archive.size:
        # no If-Range: if the archive has changed since, its checksum is wrong
        with _request(url, partial, archive) as response, _progress(quiet) as progress:
            resumed = response.status == 206
            got = _size(partial) if resumed else 0
            task = progress.add_task(packed.name, total=archive.size, completed=got)
            with partial.open("ab" if resumed else "wb") as file:
                while got < archive.size and (block := _receive(response, url, partial)):
                    file.write(block)
                    got += len(block)
                    progress.update(task, completed=got)
        if got < archive.size:
            raise _broken_off(url, partial)
    try:
        _verify(partial, archive)
    except DatasetError:
        partial.unlink()
        raise DatasetError(f"{url}: size or SHA-256 is not that of the official archive; run it again") from None
    os.replace(partial, packed)


def _request(url: str, partial: Path, archive: Archive) -> http.client.HTTPResponse:
    """The response to a request for the rest of `partial`: 206 with the rest, or 200 with everything."""
    start = _size(partial)
    try:
        request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # start over
            partial.unlink()
            return _request(url, partial, archive)
        raise DatasetError(f"{url}: the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        host = urllib.parse.urlsplit(url).hostname or url
        reason = getattr(error, "reason", None) or error
        raise DatasetError(f"{url}: cannot reach {host} ({reason}); check the network and run it again") from None
    offered = response.headers.get("Content-Length")
    first = start if response.status == 206 else 0
    if offered is not None and first + int(offered) != archive.size:
        response.close()
        raise DatasetError(f"{url}: has {first + int(offered)} bytes, but the official archive has {archive.size}")
    return response


def _receive(response: http.client.HTTPResponse, url: str, partial: Path) -> bytes:
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException):
        raise _broken_off(url, partial) from None


def _broken_off(url: str, partial: Path) -> DatasetError:
    return DatasetError(f"{url}: the connection broke off; run it again to go on from {partial.name}")


def _verify(path: Path, archive: Archive) -> None:
    """DatasetError unless size and checksum are right."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if path.stat().st_size != archive.size or digest.hexdigest() != archive.sha256:
        raise DatasetError(f"{path}: size or SHA-256 is not that of the official archive; remove it and run it again")


# --- unpacking


def _unpack(packed: Path, target: Path, quiet: bool) -> None:
    """Unpack into a temporary folder beside the target, and rename it when complete."""
    beside = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(beside, ignore_errors=True)  # left by a killed run
    try:
        with packed.open("rb") as file, _progress(quiet) as progress:
            task = progress.add_task(target.name, total=_size(packed))
            with tarfile.open(fileobj=file, mode="r:gz") as tar:
                for member in tar:
                    _check_member(member, target.name)
                    _write_member(tar, member, beside / member.name)
                    progress.update(task, completed=file.tell())
        if not (beside / target.name / ANNOTATIONS).is_file():
            raise DatasetError(f"{packed}: holds no {target.name}/{ANNOTATIONS}")
        os.replace(beside / target.name, target)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{packed}: damaged; remove it and run it again ({error})") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_member(member: tarfile.TarInfo, split: str) -> None:
    """DatasetError unless it is a plain file or a folder, in the split's folder."""
    steps = PurePosixPath(member.name).parts
    plain = member.isreg() or member.isdir()
    if not plain or steps[:1] != (split,) or not all(step == split or is_plain_name(step) for step in steps):
        raise DatasetError(f"{split}.tar.gz: refused: {member.name!r} is no plain file or folder in {split}/")


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Write the content only, without owner, mode and time."""
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    packed = tar.extractfile(member)
    assert packed is not None  # it is a file
    with packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file)
