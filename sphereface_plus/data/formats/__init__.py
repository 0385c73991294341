"""The files that crops, pairs and embeddings come in, one format a module.

Of ours they import the ground floor only: how files are written, how errors and counts are said.
"""
