"""What can be wrong with other people's weights."""


class PretrainedError(ValueError):
    """Weights of another project that cannot be used; the message names the file and says what to do."""
