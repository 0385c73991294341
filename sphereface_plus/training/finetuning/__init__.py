"""A training that starts from other weights: what is loaded, what is frozen, what is added."""
