"""Finds and reads house numbers in street photographs.

>>> import digits
>>> scene = digits.read("photo.jpg")            # doctest: +SKIP
>>> scene.text, scene.status                    # doctest: +SKIP
('1428', 'read')
"""

from digits.core.lazy import lazy_names

__version__ = "0.1.0"

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
