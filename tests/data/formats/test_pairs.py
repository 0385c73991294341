from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.pairs import PairsError, pairs_hash, read_pairs


@pytest.fixture
def pairs_file(tmp_path):
    def write(*lines):
        (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path / "pairs.txt"

    return write


VIEW_2 = ["2\t1", "Ann\t1\t4", "Ann\t2\tBob\t13", "Cem\t3\t1", "Bob\t1\tCem\t2"]


def test_view_2_gives_keys_kinds_and_folds(pairs_file):
    pairs = read_pairs(pairs_file(*VIEW_2))
    assert pairs.first == ["Ann/Ann_0001", "Ann/Ann_0002", "Cem/Cem_0003", "Bob/Bob_0001"]
    assert pairs.second == ["Ann/Ann_0004", "Bob/Bob_0013", "Cem/Cem_0001", "Cem/Cem_0002"]
    assert pairs.genuine.tolist() == [True, False, True, False]
    assert pairs.genuine.dtype == bool
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert len(pairs) == 4
    assert len(pairs.photos) == 8


def test_view_1_is_one_fold(pairs_file):
    pairs = read_pairs(pairs_file("2", "Ann 1 4", "Bob 1 2", "Ann 2 Bob 13", "Bob 1 Cem 2"))
    assert pairs.genuine.tolist() == [True, True, False, False]
    assert pairs.fold.tolist() == [0, 0, 0, 0]


def test_any_other_list_has_two_paths_and_a_flag(pairs_file):
    pairs = read_pairs(pairs_file("a/1.jpg a/2.jpg 1", "", "a b/1.png\tc/1\t0"))
    assert pairs.first == ["a/1", "a b/1"]
    assert pairs.second == ["a/2", "c/1"]
    assert pairs.genuine.tolist() == [True, False]
    assert pairs.fold.tolist() == [0, 0]


def test_a_name_made_of_digits_is_a_name(pairs_file):
    assert read_pairs(pairs_file("1", "0000045 1 2", "0000045 1 7 3")).second == [
        "0000045/0000045_0002",
        "7/7_0003",
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (VIEW_2[:-1], r"by its first line it has 2 x \(1 genuine \+ 1 impostor\) pairs, 4 lines, got 3"),
        (["0"], r"by its first line it has 1 x \(0 genuine \+ 0 impostor\) pairs, 0 lines, got 0"),
        (["1", "Ann 1 4", "Ann 2 Bob"], r"line 3: expected `name n name m` \(impostor\), got 'Ann 2 Bob'"),
        (["1", "Ann 2 Bob 3", "Ann 1 4"], r"line 2: expected `name n m` \(genuine\), got 'Ann 2 Bob 3'"),
        (["1", "Ann 1 x", "Ann 2 Bob 3"], r"line 2: expected `name n m` \(genuine\), got 'Ann 1 x'"),
        (
            ["a/1 a/2 1", "a/1 b/1 2"],
            r"line 2: expected `path path 1` \(genuine\) or `path path 0`, got 'a/1 b/1 2'",
        ),
        (["a/1 a/2"], r"line 1: expected `path path 1`"),
        (["9" * 5000], "line 1: expected `path path 1`"),  # int() refuses so many digits itself
        (["1", f"Ann 1 {'9' * 5000}", "Ann 2 Bob 3"], "line 2: expected `name n m`"),
        (["a.jpg 1", f"b.jpg {'1' * 5000}"], r"line 2: expected `name\.jpg fold`"),
        ([""], "the pairs file is empty"),
    ],
)
def test_a_bad_file_is_refused_with_the_line(pairs_file, lines, message):
    with pytest.raises(PairsError, match=message):
        read_pairs(pairs_file(*lines))


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(PairsError, match=r"none\.txt: cannot be read \(No such file"):
        read_pairs(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PairsError, match="binary: is not a list of pairs, it is not text"):
        read_pairs(tmp_path / "binary")


def test_the_hash_is_that_of_the_pairs_and_not_of_their_format(pairs_file):
    view_1 = pairs_hash(read_pairs(pairs_file("1", "Ann 1 4", "Ann 2 Bob 13")))
    paths = ["Ann/Ann_0001.jpg Ann/Ann_0004.jpg 1", "Ann/Ann_0002.jpg Bob/Bob_0013.jpg 0"]
    assert pairs_hash(read_pairs(pairs_file(*paths))) == view_1
    assert pairs_hash(read_pairs(pairs_file(*paths[::-1]))) != view_1
    assert len(view_1) == 64


@pytest.mark.real_data
def test_lfw_view_2_has_6000_pairs_in_ten_folds_of_7701_photos_that_exist(shared_data):
    pairs = read_pairs(shared_data / "lfw" / "pairs.txt")
    assert len(pairs) == 6000
    assert pairs.genuine.sum() == 3000
    assert np.bincount(pairs.fold).tolist() == [600] * 10
    assert np.bincount(pairs.fold[pairs.genuine]).tolist() == [300] * 10
    assert len(pairs.photos) == 7701
    assert all((shared_data / "lfw" / "images" / f"{key}.jpg").is_file() for key in pairs.photos)


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "count"), [("pairsDevTest.txt", 500), ("pairsDevTrain.txt", 1100)])
def test_lfw_view_1_has_as_many_genuine_as_impostor_pairs(shared_data, name, count):
    pairs = read_pairs(shared_data / "lfw" / name)
    assert pairs.genuine.sum() == (~pairs.genuine).sum() == count
    assert not pairs.fold.any()


LISTS = [
    "\n".join(VIEW_2),
    "2\nAnn 1 4\nBob 1 2\nAnn 2 Bob 13\nBob 1 Cem 2\n",
    "a/1.jpg a/2.jpg 1\na b/1.png\tc/1\t0\n",
    "1 a/1.jpg a/2.jpg\n0 a/1.jpg c/1.jpg\n",
    "Ann_1.jpg 1\nAnn_2.jpg 1\nBob_1.jpg 0\nCem_1.jpg 0\n",
]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_damage_gives_another_error_than_a_pairs_error(tmp_path_factory, damage, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.txt"
    path.write_bytes(damage(data, data.draw(st.sampled_from(LISTS)).encode()))
    with suppress(PairsError):
        pairs = read_pairs(path)
        assert len(pairs.first) == len(pairs.second) == len(pairs.genuine) == len(pairs.fold)
