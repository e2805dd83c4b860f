"""Photograph to digit boxes."""

from digits.detector.detections import Detections
from digits.detector.predictor import Detector

__all__ = ["Detections", "Detector"]
