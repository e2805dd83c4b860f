"""Shared foundations: errors, images, boxes, text, ONNX models."""

import os

# From version 1.29 on, ONNX Runtime sends telemetry unless this is set before it is imported. Users did not agree to
# that; and a forked process, which lacks the sending thread, would wait for it forever when it ends.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
