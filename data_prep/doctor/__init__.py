"""What is wrong with a set of crops, found and proposed; dropping is another command (drop.py)."""
