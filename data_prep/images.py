"""Photo file -> uint8 (H, W, 3) RGB, whatever its kind; what cannot be used is a PhotoError in a sentence.

sphereface_plus/data/formats/any_image.py says what becomes of which kind. HEIC and JPEG XL are read where
their package is installed (plugins.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from sphereface_plus.data.formats.any_image import MAX_PHOTO, TooLargeError, decode_any, image_bytes

from .errors import PrepError
from .plugins import Plugin, plugin_for

MAX_PIXELS = MAX_PHOTO


class PhotoError(PrepError):
    """A photo that cannot be used; the message names the file and the reason."""


class PluginError(PhotoError):
    """A photo of a kind whose package is not installed."""

    def __init__(self, message: str, plugin: Plugin) -> None:
        super().__init__(message)
        self.plugin = plugin

    def __reduce__(self) -> tuple:  # between processes
        return PluginError, (str(self), self.plugin)


def read_photo(path: str | Path) -> np.ndarray:
    """The photo as a writable uint8 array (H, W, 3), RGB, upright.

    Raises PhotoError for a file that is missing, unreadable, truncated, no image, or of more than MAX_PIXELS;
    OSError where memory is short.
    """
    path = Path(path)
    try:
        data = image_bytes(path)
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise PhotoError(f"{path}: is an empty file")
    try:
        return _decoded(data)
    except UnidentifiedImageError:
        if plugin := plugin_for(data):
            package = plugin.package
            message = f"{path}: is {plugin.kind}, which is read with {package}: pip install {package}"
            raise PluginError(message, plugin) from None
        raise PhotoError(f"{path}: is not an image that Pillow or OpenCV reads") from None
    except TooLargeError:
        raise PhotoError(
            f"{path}: has more than {MAX_PIXELS // 10**6} million pixels; scale it down before using it"
        ) from None
    except MemoryError:  # the photo may be a good one: who reads it must not count it as done
        raise OSError(
            f"{path}: memory is short for this photo; close other programs, or take fewer --workers"
        ) from None
    except Exception as error:  # a decoder answers damaged bytes with any exception there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(f"{path}: cannot be decoded: {reason}") from None


def _decoded(data: bytes) -> np.ndarray:
    try:
        return decode_any(data, MAX_PIXELS)
    except UnidentifiedImageError:
        plugin = plugin_for(data)
        if plugin is None or not plugin.load():
            raise
    try:
        return decode_any(data, MAX_PIXELS)
    except UnidentifiedImageError:
        raise ValueError(f"{plugin.package} does not read it") from None
