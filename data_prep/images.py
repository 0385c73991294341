"""Photo file -> uint8 (H, W, 3) RGB, whatever its kind; what cannot be used is a PhotoError of one sentence.

What becomes of photos that are not plain 8-bit RGB:

    grey, black and white, palette   repeated, or looked up, to three channels
    16 bits a channel                the high byte, which is also what Pillow keeps of 16-bit RGB
    transparency                     composited over white, as viewers show a cut-out person
    CMYK, YCbCr, LAB, HSV            Pillow's conversion; embedded colour profiles are ignored
    EXIF orientation                 applied, so that the person stands upright
    several frames or pages          the first one
    HEIC, JPEG XL                    read where their package is installed (plugins.py)
    PostScript                       refused, as Pillow would have Ghostscript run it
    float pixels                     refused in kinds that Pillow reads, as their range is not known;
                                     what only OpenCV reads, as Radiance HDR, is clipped to 0..1 by OpenCV
"""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sphereface_plus.data.decoding import radiance_size

from .errors import PrepError
from .plugins import Plugin, plugin_for

MAX_PIXELS = 150_000_000
"""Largest photo that is decoded: cameras reach 100 million pixels, but a small file can claim billions."""


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

    Raises PhotoError for a file that is missing, unreadable, truncated, no image, or of more than MAX_PIXELS.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise PhotoError(f"{path}: is an empty file")
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, and of its own, lower size limit: neither changes the pixels.
            warnings.simplefilter("ignore")
            return _decoded(data)
    except UnidentifiedImageError:
        if plugin := plugin_for(data):
            package = plugin.package
            message = f"{path}: is {plugin.kind}, which is read with {package}: pip install {package}"
            raise PluginError(message, plugin) from None
        raise PhotoError(f"{path}: is no image that Pillow or OpenCV reads") from None
    except Image.DecompressionBombError:
        raise PhotoError(
            f"{path}: has more than {MAX_PIXELS // 10**6} million pixels; scale it down before using it"
        ) from None
    except Exception as error:  # a decoder answers damaged bytes with any exception there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(f"{path}: cannot be decoded: {reason}") from None


def _decoded(data: bytes) -> np.ndarray:
    try:
        image = Image.open(BytesIO(data))
    except UnidentifiedImageError:
        plugin = plugin_for(data)
        if plugin is None or not plugin.load():
            return _decoded_by_opencv(data)
        image = _opened(data, plugin)
    with image:
        if image.format == "EPS":  # Pillow would hand it to Ghostscript
            raise ValueError("it is PostScript, a program, which is not run; save it as PNG")
        _check_size(image.width, image.height)
        image.load()
        return np.array(_as_rgb(ImageOps.exif_transpose(image)))


def _opened(data: bytes, plugin: Plugin) -> Image.Image:
    try:
        return Image.open(BytesIO(data))
    except UnidentifiedImageError:
        raise ValueError(f"{plugin.package} does not read it") from None


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its pixels are floats of unknown range; save it with 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("its pixels have more than 16 bits; save it with 8 or 16 bits")
        image = Image.fromarray((values >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _decoded_by_opencv(data: bytes) -> np.ndarray:
    height, width = radiance_size(data) or (0, 0)
    _check_size(width, height)
    log_level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error says it once
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    finally:
        cv2.utils.logging.setLogLevel(log_level)
    if image is None:
        raise UnidentifiedImageError
    _check_size(image.shape[1], image.shape[0])
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError
