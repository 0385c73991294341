from pathlib import PurePosixPath

import pytest
from PIL import Image

from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES, photo_key


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("Name/Name_0001.jpg", "Name/Name_0001"),
        ("Name/Name_0001.PNG", "Name/Name_0001"),
        ("Name/Name_0001", "Name/Name_0001"),
        ("J.Lo/J.Lo_0001.jpg", "J.Lo/J.Lo_0001"),
        ("J.Lo/J.Lo_0001", "J.Lo/J.Lo_0001"),
    ],
)
def test_a_key_is_the_path_without_the_image_suffix(path, key):
    assert photo_key(path) == key
    assert photo_key(PurePosixPath(path)) == key


def test_every_kind_of_photo_that_pillow_reads_is_known_by_its_suffix():
    kinds = {
        "JPEG",
        "MPO",
        "JPEG2000",
        "PNG",
        "GIF",
        "BMP",
        "DIB",
        "WEBP",
        "AVIF",
        "TIFF",
        "PPM",
        "PCX",
        "TGA",
    }
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in kinds}
    streams = {".j2k", ".j2c", ".jpc", ".jpx", ".jpf", ".apng", ".avifs", ".pfm", ".icb", ".vda", ".vst"}
    assert suffixes - streams <= IMAGE_SUFFIXES
