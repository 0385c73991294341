"""Folders of photos that cannot be read. What is found in those that can: test_layouts.py."""

import errno
import os
from pathlib import Path

import pytest

from data_prep.errors import PrepError
from data_prep.folders import photos_of_folders


@pytest.mark.parametrize(("locked", "nested"), [("Bob", False), ("Bob", True), ("album", True)])
def test_a_folder_that_cannot_be_read_is_refused_as_its_person_has_crops_to_lose(
    tmp_path, monkeypatch, locked, nested
):
    for path in ("Ann/1.jpg", "Bob/1.jpg", "Cid/album/1.jpg"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    scan = os.scandir  # root reads every folder, whatever its rights

    def scandir(folder):
        if Path(folder).name == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scan(folder)

    monkeypatch.setattr("data_prep.folders.os.scandir", scandir)
    message = (
        rf"{locked}: cannot be read \(Permission denied\); make it readable, or move it away, and call again"
    )
    with pytest.raises(PrepError, match=message):
        photos_of_folders(tmp_path, nested=nested)
