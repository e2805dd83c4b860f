"""Loading photographs: one function, whatever they come as."""

from __future__ import annotations

import io
import os
import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from digits.core.batch import check_picture
from digits.core.errors import ImageError
from digits.core.formats import FORMATS
from digits.core.streams import is_stream, read_stream

Source = str | os.PathLike | bytes | BinaryIO | Image.Image | np.ndarray

MAX_PIXELS = 120_000_000  # a bit over the 100 megapixels that are promised to work

_STRIP = 512  # rows converted at a time

# EXIF orientation -> how to turn the stored array upright
_UPRIGHT = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def load_image(source: Source, name: str | None = None) -> np.ndarray:
    """A photograph as RGB uint8 (H, W, 3), upright by its EXIF orientation, contiguous.

    source: path, encoded bytes, binary file object, PIL image, or RGB uint8 array (H, W, 3), which is passed through.
    name: what messages call it; the path by default. Alpha is composited on white, 16-bit and floating-point
    samples are scaled to 8 bit, CMYK, grey, palette and 1-bit pictures are converted, of several frames the first is
    taken.

    Raises ImageError, naming the photograph, for anything that cannot be read whole: missing, empty, truncated,
    foreign, or larger than MAX_PIXELS.
    """
    name = name or source_name(source)
    if isinstance(source, np.ndarray):
        return np.ascontiguousarray(check_picture(source, name))
    if isinstance(source, Image.Image):
        return _to_rgb(source, name)
    if not isinstance(source, (str, os.PathLike)):
        data = source if isinstance(source, (bytes, bytearray, memoryview)) else source.read()
        return _decode(io.BytesIO(data), name)
    if is_stream(source):
        return _decode(io.BytesIO(read_stream(source, name)), name)
    try:
        file = open(source, "rb")  # noqa: SIM115 - closed below; only opening it may fail here
    except OSError as error:
        raise ImageError(f"{name}: {error.strerror.lower() if error.strerror else error}") from None
    except ValueError as error:  # a path that no file can have
        raise ImageError(f"{name!r}: {error}") from None
    with file:
        return _decode(file, name)


def source_name(source: Source) -> str:
    """What messages call a source that was given no name: its path or file name where it has one."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", None) or getattr(source, "filename", None) or "image")


def _decode(file: BinaryIO, name: str) -> np.ndarray:
    head = file.read(16)
    if not head:
        raise ImageError(f"{name}: empty file")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # judged by MAX_PIXELS below
            image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: too large, over {MAX_PIXELS // 10**6} megapixels") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not a picture in a format known here{_hint(head)}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"{name}: cannot be opened ({error})") from None
    with image:
        return _to_rgb(image, name)


def _hint(head: bytes) -> str:
    if head[4:12] not in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        return ""
    return ", or damaged" if "HEIF" in FORMATS else "; for HEIC: pip install 'street-digits[heic]'"


def _to_rgb(image: Image.Image, name: str) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(f"{name}: too large, {image.width}x{image.height} is over {MAX_PIXELS // 10**6} megapixels")
    if 0 in image.size:
        raise ImageError(f"{name}: has no pixels")
    try:
        image.load()
        return _upright_pixels(image)
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, MemoryError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name}: damaged or truncated ({error})") from None


def _upright_pixels(image: Image.Image) -> np.ndarray:
    """RGB uint8 (H, W, 3) of a loaded image.

    Converted in strips, straight to where they belong: a large photograph is never in memory a third time.
    """
    orientation = image.getexif().get(0x0112, 1)
    turned = orientation in (5, 6, 7, 8)
    upright = np.empty((*(image.size if turned else image.size[::-1]), 3), np.uint8)
    back = {6: 8, 8: 6}.get(orientation, orientation)  # every other turn is its own inverse
    stored = _UPRIGHT.get(back, lambda array: array)(upright)
    deep = image.mode.startswith("I") or image.mode == "F"
    top = _full_scale(np.asarray(image)) if deep else None
    for y in range(0, image.height, _STRIP):
        strip = image.crop((0, y, image.width, min(image.height, y + _STRIP)))
        stored[y : y + _STRIP] = _deep_grey(np.asarray(strip), top) if deep else _rgb(strip)
    return upright


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _full_scale(samples: np.ndarray) -> float:
    """The sample value that is white in a deep grey picture: that of its depth, or if brighter its brightest."""
    if samples.dtype == np.uint16:
        return 65535.0
    highest = float(np.max(samples, where=np.isfinite(samples), initial=0))
    depths = (1.0, 255.0) if samples.dtype == np.float32 else (255.0, 65535.0)
    return next((depth for depth in depths if highest <= depth), highest)


def _deep_grey(samples: np.ndarray, white: float) -> np.ndarray:
    """16-bit, 32-bit or floating-point grey (h, w) as RGB uint8 (h, w, 3), scaled."""
    values = np.nan_to_num(samples.astype(np.float32), posinf=white, neginf=0)
    grey = (values.clip(0, white) * (255 / white)).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
