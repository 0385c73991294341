"""What stops a measurement."""


class PhotosError(ValueError):
    """Photos or crops that do not serve the pairs; the message names the folder and what to do."""
