from pathlib import PurePosixPath

import pytest

from sphereface_plus.data.keys import photo_key


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
