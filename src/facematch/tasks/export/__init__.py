"""Export a network as ONNX or safetensors, and measure what that costs."""
