"""The pairs lists of CALFW, CPLFW, CFP and OpenSphere, built as their documentation has them."""

import shutil

import numpy as np
import pytest

from sphereface_plus.data.formats.pairs import PairsError, read_pairs


def test_calfw_has_two_lines_a_pair_and_the_genuine_ones_folds(tmp_path):
    genuine = [f"A_{number:04d}.jpg {1 + number // 4}\n" for number in range(40)]
    impostor = [f"B_{number:04d}.jpg 0\n" for number in range(40)]
    (tmp_path / "pairs_CALFW.txt").write_text("".join(genuine + impostor))
    pairs = read_pairs(tmp_path / "pairs_CALFW.txt")
    assert (pairs.first[:2], pairs.second[:2]) == (["A_0000", "A_0002"], ["A_0001", "A_0003"])
    assert pairs.genuine.tolist() == [True] * 20 + [False] * 20
    assert pairs.fold.tolist() == [number // 2 for number in range(20)] * 2


def test_cplfws_folds_are_stretches_of_its_order(tmp_path):
    lines = [f"A_{number:04d}.jpg 1\n" for number in range(60)] + ["B_0001.jpg\t0\n"] * 60
    (tmp_path / "pairs_CPLFW.txt").write_text("".join(lines))
    pairs = read_pairs(tmp_path / "pairs_CPLFW.txt")
    assert pairs.fold.tolist() == [number // 3 for number in range(30)] * 2
    assert np.bincount(pairs.fold, weights=pairs.genuine).tolist() == [3] * 10


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("A_1.jpg 1\nA_2.jpg 2\n", "each two lines are a pair with the same second number"),
        ("A_1.jpg 1\n", "each two lines are a pair"),
        ("A_1.jpg 1\nA_2.jpg 11\n", r"line 2: expected `name.jpg fold` \(.* makes pairs\), got 'A_2.jpg 11'"),
        ("A_1.jpg 1\nA_2.jpg\n", "line 2: expected"),
    ],
)
def test_wrong_lines_of_calfw_are_named(tmp_path, lines, message):
    (tmp_path / "pairs.txt").write_text(lines)
    with pytest.raises(PairsError, match=message):
        read_pairs(tmp_path / "pairs.txt")


def test_openspheres_lists_have_the_kind_first(tmp_path):
    (tmp_path / "pairs.txt").write_text("1 a/1.jpg a/2.jpg\n0 a/1.jpg b/1.jpg\n")
    pairs = read_pairs(tmp_path / "pairs.txt")
    assert (pairs.first, pairs.second) == (["a/1", "a/1"], ["a/2", "b/1"])
    assert pairs.genuine.tolist() == [True, False]


@pytest.fixture
def protocol(tmp_path):
    folder = tmp_path / "Protocol"
    for fold in range(1, 11):
        (folder / "Split" / "FP" / f"{fold:02d}").mkdir(parents=True)
        (folder / "Split" / "FP" / f"{fold:02d}" / "same.txt").write_text(f"{fold},{fold}\n1,1\n")
        (folder / "Split" / "FP" / f"{fold:02d}" / "diff.txt").write_text(f"{fold},{11 - fold}\n")
    for kind, name in (("F", "frontal"), ("P", "profile")):
        lines = [f"{n} ../Data/Images/{n:03d}/{name}/01.jpg\n" for n in range(1, 11)]
        (folder / f"Pair_list_{kind}.txt").write_text("".join(lines))
    return folder


def test_cfps_folder_gives_frontal_profile_pairs_and_its_folds(protocol):
    pairs = read_pairs(protocol)
    assert pairs.first[:3] == ["Data/Images/001/frontal/01"] * 3
    assert pairs.second[2] == "Data/Images/010/profile/01"
    assert pairs.genuine.tolist() == [True, True, False] * 10
    assert pairs.fold.tolist() == [fold for fold in range(10) for _ in range(3)]


def test_a_folder_of_its_split_names_the_kind(protocol):
    shutil.copytree(protocol / "Split" / "FP", protocol / "Split" / "FF")
    assert read_pairs(protocol / "Split" / "FP").second == read_pairs(protocol).second
    pairs = read_pairs(protocol / "Split" / "FF")
    assert pairs.second[2] == "Data/Images/010/frontal/01"
    assert pairs.fold.tolist() == [fold for fold in range(10) for _ in range(3)]


@pytest.mark.parametrize("line", ["1,11", "1 1", "a,b", "0,1"])
def test_numbers_that_cfps_lists_do_not_have_are_named(protocol, line):
    (protocol / "Split" / "FP" / "03" / "same.txt").write_text(f"1,1\n{line}\n")
    with pytest.raises(PairsError, match=r"same\.txt, line 2: expected two numbers of the lists, got"):
        read_pairs(protocol)


def test_a_folder_that_is_not_cfps_is_refused(tmp_path):
    with pytest.raises(PairsError, match="is a folder without lists; a list of pairs is needed"):
        read_pairs(tmp_path)
