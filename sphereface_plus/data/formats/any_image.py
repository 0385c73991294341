"""Encoded images of every kind -> uint8 (H, W, 3) RGB: the one reader of photos, crops and images.

What becomes of those that are not plain 8-bit RGB:

    grey, black and white, palette   repeated, or looked up, to three channels
    16 bits a channel                the high byte, which is also what Pillow keeps of 16-bit RGB
    PGM of another largest value     scaled to 0..255
    transparency                     composited over white, as viewers show a cut-out person
    CMYK, YCbCr, LAB, HSV            Pillow's conversion; embedded colour profiles are ignored
    orientation in EXIF or XMP       applied, so that the person stands upright
    several frames or pages          the first one
    PostScript                       refused, as Pillow would have Ghostscript run it
    float pixels                     refused in kinds that Pillow reads, as their range is not known;
                                     what only OpenCV reads, as Radiance HDR, is clipped to 0..1 by OpenCV

A small file may claim a huge image: its size is looked up before it is decoded. What a folder holds under an
image's name may be a pipe or a device, which never end: only files are read.
"""

from __future__ import annotations

import errno
import re
import stat
import threading
import warnings
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sphereface_plus.errors import UserError

MAX_PHOTO = 150_000_000
"""Pixels of the largest photo: cameras reach 100 million, but a small file can claim billions."""
MAX_BYTES = 2**30
"""Of the largest file that is read as an image: 150 million pixels without compression have less."""
_ONE_AT_A_TIME = threading.Lock()
"""Warnings are switched off for the whole process, and threads would switch them on for one another."""
_RADIANCE_SIZE = re.compile(rb"-Y\s*\+?(\d{1,10})\s*\+X\s*\+?(\d{1,10})")


class TooLargeError(UserError):
    """An image of more pixels than are taken; the message begins in mid-sentence."""


def image_bytes(path: str | Path) -> bytes:
    """An image's file. Raises OSError, also for what is not a file, as /dev/zero, or is too large."""
    status = Path(path).stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "Is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a file")
    if status.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, f"It has {status.st_size:,} bytes, which no image has")
    return Path(path).read_bytes()


def decode_any(data: bytes, max_pixels: int = MAX_PHOTO) -> np.ndarray:
    """The image as a writable uint8 array (H, W, 3), RGB, upright.

    Raises TooLargeError; UnidentifiedImageError for what is not an image; of damaged bytes what the decoder
    does, MemoryError where memory is short.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        # Pillow warns of odd metadata, and of its own, lower size limit: neither changes the pixels.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(BytesIO(data))
        except UnidentifiedImageError:
            return _decoded_by_opencv(data, max_pixels)
        except Image.DecompressionBombError as error:
            raise TooLargeError(f"claims too many pixels ({error})") from None
        with image:
            if image.format == "EPS":  # Pillow would hand it to Ghostscript
                raise ValueError("it is PostScript, a program, which is not run; save it as PNG")
            check_size(image.height, image.width, max_pixels)
            image.load()
            return np.array(_as_rgb(ImageOps.exif_transpose(image)))


def check_size(height: int, width: int, max_pixels: int) -> None:
    """Raises TooLargeError."""
    if height * width > max_pixels:
        raise TooLargeError(f"claims {height} x {width} pixels, more than the {max_pixels:,} that are taken")


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


def _decoded_by_opencv(data: bytes, max_pixels: int) -> np.ndarray:
    check_size(*(_radiance_size(data) or (0, 0)), max_pixels)
    log_level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error says it once
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(str(error)) from None
        raise
    finally:
        cv2.utils.logging.setLogLevel(log_level)
    if image is None:
        raise UnidentifiedImageError
    check_size(image.shape[0], image.shape[1], max_pixels)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _radiance_size(data: bytes) -> tuple[int, int] | None:
    """(H, W) that a Radiance HDR claims, which Pillow does not know; the largest, where it claims several."""
    if not data.startswith(b"#?"):
        return None
    sizes = [(int(height), int(width)) for height, width in _RADIANCE_SIZE.findall(data)]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)
