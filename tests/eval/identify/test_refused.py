"""`python -m eval identify`: what cannot be measured is refused in a sentence, before embedding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sphereface_plus.data.formats.embeddings import write_embeddings


@pytest.fixture
def store(tmp_path):
    """A function that writes random embeddings of these photos."""

    def write(name: str, *keys: str):
        path = tmp_path / f"{name}.npz"
        numbers = np.random.default_rng(len(name)).normal(size=(len(keys), 8)).astype(np.float32)
        write_embeddings(path, list(keys), numbers, {})
        return path

    return write


@pytest.fixture
def refused(run_eval, tmp_path):
    """A function that gives the message of a call that is refused; nothing is left in OUT."""

    def called(*arguments: object) -> str:
        output = run_eval("identify", *arguments, "--out", tmp_path / "out", code=1).output
        assert output.startswith("error: ")
        assert output.count("\n") == 1
        assert not list((tmp_path / "out").rglob("embeddings"))
        return output

    return called


def photos(folder, *names: str) -> None:
    folder.mkdir()
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((112, 96, 3), 10 * number, np.uint8))


def test_one_person_cannot_be_taken_for_another(store, refused, run_eval, tmp_path):
    gallery = store("gallery", "Ann/1", "Ann/2", "Ann/3")
    message = (
        f"{gallery}: shows one person, Ann, who cannot be taken for anybody else: two people at least are "
        "needed; add people, or give --distractors"
    )
    assert message in refused("--gallery", gallery)
    assert message in refused("--gallery", gallery, "--probes", store("probes", "Ann/4"))
    photos(tmp_path / "single", "Ann/1.png", "Ann/2.png")
    message = "single: shows one person, Ann, who"
    assert message in refused("--gallery", tmp_path / "single", "--model", "pixels")
    others = "--distractors", store("others", "Ben/1", "Cat/1")
    run_eval("identify", "--gallery", gallery, *others, "--out", tmp_path / "others")
    probes = "--probes", store("probes", "Ben/1", "Ann/4")
    run_eval("identify", "--gallery", gallery, *probes, "--out", tmp_path / "stranger")


def test_groups_of_nobody_who_is_measured_are_refused(store, refused, tmp_path):
    asked = "--gallery", store("gallery", "Ann/1", "Ann/2", "Ben/1"), "--groups", tmp_path / "groups.csv"
    (tmp_path / "groups.csv").write_text("identity,sex\n")
    message = "groups.csv: has a header and names nobody; give it a line for each person"
    assert message in refused(*asked)
    (tmp_path / "groups.csv").write_text("identity,sex\nZoe,f\nYan,m\n")
    message = "groups.csv: has groups of 2 people, such as Zoe, and of nobody who is measured, such as Ann"
    assert message in refused(*asked)


def test_empty_and_flat_folders_are_refused_with_what_is_wanted(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    photos(tmp_path / "two", "Ann/1.png", "Ben/1.png")
    photos(tmp_path / "flat", "1.png", "2.png")
    model = "--model", "pixels"
    wanted = "empty: expected manifest.csv or images in identity/image folders, found neither"
    assert f"{wanted} (gallery)" in refused("--gallery", tmp_path / "empty", *model)
    two = "--gallery", tmp_path / "two", *model
    assert f"{wanted} (probes)" in refused(*two, "--probes", tmp_path / "empty")
    message = "empty: holds no image; distractors: one at least is needed"
    assert message in refused(*two, "--distractors", tmp_path / "empty")
    message = (
        "and its images (1.png) lie beside each other; put those of each person in a folder, or give "
        f"{tmp_path} if flat is a person (gallery)"
    )
    assert message in refused("--gallery", tmp_path / "flat", *model)
