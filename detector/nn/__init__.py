"""The detector in PyTorch."""
