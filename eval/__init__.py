"""Evaluation: a model or its embeddings in, a report out. Trains nothing."""
