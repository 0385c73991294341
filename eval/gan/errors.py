"""What stops a measurement of generated images."""

from sphereface_plus.errors import UserError


class GeneratorError(UserError):
    """A run, an extractor or images that do not go together; the message names it and says what to do."""
