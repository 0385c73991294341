"""Drawn people: the same for the same seed, found by the detector, and not told apart by pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.align import align_folder
from data_prep.drawn import DrawnSet, draw_set
from data_prep.errors import PrepError
from data_prep.images import read_photo
from sphereface_plus.data.formats.manifest import read_manifest
from sphereface_plus.data.formats.pairs import read_pairs
from sphereface_plus.kfold import kfold_accuracy

SMALL = DrawnSet(people=2, photos=2, test_people=20, test_photos=3, pairs=4)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "set"
    assert draw_set(folder, SMALL, workers=1) == 2 * 2 + 20 * 3
    return folder


def test_a_set_has_people_to_train_on_others_to_test_and_pairs(small):
    names = ["drawn.json", "pairs.txt", "test", "test_landmarks.txt", "train", "train_landmarks.txt"]
    assert sorted(path.name for path in small.iterdir()) == names
    assert sorted(path.name for path in (small / "train").iterdir()) == ["train_0001", "train_0002"]
    assert len(list(small.glob("test/*"))) == 20
    assert (small / "train/train_0002/train_0002_0002.jpg").exists()
    assert json.loads((small / "drawn.json").read_text())["people"] == 2
    assert read_photo(small / "train/train_0001/train_0001_0001.jpg").shape == (192, 192, 3)


def test_pairs_have_ten_folds_of_their_own_people_with_right_labels(small):
    pairs = read_pairs(small / "pairs.txt")
    assert len(pairs) == 10 * 2 * 4
    people_of_fold: list[set[str]] = [set() for _ in range(10)]
    for first, second, genuine, fold in zip(
        pairs.first, pairs.second, pairs.genuine, pairs.fold, strict=True
    ):
        assert first != second
        assert genuine == (first.split("/")[0] == second.split("/")[0])
        assert all((small / "test" / f"{key}.jpg").exists() for key in (first, second))
        people_of_fold[fold] |= {first.split("/")[0], second.split("/")[0]}
    assert sum(map(len, people_of_fold)) == len(set.union(*people_of_fold))
    assert len(set(zip(pairs.first, pairs.second, strict=True))) == len(pairs)


def test_the_same_seed_draws_the_same_bytes_with_any_number_of_workers(small, tmp_path):
    draw_set(tmp_path / "two", SMALL, workers=2)
    assert files(tmp_path / "two") == files(small)


def test_another_seed_and_each_photo_and_person_is_another_picture(small, tmp_path):
    draw_set(tmp_path / "other", DrawnSet(2, 2, 20, 2, 2, seed=1), workers=1)
    pictures = [
        data for folder in (small, tmp_path / "other") for n, data in files(folder).items() if "jpg" in n
    ]
    assert len(set(pictures)) == len(pictures)
    assert (small / "pairs.txt").read_text() != (tmp_path / "other/pairs.txt").read_text()


def test_an_interrupted_set_is_continued_to_the_same_bytes(small, tmp_path):
    def stop(done: int, total: int, failed: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_set(tmp_path / "set", SMALL, workers=1, progress=stop)
    assert draw_set(tmp_path / "set", SMALL, workers=1) == 64 - 10
    assert files(tmp_path / "set") == files(small)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"photos": 0}, "photos must be a positive number, got 0"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        (
            {"people": 0, "test_people": 0},
            "there is nobody to draw: give --people, --test-people or --distractors",
        ),
        ({"test_people": 25}, "test-people must be 20, 30, ...: ten folds of their own, or 0, got 25"),
        ({"test_people": 10}, "test-people must be 20, 30, ...: ten folds of their own, or 0, got 10"),
        (
            {"test_people": 20, "test_photos": 2, "pairs": 3},
            "a fold of 2 people with 2 photos has only 2 genuine pairs, asked for 3: give more test photos",
        ),
        (
            {"test_people": 20, "test_photos": 40, "pairs": 1601, "people": 0},
            "a fold of 2 people with 40 photos has only 1,560 genuine pairs, asked for 1601",
        ),
    ],
)
def test_impossible_sets_are_refused_by_name(settings, message):
    with pytest.raises(PrepError, match=message):
        DrawnSet(**settings)


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("my life")
    with pytest.raises(PrepError, match="is not empty; give a new folder"):
        draw_set(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_the_detector_finds_them_and_raw_pixels_do_not_tell_them_apart(tmp_path):
    draw_set(
        tmp_path / "set", DrawnSet(people=1, photos=1, test_people=20, test_photos=4, pairs=10), workers=1
    )
    summary = align_folder(tmp_path / "set/test", tmp_path / "crops", workers=1, fallback="centre")
    assert summary.methods["detected"] >= 0.97 * summary.num_photos
    pixels = {}
    for path in read_manifest(tmp_path / "crops/manifest.csv")["path"]:
        grey = read_photo(tmp_path / "crops" / path).mean(axis=2).ravel()
        pixels[path.removesuffix(".png")] = grey / np.linalg.norm(grey)
    pairs = read_pairs(tmp_path / "set/pairs.txt")
    scores = np.array([pixels[a] @ pixels[b] for a, b in zip(pairs.first, pairs.second, strict=True)])
    assert 0.5 < kfold_accuracy(scores, pairs.genuine, pairs.fold).mean < 0.8
