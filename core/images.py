"""Loads photographs from paths, bytes, file objects, PIL images and arrays."""

from __future__ import annotations

import ctypes
import io
import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import BinaryIO, cast

import numpy as np
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin  # noqa: F401 - for Image.OPEN
from PIL.Image import core as pillow_core  # type: ignore[attr-defined] # not public, but nothing else has these functions

from digits.core.batch import check_picture
from digits.core.errors import ImageError, reason
from digits.core.formats import FORMATS, HEAD, begins_a_picture
from digits.core.metadata import orientation_of, strip_metadata
from digits.core.streams import is_stream, read_stream

# Without this, Python prints Pillow's warnings if the application has not configured logging. Errors are ImageErrors.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# Of Pillow's usual blocks of 16 MB, the C library keeps many per thread; larger ones are returned to the system.
pillow_core.set_block_size(1 << 26)

ImageSource = str | os.PathLike | bytes | BinaryIO | Image.Image | np.ndarray

# A little more than the documented limit of 100 megapixels, which need up to 0.9 GB; progressive JPEGs and animations
# 1.4.
MAX_PIXELS = 120_000_000

_BROKEN = "damaged or truncated"
_STRIP = 512  # rows that are converted at a time

# EXIF orientation -> function that turns the stored array upright
_UPRIGHT = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def load_image(source: ImageSource, name: str | None = None) -> np.ndarray:
    """A photograph as RGB uint8 (H, W, 3), upright by its EXIF orientation, contiguous.

    source: path, encoded bytes, binary file object, PIL image, or RGB uint8 array (H, W, 3), which is passed through.
    A file object is read from its beginning. name: for error messages, by default the path. Alpha is composited on
    white, 16-bit and floating-point samples are scaled to 8 bit, CMYK, grey, palette and 1-bit pictures are converted;
    of several frames the first is taken. Damaged metadata are ignored, but the orientation is used if it can be read.

    Raises ImageError, with the name, for what cannot be read completely: missing, empty, truncated, of another format,
    larger than MAX_PIXELS, or not an image.
    """
    with open_image(source, name) as picture:
        return picture.load()


@dataclass(frozen=True)
class Picture:
    """An opened photograph, of which only the header is read.

    size: (width, height), upright. decoded: the size of what `load` returns, which may be smaller. orientation: of
    EXIF, 1 to 8, by which it is turned upright. load: returns the pixels, see `load_image`; only once, while it is
    open. whole: whether all of it is held in memory while it is decoded smaller, as of a progressive JPEG.
    """

    size: tuple[int, int]
    decoded: tuple[int, int]
    orientation: int
    load: Callable[[], np.ndarray]
    whole: bool = False

    @property
    def held(self) -> int:
        """Pixels that are in memory while it is decoded."""
        return math.prod(self.size if self.whole else self.decoded)


@contextmanager
def open_image(source: ImageSource, name: str | None = None, enough: int | None = None) -> Iterator[Picture]:
    """Open a photograph without decoding its pixels. Arguments and errors are those of `load_image`.

    enough: pixels of the longer side that suffice. A JPEG with at least twice as many is decoded at a half, a quarter
    or an eighth of its size.
    """
    with _refused("image", "cannot be read"):
        name = name or source_name(source)
    with ExitStack() as held:
        with _refused(name, "cannot be opened"):
            picture = _open(source, name, held, enough)
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ImageError(f"{name}: too large, {width}x{height} is over {MAX_PIXELS // 10**6} megapixels")
            if not width * height:
                raise ImageError(f"{name}: has no pixels")
        yield picture


def source_name(source: ImageSource) -> str:
    """The name of a source in messages: its path or file name, if it has one, else "image"."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source) or "''"
    names = (getattr(source, key, None) for key in ("name", "filename"))  # an open file may have a number as name
    return next((os.fsdecode(name) for name in names if name and isinstance(name, (str, bytes, os.PathLike))), "image")


def bytes_of(stream: BinaryIO, name: str) -> bytes:
    """The whole content of a binary file object, from its beginning if it can be rewound. Raises ImageError."""
    with _refused(name, "cannot be read"):
        if isinstance(stream, io.TextIOBase):
            raise ImageError(f"{name}: is open as text; open it in binary mode")
        rewound = False
        with suppress(AttributeError, OSError):  # a pipe
            stream.seek(0)
            rewound = True
        data = stream.read()
    if isinstance(data, str):
        raise ImageError(f"{name}: is open as text; open it in binary mode")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ImageError(f"{name}: bytes expected of its read(), got {type(data).__name__}")
    if not data:
        raise ImageError(f"{name}: empty{' file' if rewound else ', or read before; it cannot be rewound'}")
    head = bytes(data[:HEAD])
    if not rewound and not begins_a_picture(head) and not _hint(head):
        raise ImageError(f"{name}: not a picture, or partly read before; it cannot be rewound")
    return bytes(data)


@contextmanager
def _refused(name: str, what: str) -> Iterator[None]:
    """Turns every error into an ImageError: decoders and foreign file objects raise all kinds of exceptions."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name}: too large for the memory that is left") from error
    except Exception as error:
        raise ImageError(f"{name}: {what} ({' '.join(str(error).split()) or type(error).__name__})") from error


def _open(source: ImageSource, name: str, held: ExitStack, enough: int | None) -> Picture:
    if isinstance(source, np.ndarray):
        array = np.ascontiguousarray(check_picture(source, name))
        return Picture(array.shape[1::-1], array.shape[1::-1], 1, lambda: array)
    if isinstance(source, Image.Image):
        return Picture(source.size, source.size, 1, partial(_load, source, None, name, "cannot be read"))
    file = _file(source, name, held)
    head = file.read(16)
    if not head:
        raise ImageError(f"{name}: empty file")
    file, orientation = strip_metadata(file) or (file, None)
    whole = False
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        size, transparent = _webp_header(file)
        decoded, load = size, partial(_load_webp, file, size, transparent, orientation or 1, name)
    else:
        image = _identify(file, head, name)
        held.callback(image.close)
        size, decoded = image.size, _reduce(image, enough)
        whole = "progressive" in image.info
        load = partial(_load, image, orientation, name, _BROKEN, close=True)
    if (orientation or 1) > 4:
        size, decoded = size[::-1], decoded[::-1]
    return Picture(size, decoded, orientation or 1, load, whole)


def _reduce(image: Image.Image, enough: int | None) -> tuple[int, int]:
    """Set a JPEG to be decoded smaller if possible, see `open_image`; returns the size that is decoded."""
    longest = max(image.size)
    if enough and isinstance(image, JpegImagePlugin.JpegImageFile) and longest >= 2 * enough:
        share = enough / longest
        image.draft(image.mode, (math.ceil(image.width * share), math.ceil(image.height * share)))
    return image.size


def _file(source: ImageSource, name: str, held: ExitStack) -> BinaryIO:
    """The source as a seekable file, at its beginning."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if not isinstance(source, (str, os.PathLike)):
        if not hasattr(source, "read"):
            wanted = "a path, encoded bytes, a binary file, a PIL image or an RGB uint8 array"
            raise ImageError(f"{name}: {wanted} expected, got {type(source).__name__}")
        return io.BytesIO(bytes_of(cast(BinaryIO, source), name))
    if is_stream(source):
        return io.BytesIO(read_stream(source, name))
    try:
        file = held.enter_context(open(source, "rb"))  # noqa: SIM115 - only errors of opening are handled
    except OSError as error:
        raise ImageError(f"{name}: {reason(error)}") from None
    except ValueError as error:  # a path that no file can have
        raise ImageError(f"{name!r}: {error}") from None
    return file


def _identify(file: BinaryIO, head: bytes, name: str) -> Image.Image:
    """Like Image.open, but without its warnings about large pictures, since MAX_PIXELS limits them."""
    for factory, accept in (Image.OPEN[kind] for kind in FORMATS if kind in Image.OPEN):
        if accept is not None and accept(head.ljust(16, b"\0")) is True:
            file.seek(0)
            with suppress(SyntaxError):  # another format with such first bytes
                return factory(file, "")
    raise ImageError(f"{name}: not a picture in a format known here{_hint(head)}")


def _hint(head: bytes) -> str:
    if head[4:12] not in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        return ""
    return ", or damaged" if "HEIF" in FORMATS else "; for HEIC: pip install 'street-digits[heic]'"


def _load(image: Image.Image, orientation: int | None, name: str, what: str, close: bool = False) -> np.ndarray:
    """The pixels of an image, turned by `orientation`, or if that is None by the image's own."""
    with _refused(name, what):
        if image.format == "TIFF":
            _silence_libtiff()
            if close:  # allocated here, because Pillow would warn of large pictures
                image.im = pillow_core.new(image.mode, image.size)
        image.load()
        upright = _upright_pixels(image, orientation or _own_orientation(image))
        if close:  # frees its memory
            image.close()
        return upright


def _own_orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # Pillow gives up on EXIF for all kinds of reasons
        exif = image.info.get("exif")
        return orientation_of(exif if isinstance(exif, bytes) else b"")


@cache
def _silence_libtiff() -> None:
    """Stop libtiff from printing errors on stderr (Pillow does so for warnings only); they are raised as ImageError."""
    if set_handler := _c_function(pillow_core, "TIFFSetErrorHandler", ctypes.c_void_p):
        set_handler(None)


def _c_function(module: ModuleType, name: str, result: type) -> Callable | None:
    """A function of the C library that an extension module is linked with; None if it is not exported."""
    try:
        function = getattr(ctypes.CDLL(module.__file__), name)
    except (AttributeError, OSError):
        return None
    function.restype = result
    return function


def _webp_header(file: BinaryIO) -> tuple[tuple[int, int], bool]:
    """(width, height) of a WebP without metadata, and whether it may be transparent."""
    file.seek(12)
    kind, data = file.read(8)[:4], file.read(10)
    number = partial(int.from_bytes, byteorder="little")
    if kind == b"VP8X" and len(data) == 10:
        return (number(data[4:7]) + 1, number(data[7:10]) + 1), bool(data[0] & 0x10)
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        return (number(data[6:8]) & 0x3FFF, number(data[8:10]) & 0x3FFF), False
    if kind == b"VP8L" and data[:1] == b"/":
        bits = number(data[1:5])
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), bool(bits >> 28 & 1)
    raise ValueError("no header of a WebP")


def _load_webp(file: BinaryIO, size: tuple[int, int], transparent: bool, orientation: int, name: str) -> np.ndarray:
    """Decode into memory that Pillow can use; Pillow's own decoder keeps five copies of a picture."""
    from PIL import _webp

    with _refused(name, _BROKEN):
        file.seek(0)
        data = file.read()
        pixels = np.empty((*size[::-1], 4), np.uint8)
        count = ctypes.c_size_t
        decode = _c_function(_webp, "WebPDecodeRGBAInto", ctypes.c_void_p)
        whole = decode and decode(data, count(len(data)), pixels.ctypes, count(pixels.nbytes), size[0] * 4)
        if not whole:  # an animation, a damaged file, or a Pillow that does not export libwebp
            pixels = _webp.WebPAnimDecoder(data).get_next()[0]
        mode = "RGBA" if transparent else "RGBX"
        image = Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1)
        return _upright_pixels(image, orientation)


def _upright_pixels(image: Image.Image, orientation: int) -> np.ndarray:
    """RGB uint8 (H, W, 3) of a loaded image, turned upright.

    Converted in strips, in place: so there is no third copy of a large photograph in memory.
    """
    turned = orientation in (5, 6, 7, 8)
    upright = np.empty((*(image.size if turned else image.size[::-1]), 3), np.uint8)
    back = {6: 8, 8: 6}.get(orientation, orientation)  # the others are their own inverse
    stored = _UPRIGHT.get(back, lambda array: array)(upright)
    deep = image.mode.startswith("I") or image.mode == "F"
    white = _full_scale(image) if deep else 0.0
    for number, strip in enumerate(_strips(image)):
        rows = slice(number * _STRIP, (number + 1) * _STRIP)
        stored[rows] = _deep_grey(np.asarray(strip), white) if deep else _rgb(strip)
    return upright


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    for y in range(0, image.height, _STRIP):
        yield image.crop((0, y, image.width, min(image.height, y + _STRIP)))


def _rgb(image: Image.Image) -> np.ndarray:
    image = image.convert("LA") if image.mode == "La" else image
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _full_scale(image: Image.Image) -> float:
    """The white level of a deep grey picture: that of its bit depth, or its maximum if that is higher."""
    if image.mode.startswith("I;16"):
        return 65535.0
    strips = map(np.asarray, _strips(image))
    highest = max(float(np.max(samples, where=np.isfinite(samples), initial=0)) for samples in strips)
    depths = (1.0, 255.0) if image.mode == "F" else (255.0, 65535.0)
    return next((depth for depth in depths if highest <= depth), highest)


def _deep_grey(samples: np.ndarray, white: float) -> np.ndarray:
    """16-bit, 32-bit or floating-point grey (h, w) as RGB uint8 (h, w, 3), scaled."""
    values = np.nan_to_num(samples.astype(np.float32), posinf=white, neginf=0)
    grey = (values.clip(0, white) * (255 / white)).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
