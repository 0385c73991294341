"""Evaluation: a checkpoint, an ONNX file or embeddings in, a report out. Trains nothing."""
