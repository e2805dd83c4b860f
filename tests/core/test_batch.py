"""What the two predictors are handed: pictures as `digits.read` takes them, or a word about which is none."""

import numpy as np
import pytest
from PIL import Image

from digits import Detector, ImageError, Recognizer

GOOD = np.full((20, 30, 3), 128, np.uint8)
NO_PICTURES = {
    "grey": np.zeros((20, 30), np.uint8),
    "one channel": np.zeros((20, 30, 1), np.uint8),
    "RGBA": np.zeros((20, 30, 4), np.uint8),
    "channels first": np.zeros((3, 20, 30), np.uint8),
    "float": GOOD / 255,
    "half": GOOD.astype(np.float16),
    "uint16": GOOD.astype(np.uint16),
    "int8": GOOD.astype(np.int8),
    "bool": GOOD > 0,
    "objects": GOOD.astype(object),
    "batch": GOOD[None],
    "no rows": GOOD[:0],
    "no columns": GOOD[:, :0],
    "empty": np.zeros(0, np.uint8),
    "number": np.array(3, np.uint8),
    "None": None,
    "list": GOOD.tolist(),
    "path": "photo.jpg",
    "bytes": b"photo",
    "Pillow": Image.fromarray(GOOD),
}
NO_BATCHES = {"None": None, "number": 3, "one picture": GOOD, "number in an array": np.array(3)}


@pytest.fixture(scope="module", params=["int8", "torch"])
def predictors(request):
    return {"images": Detector(backend=request.param), "crops": Recognizer(backend=request.param)}


@pytest.mark.parametrize("name", ["images", "crops"])
@pytest.mark.parametrize("picture", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture(predictors, name, picture):
    with pytest.raises(ImageError, match=rf"^{name}\[2\]: RGB uint8 \(H, W, 3\) expected, got [^\n]+$"):
        predictors[name].predict([GOOD, GOOD, picture])


@pytest.mark.parametrize("name", ["images", "crops"])
@pytest.mark.parametrize("batch", NO_BATCHES.values(), ids=NO_BATCHES)
def test_what_is_no_list_of_pictures(predictors, name, batch):
    with pytest.raises(ImageError, match=f"^{name}: a list of pictures expected, got [^\n]+$"):
        predictors[name].predict(batch)


@pytest.mark.parametrize("name", ["images", "crops"])
@pytest.mark.parametrize(
    ("batch", "count"),
    [
        ([], 0),
        ((GOOD, GOOD), 2),
        (np.stack([GOOD] * 3), 3),
        ([GOOD[::-1, ::-2]], 1),
        ([GOOD[:1, :1]], 1),
    ],
    ids=["none", "tuple", "array", "view", "one pixel"],
)
def test_batches(predictors, name, batch, count):
    assert len(predictors[name].predict(batch)) == count


@pytest.mark.parametrize("picture", [NO_PICTURES["grey"], NO_PICTURES["float"], None], ids=["grey", "float", "None"])
def test_single_pictures(predictors, picture):
    with pytest.raises(ImageError, match="image: RGB"):
        list(predictors["images"].passes(picture))
    if predictors["images"].backend == "torch":
        with pytest.raises(ImageError, match="image: RGB"):
            predictors["images"].propose(picture)
        with pytest.raises(ImageError, match=r"^crops\[0\]: RGB"):
            predictors["crops"].sample(picture, 2)
