"""Crop to text."""

from digits.recognizer.model import NumberNet
from digits.recognizer.predictor import Recognizer, Transcription

__all__ = ["NumberNet", "Recognizer", "Transcription"]
