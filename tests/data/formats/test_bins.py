"""insightface's verification sets: written, read back, read from others, and refused."""

from __future__ import annotations

import pickle
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.bins import BinError, read_bin, write_bin

A, B, C = b"\xff\xd8\xffone", b"\x89PNG two", b"\xff\xd8\xffthree"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.bin"


def test_what_is_written_is_read_back_and_by_pickle_too(path):
    write_bin(path, [(A, B), (A, C)], [True, False])
    images, genuine = pickle.loads(path.read_bytes(), encoding="bytes")  # as insightface reads it
    assert (images, genuine) == ([A, B, A, C], [True, False])
    found = read_bin(path)
    assert (found.pairs.first, found.pairs.second) == (["00000", "00000"], ["00001", "00002"])
    assert found.pairs.genuine.tolist() == [True, False]
    assert [found.read(number) for number in range(len(found))] == [A, B, C]


def test_equal_images_are_one_photo_although_the_file_holds_them_twice(path):
    path.write_bytes(pickle.dumps(([A, B, bytes(bytearray(A)), B], [1, 0])))
    found = read_bin(path)
    assert found.images == [A, B]
    assert found.pairs.second == ["00001", "00001"]


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_arrays_of_bytes_are_images_as_opencv_encodes_them(path, shape):
    images = [np.frombuffer(image, np.uint8).reshape(shape) for image in (A, B)]
    path.write_bytes(pickle.dumps((images, np.array([True]))))
    assert read_bin(path).images == [A, B]


def test_a_bin_has_no_folds(path):
    write_bin(path, [(A, B)] * 20, [True, False] * 10)
    assert not read_bin(path).pairs.fold.any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([A, B], r"a\.bin: expected a pickle of \(images, genuine\), got list of 2|expected . images for"),
        (5, r"expected a pickle of \(images, genuine\), got int"),
        (([A, B, A], [True]), "expected 2 images for 1 pair, got 3"),
        (([], []), "expected 0 images for 0 pairs"),
        (([A, B], [2]), "pair 0 is genuine or not, True or False, got int"),
        (([A, "B"], [True]), "image 1 should be the bytes of a JPEG or PNG, got str"),
        (
            ([A, np.zeros((4, 4, 3), np.uint8)], [True]),
            r"image 1 should be .*, got an array uint8 \(4, 4, 3\)",
        ),
        (([A, np.zeros(4, np.float32)], [True]), r"got an array float32 \(4,\)"),
        (([A, B], np.array(True)), "expected 0 images for 0 pairs, got 2"),
        ((np.array(5), [True]), "expected 2 images for 1 pair, got 0"),
        ((np.zeros((10**12, 0), np.uint8), [True]), "expected 2 images for 1 pair, got 0"),
        (({}, [True]), r"a\.bin, byte \d+: opcode b'}' makes more than plain data"),
    ],
)
def test_what_is_no_verification_set_is_refused(path, content, message):
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(BinError, match=message):
        read_bin(path)


def test_a_missing_or_truncated_file_is_named(path):
    with pytest.raises(BinError, match=r"a\.bin: cannot be read \(No such file or directory\)"):
        read_bin(path)
    write_bin(path, [(A, B)], [True])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BinError, match=r"a\.bin, byte \d+:"):
        read_bin(path)


def test_pairs_and_truth_must_be_as_many(path):
    with pytest.raises(BinError, match="expected 2 images for 1 pair, got 4"):
        write_bin(path, [(A, B), (A, C)], [True])
    assert list(path.parent.iterdir()) == []


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_damage_gives_another_error_than_a_bin_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.bin"
    damaged = bytearray(pickle.dumps(([A, B, C, np.frombuffer(A, np.uint8)], [True, False]), 4))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path.write_bytes(damaged)
    with suppress(BinError):
        read_bin(path)
