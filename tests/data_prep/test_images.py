"""Photos of every kind become uint8 RGB; what cannot be used is one sentence that names the file."""

from __future__ import annotations

import contextlib
import pickle
import struct
import sys
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data_prep import images
from data_prep.images import PhotoError, PluginError, read_photo
from data_prep.plugins import PLUGINS, plugin_for

RAMP = np.tile(
    np.arange(0, 65536, 257, dtype=np.uint16), (8, 1)
)  # (8, 256): all high bytes, with equal low bytes
GREY = (RAMP >> 8).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[:, ::-1], GREY // 2], axis=2)


def saved(image: Image.Image | np.ndarray, path: Path, **options) -> Path:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tif", "webp", "gif"])
def test_lossless_colour_files_are_read_unchanged(tmp_path, suffix):
    few_colours = COLOUR // 64 * 64  # a gif has 256
    options = {"lossless": True} if suffix == "webp" else {}
    photo = read_photo(saved(few_colours, tmp_path / f"a.{suffix}", **options))
    assert photo.dtype == np.uint8
    assert photo.flags.writeable
    np.testing.assert_array_equal(photo, few_colours)


def test_a_jpeg_is_rgb_and_not_bgr(tmp_path):
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    assert read_photo(saved(red, tmp_path / "red.jpg", quality=95))[8, 8, 0] > 190


@pytest.mark.parametrize("suffix", ["png", "pgm", "tif"])
def test_grey_is_repeated_to_three_channels(tmp_path, suffix):
    photo = read_photo(saved(GREY, tmp_path / f"grey.{suffix}"))
    np.testing.assert_array_equal(photo, np.repeat(GREY[..., None], 3, axis=2))


@pytest.mark.parametrize("suffix", ["png", "pgm", "tif"])
def test_16_bit_grey_keeps_the_high_byte(tmp_path, suffix):
    assert cv2.imwrite(str(tmp_path / f"deep.{suffix}"), RAMP)
    photo = read_photo(tmp_path / f"deep.{suffix}")
    np.testing.assert_array_equal(photo, np.repeat(GREY[..., None], 3, axis=2))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_colour_keeps_the_high_byte(tmp_path, suffix):
    deep = COLOUR.astype(np.uint16) * 256 + 255
    assert cv2.imwrite(str(tmp_path / f"deep.{suffix}"), deep[..., ::-1])
    np.testing.assert_array_equal(read_photo(tmp_path / f"deep.{suffix}"), COLOUR)


def test_black_and_white_and_palette_are_looked_up(tmp_path):
    bits = Image.fromarray(GREY > 127)
    photo = read_photo(saved(bits, tmp_path / "bits.png"))
    np.testing.assert_array_equal(photo[0, [0, 255]], [[0, 0, 0], [255, 255, 255]])
    palette = Image.fromarray(COLOUR // 64 * 64).quantize(256)
    assert palette.mode == "P"
    photo = read_photo(saved(palette, tmp_path / "palette.png"))
    np.testing.assert_array_equal(photo, np.asarray(palette.convert("RGB")))


def test_transparency_shows_white_whatever_colour_hides_behind_it(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., :3] = (10, 20, 30)
    rgba[0, :, 3] = 255
    rgba[1, :, 3] = 128
    photo = read_photo(saved(rgba, tmp_path / "cutout.png"))
    np.testing.assert_array_equal(photo[0], [[10, 20, 30]] * 4)
    np.testing.assert_allclose(photo[1], [[132, 137, 142]] * 4, atol=1)
    np.testing.assert_array_equal(photo[2], [[255, 255, 255]] * 4)


def test_a_transparent_palette_and_a_transparent_grey_show_white(tmp_path):
    palette = Image.fromarray(COLOUR // 64 * 64).quantize(8)
    clear = palette.getpixel((0, 0))
    photo = read_photo(saved(palette, tmp_path / "palette.png", transparency=clear))
    np.testing.assert_array_equal(photo[0, 0], [255, 255, 255])
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (256, 8), 0)])
    assert read_photo(saved(grey_alpha, tmp_path / "la.png")).min() == 255


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_is_converted_and_not_inverted(tmp_path, suffix):
    options = {"quality": 95} if suffix == "jpg" else {}
    path = saved(Image.fromarray(COLOUR).convert("CMYK"), tmp_path / f"cmyk.{suffix}", **options)
    photo = read_photo(path)
    assert abs(photo.astype(int) - COLOUR).mean() < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255  # top left
    turn_back = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(turn_back[orientation](upright))
    photo = read_photo(saved(stored, tmp_path / "turned.png", exif=exif))
    np.testing.assert_array_equal(photo, upright)


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_photo(tmp_path / "a.gif")[0, 0], [255, 0, 0])


def test_what_only_opencv_reads_is_read_too(tmp_path):
    hdr = (COLOUR[..., ::-1] / 255).astype(np.float32)
    assert cv2.imwrite(str(tmp_path / "a.hdr"), hdr)
    np.testing.assert_allclose(read_photo(tmp_path / "a.hdr"), COLOUR, atol=2)


def test_a_radiance_file_that_claims_more_pixels_than_a_photo_has_is_not_decoded(tmp_path):
    (tmp_path / "a.hdr").write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n" + bytes(99))
    with pytest.raises(PhotoError, match=r"a\.hdr: has more than 150 million pixels"):
        read_photo(tmp_path / "a.hdr")


def test_postscript_under_another_name_is_refused_and_not_run(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("was run"))
    path = saved(COLOUR, tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match=r"a\.jpg: cannot be decoded: it is PostScript, .* not run"):
        read_photo(path)


def test_one_pixel_is_a_photo(tmp_path):
    np.testing.assert_array_equal(read_photo(saved(COLOUR[:1, 7:8], tmp_path / "a.png")), COLOUR[:1, 7:8])


def test_the_suffix_does_not_matter(tmp_path):
    saved(COLOUR, tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_photo(str(tmp_path / "a.jpg")), COLOUR)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(PhotoError, match=r"none\.jpg: cannot be read \(No such file or directory\)"):
        read_photo(tmp_path / "none.jpg")
    with pytest.raises(PhotoError, match=r"cannot be read \(Is a directory\)"):
        read_photo(tmp_path)


def test_an_empty_file_and_a_text_are_named(tmp_path, capfd):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(PhotoError, match=r"empty\.jpg: is an empty file"):
        read_photo(tmp_path / "empty.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(PhotoError, match=r"text\.jpg: is not an image that Pillow or OpenCV reads"):
        read_photo(tmp_path / "text.jpg")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_a_truncated_file_is_refused_in_one_sentence_and_silently(tmp_path, capfd, suffix, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = saved(noise, tmp_path / f"cut.{suffix}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refused = rf"cut\.{suffix}: (cannot be decoded: \S|is not an image)"
    with pytest.raises(PhotoError, match=refused) as raised:
        read_photo(path)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_damaged_bytes_give_a_photo_or_a_photo_error_and_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged"
    for suffix in ("png", "jpg", "tif", "gif", "webp"):
        healthy = saved(COLOUR, tmp_path / f"healthy.{suffix}").read_bytes()
        for _ in range(30):
            data = np.frombuffer(healthy, np.uint8).copy()
            data[rng.integers(0, len(data), 8)] = rng.integers(0, 256, 8)
            path.write_bytes(data.tobytes())
            with contextlib.suppress(PhotoError):
                assert read_photo(path).ndim == 3


def test_float_pixels_of_unknown_range_are_refused(tmp_path):
    path = saved(Image.fromarray(GREY.astype(np.float32)), tmp_path / "float.tif")
    with pytest.raises(PhotoError, match="floats of unknown range; save it with 8 or 16 bits"):
        read_photo(path)


def test_pixels_of_more_than_16_bits_are_refused(tmp_path):
    path = saved(Image.fromarray(RAMP.astype(np.int32) * 2), tmp_path / "int32.tif")
    with pytest.raises(PhotoError, match="more than 16 bits"):
        read_photo(path)


def test_a_small_file_that_claims_billions_of_pixels_is_refused_before_it_is_decoded(tmp_path):
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(PhotoError, match=r"bomb\.png: has more than 150 million pixels; scale it down"):
        read_photo(tmp_path / "bomb.png")


def test_the_limit_is_ours_and_not_pillows_warning(tmp_path, monkeypatch):
    path = saved(COLOUR, tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", COLOUR[..., 0].size - 1)  # Pillow warns from here on
    with warnings.catch_warnings(record=True) as caught:
        read_photo(path)
    assert not caught
    monkeypatch.setattr(images, "MAX_PIXELS", COLOUR[..., 0].size - 1)
    with pytest.raises(PhotoError, match="million pixels"):
        read_photo(path)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100)


@pytest.mark.parametrize(
    ("data", "kind", "package", "module"),
    [
        (HEIC, "HEIC", "pillow-heif", "pillow_heif"),
        (JXL, "JPEG XL", "pillow-jxl-plugin", "pillow_jxl"),
        (b"\xff\x0a" + bytes(20), "JPEG XL", "pillow-jxl-plugin", "pillow_jxl"),
    ],
)
def test_photos_that_need_a_package_name_it(tmp_path, monkeypatch, data, kind, package, module):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(
        PluginError, match=f"a.jpg: is {kind}, which is read with {package}: pip install"
    ) as error:
        read_photo(path)
    again = pickle.loads(pickle.dumps(error.value))
    assert (str(again), again.plugin) == (str(error.value), error.value.plugin)


@pytest.mark.parametrize(("module", "suffix"), [("pillow_heif", ".heic"), ("pillow_jxl", ".jxl")])
def test_photos_that_need_a_package_are_read_with_it(tmp_path, module, suffix):
    plugin = next(plugin for plugin in PLUGINS if plugin.module == module)
    pytest.importorskip(module)
    assert plugin.load()
    pixels = np.full((64, 48, 3), (200, 90, 30), np.uint8)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels).save(path, quality=95)
    assert plugin_for(path.read_bytes()) == plugin
    assert abs(read_photo(path).astype(int) - pixels).max() <= 6
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(PhotoError):
        read_photo(path)


@pytest.mark.real_data
def test_every_kind_of_real_photo_is_read(shared_data):
    paths = [
        *sorted((shared_data / "photos").iterdir()),
        next((shared_data / "orl").rglob("*.pgm")),
        next((shared_data / "lfw" / "images").rglob("*.jpg")),
    ]
    for path in paths:
        photo = read_photo(path)
        assert photo.dtype == np.uint8
        assert photo.shape[2] == 3
