"""What every part stands on: errors, pictures, boxes, text, ONNX files."""

import os

# From 1.29 on ONNX Runtime tells its maker over the network what it is used for, unless this is set before it is
# imported. Nobody was asked; and a forked process, which lacks the thread that does it, would wait for it at its end.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
