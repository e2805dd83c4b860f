"""Image formats that can be read: their names, suffixes and first bytes."""

from __future__ import annotations

from contextlib import suppress

from PIL import Image

# Listed, because Pillow opens many more formats, some of them with external programs.
FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF"]
with suppress(ImportError):  # optional: HEIC photographs
    import pillow_heif

    pillow_heif.register_heif_opener()
    FORMATS.append("HEIF")

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
    *(".pjpeg", ".pjp", ".jps"),  # JPEGs
    ".mpo",  # several JPEGs in a file
    *(".heic", ".heif", ".hif"),  # listed even if they cannot be read: then an error is reported
)

# Photographs in formats that cannot be read: found in a folder, they are reported rather than ignored.
UNREAD_SUFFIXES = (
    *(".gif", ".avif", ".jp2", ".j2k", ".jpx", ".jxl", ".pnm", ".pbm", ".pgm", ".ppm", ".tga", ".psd", ".jxr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
)

HEAD = 16  # first bytes of a file that identify its format


def is_picture_name(name: str) -> bool:
    """Whether a file has the suffix of a picture, in upper or lower case."""
    return name.lower().endswith(SUFFIXES)


def begins_a_picture(head: bytes) -> bool:
    """Whether the first HEAD bytes of a file are those of a supported format."""
    Image.init()
    head = head.ljust(HEAD, b"\0")
    accepting = [Image.OPEN[name][1] for name in FORMATS if name in Image.OPEN]
    return any(accept is None or accept(head) for accept in accepting)
