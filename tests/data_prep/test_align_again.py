"""A second, an interrupted and a changed alignment: what goes on, what is made again, what is refused."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from data_prep import plugins
from data_prep.align import align_folder
from data_prep.errors import PrepError
from sphereface_plus.data.formats.manifest import read_manifest
from sphereface_plus.files import unfinished_name
from tests.data_prep.aligning import FAST, stop_at, tree


@pytest.mark.parametrize("stop_after", [0, 1, 5, 9])
def test_an_interrupted_run_continues_to_the_same_bytes(photos, tmp_path, stop_after, whole_run):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        align_folder(photos, out, progress=stop_at(stop_after), **FAST)
    assert not (out / "manifest.csv").exists()
    summary = align_folder(photos, out, **FAST)
    assert summary.num_before == stop_after
    assert tree(out) == whole_run


def test_a_second_run_does_nothing_and_changes_nothing(photos, tmp_path, whole_run):
    seen = []
    summary = align_folder(photos, tmp_path / "whole", progress=lambda *state: seen.append(state), **FAST)
    assert (summary.num_before, seen) == (9, [(9, 9, 0)])
    assert tree(tmp_path / "whole") == whole_run


def test_changed_new_and_removed_photos_are_noticed(photos, tmp_path):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    shutil.copy(photos / "Bob/1.jpg", photos / "Zoë/1.jpg")  # changed
    shutil.copy(photos / "Bob/2.jpg", photos / "Bob/4.jpg")  # new
    (photos / "Bob/3.jpg").unlink()
    (out / "Bob/1.png").unlink()  # a lost crop
    (out / "Bob/2.png").write_bytes(b"")  # one cut short by a full disk
    summary = align_folder(photos, out, **FAST)
    assert summary.num_before == 9 - 4
    assert not (out / "Bob/3.png").exists()
    align_folder(photos, tmp_path / "fresh", **FAST)
    assert tree(out) == tree(tmp_path / "fresh")


def test_a_manifest_goes_before_the_crops_that_it_names(photos, tmp_path, monkeypatch):
    """A kill between the two leaves a folder that is to be continued, not one that looks finished."""
    out, removed, unlink = tmp_path / "out", [], Path.unlink
    align_folder(photos, out, **FAST)
    (photos / "Bob/3.jpg").unlink()

    def watched(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".png":
            removed.append((path.name, (out / "manifest.csv").exists()))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    align_folder(photos, out, **FAST)
    assert removed == [("3.png", False)]


@pytest.mark.parametrize("journal", ["ours", "of an older version"])
def test_a_crop_whose_bytes_were_lost_is_made_again(photos, tmp_path, whole_run, journal):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    if journal != "ours":
        lines = (out / "progress.jsonl").read_text()
        (out / "progress.jsonl").write_text(re.sub(r', "crc32": \d+', "", lines))
    crop = out / "Bob/2.png"
    crop.write_bytes(bytes(crop.stat().st_size))
    assert align_folder(photos, out, **FAST).num_before == 8
    assert crop.read_bytes() == whole_run["Bob/2.png"]
    if journal == "ours":
        assert tree(out) == whole_run
    assert align_folder(photos, out, **FAST).num_before == 9


def test_a_crop_in_another_crops_place_is_noticed(photos, tmp_path, whole_run):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    other = (out / "Bob/1.png").read_bytes()
    length = (out / "Bob/2.png").stat().st_size
    (out / "Bob/2.png").write_bytes(other.ljust(length, b"\0")[:length])
    assert align_folder(photos, out, **FAST).num_before == 8
    assert tree(out) == whole_run


def test_only_a_finished_folder_has_a_manifest(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    (photos / "Bob/3.jpg").unlink()
    with pytest.raises(KeyboardInterrupt):
        align_folder(photos, tmp_path / "out", progress=stop_at(8), **FAST)
    assert not (tmp_path / "out/manifest.csv").exists()
    align_folder(photos, tmp_path / "out", **FAST)
    assert len(read_manifest(tmp_path / "out/manifest.csv")) == 8


def test_other_settings_in_the_same_folder_are_refused(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    with pytest.raises(
        PrepError, match=r"out: was begun with other settings \(template sphereface_112x96 there, arcface"
    ):
        align_folder(photos, tmp_path / "out", template="arcface_112x112", **FAST)
    with pytest.raises(
        PrepError, match=r"was begun with other settings \(min_images 1 there, 2 here\); give the same"
    ):
        align_folder(photos, tmp_path / "out", min_images=2, **FAST)
    shutil.copytree(photos, tmp_path / "others")
    with pytest.raises(
        PrepError, match=r"was begun with other settings \(photos \S*/photos there, \S*/others here\)"
    ):
        align_folder(tmp_path / "others", tmp_path / "out", **FAST)


def test_crops_of_photos_that_were_not_looked_at_turned_are_not_mixed_with_others(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    journal = tmp_path / "out/progress.jsonl"
    first, *lines = journal.read_text().splitlines(keepends=True)
    settings = json.loads(first)["settings"]
    assert settings.pop("turning") == {"sure": 0.998, "least": 0.99, "doubt_left": 0.1}
    journal.write_text(json.dumps({"settings": settings}) + "\n" + "".join(lines))
    with pytest.raises(PrepError, match=r"other settings \(turning none there, in use here\)"):
        align_folder(photos, tmp_path / "out", **FAST)


def test_a_folder_begun_before_there_was_a_choice_of_warps_goes_on(photos, tmp_path):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    text = (out / "progress.jsonl").read_text()
    (out / "progress.jsonl").write_text(text.replace('"warp": "opencv", ', "", 1))
    assert align_folder(photos, out, **FAST).num_before == 9
    with pytest.raises(PrepError, match=r"other settings \(warp opencv there, exact here\)"):
        align_folder(photos, out, warp="exact", **FAST)


def test_photos_that_need_a_package_are_looked_at_again_when_it_is_there(photos, tmp_path, monkeypatch):
    (photos / "Bob/4.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    summary = align_folder(photos, tmp_path / "out", **FAST)
    assert summary.problems == {"needs pillow-heif": 1}
    assert summary.notes == ["1 photo is HEIC: pip install pillow-heif, then the same command again"]
    monkeypatch.setattr(plugins, "find_spec", lambda name: None)
    assert align_folder(photos, tmp_path / "out", **FAST).num_before == 10
    monkeypatch.setattr(plugins, "find_spec", lambda name: name == "pillow_heif" or None)
    assert align_folder(photos, tmp_path / "out", **FAST).num_before == 9


def test_two_selections_of_the_same_photos_share_a_folder(photos, tmp_path):
    align_folder(photos, tmp_path / "out", selection=["Bob/1"], **FAST)
    crop = tmp_path / "out" / "Bob" / "1.png"
    before = crop.read_bytes()
    align_folder(photos, tmp_path / "out", selection=["Bob/2"], **FAST)
    assert crop.read_bytes() == before
    assert list(read_manifest(tmp_path / "out" / "manifest.csv")["path"]) == ["Bob/1.png", "Bob/2.png"]


def test_a_selection_of_keys_is_aligned_and_missing_ones_are_reported(photos, tmp_path):
    summary = align_folder(photos, tmp_path / "out", selection=["Bob/1", "Zoë/3.jpg", "Eve/1"], **FAST)
    assert (summary.num_photos, summary.num_crops) == (3, 2)
    assert summary.problems == {"no such file": 1}


def test_what_a_killed_run_left_half_written_is_removed(photos, tmp_path, whole_run):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        align_folder(photos, out, progress=stop_at(2), **FAST)
    # as a kill leaves it: the crop of a photo that is there, of one that is gone, and a report
    for name in ("Bob/3.png", "Eve/1.png", "report.json", "progress.jsonl"):
        (out / name).parent.mkdir(exist_ok=True)
        unfinished_name(out / name).write_text("half")
    align_folder(photos, out, **FAST)
    assert tree(out) == whole_run
