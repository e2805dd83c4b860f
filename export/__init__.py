"""Export of the networks to ONNX, in floating point or 8-bit integers."""
