"""Encoded images to pixels: JPEG by simplejpeg, as fast as libjpeg-turbo goes, everything else by OpenCV.

Both give the same pixels for a JPEG. An image's size is looked up first, so that a small file that claims a
huge image takes no memory.
"""

from __future__ import annotations

import io
import re
import warnings

import cv2
import numpy as np
import simplejpeg

MAX_PIXELS = 2**24
"""Largest image that is decoded, such as 4096 x 4096: a crop has some ten thousand pixels."""
_DAMAGED = "is empty, cut short or no image"
_RADIANCE_SIZE = re.compile(rb"-Y\s*\+?(\d{1,10})\s*\+X\s*\+?(\d{1,10})")
_JPEG, _PNG, _IHDR = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"IHDR"


class DecodeError(ValueError):
    """Bytes that are no image that can be used; the message says why, and begins in mid-sentence."""


def decode(data: bytes) -> np.ndarray:
    """uint8 RGB (H, W, 3), upright where EXIF says how. Raises DecodeError."""
    if data.startswith(_JPEG):
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            _check_size(int(height), int(width))
            # EXIF, at times behind a long profile, may turn the image, which simplejpeg leaves to others;
            # CMYK is no face's colour space.
            if colours in ("YCbCr", "Gray") and b"Exif\0" not in data:
                return simplejpeg.decode_jpeg(data, colorspace="RGB")
        except ValueError as error:
            raise error if isinstance(error, DecodeError) else DecodeError(_DAMAGED) from None
    elif data.startswith(_PNG) and data[12:16] == _IHDR:
        _check_size(int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    elif data:
        _check_size(*(radiance_size(data) or _size_of_other(data)))
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise DecodeError(_DAMAGED)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _check_size(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise DecodeError(
            f"claims {height} x {width} pixels, more than the {MAX_PIXELS:,} of the largest crop"
        )


def radiance_size(data: bytes) -> tuple[int, int] | None:
    """(H, W) that a Radiance HDR claims, which Pillow does not know; the largest, where it claims several."""
    if not data.startswith(b"#?"):
        return None
    sizes = [(int(height), int(width)) for height, width in _RADIANCE_SIZE.findall(data)]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _size_of_other(data: bytes) -> tuple[int, int]:
    """(H, W) by the header, of any format that Pillow knows; (0, 0) where it knows none."""
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")  # its own limits
            return image.height, image.width
    except Image.DecompressionBombError as error:
        raise DecodeError(f"claims too many pixels ({error})") from None
    except Exception:  # Pillow answers damaged headers with any exception there is; OpenCV then has its say
        return 0, 0
