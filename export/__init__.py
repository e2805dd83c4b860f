"""Networks to ONNX files, in full precision or in 8-bit integers."""
