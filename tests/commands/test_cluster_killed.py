"""A worker of a Dask cluster is killed in the middle of a share: in the end the bytes of one process."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest

from data_prep.__main__ import main as data_prep
from data_prep.align import align_folder
from data_prep.packing_tars import pack_tars
from data_prep.shares import journal_of
from sphereface_plus.__main__ import cli
from sphereface_plus.data.formats.embedding_store import BLOCK
from sphereface_plus.shares import Share
from tests.commands.conftest import WORKER
from tests.commands.on_workers import call, needs_dask, without_offsets
from tests.data_prep.aligning import tree
from tests.data_prep.conftest import draw
from tests.data_prep.small_crops import files, write_crop


@contextmanager
def one_is_killed(start, scheduler, stops_after, look):
    """A scheduler's first worker is killed where it stops, and a second one comes; none is left in the end.

    stops_after: as of WORKER. Yields what `look` returned before the kill, once that was.
    """
    first, seen, second = start(WORKER, scheduler, *stops_after), [], []

    def kill_and_go_on():
        _, status = os.waitpid(first.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return  # it has failed, which its end says
        try:
            seen.append(look())
        finally:
            first.kill()
            second.append(start(WORKER, scheduler))

    thread = threading.Thread(target=kill_and_go_on)
    thread.start()
    try:
        yield seen
    finally:
        first.kill()  # where the work failed it has not stopped
        thread.join()
        for process in second:
            process.kill()
            process.wait()
    assert first.wait() == -signal.SIGKILL


@pytest.mark.slow
@needs_dask
def test_another_worker_goes_on_with_the_share_of_one_that_was_killed(
    start, scheduler, tmp_path, monkeypatch
):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for number in range(6):
        path = photos / f"p{number % 3}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw(number % 3, number // 3)[..., ::-1])
    monkeypatch.chdir(tmp_path)  # the workers' is another
    words = ["align", "photos", "out", "--min-face", "50", "--workers", "1", "--scheduler", scheduler]
    refused = call(data_prep, *words, code=1).output
    assert f"error: {scheduler}: has no workers yet; start some by `dask worker {scheduler}`" in refused

    def lines_of_journals():
        shares = [out / journal_of(Share(number, 2)) for number in (1, 2)]
        return [len(share.read_text().splitlines()) for share in shares if share.is_file()]

    with one_is_killed(start, scheduler, ("data_prep.journal:Journal", "add"), lines_of_journals) as left:
        result = call(data_prep, *words, "--shares", "2")
    assert left == [[1 + 1]]  # the settings, and a photo
    assert "2 shares for " in result.stderr
    assert "6 crops of 3 identities from 6 photos" in result.stdout
    assert "done before: photos 6" in result.stdout
    align_folder(photos, tmp_path / "fresh", min_face=50.0, workers=1)
    assert tree(out) == tree(tmp_path / "fresh")


@pytest.mark.slow
@needs_dask
def test_packing_and_embedding_go_on_too_with_the_bytes_of_one_process(
    start, scheduler, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for number in range(BLOCK + 2):  # two blocks of a store
        write_crop(tmp_path / f"crops/p{number % 2}/{number}.png", number, size=(4, 3))
    Path("spec.yaml").write_text("template: small_4x3\nheight: 4\nwidth: 3\n")
    on_workers = ["--scheduler", scheduler, "--shares", "1"]

    def tars():
        return {path.name: path.stat().st_ino for path in Path("tars").glob("*.tar")}

    stops_after = ("data_prep.packing_tars", "write_tar")
    with one_is_killed(start, scheduler, stops_after, tars) as left:
        result = call(data_prep, "pack", "crops", "tars", "--per-tar", BLOCK, *on_workers)
    assert len(left[0]) == 1
    assert left[0].items() < tars().items()  # not written again
    assert "(2 tars, 2 of them before)" in result.stdout
    pack_tars(tmp_path / "crops", tmp_path / "fresh", per_tar=BLOCK)
    assert without_offsets(Path("tars")) == without_offsets(Path("fresh"))

    def lines_of_journal():
        return Path("store/done.1_of_1.jsonl").read_text().count("\n")

    words = ["embed", "pixels", "crops", "store", "--input", "spec.yaml"]
    stops_after = ("sphereface_plus.commands.embed_share", "write_block")
    with one_is_killed(start, scheduler, stops_after, lines_of_journal) as left:
        result = call(cli, *words, *on_workers)
    assert left == [1]
    assert f"store: {BLOCK + 2} embeddings of 12 numbers" in result.stdout
    call(cli, *words[:3], "alone", *words[4:])
    assert files(Path("store")) == files(Path("alone"))
