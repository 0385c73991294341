"""Crops on disk, and what training and evaluation read from them."""
