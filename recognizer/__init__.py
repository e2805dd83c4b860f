"""Crop to text."""

from digits.recognizer.distribution import Distribution
from digits.recognizer.predictor import Recognizer, Transcription

__all__ = ["Distribution", "Recognizer", "Transcription"]
