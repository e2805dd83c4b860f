"""PyTorch: backbones, devices, weights files."""
