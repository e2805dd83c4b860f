"""Photograph to Scene of Readings."""
