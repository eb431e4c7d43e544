"""Reading ONNX models: a file is looked at, never run; only operators of the closed list are read."""

from respike.frontends.onnx.capture import CapturedOnnx, capture_onnx, onnx_network

__all__ = ["CapturedOnnx", "capture_onnx", "onnx_network"]
