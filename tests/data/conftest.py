"""A small identity/image folder of crops, each with its own pixels."""

import base64
import zlib

import cv2
import numpy as np
import pytest

# Written by mxnet 1.9.1's MXIndexedRecordIO, laid out as insightface does: six "images" of 3 identities in
# mixed order, some of them in parts, then record 0 and three identity records.
MXNET_REC = (
    "c-rGqzJ5-EfkA-*3>xfN7*GKhP##D*fM`YrhJ-4pm@1HFf~sL;zy=!Z(=v;SOQ7my;C3)Lu%W3mG%_{;sR7#UU}|P=0kty$O&{Do7)VS?P64R_"
    "iYHW5LhP|cQpbwvC<l<cfcij6^YTj+5`jn|w=}0Dvmhr`AwNyQ1nOR(r3x@}n6dZ`gpu8;fW>_X@BnD9f+M;*cC6+)IH0TJ!1M;tyagEQI5E^M"
    "Z~)m20Euio<p"
)
MXNET_IDX = "c-jrfu>rs^3<9tjuE7{P$^VbF8Wo6zF&8D#s96rIu;H^5+TlTOc#;1flJEoQ=?E_"


def _write(path, rng, height=12, width=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def write_crop():
    """(path, rng, height, width): writes a crop of noise."""
    return _write


@pytest.fixture
def crops_folder(tmp_path):
    """Five crops of Ann, three of bob, one of Cem, 12x10, and files that are not crops."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "crops"
    for name, count in (("bob", 3), ("Ann", 5), ("Cem", 1)):
        for number in reversed(range(count)):
            _write(folder / name / f"{name}_{number:04d}.png", rng)
    (folder / "Ann" / "notes.txt").write_text("no crop")
    (folder / ".cache").mkdir()
    _write(folder / ".cache" / "hidden.png", rng)
    _write(folder / "loose.png", rng)
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def mxnet_rec(tmp_path):
    """A .rec with its .idx that mxnet wrote."""
    for suffix, text in ((".rec", MXNET_REC), (".idx", MXNET_IDX)):
        (tmp_path / f"mx{suffix}").write_bytes(zlib.decompress(base64.b85decode(text)))
    return tmp_path / "mx.rec"
