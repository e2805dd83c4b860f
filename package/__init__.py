"""Finds and reads house numbers in street photographs.

>>> import digits
>>> scene = digits.read("photo.jpg")            # doctest: +SKIP
>>> scene.text, scene.status                    # doctest: +SKIP
('1428', 'read')
"""

from typing import TYPE_CHECKING

from digits.core.lazy import lazy_names

if TYPE_CHECKING:  # the same names, for type checkers and editors
    from digits.core.errors import ConfigError as ConfigError
    from digits.core.errors import DatasetError as DatasetError
    from digits.core.errors import DeviceError as DeviceError
    from digits.core.errors import DigitsError as DigitsError
    from digits.core.errors import Diverged as Diverged
    from digits.core.errors import ImageError as ImageError
    from digits.core.errors import PredictionsError as PredictionsError
    from digits.core.errors import TrainingError as TrainingError
    from digits.core.errors import WeightsError as WeightsError
    from digits.core.images import load_image as load_image
    from digits.detector import Detections as Detections
    from digits.detector import Detector as Detector
    from digits.pipeline.reader import Reader as Reader
    from digits.pipeline.reader import read as read
    from digits.pipeline.results import Digit as Digit
    from digits.pipeline.results import Reading as Reading
    from digits.pipeline.results import Scene as Scene
    from digits.recognizer import Distribution as Distribution
    from digits.recognizer import Recognizer as Recognizer
    from digits.recognizer import Transcription as Transcription

__version__ = "0.2.0"

# Public name -> the module that defines it. Loaded on first use: `import digits` must not cost a torch import.
_PUBLIC = {
    "read": "digits.pipeline.reader",
    "Reader": "digits.pipeline.reader",
    "Scene": "digits.pipeline.results",
    "Reading": "digits.pipeline.results",
    "Digit": "digits.pipeline.results",
    "load_image": "digits.core.images",
    "Detector": "digits.detector",
    "Detections": "digits.detector",
    "Recognizer": "digits.recognizer",
    "Distribution": "digits.recognizer",
    "Transcription": "digits.recognizer",
    "DigitsError": "digits.core.errors",
    "ImageError": "digits.core.errors",
    "WeightsError": "digits.core.errors",
    "DatasetError": "digits.core.errors",
    "PredictionsError": "digits.core.errors",
    "ConfigError": "digits.core.errors",
    "TrainingError": "digits.core.errors",
    "Diverged": "digits.core.errors",
    "DeviceError": "digits.core.errors",
}

__all__ = ["__version__", *_PUBLIC]


__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
