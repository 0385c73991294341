"""Photos aligned in shares, by processes of which some are killed: in the end the bytes of one call."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import pytest

from data_prep.align import align_folder, align_share
from data_prep.errors import PrepError
from data_prep.shares import Share, share_of
from sphereface_plus.outputs import locked
from sphereface_plus.path_checks import PlaceError
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


def test_a_finished_folder_is_left_as_it_is(photos, tmp_path, whole_run):
    align_share(photos, tmp_path / "whole", Share(1, 2), **FAST)
    align_folder(photos, tmp_path / "whole", **FAST)
    assert tree(tmp_path / "whole") == whole_run


def test_new_photos_of_a_finished_folder_are_for_the_call_without_a_share(photos, tmp_path):
    align_folder(photos, tmp_path / "out", **FAST)
    before = tree(tmp_path / "out")
    shutil.copy(photos / "Bob/1.jpg", photos / "Bob/0.jpg")
    with pytest.raises(PrepError, match="is finished, and 1 photo new or changed since; the same command wi"):
        align_share(photos, tmp_path / "out", Share(1, 1), **FAST)
    assert {name: data for name, data in tree(tmp_path / "out").items() if "_of_" not in name} == before


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
    with locked(out / Share(1, 2).journal, file=True):
        for call in (
            lambda: align_folder(photos, out, **FAST),
            lambda: align_share(photos, out, Share(1, 2), **FAST),
        ):
            with pytest.raises(PlaceError, match=r"progress_1_of_2\.jsonl: another process is writing there"):
                call()
        align_share(photos, out, Share(2, 2), **FAST)  # another share may


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", "01/2", ""])
def test_a_share_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(PrepError, match=f"--shard {text}: expected such as 2/8, the second of eight shares"):
        share_of(text)
    assert share_of("2/8") == Share(2, 8)


def test_the_command_in_processes_of_which_one_is_killed_ends_as_one_call_does(photos, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "data_prep", "align", photos, out, "--min-face", "50", "--workers", "1"]
    shares = [
        subprocess.Popen([*command, "--shard", f"{number}/3"], stdout=subprocess.PIPE, text=True)
        for number in (1, 2, 3)
    ]
    journal = out / Share(2, 3).journal
    while shares[1].poll() is None and not (journal.exists() and len(journal.read_text().splitlines()) > 1):
        time.sleep(0.01)
    shares[1].kill()
    said = [share.communicate()[0] for share in shares]
    assert "share 1/3: 3 crops from 3 photos in " in said[0]
    assert "when all 3 shares have ended, the same command without --shard joins them" in said[2]
    joined = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "9 crops of 3 identities from 9 photos" in joined.stdout
    align_folder(photos, tmp_path / "fresh", min_face=50.0, workers=1)
    assert tree(out) == tree(tmp_path / "fresh")
