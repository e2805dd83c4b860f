"""Which pictures are read: their formats, what their files are called, and how they begin."""

from __future__ import annotations

from contextlib import suppress

from PIL import Image

# Named, because Pillow opens much else, some of it with outside programs.
FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF"]
with suppress(ImportError):  # optional: HEIC photographs
    import pillow_heif

    pillow_heif.register_heif_opener()
    FORMATS.append("HEIF")

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
    *(".pjpeg", ".pjp", ".jps"),  # JPEGs
    ".mpo",  # JPEGs, one behind the other
    *(".heic", ".heif", ".hif"),  # listed where they cannot be read, too: then it is said
)

# Photographs, too, but in formats that are not read: in a folder they are reported, not passed over.
UNREAD_SUFFIXES = (
    *(".gif", ".avif", ".jp2", ".j2k", ".jpx", ".jxl", ".pnm", ".pbm", ".pgm", ".ppm", ".tga", ".psd", ".jxr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
)

HEAD = 16  # bytes at the beginning of a file that tell its format


def is_picture_name(name: str) -> bool:
    """Whether a file is called as pictures are, in capitals or not."""
    return name.lower().endswith(SUFFIXES)


def begins_a_picture(head: bytes) -> bool:
    """Whether the first HEAD bytes of a file are those of a format that is read."""
    Image.init()
    head = head.ljust(HEAD, b"\0")
    accepting = [Image.OPEN[name][1] for name in FORMATS if name in Image.OPEN]
    return any(accept is None or accept(head) for accept in accepting)
