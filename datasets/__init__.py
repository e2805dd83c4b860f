"""Data sets: readers of the common annotation formats, transforms, and a synthesiser of house numbers.

>>> from digits.datasets import open_source, split_of
>>> pictures = open_source("svhn/train")        # doctest: +SKIP
>>> pictures[0].numbers                         # doctest: +SKIP
('19',)
"""

from typing import TYPE_CHECKING

from digits.core.lazy import lazy_names

if TYPE_CHECKING:  # the same names, for type checkers and editors
    from digits.datasets.coco import coco_document as coco_document
    from digits.datasets.coco import read_coco as read_coco
    from digits.datasets.crops import read_crops as read_crops
    from digits.datasets.crops import write_crops as write_crops
    from digits.datasets.download import download_svhn as download_svhn
    from digits.datasets.items import Sample as Sample
    from digits.datasets.items import split_of as split_of
    from digits.datasets.mila import read_mila as read_mila
    from digits.datasets.mila import read_order as read_order
    from digits.datasets.pictures import Pictures as Pictures
    from digits.datasets.pictures import Problem as Problem
    from digits.datasets.pictures import Record as Record
    from digits.datasets.pictures import read_negatives as read_negatives
    from digits.datasets.real import read_annotated as read_annotated
    from digits.datasets.sources import open_source as open_source
    from digits.datasets.svhn import read_svhn as read_svhn
    from digits.datasets.synthesis import Sources as Sources
    from digits.datasets.synthesis import Synthesizer as Synthesizer
    from digits.datasets.synthesis import Synthetic as Synthetic
    from digits.datasets.synthesis.fonts import load_typefaces as load_typefaces
    from digits.datasets.synthesis.layout import Layout as Layout
    from digits.datasets.transforms import DetectionTransform as DetectionTransform
    from digits.datasets.transforms import detector_jitter as detector_jitter
    from digits.datasets.transforms import goodfellow_crop as goodfellow_crop
    from digits.datasets.yolo import read_yolo as read_yolo
    from digits.datasets.yolo import write_yolo as write_yolo

_PUBLIC = {
    "Sample": "digits.datasets.items",
    "split_of": "digits.datasets.items",
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
