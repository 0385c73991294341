"""Encoded crops to pixels: JPEG by simplejpeg, as fast as libjpeg-turbo goes, 8-bit PNG by OpenCV, everything
else as photos are read (any_image.py).

All three give the same pixels for a JPEG or such a PNG.
"""

from __future__ import annotations

import cv2
import numpy as np
import simplejpeg

from sphereface_plus.data.formats.any_image import TooLargeError, check_size, decode_any
from sphereface_plus.errors import UserError, memory_is_short

MAX_PIXELS = 2**24
"""Largest image that is decoded, such as 4096 x 4096: a crop has some ten thousand pixels."""
_DAMAGED = "is empty, cut short or no image"
_JPEG, _PNG, _IHDR = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"IHDR"
_GREY_OR_RGB = (0, 2)
# What may turn the image, which simplejpeg and OpenCV leave to others: EXIF, or XMP where there is none.
_JPEG_TURNS = (b"Exif\0", b"tiff:Orientation")
_PNG_TURNS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")  # the texts may be compressed


class DecodeError(UserError):
    """Bytes that are not an image that can be used; the message says why, and begins in mid-sentence."""


class MemoryShortError(OSError):
    """Memory was short for an image, which may be a good one."""


def decode(data: bytes) -> np.ndarray:
    """uint8 RGB (H, W, 3), upright where EXIF or XMP says how. Raises DecodeError, MemoryShortError."""
    try:
        if data.startswith(_JPEG):
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            check_size(int(height), int(width), MAX_PIXELS)
            # What turns the image stands behind a long profile at times; CMYK is not a face's colour space.
            if colours in ("YCbCr", "Gray") and not any(mark in data for mark in _JPEG_TURNS):
                return simplejpeg.decode_jpeg(data, colorspace="RGB")
        elif _is_plain_png(data):
            check_size(int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"), MAX_PIXELS)
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise DecodeError(_DAMAGED)
            return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return decode_any(data, MAX_PIXELS)
    except TooLargeError as error:
        raise DecodeError(str(error)) from None
    except DecodeError:
        raise
    except Exception as error:  # a decoder answers damaged bytes with any exception there is
        if memory_is_short(error):
            raise MemoryShortError(f"memory is short for an image of {len(data):,} bytes") from None
        raise DecodeError(_DAMAGED) from None


def _is_plain_png(data: bytes) -> bool:
    """Whether it is a PNG of 8 bits, grey or RGB, without transparency or orientation."""
    return (
        data.startswith(_PNG)
        and data[12:16] == _IHDR
        and data[24] == 8
        and data[25] in _GREY_OR_RGB
        and b"tRNS" not in data
        and not any(mark in data for mark in _PNG_TURNS)
    )
