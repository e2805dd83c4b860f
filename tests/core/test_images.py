import io
import pathlib
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from digits import ImageError, load_image
from digits.core.images import open_image
from digits.datasets.pictures import picture_size

GRADIENT = np.linspace(0, 255, 64, dtype=np.uint8)[None].repeat(48, 0)
COLOUR = np.stack([GRADIENT, GRADIENT[:, ::-1], np.full_like(GRADIENT, 90)], -1)


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("WEBP", 24), ("JPEG", 12)],
)
def test_formats(kind, tolerance):
    loaded = load_image(encode(Image.fromarray(COLOUR), kind))
    assert loaded.dtype == np.uint8 and loaded.flags.c_contiguous
    assert np.abs(loaded.astype(int) - COLOUR).max() <= tolerance


def test_every_kind_of_source(tmp_path):
    data = encode(Image.fromarray(COLOUR))
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    for source in (path, str(path), data, io.BytesIO(data), Image.fromarray(COLOUR), COLOUR):
        assert (load_image(source) == COLOUR).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    # store the picture so that a viewer, obeying the tag, shows COLOUR
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    stored = Image.fromarray(np.ascontiguousarray(undo(COLOUR)))
    assert (load_image(encode(stored, exif=exif)) == COLOUR).all()


def grey16(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint16))


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        pytest.param(Image.fromarray(GRADIENT), "PNG", GRADIENT, id="grey"),
        pytest.param(Image.fromarray(GRADIENT > 127), "PNG", np.where(GRADIENT > 127, 255, 0), id="1-bit"),
        pytest.param(Image.fromarray(GRADIENT).convert("P"), "PNG", GRADIENT, id="palette"),
        pytest.param(grey16(GRADIENT * 257.0), "PNG", GRADIENT, id="16-bit png"),
        pytest.param(grey16(GRADIENT * 257.0), "TIFF", GRADIENT, id="16-bit tiff"),
        pytest.param(Image.fromarray((GRADIENT / 255).astype(np.float32)), "TIFF", GRADIENT, id="float 0..1"),
        pytest.param(Image.fromarray(GRADIENT.astype(np.float32)), "TIFF", GRADIENT, id="float 0..255"),
        pytest.param(Image.fromarray(GRADIENT.astype(np.int32) * 257), "TIFF", GRADIENT, id="32-bit"),
        pytest.param(Image.fromarray(GRADIENT.astype(np.int32)), "TIFF", GRADIENT, id="32-bit 0..255"),
    ],
)
def test_modes(image, kind, expected):
    loaded = load_image(encode(image, kind))
    assert loaded.shape == (48, 64, 3)
    assert np.abs(loaded.astype(int) - expected[..., None]).max() <= 1


def test_cmyk_is_converted():
    loaded = load_image(encode(Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(loaded.astype(int) - COLOUR).mean() < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_composited_on_white(mode):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 4, 8))
    if mode == "P":
        picture = picture.quantize(4)
        assert "transparency" in load_info(encode(picture))
    else:
        picture = picture.convert(mode)
    loaded = load_image(encode(picture))
    assert loaded[0, 0].max() < 10 and loaded[0, 7].min() > 245


def load_info(data: bytes) -> dict:
    with Image.open(io.BytesIO(data)) as image:
        return image.info


def test_half_transparent():
    assert load_image(encode(Image.new("RGBA", (2, 2), (0, 0, 0, 128))))[0, 0, 0] in (126, 127, 128)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than any reader should allocate."""
    import zlib

    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


JPEG = encode(Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)), "JPEG")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"GIF89a is not what follows", "open|format|truncated", id="broken gif"),
        pytest.param(b"%PDF-1.7 a document", "format", id="foreign"),
        pytest.param(JPEG[: len(JPEG) // 2], "truncated", id="truncated jpeg"),
        pytest.param(encode(Image.fromarray(COLOUR))[:80], "truncated|opened|format", id="truncated png"),
        pytest.param(png_claiming(30_000, 30_000), "too large", id="bomb"),
        pytest.param(png_claiming(12_000, 11_000), "too large", id="just too large"),
        pytest.param(b"\0\0\0\x18ftypheic" + b"\0" * 40, "format|heif|opened|truncated", id="heic"),
    ],
)
def test_bad_files_are_named(tmp_path, data, message):
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=rf"bad\.jpg.*({message})"):
        load_image(path)


def test_missing_folder_and_forbidden(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        load_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="directory"):
        load_image(tmp_path)

    def forbid(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbid)
    with pytest.raises(ImageError, match=r"locked\.jpg: permission denied"):
        load_image(tmp_path / "locked.jpg")


class Camera(io.BytesIO):
    """A stream that can be read once, from where it is."""

    name = "camera"

    def seek(self, *where):
        raise io.UnsupportedOperation("a camera does not go back")


class Reads:
    """An object whose read() gives something, or raises it."""

    name = "object"

    def __init__(self, gives):
        self.gives = gives

    def read(self, *size):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


class NoPath:
    def __fspath__(self):
        raise KeyError("lost")


_OPENED: list = []


def opened(name, mode="rb"):
    _OPENED.append(open(name, mode))  # noqa: SIM115 - the fixture `folder` closes it
    return _OPENED[-1]


def used(stream, *count):
    stream.read(*count)
    return stream


def closed(thing):
    thing.close()
    return thing


PNG = encode(Image.fromarray(COLOUR))
ARRAY = r"RGB uint8 \(H, W, 3\) expected, got "

# what is no picture -> what is said of it; "a.png" is one, "a.txt" says so
NO_PICTURES = {
    "None": (lambda: None, "got NoneType"),
    "number": (lambda: 5, "got int"),
    "list": (lambda: [[1, 2], [3, 4]], "got list"),
    "class": (lambda: Image.Image, "got type"),
    "array of no dimension": (lambda: np.array(7, np.uint8), ARRAY + "uint8"),
    "grey array": (lambda: COLOUR[..., 0], ARRAY + r"uint8 \(48, 64\)"),
    "array with alpha": (lambda: np.zeros((4, 4, 4), np.uint8), ARRAY + r"uint8 \(4, 4, 4\)"),
    "array of channels first": (lambda: np.zeros((3, 4, 4), np.uint8), ARRAY),
    "several arrays": (lambda: COLOUR[None], ARRAY),
    "array of floats": (lambda: COLOUR / 255, ARRAY + "float64"),
    "array of 16 bits": (lambda: COLOUR.astype(np.uint16), ARRAY + "uint16"),
    "array of truths": (lambda: COLOUR > 9, ARRAY + "bool"),
    "array of objects": (lambda: np.array([None, 2]), ARRAY + "object"),
    "empty array": (lambda: np.zeros((0, 4, 3), np.uint8), ARRAY),
    "text stream": (lambda: io.StringIO("a.png"), "open as text"),
    "text file": (lambda: opened("a.txt", "r"), r"a\.txt: is open as text"),
    "picture opened as text": (lambda: opened("a.png", "r"), r"a\.png: is open as text"),
    "stream of text": (lambda: Reads("a.png"), "object: is open as text"),
    "stream of numbers": (lambda: Reads(7), "object: bytes expected .* got int"),
    "stream of nothing": (lambda: Reads(None), "object: bytes expected .* got NoneType"),
    "stream that fails": (lambda: Reads(RuntimeError("lost\nline")), r"object: cannot be read \(lost line\)"),
    "stream of no bytes": (lambda: Reads(b""), "object: empty"),
    "closed file": (lambda: closed(opened("a.png")), r"a\.png: cannot be read"),
    "closed stream": (lambda: closed(io.BytesIO(PNG)), "cannot be read"),
    "stream read before": (lambda: used(Camera(PNG)), "camera: empty, or read before"),
    "stream of a byte": (lambda: Camera(b"x"), "camera: not a picture"),
    "stream of two line ends": (lambda: Camera(b"\n\n"), "camera: not a picture"),
    "stream partly read before": (lambda: used(Camera(PNG), 9), "camera: not a picture, or partly read before"),
    "stream of HEIC": (
        lambda: Camera(b"\0\0\0\x18ftypheic" + bytes(20)),
        "not a picture in a format known here(; for HEIC|, or damaged)|cannot be opened",
    ),
    "no path": (NoPath, "cannot be read .*lost"),
    "no name": (lambda: "", "'': no such file"),
    "folder": (lambda: pathlib.Path("."), "is a directory"),
    "closed PIL image": (lambda: closed(Image.open("a.png")), r"a\.png: cannot be read"),
    "cut off PIL image": (lambda: Image.open(io.BytesIO(PNG[:100])), "cannot be read"),
    "empty PIL image": (lambda: Image.new("RGB", (0, 5)), "has no pixels"),
    "released memory": (lambda: released(bytearray(PNG)), "cannot be opened"),
}


def released(data):
    view = memoryview(data)
    view.release()
    return view


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.txt").write_text("a.png")
    yield
    while _OPENED:  # or else it warns in whatever test runs when it is collected
        _OPENED.pop().close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("case", NO_PICTURES)
def test_what_is_no_picture_is_refused_by_name(case, folder, reader):
    make, message = NO_PICTURES[case]
    for attempt in (load_image, reader.read, lambda source: list(reader.read_all([source]))):
        with pytest.raises(ImageError, match=message) as caught:
            attempt(make())
        assert "\n" not in str(caught.value)
    before, error, after = reader.read_all([COLOUR, make(), COLOUR], skip_errors=True)
    assert isinstance(error, ImageError) and (before.width, after.width) == (64, 64)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: used(io.BytesIO(PNG)), id="read before"),
        pytest.param(lambda: used(opened("a.png")), id="file read before"),
        pytest.param(lambda: Image.open(used(opened("a.png"))), id="lazy PIL image"),
        pytest.param(lambda: Camera(PNG), id="not to be rewound, but new"),
        pytest.param(lambda: Reads(PNG), id="with nothing but read()"),
        pytest.param(lambda: Reads(bytearray(PNG)), id="of a bytearray"),
        pytest.param(lambda: memoryview(PNG), id="memoryview"),
        pytest.param(lambda: pathlib.Path("a.png"), id="Path"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_streams_are_read_from_their_beginning(make, folder, reader):
    assert (load_image(make()) == COLOUR).all()
    assert np.asarray(reader.read(make()).render()).shape == (48, 64, 3)


GREYS = ["1", "L", "LA", "La", "P", "PA", "I", "F", "I;16", "I;16L", "I;16B"]
COLOURED = ["RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV"]


@pytest.mark.parametrize("mode", [*GREYS, *COLOURED])
def test_modes_of_pil_images(mode):
    """Whatever can be made of grey is read as it."""
    grey = Image.fromarray(GRADIENT)
    if mode.startswith("I;16"):
        image = Image.fromarray((GRADIENT.astype(np.uint16) * 257).astype(">u2" if mode == "I;16B" else "<u2"))
    elif mode == "PA":
        image = grey.convert("P").convert(mode)
    elif mode in ("La", "RGBa"):
        image = grey.convert(mode.upper()).convert(mode)
    else:
        image = grey.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr", "HSV") else grey.convert(mode)
    expected = np.where(np.asarray(image), 255, 0) if mode == "1" else GRADIENT
    assert np.abs(load_image(image).astype(int) - expected[..., None]).max() <= 1


def test_a_pil_image_with_garbage_for_exif():
    image = Image.fromarray(COLOUR)
    image.info["exif"] = b"garbage"
    assert (load_image(image) == COLOUR).all()


@pytest.mark.filterwarnings("error")
def test_large_pictures_are_not_warned_of(tmp_path):
    """Pillow would, above 89 megapixels."""
    path = tmp_path / "a.png"
    path.write_bytes(png_claiming(12_000, 9_000))
    assert picture_size(path) == (12_000, 9_000)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF")),
        *(("TIFF", {"compression": compression}) for compression in ("tiff_lzw", "jpeg", "packbits")),
    ],
)
def test_nor_when_they_are_decoded(kind, options, monkeypatch):
    data = encode(Image.fromarray(COLOUR), kind, **options)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # of 3072
    assert load_image(data).shape == COLOUR.shape


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_want_of_memory_is_not_called_damage(kind, monkeypatch):
    def too_much(*arguments, **options):
        raise MemoryError

    data = encode(Image.fromarray(COLOUR), kind)
    monkeypatch.setattr(np, "empty", too_much)
    with pytest.raises(ImageError, match="image: too large for"):
        load_image(data)


def test_bright_spots_do_not_darken_the_rest():
    values = (GRADIENT / 255).astype(np.float32)
    values[0, 0], values[0, 1] = np.inf, np.nan
    loaded = load_image(encode(Image.fromarray(values), "TIFF"))
    assert loaded[0, 0, 0] == 255 and loaded[0, 1, 0] == 0
    assert np.abs(loaded[1:, :, 0].astype(int) - GRADIENT[1:]).max() <= 1


@pytest.mark.parametrize("extension", [".png", ".tiff"])
@pytest.mark.parametrize("alpha", [False, True])
def test_16_bit_colour_is_scaled(extension, alpha):
    deep = COLOUR.astype(np.uint16) * 257
    if alpha:
        deep = np.dstack([deep, np.full(deep.shape[:2], 65535, np.uint16)])
    encoded = cv2.imencode(extension, deep[..., [2, 1, 0, 3][: deep.shape[2]]])[1].tobytes()
    assert np.abs(load_image(encoded).astype(int) - COLOUR).max() <= 1


def test_more_rows_than_a_strip_and_turned():
    tall = np.random.default_rng(0).integers(0, 255, (1300, 20, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    loaded = load_image(encode(Image.fromarray(np.ascontiguousarray(np.rot90(tall, 1))), exif=exif))
    assert (loaded == tall).all() and loaded.flags.c_contiguous


@pytest.mark.parametrize(
    ("source", "name"),
    [("no/such.jpg", "no/such.jpg"), (b"junk", "image"), ("nul\0byte.jpg", "nul"), ("x" * 300, "xxx")],
)
def test_messages_name_the_source(source, name):
    with pytest.raises(ImageError, match=name):
        load_image(source)
    stream = io.BytesIO(b"junk")
    for given, shown in {"camera": "camera", b"camera": "camera", pathlib.Path("camera"): "camera", 7: "image"}.items():
        stream.name = given
        with pytest.raises(ImageError, match=f"^{shown}: "):
            load_image(stream)


def test_other_formats_are_left_alone():
    """Pillow would open PostScript, with an outside program."""
    with pytest.raises(ImageError, match="format"):
        load_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")


def test_a_large_photograph_takes_little_more_than_itself():
    """60 megapixels, transparent and turned, in a process of its own: no more than decoder and array hold."""
    code = (
        "import io, resource, numpy as np; from PIL import Image; from digits.core.images import load_image\n"
        "out = io.BytesIO(); exif = Image.Exif(); exif[0x0112] = 6\n"
        "Image.new('RGBA', (10000, 6000), (9, 9, 9, 128)).save(out, 'PNG', exif=exif, compress_level=1)\n"
        "data = out.getvalue(); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert load_image(data).shape == (10000, 6000, 3)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 330  # saving it had already taken 229 MiB of the 229 + 172 that reading takes


@pytest.mark.parametrize(("name", "mode", "options"), [("a.webp", "RGB", {"method": 0}), ("a.tif", "F", {})])
def test_other_large_pictures_take_no_more(name, mode, options, tmp_path):
    """24 megapixels, in a process of its own: decoded to 92 MiB and turned into 69; Pillow's WebP would take 435."""
    path = tmp_path / name
    Image.new(mode, (6000, 4000)).save(path, **options)
    code = (
        "import resource, sys; from digits.core.images import load_image; from PIL import _webp\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert load_image(sys.argv[1]).shape == (4000, 6000, 3)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 240


def test_one_pixel():
    assert load_image(Image.new("L", (1, 1), 7)).tolist() == [[[7, 7, 7]]]


@pytest.mark.parametrize(
    ("kind", "enough", "decoded"),
    [
        ("JPEG", None, (300, 200)),
        ("JPEG", 400, (300, 200)),
        ("JPEG", 151, (300, 200)),
        ("JPEG", 150, (150, 100)),
        ("JPEG", 80, (150, 100)),
        ("JPEG", 75, (75, 50)),
        ("JPEG", 30, (38, 25)),
        ("JPEG", 1, (38, 25)),
        ("PNG", 75, (300, 200)),
        ("WEBP", 75, (300, 200)),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("turn", [1, 6])
def test_jpegs_are_decoded_no_larger_than_needed(kind, enough, decoded, mode, turn):
    if mode == "CMYK" and kind != "JPEG":
        mode = "RGB"
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = turn
    grey = Image.linear_gradient("L").resize((300, 200))
    grey.convert(mode).save(data, kind, exif=exif)
    with open_image(data, enough=enough) as picture:
        pixels = picture.load()
        assert picture.size == ((300, 200) if turn == 1 else (200, 300))
    size = decoded if turn == 1 else decoded[::-1]
    assert picture.decoded == size and pixels.shape == (*size[::-1], 3)
    upright = grey.resize(decoded, Image.Resampling.BOX)
    if turn == 6:
        upright = upright.transpose(Image.Transpose.ROTATE_270)
    assert np.abs(pixels[..., 0].astype(int) - np.asarray(upright)).mean() < 6


@pytest.mark.parametrize(("progressive", "held"), [(False, 150 * 100), (True, 300 * 200)])
def test_what_is_held_while_a_jpeg_is_decoded_smaller(progressive, held):
    data = io.BytesIO()
    Image.linear_gradient("L").resize((300, 200)).save(data, "JPEG", progressive=progressive)
    with open_image(data, enough=150) as picture:
        assert (picture.decoded, picture.held) == ((150, 100), held)
