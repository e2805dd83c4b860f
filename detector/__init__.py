"""Photograph to digit boxes."""

from digits.detector.predictor import Detections, Detector

__all__ = ["Detections", "Detector"]
