"""Photograph to digit boxes."""

from digits.detector.model import build_detector
from digits.detector.predictor import Detections, Detector

__all__ = ["Detections", "Detector", "build_detector"]
