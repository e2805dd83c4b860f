"""What is said about a picture may be damaged in any way: its pixels are read. Damaged pixels are not."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageOps

from digits import ImageError, load_image
from digits.datasets.pictures import make_record, picture_size


def exif(*entries: tuple, order: str = "<", count: int | None = None, start: int = 8, rest: bytes = b"") -> bytes:
    """EXIF of one directory of (tag, type, count, value)."""
    written = b"".join(entry(order, *each) for each in entries)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + struct.pack(order + "H", len(entries) if count is None else count) + written + bytes(4) + rest


def entry(order: str, tag: int, kind: int, count: int, number: int | bytes) -> bytes:
    """number: what the entry holds, or where that is."""
    if isinstance(number, int):
        number = struct.pack(order + ({1: "B", 3: "H", 9: "i"}.get(kind, "I") if number <= 65535 else "I"), number)
    return struct.pack(order + "HHI", tag, kind, count) + number.ljust(4, b"\0")


def orientation(number, kind: int = 3, count: int = 1, order: str = "<") -> bytes:
    return exif((0x0112, kind, count, number), order=order)


# EXIF -> by what orientation it turns a picture
EXIF = {
    "sound": (orientation(6), 6),
    "sound, big-endian": (orientation(8, order=">"), 8),
    "mirrored": (orientation(5), 5),
    "with its name twice": (b"Exif\0\0" + orientation(3), 3),
    "of no orientation": (exif((0x010F, 2, 4, b"abc\0")), 1),
    "orientation 0": (orientation(0), 1),
    "orientation 9": (orientation(9), 1),
    "orientation 65535": (orientation(65535), 1),
    "a byte": (orientation(6, kind=1), 6),
    "a long": (orientation(6, kind=4), 6),
    "negative": (orientation(-6, kind=9), 1),
    "text": (orientation(b"6\0\0\0", kind=2), 1),
    "a fraction, elsewhere": (orientation(9999, kind=5), 1),
    "of unknown type": (orientation(6, kind=99), 1),
    "two values": (orientation(6, count=2), 6),
    "no value": (orientation(6, count=0), 1),
    "many values, elsewhere": (orientation(0xFFFFFF, count=1 << 20), 1),
    "4 billion values": (orientation(6, count=(1 << 32) - 1), 1),
    "more entries than there are": (exif((0x0112, 3, 1, 6), count=65535), 6),
    "cut off within an entry": (orientation(6)[:16], 1),
    "cut off within its head": (b"II*", 1),
    "directory outside": (exif((0x0112, 3, 1, 6), start=0xFFFFFFFF), 1),
    "directory within its head": (exif((0x0112, 3, 1, 6), start=0), 1),
    "values outside": (exif((0x010F, 2, 99999, 0xFFFFFFF0), (0x0112, 3, 1, 6), (0x011A, 5, 1, 0xFFFF)), 6),
    "directories in a ring": (exif((0x0112, 3, 1, 6), (0x8769, 4, 1, 8), (0x8825, 4, 1, 8)), 6),
    "garbage": (b"garbage", 1),
    "zeros": (bytes(40), 1),
    "empty": (b"", 1),
}


def segment(marker: int, content: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2 if length is None else length) + content


def chunk(kind: bytes, content: bytes, length: int | None = None, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content) if length is None else length) + kind + content + struct.pack(">I", checksum)


def riff(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    return kind + struct.pack("<I", len(content) if length is None else length) + content + bytes(len(content) % 2)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


THUMBNAIL = encode(Image.new("RGB", (16, 12)), "JPEG")
NOISE = np.random.default_rng(1).integers(0, 256, 300, np.uint8).tobytes()

# what stands in a JPEG before its tables
JPEG = {
    "JFIF too short": segment(0xE0, b"JFIF\0"),
    "JFIF garbage": segment(0xE0, b"JFIF\0" + b"\xff" * 9),
    "JFXX cut off": segment(0xE0, b"JFXX\0\x10"),
    "Adobe too short": segment(0xEE, b"Adobe"),
    "ICC without numbers": segment(0xE2, b"ICC_PROFILE\0"),
    "ICC of other parts": segment(0xE2, b"ICC_PROFILE\0\7\11junk") * 2,
    "ICC garbage": segment(0xE2, b"ICC_PROFILE\0\1\1" + NOISE),
    "pictures elsewhere": segment(0xE2, b"MPF\0" + exif((0xB001, 4, 1, 2), (0xB002, 7, 32, 9999))),
    "pictures garbage": segment(0xE2, b"MPF\0junk"),
    "FlashPix cut off": segment(0xE2, b"FPXR\0"),
    "Photoshop cut off": segment(0xED, b"Photoshop 3.0\0008BIM\3\xed"),
    "Photoshop too long": segment(0xED, b"Photoshop 3.0\0008BIM\3\xed\0\0\xff\xff\xff\xff12"),
    "XMP garbage": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmp tiff:Orientation=" + NOISE),
    "comment of bytes": segment(0xFE, NOISE),
    "empty segments": segment(0xE1, b"") + segment(0xEF, b"") + segment(0xFE, b""),
    "bytes between": segment(0xE1, b"Exif\0\0") + b"\0\1\2",
    "fill bytes": b"\xff\xff" + segment(0xE1, b"Exif\0\0") + b"\xff\xff\xff",
    "longer than it is": segment(0xE1, b"Exif\0\0" + NOISE, length=500),
    "longer than the file": segment(0xE1, b"Exif\0\0" + NOISE, length=65535),
    "shorter than it is": segment(0xE1, b"Exif\0\0" + NOISE, length=40),
    "of length 0": segment(0xE1, b"Exif\0\0" + NOISE, length=0),
    "JFIF of wrong length": segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0", length=5000),
    "shorter, with a thumbnail": segment(0xE1, b"Exif\0\0" + orientation(1) + THUMBNAIL, length=60),
    "longer, with a thumbnail": segment(0xE1, b"Exif\0\0" + orientation(1) + THUMBNAIL, length=1500),
}

NUMBERS = (b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"tIME", b"sBIT")

# what stands in a PNG before its pixels
PNG = {
    "EXIF of wrong checksum": chunk(b"eXIf", orientation(1), checksum=1),
    "profile garbage": chunk(b"iCCP", b"junk"),
    "profile not compressed": chunk(b"iCCP", b"icc\0\0" + NOISE),
    "profile of unknown compression": chunk(b"iCCP", b"icc\0\7" + zlib.compress(NOISE)),
    "raw EXIF of odd digits": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 3\nabc"),
    "raw EXIF garbage": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 8\n" + b"6a" * 8)),
    "raw EXIF empty": chunk(b"tEXt", b"Raw profile type exif\0"),
    "text not compressed": chunk(b"zTXt", b"Title\0\0" + NOISE),
    "text that unpacks to much": chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(1 << 27))),
    "text without a name": chunk(b"tEXt", b""),
    "international text cut off": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1"),
    "numbers too short": b"".join(
        chunk(kind, b"\0") for kind in (b"gAMA", b"cHRM", b"pHYs", b"sRGB", b"tIME", b"sBIT")
    ),
    "numbers empty": b"".join(chunk(kind, b"") for kind in NUMBERS),
    "animation garbage": chunk(b"acTL", b"\0" * 8) + chunk(b"fcTL", b"junk"),
    "unknown": chunk(b"prIv", NOISE),
    "longer than it is": chunk(b"tEXt", b"Title\0" + NOISE, length=500),
    "longer than the file": chunk(b"tEXt", b"Title\0" + NOISE, length=1 << 31),
    "shorter than it is": chunk(b"tEXt", b"Title\0ABCDEFGHIJKLMNOPQRSTUVWXYZ" + NOISE, length=8),
}

# what stands in a WebP before its pixels
WEBP = {
    "ICC garbage": riff(b"ICCP", b"junk"),
    "ICC empty": riff(b"ICCP", b""),
    "XMP garbage": riff(b"XMP ", NOISE),
    "unknown": riff(b"\0\1\2\3", NOISE),
    "longer than it is": riff(b"ICCP", NOISE, length=500),
    "longer than the file": riff(b"EXIF", NOISE, length=1 << 31),
    "shorter than it is": riff(b"ICCP", NOISE, length=10),
}

# entries of a TIFF's directory
TIFF = {
    "text outside": (270, 2, 500, 0x7FFFFFFF),
    "4 billion numbers": (282, 5, (1 << 32) - 1, 8),
    "resolution of nothing": (282, 5, 0, 0),
    "resolution 0/0": (282, 5, 1, 2),
    "unknown type": (270, 77, 1, 5),
    "unit of two values": (296, 3, 2, 2),
    "width of two values": (256, 3, 2, struct.pack("<HH", 320, 9)),
    "ICC outside": (34675, 7, 1 << 20, 99),
    "XMP garbage": (700, 1, 40, 30),
    "EXIF in a ring": (34665, 4, 1, 8),
    "EXIF outside": (34665, 4, 1, 0xFFFFFFF0),
    "Photoshop garbage": (34377, 7, 40, 20),
    "compressed by another name": (37510, 2, 1 << 30, 1),
}


def with_jpeg(photo: Image.Image, inserted: bytes) -> bytes:
    data = encode(photo, "JPEG", quality=90)
    return data[:2] + inserted + data[20:]  # in place of its JFIF


def with_png(photo: Image.Image, inserted: bytes) -> bytes:
    data = encode(photo, "PNG")
    return data[:33] + inserted + data[33:]


def with_webp(photo: Image.Image, before: bytes = b"", after: bytes = b"", length: int | None = None) -> bytes:
    pixels = encode(photo, "WEBP", quality=90)[12:]
    size = b"".join((side - 1).to_bytes(3, "little") for side in photo.size)
    content = b"WEBP" + riff(b"VP8X", b"\x2c\0\0\0" + size) + before + pixels + after
    return riff(b"RIFF", content, length)


def with_tiff(photo: Image.Image, added: tuple, **options) -> bytes:
    """The directory is written anew behind the picture, in its order, with an entry more or in place of another."""
    data = encode(photo, "TIFF", **options)
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    entries = {data[at : at + 2]: data[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)}
    entries[struct.pack("<H", added[0])] = entry("<", *added)
    written = b"".join(sorted(entries.values(), key=lambda each: struct.unpack("<H", each[:2])))
    data = data[:4] + struct.pack("<I", len(data)) + data[8:]
    return data + struct.pack("<H", len(entries)) + written + bytes(4)


FILLERS = (b"\xff\0", b"\xff\xd0\xff\xd7", b"\xff\0junk\0", b"\xff" * 9)  # that decoders pass over
AFTER_FILLER = {
    "broken MPF": segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\1\0\4\0\0\0\1\0\0\0\2\0\0\0\0"),
    "short JFIF": segment(0xE0, b"JFIF\0"),
    "bare ICC": segment(0xE2, b"ICC_PROFILE\0"),
}


def cases(photo: Image.Image) -> dict[str, tuple[bytes, bytes, int]]:
    """By name: a picture with damaged metadata, the same without any, and by what orientation the former is turned."""
    plain = {kind: encode(photo, kind, quality=90) for kind in ("JPEG", "PNG", "WEBP", "TIFF")}
    found = {}
    for name, (said, turned) in EXIF.items():
        found[f"JPEG, EXIF {name}"] = with_jpeg(photo, segment(0xE1, b"Exif\0\0" + said)), plain["JPEG"], turned
        found[f"PNG, EXIF {name}"] = with_png(photo, chunk(b"eXIf", said)), plain["PNG"], turned
        raw = b"Raw profile type exif\0\nexif\n%8d\n%s" % (len(said), said.hex().encode())
        found[f"PNG, raw EXIF {name}"] = with_png(photo, chunk(b"tEXt", raw)), plain["PNG"], turned
        found[f"WebP, EXIF {name}"] = with_webp(photo, after=riff(b"EXIF", said)), plain["WEBP"], turned
    for name, inserted in JPEG.items():
        found[f"JPEG, {name}"] = with_jpeg(photo, inserted), plain["JPEG"], 1
    for filler, (name, broken) in product(FILLERS, AFTER_FILLER.items()):
        found[f"JPEG, {name} after {filler!r}"] = with_jpeg(photo, filler + broken), plain["JPEG"], 1
    for name, inserted in PNG.items():
        found[f"PNG, {name}"] = with_png(photo, inserted), plain["PNG"], 1
    for name, inserted in WEBP.items():
        found[f"WebP, {name}"] = with_webp(photo, inserted), plain["WEBP"], 1
    for length in (0, 7, 1 << 31):
        found[f"WebP, of length {length}"] = with_webp(photo, length=length), plain["WEBP"], 1
    for name, added in TIFF.items():
        found[f"TIFF, {name}"] = with_tiff(photo, added), plain["TIFF"], 1
        found[f"TIFF, compressed, {name}"] = with_tiff(photo, added, compression="tiff_lzw"), plain["TIFF"], 1
    for name, (kind, count, held, turned) in {
        "sound": (3, 1, 6, 6),
        "0": (3, 1, 0, 1),
        "9": (3, 1, 9, 1),
        "two": (3, 2, 8, 8),
        "outside": (3, 9999, 0xFFFFFF, 1),
    }.items():
        found[f"TIFF, orientation {name}"] = with_tiff(photo, (274, kind, count, held)), plain["TIFF"], turned
    return found


SMALL = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)).resize((320, 240))
CASES = cases(SMALL)

TURNS = {
    1: lambda a: a,
    3: lambda a: np.rot90(a, 2),
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    8: lambda a: np.rot90(a, 1),
}


# how sound pictures are written
GOOD = [
    *(("JPEG", mode, options) for mode in ("RGB", "L", "CMYK") for options in (
        {"progressive": True}, {"optimize": True}, {"quality": 1}, {"quality": 100, "subsampling": 0},
        {"restart_marker_blocks": 2}, {"icc_profile": NOISE * 500}, {"comment": THUMBNAIL}, {"exif": orientation(7)},
    )),
    ("JPEG", "RGB", {"keep_rgb": True, "subsampling": 0}),
    ("JPEG", "RGB", {"xmp": b'<x tiff:Orientation="2">' + b" " * 60000}),
    ("MPO", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (9, 9))], "exif": orientation(6)}),
    *(("PNG", mode, {"exif": orientation(5)}) for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")),
    *(("PNG", "P", {"bits": bits, "transparency": 1}) for bits in (1, 2, 4)),
    ("PNG", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (320, 240))], "default_image": True}),
    *(("WEBP", mode, options) for mode in ("RGB", "RGBA") for options in (
        {"lossless": True}, {"quality": 1, "exif": orientation(8)}, {"icc_profile": NOISE, "xmp": NOISE},
        {"save_all": True, "append_images": [Image.new("RGB", (320, 240))], "background": (9, 200, 9, 99)},
    )),
    *(("TIFF", "RGB", {"compression": name, **options})
      for name in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
      for options in ({}, {"big_tiff": True}, {"tiffinfo": {274: 6, 700: NOISE}}, {"strip_size": 2000})),
    ("TIFF", "RGB", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
    *(("TIFF", "1", {"compression": name}) for name in ("group3", "group4", "tiff_ccitt")),
    *(("TIFF", mode, {}) for mode in ("RGBA", "L", "LA", "P", "CMYK", "YCbCr", "I;16", "I", "F")),
    ("TIFF", "L", {"save_all": True, "append_images": [Image.new("L", (9, 9))]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "mode", "options"), GOOD, ids=[f"{k}-{m}-{'-'.join(o)}" for k, m, o in GOOD])
def test_sound_pictures_are_decoded_as_pillow_does(kind, mode, options):
    image = SMALL.convert("L").convert("I").convert(mode) if mode == "I;16" else SMALL.convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(SMALL.getchannel("G"))
    data = encode(image, kind, **options)
    if kind in ("JPEG", "PNG", "WEBP"):
        data += THUMBNAIL  # as the video of a "motion photo"
    assert np.array_equal(load_image(data), load_image(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))


def test_tiff_of_turned_magic_is_read():
    """Pillow does, too."""
    data = with_tiff(SMALL, (274, 3, 1, 3))
    assert np.array_equal(load_image(b"II\0*" + data[4:]), load_image(data))


@pytest.mark.filterwarnings("error")
def test_tiff_that_pillow_takes_for_another_is_refused():
    with pytest.raises(ImageError, match="big-endian BigTIFF"):
        load_image(b"MM\0+\0\x08\0\0" + struct.pack(">Q", 16) + bytes(100))


@pytest.mark.parametrize("case", CASES)
def test_pixels_are_whole(case, tmp_path):
    damaged, plain, turned = CASES[case]
    right = TURNS[turned](load_image(plain))
    path = tmp_path / "photo"
    path.write_bytes(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as some have it; then Pillow would raise what it warns of
        assert np.array_equal(load_image(damaged), right)
        assert picture_size(path) == right.shape[1::-1]
        assert np.array_equal(make_record("a", path, picture_size(path)).open().image, right)


def test_the_command_reads_them_and_says_nothing_else(tmp_path, make_photo):
    photo = make_photo("1428", size=(320, 240), height=30)
    for number, (name, (data, _, turned)) in enumerate(cases(photo).items()):
        if turned == 1 and not name.startswith(("PNG, EXIF", "PNG, raw EXIF", "WebP, EXIF")):  # enough of them in JPEG
            (tmp_path / f"{number}.jpg").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "digits", "read", "--quiet", str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 80 and all(": 1428 " in line for line in done.stdout.splitlines())


CUT = {
    "JPEG": encode(SMALL, "JPEG"),
    "progressive JPEG": encode(SMALL, "JPEG", progressive=True),
    "JPEG with a thumbnail": with_jpeg(SMALL, segment(0xE1, b"Exif\0\0" + orientation(1) + THUMBNAIL + NOISE)),
    "PNG": encode(SMALL, "PNG"),
    "WebP": encode(SMALL, "WEBP"),
    "lossless WebP": encode(SMALL, "WEBP", lossless=True),
    "TIFF": encode(SMALL, "TIFF"),
    "LZW TIFF": encode(SMALL, "TIFF", compression="tiff_lzw"),
    "JPEG TIFF": encode(SMALL, "TIFF", compression="jpeg"),
}


@pytest.mark.parametrize("kind", CUT)
def test_cut_off_pixels_are_an_error(kind):
    """Even where what is left holds a whole picture, its thumbnail."""
    data = CUT[kind]
    whole = load_image(data)
    for length in {*range(1, len(data), len(data) // 40), *range(2, 1200, 37)}:
        try:
            assert np.array_equal(load_image(data[:length]), whole)  # what is missing was behind its pixels
            assert length > 0.9 * len(data)
        except ImageError:
            pass


def test_damaged_pixels_are_told_of_once(tmp_path):
    """Not by libtiff too, which would write to the process's stderr."""
    for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        data = bytearray(encode(SMALL, "TIFF", compression=kind))
        data[3000:3400] = b"\xff\x80" * 200
        (tmp_path / f"{kind}.tif").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "digits", "read", "--quiet", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert all(line.startswith("Error: ") for line in done.stderr.splitlines())
    assert len(done.stderr.splitlines()) + len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize("packed", [False, True])
def test_orientation_is_taken_from_xmp_where_exif_has_none(packed):
    said = b'<rdf:Description tiff:Orientation="6"/>'
    text = b"XML:com.adobe.xmp\0" + (b"\1" if packed else b"\0") + b"\0\0\0" + (zlib.compress(said) if packed else said)
    for data in (
        with_png(SMALL, chunk(b"iTXt", text)),
        with_jpeg(SMALL, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + said)),
        with_webp(SMALL, after=riff(b"XMP ", said)),
    ):
        assert load_image(data).shape == (320, 240, 3)
