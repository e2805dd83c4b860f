"""Which pixels supported a reading."""
