"""Crop to text."""

from digits.recognizer.predictor import Recognizer, Transcription

__all__ = ["Recognizer", "Transcription"]
