"""Where examples come from: annotated pictures in every usual format, transforms, and a synthesiser of house numbers.

>>> from digits.datasets import open_source, part_of
>>> pictures = open_source("svhn/train")        # doctest: +SKIP
>>> pictures[0].numbers                         # doctest: +SKIP
('19',)
"""

from digits.core.lazy import lazy_names

_PUBLIC = {
    "Sample": "digits.datasets.items",
    "part_of": "digits.datasets.items",
    "Record": "digits.datasets.pictures",
    "Pictures": "digits.datasets.pictures",
    "Problem": "digits.datasets.pictures",
    "open_source": "digits.datasets.sources",
    "read_svhn": "digits.datasets.svhn",
    "read_mila": "digits.datasets.mila",
    "read_order": "digits.datasets.mila",
    "read_coco": "digits.datasets.coco",
    "coco_document": "digits.datasets.coco",
    "read_yolo": "digits.datasets.yolo",
    "write_yolo": "digits.datasets.yolo",
    "read_crops": "digits.datasets.crops",
    "write_crops": "digits.datasets.crops",
    "read_annotated": "digits.datasets.real",
    "read_negatives": "digits.datasets.pictures",
    "download_svhn": "digits.datasets.download",
    "DetectionTransform": "digits.datasets.transforms",
    "goodfellow_crop": "digits.datasets.transforms",
    "detector_jitter": "digits.datasets.transforms",
    "Layout": "digits.datasets.synthesis.layout",
    "load_typefaces": "digits.datasets.synthesis.fonts",
    "Sources": "digits.datasets.synthesis",
    "Synthesizer": "digits.datasets.synthesis",
    "Synthetic": "digits.datasets.synthesis",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
