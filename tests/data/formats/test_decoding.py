"""Pixels of encoded images against Pillow's."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sphereface_plus.data.formats.decoding import MAX_PIXELS, DecodeError, decode


@pytest.fixture(scope="module")
def photo():
    """Smooth noise, uint8 (109, 93, 3): a JPEG of it is neither flat nor noise."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    return cv2.resize(noise, (93, 109), interpolation=cv2.INTER_CUBIC)


def encoded(image: Image.Image, format: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "options",
    [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}, {"quality": 20}],
)
def test_a_jpeg_has_pillows_and_opencvs_pixels(photo, options):
    data = encoded(Image.fromarray(photo), **options)
    assert np.array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data))))
    assert np.array_equal(
        decode(data), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    )


@pytest.mark.parametrize("format", ["PNG", "BMP", "WEBP", "TIFF", "PPM"])
def test_other_lossless_formats_give_the_pixels_back(photo, format):
    options = {"lossless": True} if format == "WEBP" else {}
    assert np.array_equal(decode(encoded(Image.fromarray(photo), format, **options)), photo)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_grey_image_has_three_equal_channels(photo, format):
    pixels = decode(encoded(Image.fromarray(photo[..., 0]), format))
    assert pixels.shape == photo.shape
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_exif_orientation_is_applied(photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    data = encoded(Image.fromarray(photo), quality=100, exif=exif.tobytes())
    assert decode(data).shape == (93, 109, 3)
    comment = b"\xff\xfe" + (30_002).to_bytes(2, "big") + bytes(30_000)  # before EXIF: a profile may be, too
    assert np.array_equal(decode(data[:2] + comment + data[2:]), decode(data))


def test_cmyk_is_converted(photo):
    pixels = decode(encoded(Image.fromarray(photo).convert("CMYK"), quality=100))
    assert np.abs(pixels.astype(int) - photo).mean() < 8


def png_of(height: int, width: int) -> bytes:
    """A PNG of a kilobyte or so that claims that many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def jpeg_of(height: int, width: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (16, 16))))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        png_of(60_000, 60_000),
        jpeg_of(65_000, 65_000),
        b"P5 60000 60000 255\n" + bytes(100),
        b"BM"
        + bytes(8)
        + struct.pack("<IIiiHHIIiiII", 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(99),
        encoded(Image.new("1", (8192, 8192)), "TIFF", compression="group4"),
        b"#?RADIANCE\n# -Y 1 +X 1\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n\x02\x02\x75\x30",
    ],
)
def test_a_small_file_that_claims_a_huge_image_is_refused_before_it_is_decoded(data):
    assert len(data) < 2**14 < MAX_PIXELS
    with pytest.raises(
        DecodeError, match=r"claims (\d+ x \d+ pixels, more than the 16,777,216|too many pixels)"
    ):
        decode(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("length", [0, 3, 20, 200, -20])
def test_what_is_cut_short_is_refused(photo, format, length):
    with pytest.raises(DecodeError, match="is empty, cut short or no image"):
        decode(encoded(Image.fromarray(photo), format)[:length])


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_damage_gives_another_error(data):
    image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    damaged = bytearray(encoded(image, data.draw(st.sampled_from(["JPEG", "PNG", "BMP", "PPM"]))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    with suppress(DecodeError):
        assert decode(bytes(damaged)).size <= 3 * MAX_PIXELS
