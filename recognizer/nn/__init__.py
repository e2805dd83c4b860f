"""The recogniser in PyTorch."""
