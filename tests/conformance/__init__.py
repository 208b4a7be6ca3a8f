"""The package against the data that PyTorch and ONNX test themselves with."""
