"""Commands of sphereface-plus, and what all commands share: how they end, how they show progress."""
