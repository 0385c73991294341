"""Photos aligned in shares, by processes of which some are killed: in the end the bytes of one call."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from data_prep.align import align_folder, align_share
from data_prep.errors import PrepError
from data_prep.journal import Journal
from data_prep.remaining import remaining
from data_prep.shares import journal_of
from sphereface_plus.outputs import locked
from sphereface_plus.path_checks import PlaceError
from sphereface_plus.shares import Share
from tests.data_prep.aligning import FAST, stop_at, tree


@pytest.mark.parametrize("count", [1, 2, 4, 20])
def test_shares_in_any_order_and_a_call_that_joins_them_write_what_one_call_does(
    photos, tmp_path, whole_run, count
):
    out = tmp_path / "out"
    done = [align_share(photos, out, Share(number, count), **FAST) for number in range(count, 0, -1)]
    assert sum(share.num_photos for share in done) == 9
    assert sum(share.num_crops for share in done) == 9
    assert not (out / "manifest.csv").exists()
    assert align_folder(photos, out, **FAST).num_before == 9
    assert tree(out) == whole_run


def test_what_a_share_has_left_the_joining_call_does(photos, tmp_path, whole_run):
    out = tmp_path / "out"
    align_share(photos, out, Share(2, 2), **FAST)
    with pytest.raises(KeyboardInterrupt):
        align_share(photos, out, Share(1, 2), progress=stop_at(2), **FAST)
    assert align_folder(photos, out, **FAST).num_before == 4 + 2
    assert tree(out) == whole_run


def test_a_share_goes_on_where_it_was_stopped(photos, tmp_path):
    seen = []
    with pytest.raises(KeyboardInterrupt):
        align_share(photos, tmp_path / "out", Share(1, 2), progress=stop_at(2), **FAST)
    align_share(photos, tmp_path / "out", Share(1, 2), progress=lambda *it: seen.append(it), **FAST)
    assert seen[0] == (2, 5, 0)
    assert seen[-1] == (5, 5, 0)


def test_another_number_of_shares_takes_what_is_done(photos, tmp_path, whole_run):
    out = tmp_path / "out"
    align_share(photos, out, Share(1, 2), **FAST)
    seen = []
    for number in (1, 2, 3):
        align_share(photos, out, Share(number, 3), progress=lambda *it: seen.append(it), **FAST)
    firsts = [before for before, total, _ in seen if total == 3][:1]
    assert firsts == [2]  # of the photos 0, 3 and 6 the first share of two had 0 and 6
    assert align_folder(photos, out, **FAST).num_before == 9
    assert tree(out) == whole_run


def test_a_photo_that_changed_between_is_made_again_and_its_newest_line_counts(photos, tmp_path):
    out = tmp_path / "out"
    align_share(photos, out, Share(1, 1), **FAST)
    shutil.copy(photos / "Bob/1.jpg", photos / "Zoë/1.jpg")
    for number in (1, 2):
        align_share(photos, out, Share(number, 2), **FAST)
    assert align_folder(photos, out, **FAST).num_before == 9
    align_folder(photos, tmp_path / "fresh", **FAST)
    assert tree(out) == tree(tmp_path / "fresh")


def test_a_photo_of_another_suffix_keeps_the_crop_that_a_share_made_of_it(photos, tmp_path):
    """The crop is called like that of the photo which is gone, whose share another share lets be."""
    out = tmp_path / "out"
    align_share(photos, out, Share(1, 1), **FAST)
    (photos / "Bob/1.jpg").rename(photos / "Bob/1.jpeg")
    for number in (1, 2):
        align_share(photos, out, Share(number, 2), **FAST)
    assert align_folder(photos, out, **FAST).num_before == 9
    align_folder(photos, tmp_path / "fresh", **FAST)
    assert tree(out) == tree(tmp_path / "fresh")


def test_a_finished_folder_is_left_as_it_is(photos, tmp_path, whole_run):
    seen = []
    share = align_share(photos, tmp_path / "whole", Share(1, 2), progress=lambda *it: seen.append(it), **FAST)
    assert (share.num_photos, share.num_crops, seen) == (5, 5, [(5, 5, 0)])
    assert tree(tmp_path / "whole") == whole_run


@pytest.mark.parametrize("photo", ["Bob/0.jpg", "Bob/2.jpg"])
def test_new_and_changed_photos_of_a_finished_folder_are_for_the_call_without_a_share(
    photos, tmp_path, photo, whole_run
):
    shutil.copy(photos / "Bob/1.jpg", photos / photo)
    with pytest.raises(PrepError, match="is finished, and 1 photo new or changed since; the same command wi"):
        align_share(photos, tmp_path / "whole", Share(1, 1), **FAST)
    assert tree(tmp_path / "whole") == whole_run


def test_other_settings_of_a_share_are_refused(photos, tmp_path):
    align_share(photos, tmp_path / "out", Share(1, 2), **FAST)
    for call in (
        lambda **changes: align_share(photos, tmp_path / "out", Share(2, 2), **changes, **FAST),
        lambda **changes: align_folder(photos, tmp_path / "out", **changes, **FAST),
    ):
        with pytest.raises(PrepError, match=r"other settings \(template sphereface_112x96 there, arcface"):
            call(template="arcface_112x112")


def test_a_folder_of_something_else_is_refused(photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("my life")
    with pytest.raises(PrepError, match="is not empty and holds no crops of this program"):
        align_share(photos, tmp_path / "out", Share(1, 2), **FAST)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_nobody_joins_while_a_share_is_at_work_nor_does_a_share_twice(photos, tmp_path):
    out = tmp_path / "out"
    align_share(photos, out, Share(1, 2), **FAST)
    with locked(out / journal_of(Share(1, 2)), file=True):
        for call in (
            lambda: align_folder(photos, out, **FAST),
            lambda: align_share(photos, out, Share(1, 2), **FAST),
        ):
            with pytest.raises(PlaceError, match=r"progress_1_of_2\.jsonl: another process is writing there"):
                call()
        align_share(photos, out, Share(2, 2), **FAST)  # another share may


def test_nobody_joins_while_a_share_still_looks_at_its_photos_and_has_no_journal(
    photos, tmp_path, monkeypatch, whole_run
):
    out = tmp_path / "out"
    unfinished = out / ".1.png.0123abcd.tmp"  # as of a crop that is being written

    def look(*what, **how):
        monkeypatch.undo()
        unfinished.touch()
        with pytest.raises(PlaceError, match=r"progress_1_of_2\.jsonl: another process is writing there"):
            align_folder(photos, out, **FAST)
        assert unfinished.exists()
        align_share(photos, out, Share(2, 2), **FAST)
        return remaining(*what, **how)

    monkeypatch.setattr("data_prep.align.remaining", look)
    assert align_share(photos, out, Share(1, 2), **FAST).num_crops == 5
    assert align_folder(photos, out, **FAST).num_before == 9
    assert tree(out) == whole_run


def test_the_lock_that_a_killed_share_left_keeps_nobody_out(photos, tmp_path, whole_run):
    out = tmp_path / "out"
    align_share(photos, out, Share(1, 2), **FAST)
    (out / ".progress_2_of_2.jsonl.lock").touch()
    assert align_folder(photos, out, **FAST).num_before == 5
    assert tree(out) == whole_run


def test_what_fails_at_a_shares_begin_is_told_at_once(photos, tmp_path, monkeypatch):
    """Only the place is waited for, while others begin."""

    def fails(journal: Journal) -> None:
        raise PlaceError("the disk is full")

    monkeypatch.setattr(Journal, "__enter__", fails)
    with pytest.raises(PlaceError, match="the disk is full"):
        align_share(photos, tmp_path / "out", Share(1, 2), **FAST)


STOPPED = """
import os, signal
from data_prep.__main__ import main
from data_prep.journal import Journal

add = Journal.add

def add_and_stop(journal, done):
    add(journal, done)
    os.kill(os.getpid(), signal.SIGSTOP)

Journal.add = add_and_stop
main()
"""
"""The command, which stops after its first photo: where it is killed does not depend on how fast it is."""


def test_the_command_in_processes_of_which_one_is_killed_ends_as_one_call_does(photos, tmp_path):
    out = tmp_path / "out"
    python = {1: ["-m", "data_prep"], 2: ["-c", STOPPED], 3: ["-m", "data_prep"]}
    call = ["align", photos, out, "--min-face", "50", "--workers", "1"]
    shares = {
        number: subprocess.Popen(
            [sys.executable, *how, *call, "--shard", f"{number}/3"], stdout=subprocess.PIPE, text=True
        )
        for number, how in python.items()
    }
    assert os.WIFSTOPPED(os.waitpid(shares[2].pid, os.WUNTRACED)[1])
    shares[2].kill()
    said = {number: share.communicate()[0] for number, share in shares.items()}
    assert [shares[number].returncode for number in (1, 2, 3)] == [0, -signal.SIGKILL, 0]
    assert len((out / journal_of(Share(2, 3))).read_text().splitlines()) == 1 + 1  # the settings, and a photo
    assert "share 1/3: 3 crops from 3 photos in " in said[1]
    assert "when all 3 shares have ended, the same command without --shard joins them" in said[3]
    joined = subprocess.run(
        [sys.executable, "-m", "data_prep", *call], capture_output=True, text=True, check=True
    )
    assert "9 crops of 3 identities from 9 photos" in joined.stdout
    align_folder(photos, tmp_path / "fresh", min_face=50.0, workers=1)
    assert tree(out) == tree(tmp_path / "fresh")
