"""What stops a command."""


class PrepError(ValueError):
    """Input that cannot be used; the message is one sentence that names the thing and what to do about it."""
