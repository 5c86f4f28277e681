"""Models in files of ONNX as cases, and its operators as programs."""
