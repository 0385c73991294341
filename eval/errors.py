"""What stops a measurement."""

from sphereface_plus.errors import UserError


class PhotosError(UserError):
    """Photos or crops that do not serve the pairs; the message names the folder and what to do."""


class SearchError(UserError):
    """Embeddings that cannot be searched; the message says which."""
