"""Neural networks in PyTorch: feature extractors, devices, weight files."""
