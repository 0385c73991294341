"""A photo and a crop of the same file have the same pixels; what is not a file, or too large, is not read."""

from __future__ import annotations

import io
import os
import tarfile

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from data_prep.doctor.pictures import look
from data_prep.images import PhotoError, read_photo
from sphereface_plus.data.crops import CropsError, read_crop
from sphereface_plus.data.formats import any_image, decoding
from sphereface_plus.data.formats.any_image import image_bytes
from sphereface_plus.data.formats.decoding import MemoryShortError, decode
from sphereface_plus.data.image_folders import read_folders
from sphereface_plus.data.imagenet import ImageNet
from sphereface_plus.data.images import ImagesError

COLOUR = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8),
    (50, 60),
    interpolation=cv2.INTER_CUBIC,
)
GREY = COLOUR[..., 0]


def saved(image, format: str, **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def by_opencv(image: np.ndarray, suffix: str) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def pgm(values: list[int], largest: int) -> bytes:
    wide = ">u2" if largest > 255 else "u1"
    return b"P5 %d 1 %d\n" % (len(values), largest) + np.array(values, dtype=wide).tobytes()


EXIF = Image.Exif()
EXIF[0x0112] = 6
XMP = '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def texts(key: str, value: str, *, compressed: bool) -> PngInfo:
    """A text of a PNG: iTXt for XMP, else zTXt or tEXt."""
    info = PngInfo()
    if key.startswith("XML"):
        info.add_itxt(key, value, zip=compressed)
    else:
        info.add_text(key, value, zip=compressed)
    return info


def raw_profile(exif: bytes) -> str:
    """EXIF as ImageMagick keeps it in a PNG's text."""
    return f"\nexif\n{len(exif):8}\n{exif.hex()}\n"


TURNED = {
    "JPEG, turned by XMP": saved(COLOUR, "JPEG", xmp=XMP.encode()),
    "JPEG, turned by XMP's element": saved(
        COLOUR, "JPEG", xmp=b"<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>"
    ),
    **{
        f"PNG, turned by {key}, {compressed=}": saved(
            COLOUR, "PNG", pnginfo=texts(key, value, compressed=compressed)
        )
        for key, value in (("XML:com.adobe.xmp", XMP), ("Raw profile type exif", raw_profile(EXIF.tobytes())))
        for compressed in (False, True)
    },
    "JPEG, turned": saved(COLOUR, "JPEG", exif=EXIF.tobytes()),
    "PNG, turned": saved(COLOUR, "PNG", exif=EXIF.tobytes()),
}
RGBA = np.dstack([COLOUR, np.linspace(0, 255, COLOUR[..., 0].size).reshape(GREY.shape).astype(np.uint8)])
KINDS = {
    **TURNED,
    "JPEG": saved(COLOUR, "JPEG"),
    "JPEG, 4:4:4, progressive": saved(COLOUR, "JPEG", subsampling=0, progressive=True),
    "JPEG, grey": saved(GREY, "JPEG"),
    "JPEG, CMYK": saved(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"),
    "PNG": saved(COLOUR, "PNG"),
    "PNG, grey": saved(GREY, "PNG"),
    "PNG, transparent": saved(RGBA, "PNG"),
    "PNG, grey, transparent": saved(Image.fromarray(RGBA).convert("LA"), "PNG"),
    "PNG, one colour transparent": saved(COLOUR, "PNG", transparency=tuple(map(int, COLOUR[0, 0]))),
    "PNG, palette": saved(Image.fromarray(COLOUR).quantize(32), "PNG"),
    "PNG, palette, transparent": saved(Image.fromarray(COLOUR).quantize(32), "PNG", transparency=3),
    "PNG, black and white": saved(Image.fromarray(GREY > 99), "PNG"),
    "PNG, 16 bits": by_opencv(COLOUR.astype(np.uint16) * 251, ".png"),
    "PNG, 16 bits, grey": by_opencv(GREY.astype(np.uint16) * 251, ".png"),
    "PNG, interlaced": by_opencv(COLOUR, ".png"),
    "PGM": pgm([0, 7, 255], 255),
    "PGM to 100": pgm([0, 1, 50, 99, 100], 100),
    "PGM, 10 bits": pgm([0, 4, 512, 1023], 1023),
    "PGM, 16 bits": pgm([0, 255, 256, 65535], 65535),
    "PPM": saved(COLOUR, "PPM"),
    "BMP": saved(COLOUR, "BMP"),
    "GIF": saved(Image.fromarray(COLOUR).quantize(32), "GIF"),
    "WebP": saved(COLOUR, "WEBP"),
    "WebP, transparent": saved(RGBA, "WEBP", lossless=True),
    "TIFF": saved(COLOUR, "TIFF"),
    "TIFF, CMYK": saved(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"),
    "TIFF, 16 bits": by_opencv(COLOUR.astype(np.uint16) * 251, ".tiff"),
    "JPEG 2000": saved(COLOUR, "JPEG2000"),
    "Radiance": by_opencv((COLOUR / 255).astype(np.float32), ".hdr"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_and_a_crop_of_one_file_are_alike(tmp_path, kind):
    (tmp_path / "a.img").write_bytes(KINDS[kind])
    photo, crop = read_photo(tmp_path / "a.img"), read_crop(tmp_path / "a.img")
    assert photo.dtype == crop.dtype == np.uint8
    np.testing.assert_array_equal(photo, crop)


@pytest.mark.parametrize("kind", TURNED)
def test_an_image_that_says_how_it_is_turned_becomes_upright(kind):
    """Orientation 6: the file's first row is the image's right side."""
    expected = np.rot90(COLOUR, k=-1).astype(float)
    assert np.abs(decode(TURNED[kind]) - expected).mean() < 5


def test_a_pgm_of_any_largest_value_is_scaled_to_255():
    assert decode(KINDS["PGM to 100"])[0, :, 1].tolist() == [0, 3, 128, 252, 255]
    assert decode(KINDS["PGM, 10 bits"])[0, :, 1].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    "kind", ["JPEG", "JPEG, 4:4:4, progressive", "JPEG, grey", "PNG", "PNG, grey", "BMP"]
)
def test_ordinary_images_have_opencvs_pixels(kind):
    expected = cv2.imdecode(np.frombuffer(KINDS[kind], np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode(KINDS[kind]), np.asarray(expected)[..., ::-1])


@pytest.fixture
def endless(tmp_path):
    """A pipe and a link to a device under the names of images."""
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "link.png").symlink_to("/dev/zero")
    return [folder / "pipe.jpg", folder / "link.png"]


def test_a_pipe_or_a_device_is_not_read_without_end(tmp_path, endless):
    for path in endless:
        with pytest.raises(PhotoError, match=rf"{path.name}: cannot be read \(Not a file\)"):
            read_photo(path)
        with pytest.raises(CropsError, match=rf"{path.name}: the crop cannot be read \(Not a file\)"):
            read_crop(path)
    with pytest.raises(ImagesError, match=r"(pipe\.jpg|link\.png): cannot be read \(Not a file\)"):
        read_folders(tmp_path, "train")
    photographs = ImageNet(tmp_path / "train", training=False)
    for index in range(2):
        with pytest.raises(ImagesError, match=r"cannot be read as an image \(.*Not a file\)"):
            photographs[index, 0]


def test_a_file_that_is_larger_than_any_image_is_not_read(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(
        PhotoError, match=r"a\.jpg: cannot be read \(It has 1,099,511,627,776 bytes, which no"
    ):
        read_photo(tmp_path / "a.jpg")


def large_png() -> bytes:
    """30,000 x 30,000 pixels in 110 kB."""
    return saved(Image.new("1", (30_000, 30_000)), "PNG")


def test_sets_of_images_refuse_a_small_file_of_a_huge_picture_before_it_is_decoded(tmp_path, monkeypatch):
    data = large_png()
    assert len(data) < 2**17
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        (tmp_path / split / "a" / "large.png").write_bytes(data)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "train", "train")
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("was decoded"))
    for path in (tmp_path, tmp_path / "a.tar.gz"):
        with pytest.raises(ImagesError, match=r"large\.png claims (30000 x 30000|too many) pixels"):
            read_folders(path, "train")
    with pytest.raises(ImagesError, match=r"large\.png: cannot be read as an image \(.*pixels"):
        ImageNet(tmp_path / "train", training=False)[0, 0]


def test_a_member_of_a_tar_that_claims_a_terabyte_is_refused(tmp_path):
    member = tarfile.TarInfo("train/a/a.png")
    member.size = 2**40
    (tmp_path / "a.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(10240))
    with pytest.raises(ImagesError, match=r"train/a/a\.png has 1,099,511,627,776 bytes, which no image has"):
        read_folders(tmp_path / "a.tar", "train")


@pytest.mark.parametrize("kind", ["JPEG, CMYK", "BMP"])
def test_short_memory_is_no_damage(tmp_path, monkeypatch, kind):
    def short(*_):
        raise MemoryError

    monkeypatch.setattr(decoding, "decode_any", short)
    monkeypatch.setattr("data_prep.images.decode_any", short)
    (tmp_path / "a.png").write_bytes(KINDS[kind])
    with pytest.raises(MemoryShortError, match=r"a\.png: memory is short for an image .*may be a good"):
        read_crop(tmp_path / "a.png")
    with pytest.raises(MemoryShortError, match=r"a\.png: memory is short for an image .*may be a good"):
        look(str(tmp_path / "a.png"))  # the doctor must not propose to drop it
    with pytest.raises(OSError, match=r"a\.png: memory is short for this photo"):
        read_photo(tmp_path / "a.png")


def test_all_bytes_of_a_file_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert image_bytes(tmp_path / "a") == b"abc"
    assert any_image.MAX_BYTES > 2 * 3 * any_image.MAX_PHOTO
