"""Loading photographs: one function, whatever they come as."""

from __future__ import annotations

import io
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from digits.core.errors import ImageError

with suppress(ImportError):  # optional: HEIC photographs
    import pillow_heif

    pillow_heif.register_heif_opener()

Source = str | os.PathLike | bytes | BinaryIO | Image.Image | np.ndarray

MAX_PIXELS = 120_000_000  # a bit over the 100 megapixels that are promised to work
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif")

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
    if isinstance(source, np.ndarray):
        return _check_array(source, name or "array")
    if isinstance(source, Image.Image):
        return _to_rgb(source, name or "image")
    if isinstance(source, (str, os.PathLike)):
        name = name or os.fspath(source)
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise ImageError(f"{name}: {error.strerror.lower() if error.strerror else error}") from None
    else:
        data = source if isinstance(source, (bytes, bytearray, memoryview)) else source.read()
        name = name or str(getattr(source, "name", "image"))
    if not data:
        raise ImageError(f"{name}: empty file")
    return _decode(bytes(data), name)


def _check_array(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ImageError(f"{name}: RGB uint8 (H, W, 3) expected, got {array.dtype} {array.shape}")
    return np.ascontiguousarray(array)


def _decode(data: bytes, name: str) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # judged by MAX_PIXELS below
            image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: too large, over {MAX_PIXELS // 10**6} megapixels") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not a picture in a format known here{_hint(data)}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"{name}: cannot be opened ({error})") from None
    with image:
        return _to_rgb(image, name)


def _hint(data: bytes) -> str:
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        return "; for HEIC: pip install pillow-heif"
    return ""


def _to_rgb(image: Image.Image, name: str) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(f"{name}: too large, {image.width}x{image.height} is over {MAX_PIXELS // 10**6} megapixels")
    if 0 in image.size:
        raise ImageError(f"{name}: has no pixels")
    try:
        image.load()
        orientation = image.getexif().get(0x0112, 1)
        pixels = _pixels(image)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        IndexError,
        MemoryError,
        Image.DecompressionBombError,
    ) as error:
        raise ImageError(f"{name}: damaged or truncated ({error})") from None
    return np.ascontiguousarray(_UPRIGHT.get(orientation, lambda a: a)(pixels))


def _pixels(image: Image.Image) -> np.ndarray:
    """RGB uint8 of a loaded image, not yet turned."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _deep_grey(samples: np.ndarray) -> np.ndarray:
    """16-bit, 32-bit or floating-point grey (H, W), scaled so that its range fits 8 bits."""
    top = 65535.0 if samples.dtype != np.float32 else 1.0
    values = np.nan_to_num(samples.astype(np.float32))
    highest = float(values.max())
    if highest > top:  # 32-bit integers, or floats in 0..255 or beyond
        top = 255.0 if samples.dtype == np.float32 and highest <= 255 else highest
    grey = (values.clip(0, top) * (255 / top)).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
