"""What can be wrong with other people's weights."""

from sphereface_plus.errors import UserError


class PretrainedError(UserError):
    """Weights of another project that cannot be used; the message names the file and says what to do."""
