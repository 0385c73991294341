"""What the commands share: how they end, how they show progress, and the texts that they print."""
