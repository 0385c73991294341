"""How good a generator's images are: the command gan."""
