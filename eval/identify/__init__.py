"""Identification on any photos: who is found among how many."""
