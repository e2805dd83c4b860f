"""Explanations of readings: heat maps and Monte-Carlo dropout."""
