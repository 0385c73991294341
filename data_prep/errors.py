"""What stops a command."""

from sphereface_plus.errors import UserError


class PrepError(UserError):
    """Input that cannot be used; the message is one sentence that names the thing and what to do about it."""


class LandmarksError(PrepError):
    """Landmarks that no face has."""
