"""Strips metadata from picture files.

Pillow refuses a picture if its metadata are damaged: EXIF, JFIF, XMP, ICC profile, comments. Here the segments of a
file that hold pixels are found and only these are decoded. Of the metadata only the orientation is used, if it is
readable.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import BinaryIO, NamedTuple, cast

_ORIENTATION, _XMP = 274, 700  # tags of TIFF and EXIF
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
_FAR = 1 << 62  # beyond the end of any file, but a valid offset
_MOST_TEXT = 1 << 20  # limit of decompressed text, bytes

_APP0, _APP1, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_SOS = 0xDA
_LONGEST = 0xFFFF - 2  # limit of a segment's content, bytes
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEGMENTS = {*_FRAMES, 0xC4, 0xCC, *range(_SOS, _APP15 + 1), _COM}  # that have a length

_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PNG_SAID = (b"eXIf", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"tIME", b"bKGD", b"sBIT", *_PNG_TEXTS)
_WEBP_PIXELS = (b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
_WEBP_FRAME = re.compile(rb"ALPH|VP8 ....(?=...\x9d\x01\x2a)|VP8L....(?=/)", re.DOTALL)

# TIFF tags that describe how pixels are stored; those in _SINGLE have a single value
_SINGLE = {256, 257, 259, 262, 263, 266, 277, 278, 284, 292, 293, 317, 322, 323, 332, 512, 513, 514, 515, 531}
_TIFF_PIXELS = {*_SINGLE, 258, 273, 279, 320, 324, 325, 338, 339, 347, 519, 520, 521, 529, 530, 532, 50674}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q"}


class Stripped(NamedTuple):
    """A picture without its metadata. file: seekable, reads from the original. orientation: 1 to 8, as in EXIF."""

    file: BinaryIO
    orientation: int


def strip_metadata(file: BinaryIO) -> Stripped | None:
    """A JPEG, PNG, WebP or TIFF without its metadata; None for other formats.

    file: seekable. Pixels are neither decoded nor read. Other damage than in the metadata is kept, or raises
    ValueError.
    """
    head = _at(file, 0, 16)
    for magic, walk in _FORMATS.items():
        if re.match(magic, head, re.DOTALL):
            picture = _Walk(file)
            walk(picture)
            return Stripped(cast(BinaryIO, _Spliced(file, picture.parts)), orientation_of(picture.exif, picture.xmp))
    return None


def orientation_of(exif: bytes, xmp: bytes = b"") -> int:
    """The orientation, 1 to 8, from EXIF, else from XMP; 1 if neither can be read."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    file = io.BytesIO(exif)
    for entry in _directory(file, _Layout.of(exif)):
        if entry.tag == _ORIENTATION and 1 <= entry.first(file) <= 8:
            return entry.first(file)
    match = _XMP_ORIENTATION.search(xmp)
    return int(match[1]) if match else 1


class _Walk:
    """A walk over the segments of a file. parts: what is kept, bytes or (start, end) in the file, in order."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.size = file.seek(0, io.SEEK_END)
        self.parts: list[bytes | tuple[int, int]] = []
        self.exif = self.xmp = b""

    def read(self, start: int, size: int) -> bytes:
        return _at(self.file, start, size)

    def keep(self, start: int, end: int) -> None:
        end = min(end, self.size)
        if self.parts and isinstance(self.parts[-1], tuple) and self.parts[-1][1] == start:
            start = self.parts.pop()[0]
        self.parts.append((start, end))


class _Spliced(io.RawIOBase):
    """A readable file that is composed of bytes and of ranges (start, end) of another file."""

    def __init__(self, file: BinaryIO, parts: list[bytes | tuple[int, int]]):
        self._file, self._parts, self._place = file, parts, 0
        sizes = (len(part) if isinstance(part, bytes) else part[1] - part[0] for part in parts)
        self._ends = list(accumulate(sizes))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = max(0, offset + (0, self._place, self._ends[-1])[whence])
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        end = self._ends[-1] if size is None or size < 0 else min(self._place + size, self._ends[-1])
        pieces = []
        for i in range(bisect_right(self._ends, self._place), len(self._parts)):
            if self._place >= end:
                break
            begin = self._place - (self._ends[i - 1] if i else 0)
            size = min(end, self._ends[i]) - self._place
            part = self._parts[i]
            piece = part[begin : begin + size] if isinstance(part, bytes) else _at(self._file, part[0] + begin, size)
            pieces.append(piece)
            self._place += size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _at(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(min(start, _FAR))
    return file.read(size)


def _jpeg(picture: _Walk) -> None:
    at = 2
    picture.keep(0, at)
    while True:
        at = _past_filler(picture, at)
        marker, start, end = _segment(picture, at)
        metadata = _APP0 <= marker <= _APP15 or marker == _COM
        if metadata and not _follows(picture, end):  # its length is wrong
            end = _header_after(picture, start, end)
            if not end:
                raise ValueError("its header is damaged or cut off")
        if not end:
            raise ValueError("its header is damaged or cut off")
        if marker == _SOS:
            picture.keep(at, picture.size)
            return
        content = picture.read(start, min(end - start, _LONGEST)) if metadata else b""
        if not metadata:
            picture.keep(at, end)
        elif _says_colours(marker, content):
            picture.parts.append(struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content)
        elif marker == _APP1 and content.startswith(b"Exif\0\0"):
            picture.exif += content[6:]  # long EXIF data continue in the next segment
        elif marker == _APP1 and content.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            picture.xmp += content
        at = end


def _says_colours(marker: int, content: bytes) -> bool:
    """Whether a valid segment defines the colour space of a JPEG."""
    jfif = marker == _APP0 and content.startswith(b"JFIF\0") and len(content) >= 14
    return jfif or (marker == _APP14 and content.startswith(b"Adobe") and len(content) >= 12)


def _past_filler(picture: _Walk, at: int) -> int:
    """Where the next marker stands, after what decoders pass over between segments: bytes of none, restart markers."""
    while len(data := picture.read(at, 1 << 12)) > 1:
        found = re.compile(rb"(?:[^\xff]|\xff[\x00\x01\xd0-\xd7])*").match(data)
        if not found or not found.end():
            break
        at += found.end()
    return at


def _segment(picture: _Walk, at: int) -> tuple[int, int, int]:
    """Marker, start and end of the content of a JPEG's segment at an offset; zeros if there is none."""
    head = picture.read(at, 64)
    fill = max(0, len(head) - len(head.lstrip(b"\xff")) - 1)
    marker, size = head[fill + 1 : fill + 2], head[fill + 2 : fill + 4]
    if head[:1] == b"\xff" and len(size) == 2 and marker[0] in _SEGMENTS:
        start = at + fill + 4
        return marker[0], start, start + max(0, int.from_bytes(size, "big") - 2)
    return 0, 0, 0


def _follows(picture: _Walk, at: int) -> bool:
    head = picture.read(at, 2)
    return len(head) == 2 and head[0] == 0xFF and (head[1] in _SEGMENTS or head[1] == 0xFF)


def _header_after(picture: _Walk, start: int, end: int) -> int:
    """The offset where a JPEG continues after a segment from `start` whose stated `end` is wrong; 0 if there is none.

    From there, segments lead to the pixels of the largest frame; smaller frames are thumbnails.
    """
    tail = picture.read(max(0, picture.size - 64), 64).rstrip(b"\0")
    if end == picture.size or (end > picture.size and not tail.endswith(b"\xff\xd9")):
        return 0  # the file is truncated, and holds no more than a thumbnail
    data = picture.read(start, 1 << 17)
    place, best, largest = 0, 0, 0
    while found := re.compile(rb"\xff[\xc0-\xfe]").search(data, place):
        place = found.start() + 1
        if data.startswith(b"\xff\xd8\xff", found.start()):
            place = data.find(b"\xff\xd9", place)
            if place < 0:
                break
        elif (area := _frame_ahead(picture, start + found.start())) > largest:
            best, largest = start + found.start(), area
    return best


def _frame_ahead(picture: _Walk, at: int) -> int:
    """The area of the next frame of a JPEG, if valid segments lead to its pixels; else 0."""
    area = 0
    while True:
        marker, start, end = _segment(picture, at)
        if not marker or marker == _SOS or end >= picture.size:
            return area if marker == _SOS else 0
        if marker in _FRAMES:
            _, height, width = struct.unpack(">BHH", picture.read(start, 5).ljust(5, b"\0"))
            area = height * width
        at = end


def _png(picture: _Walk) -> None:
    at = 8
    picture.keep(0, at)
    profile = b""
    while len(head := picture.read(at, 8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        end = at + 12 + size
        if kind in _PNG_PIXELS:
            picture.keep(at, end)
        elif picture.read(end + 4, 4) not in (*_PNG_PIXELS, *_PNG_SAID) and not _is_chunk(picture.read(at, size + 12)):
            end = _chunk_after(picture, at + 8)  # its length is wrong
        elif kind == b"eXIf":
            picture.exif = picture.exif or picture.read(at + 8, size)
        elif kind in _PNG_TEXTS:
            name, text = _png_text(kind, picture.read(at + 8, size))
            profile = text if name == b"Raw profile type exif" else profile
            picture.xmp = text if name == b"XML:com.adobe.xmp" else picture.xmp
        if kind == b"IEND" or not end:
            break
        at = end
    picture.exif = picture.exif or _unhex(profile)


def _chunk_after(picture: _Walk, start: int) -> int:
    """The offset of the next valid chunk with pixels after one of wrong length; 0 if there is none."""
    data = picture.read(start, picture.size)
    for found in re.finditer(rb"PLTE|tRNS|IDAT", data):
        at = max(0, found.start() - 4)
        if _is_chunk(data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]):
            return start + at
    return 0


def _is_chunk(data: bytes) -> bool:
    """Whether bytes are exactly one chunk of a PNG, by length and checksum."""
    size = int.from_bytes(data[:4], "big")
    return len(data) == size + 12 and zlib.crc32(data[4:-4]) == int.from_bytes(data[-4:], "big")


def _png_text(kind: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Keyword and text of a PNG's text chunk; an empty text if it is damaged."""
    name, _, text = content.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = text[:1] == b"\1"
        text = text[:2] + text[2:].split(b"\0", 2)[-1]
    text = text[{b"tEXt": 0, b"zTXt": 1, b"iTXt": 2}[kind] :]
    try:
        return name, zlib.decompressobj().decompress(text, _MOST_TEXT) if packed else text
    except zlib.error:
        return name, b""


def _unhex(profile: bytes) -> bytes:
    """The bytes of a raw profile: name and length on two lines, then hexadecimal digits. Empty if it is damaged."""
    try:
        return bytes.fromhex(b"".join(profile.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


def _webp(picture: _Walk) -> None:
    at, pixels = 12, False
    while len(head := picture.read(at, 8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        end = at + 8 + size + size % 2
        if kind in _WEBP_PIXELS:
            picture.keep(at, end)
            pixels |= kind in (b"VP8 ", b"VP8L", b"ANMF")
        elif not pixels and picture.read(end, 4) not in (*_WEBP_PIXELS, b"ICCP", b"EXIF", b"XMP "):
            found = _WEBP_FRAME.search(picture.read(at + 8, picture.size))
            if not found:
                break
            end = at + 8 + found.start()
        elif kind == b"EXIF":
            picture.exif = picture.exif or picture.read(at + 8, size)
        elif kind == b"XMP ":
            picture.xmp = picture.xmp or picture.read(at + 8, size)
        at = end
    length = 4 + sum(end - start for start, end in picture.parts)
    picture.parts.insert(0, b"RIFF" + struct.pack("<I", length) + b"WEBP")


class _Layout(NamedTuple):
    """How a TIFF (or EXIF, which has the same layout) stores numbers: byte order, 64-bit (big) or 32-bit offsets."""

    order: str
    big: bool

    @classmethod
    def of(cls, head: bytes) -> _Layout:
        return cls(">" if head[:2] == b"MM" else "<", b"\x2b" in head[2:4])

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def length(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))


@dataclass(frozen=True)
class _Entry:
    """An entry of a directory: a tag and its values, stored in `value` if they fit, else where `value` points to."""

    tag: int
    kind: int
    count: int
    value: bytes
    layout: _Layout

    @property
    def size(self) -> int:
        return _SIZES.get(self.kind, 0) * self.count

    @property
    def elsewhere(self) -> bool:
        return self.size > len(self.value)

    def place(self) -> int:
        return self.layout.offset.unpack(self.value)[0]

    def first(self, file: BinaryIO) -> int:
        """The first value if it is an integer, else 0."""
        if self.kind not in _INTEGERS or not self.count:
            return 0
        number = struct.Struct(self.layout.order + _INTEGERS[self.kind])
        data = _at(file, self.place(), number.size) if self.elsewhere else self.value
        return number.unpack_from(data)[0] if len(data) >= number.size else 0

    def alone(self, file: BinaryIO) -> _Entry:
        """The same entry with only its first value, an integer."""
        value = struct.pack(self.layout.order + _INTEGERS[self.kind], self.first(file))
        return replace(self, count=1, value=value.ljust(len(self.value), b"\0"))

    def packed(self) -> bytes:
        return self.layout.entry.pack(self.tag, self.kind, self.count, self.value)


def _start_of_directory(file: BinaryIO, layout: _Layout) -> int:
    place = _at(file, 8 if layout.big else 4, layout.offset.size)
    return layout.offset.unpack(place)[0] if len(place) == layout.offset.size else _FAR


def _directory(file: BinaryIO, layout: _Layout) -> Iterator[_Entry]:
    """The readable entries of a TIFF's first directory."""
    count = _at(file, _start_of_directory(file, layout), layout.length.size)
    if len(count) < layout.length.size:
        return
    place = file.tell()
    for _ in range(layout.length.unpack(count)[0]):
        entry = _at(file, place, layout.entry.size)
        if len(entry) < layout.entry.size:
            return
        place = file.tell()
        tag, kind, number, value = layout.entry.unpack(entry)
        yield _Entry(tag, kind, number, value, layout)


def _tiff(picture: _Walk) -> None:
    """Replace its first directory by one with only the tags that describe how pixels are stored.

    Raises ValueError if these or their values lie outside the file.
    """
    layout = _Layout.of(picture.read(0, 4))
    if layout.big and layout.order == ">":  # Pillow misreads them as classic TIFFs
        raise ValueError("big-endian BigTIFF is not supported")
    kept: dict[int, bytes] = {}
    room = picture.size  # values that do not overlap cannot take more
    for entry in _directory(picture.file, layout):
        if entry.tag == _ORIENTATION:
            value = struct.pack("<HHI", entry.tag, 3, 1) + struct.pack("<HH", entry.first(picture.file) & 0xFFFF, 0)
            picture.exif = b"II*\0" + struct.pack("<IH", 8, 1) + value
        if entry.tag == _XMP and entry.elsewhere:
            picture.xmp = picture.read(entry.place(), min(entry.size, _MOST_TEXT))
        if entry.tag not in _TIFF_PIXELS or entry.tag in kept or not entry.size:
            continue
        if entry.tag in _SINGLE and entry.count > 1 and entry.kind in _INTEGERS:
            entry = entry.alone(picture.file)
        if entry.elsewhere:
            room -= entry.size
            if room < 0 or entry.place() + entry.size > picture.size:
                raise ValueError(f"the values of tag {entry.tag} are outside the file")
        kept[entry.tag] = entry.packed()
    start = _start_of_directory(picture.file, layout)
    if not kept or start > picture.size:
        raise ValueError("its directory is cut off")
    directory = layout.length.pack(len(kept)) + b"".join(kept.values()) + bytes(layout.offset.size)
    picture.keep(0, start)
    picture.parts.append(directory)  # not longer than before, so that no other data move
    picture.keep(min(start + len(directory), picture.size), picture.size)


_FORMATS = {
    rb"\xff\xd8\xff": _jpeg,
    rb"\x89PNG\r\n\x1a\n": _png,
    rb"RIFF....WEBP": _webp,
    rb"II\*\0|MM\0\*|II\0\*|MM\*\0|II\+\0|MM\0\+": _tiff,  # two of these are invalid, but are read
}
