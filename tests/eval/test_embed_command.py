"""python -m eval embed: embeddings of raw photos, aligned as for a report, as a store or an .npz."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from eval import report_files
from sphereface_plus.data.formats.embedding_store import open_embeddings
from sphereface_plus.data.formats.embeddings import read_embeddings


def test_crops_are_taken_as_they_are(crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    output = run_eval("embed", "pixels", images, tmp_path / "store").output
    assert f"{tmp_path / 'store'}: 24 embeddings of 10,752 numbers\n" in output
    run_eval("embed", "pixels", images, tmp_path / "file.npz")
    stored = open_embeddings(tmp_path / "store", check=True)
    keys, rows, meta = read_embeddings(tmp_path / "file.npz")
    assert stored.keys == keys
    assert stored.meta == meta
    np.testing.assert_array_equal(stored.rows, rows)
    assert not (tmp_path / "store_crops").exists()
    for name in ("store", "file.npz"):
        run_eval("verify", "--model", tmp_path / name, "--pairs", pairs, "--out", tmp_path / f"of_{name}")
    first, second = (report_files.read(tmp_path / f"of_{name}") for name in ("store", "file.npz"))
    assert first["per_pair"] == second["per_pair"]
    assert first["model"]["precision"] == "fp32"


def test_photos_are_added_and_what_does_not_go_together_is_refused(crop_pairs, run_eval, tmp_path):
    images, _ = crop_pairs
    more = tmp_path / "more" / "Ann" / "1.png"
    more.parent.mkdir(parents=True)
    cv2.imwrite(str(more), np.full((112, 96, 3), 90, np.uint8))
    run_eval("embed", "pixels", images, tmp_path / "store")
    arguments = ("embed", "pixels", tmp_path / "more", tmp_path / "store")
    assert "24 photos that are not among these; name another folder, or add these photos" in (
        run_eval(*arguments, code=1).output
    )
    assert "25 embeddings of 10,752 numbers" in run_eval(*arguments, "--add").output
    assert open_embeddings(tmp_path / "store").keys[-1] == "Ann/1"
    output = run_eval(*arguments, "--add", "--flip", "sum", code=1).output
    assert "store: holds embeddings of flip none, and these would be of flip sum; name another" in output
    output = run_eval("embed", "pixels", images, tmp_path / "file.npz", "--add", code=2).output
    assert "--add is for a folder OUT; an .npz is written whole" in output


def test_a_folder_of_nothing_is_refused(run_eval, tmp_path):
    (tmp_path / "empty").mkdir()
    output = run_eval("embed", "pixels", tmp_path / "empty", tmp_path / "store", code=1).output
    assert output == f"error: {tmp_path / 'empty'}: holds no image; name a folder of photos or crops\n"


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(("fallback", "count"), [("centre", 4), ("relaxed", 3)])
def test_raw_photos_are_aligned_first(fallback, count, shared_data, run_eval, tmp_path):
    photos = tmp_path / "photos"
    for path in sorted((shared_data / "lfw" / "images").glob("Aaron*/*.jpg"))[:3]:
        (photos / path.parent.name).mkdir(parents=True, exist_ok=True)
        (photos / path.parent.name / path.name).write_bytes(path.read_bytes())
    cv2.imwrite(str(photos / "wall.png"), np.full((250, 250, 3), 128, np.uint8))
    command = ("embed", "pixels", photos, tmp_path / "store", "--workers", 1, "--fallback", fallback)
    output = run_eval(*command).output
    assert f"{count} embeddings of 10,752 numbers" in output
    if fallback == "centre":
        assert "Of 4 faces, 3 were detected, 1 was not found" in output
    else:
        assert f"1 of 4 photos have no crop; {tmp_path / 'store_crops' / 'report.json'} says why" in output
    assert len(list(Path(tmp_path / "store_crops").rglob("*.png"))) == count
    assert f"{count} embeddings" in run_eval(*command).output


def test_shares_of_crops_are_joined_and_photos_are_to_be_aligned_first(crop_pairs, run_eval, tmp_path):
    images, _ = crop_pairs
    run_eval("embed", "pixels", images, tmp_path / "one")
    output = run_eval("embed", "pixels", images, tmp_path / "two", "--shard", "1/1").output
    assert "share 1/1: 24 embeddings\nnext: when all shares have ended, the same command" in output
    run_eval("embed", "pixels", images, tmp_path / "two")
    for name in ("embeddings.json", "rows.f32"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    cv2.imwrite(str(tmp_path / "photo.jpg"), np.full((200, 160, 3), 90, np.uint8))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photo.jpg").rename(tmp_path / "photos" / "1.jpg")
    output = run_eval("embed", "pixels", tmp_path / "photos", tmp_path / "s", "--shard", "1/2", code=1).output
    assert "holds photos, and --shard takes crops; align them first, in shares, too: python -m data_prep" in (
        output
    )
