"""Impossible places are refused in a sentence, possible ones are left as they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sphereface_plus.path_checks import (
    PlaceError,
    check_file,
    check_file_or_folder,
    check_folder,
    check_source,
    is_file_name,
)


def test_a_folder_that_can_be_made_is_accepted_and_not_made(tmp_path, monkeypatch):
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "er")
    check_file(tmp_path / "new" / "e.npz", ".npz")
    monkeypatch.chdir(tmp_path)
    check_folder("new")
    check_file("e.npz", ".npz")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_looked_for_by_its_name_in_the_nearest_folder_that_is(tmp_path, monkeypatch):
    (tmp_path / "crops/known").mkdir(parents=True)
    for name in ("gallery.txt", "probes.txt", "others.txt", "yet_more.txt", ".hidden"):
        (tmp_path / "crops" / name).touch()
    monkeypatch.chdir(tmp_path)
    three = "gallery.txt, known, others.txt"
    for path, said in (
        ("crops/galery.txt", "did you mean crops/gallery.txt?"),
        ("crop/gallery.txt", "did you mean crops/gallery.txt?"),
        ("crop/faces", "did you mean crops?"),
        (tmp_path / "crops/x", f"looked for x in {tmp_path}/crops, which holds {three}, ..."),
        ("nowhere/at/all", f"looked for nowhere in {tmp_path}, which holds crops"),
        ("crops/known/x", f"looked for x in {tmp_path}/crops/known, which holds nothing to read"),
        ("crops/probes.txt/x", f"looked for x in {tmp_path}/crops/probes.txt, which holds nothing to read"),
    ):
        with pytest.raises(PlaceError) as error:
            check_source(path, "gallery")
        assert str(error.value) == f"{path}: there is no such gallery; {said}"


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PlaceError, match=r"file: is a file; name another folder"):
        check_folder(tmp_path / "file")
    with pytest.raises(
        PlaceError, match=r"file/x/y: cannot be a folder, as \S*/file is a file; name another"
    ):
        check_folder(tmp_path / "file" / "x" / "y")
    with pytest.raises(PlaceError, match=r"file: is a file; name another folder"):
        check_file(tmp_path / "file" / "e.npz", ".npz")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, where nobody can write")
def test_a_folder_where_nothing_can_be_written_is_refused():
    with pytest.raises(PlaceError, match=r"^/proc/x: cannot be written to \(.+\); name another folder$"):
        check_folder("/proc/x")
    with pytest.raises(PlaceError, match=r"^/proc: cannot be written to \(.+\); name another folder$"):
        check_file("/proc/e.npz", ".npz")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_locked_folder_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(PlaceError, match=r"locked/out: cannot be written to \(Permission denied\)"):
        check_folder(tmp_path / "locked" / "out")


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(PlaceError, match=r"cannot be written to \(File name too long\)"):
        check_folder(tmp_path / ("x" * 300))


def test_a_file_that_is_a_folder_or_has_another_suffix_is_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(PlaceError, match=r"runs: is a folder; name a file, such as \S*/runs/model\.onnx$"):
        check_file(tmp_path / "runs", ".onnx")
    with pytest.raises(PlaceError, match=r"out\.txt: must end in \.npz, .*; name it \S*/out\.npz$"):
        check_file(tmp_path / "out.txt", ".npz")


def test_a_name_with_a_suffix_is_a_files_unless_a_folder_lies_there(tmp_path):
    (tmp_path / "faces.v2").mkdir()
    for name in ("new", "faces.v2", "e.npz", "deep/er/new"):
        check_file_or_folder(tmp_path / name, ".npz")
        assert is_file_name(tmp_path / name) == (name == "e.npz")
    with pytest.raises(PlaceError, match=r"e\.txt: must end in \.npz"):
        check_file_or_folder(tmp_path / "e.txt", ".npz")
    (tmp_path / "file").touch()
    with pytest.raises(PlaceError, match="file: is a file; name another folder"):
        check_file_or_folder(tmp_path / "file", ".npz")
