"""Shares on the workers of a Dask cluster: in the end the bytes of one process."""

from __future__ import annotations

import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main as data_prep
from data_prep.packing_tars import pack_tars
from eval.__main__ import main as evaluation
from sphereface_plus.__main__ import cli
from sphereface_plus.commands import cluster
from sphereface_plus.commands.cluster import ClusterError, _take, _Told
from sphereface_plus.data.formats.embedding_store import open_embeddings
from tests.commands.on_workers import call, needs_dask, without_offsets
from tests.commands.waiting_work import wait
from tests.data_prep.small_crops import files, write_crop


@pytest.mark.slow
@needs_dask
def test_crops_are_packed_and_embedded_by_workers_with_the_bytes_of_one_process(
    workers, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for number in range(7):
        write_crop(tmp_path / f"crops/p{number // 3}/{number}.png", number)
    Path("spec.yaml").write_text("template: small_12x10\nheight: 12\nwidth: 10\n")
    on_workers = ["--scheduler", workers, "--shares", "2"]
    result = call(data_prep, "pack", "crops", "tars", "--per-tar", 2, *on_workers)
    assert "7 crops of 3 identities packed: tars (4 tars, 4 of them before)" in result.stdout
    pack_tars(tmp_path / "crops", tmp_path / "fresh", per_tar=2)
    assert without_offsets(Path("tars")) == without_offsets(Path("fresh"))
    words = ["embed", "pixels", "tars", "store", "--input", "spec.yaml"]
    assert "store: 7 embeddings of 120 numbers" in call(cli, *words, *on_workers).stdout
    call(cli, *words[:3], "alone", *words[4:])
    assert files(Path("store")) == files(Path("alone"))
    words[3] = "by_eval"
    assert "by_eval: 7 embeddings of 120 numbers" in call(evaluation, *words, *on_workers).stdout
    for name in ("rows.f32", "embeddings.json"):
        assert (Path("by_eval") / name).read_bytes() == (Path("alone") / name).read_bytes()
    assert len(open_embeddings("store", check=True).keys) == 7
    write_crop(tmp_path / "crops/p9/1.png", 9, size=(12, 12))
    refused = call(data_prep, "pack", "crops", "other", *on_workers, code=1).output
    assert "p9/1.png: is 12x12, the set's crops are 12x10\n" in refused


@needs_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://here"])
def test_a_scheduler_that_is_none_is_named(scheduler, tmp_path, address):
    import dask

    write_crop(tmp_path / "crops/p/1.png", 1)
    with dask.config.set({"distributed.comm.timeouts.connect": "10ms"}):
        words = ("pack", tmp_path / "crops", tmp_path / "out", "--scheduler", address)
        output = call(data_prep, *words, code=1).output
    assert output.startswith(f"error: {address}: no scheduler of Dask answers there (")
    assert output.count("\n") == 1


@needs_dask
def test_what_a_cluster_cannot_do_is_said_in_its_terms(scheduler):
    import distributed

    def said(error):
        class Future:
            def result(self):
                raise error

        with pytest.raises(ClusterError) as raised:
            _take(distributed, "tcp://a:1", Future())
        return str(raised.value)

    killed = distributed.scheduler.KilledWorker("share", None, 3)
    assert said(killed).startswith(
        "tcp://a:1: 4 workers were lost at one share, perhaps for lack of memory; "
    )
    missing = ModuleNotFoundError("No module named 'data_prep'", name="data_prep")
    assert "its workers cannot import data_prep; start them with this checkout on their" in said(missing)
    assert "has gone, or has dropped a share; the same command goes on" in said(distributed.CancelledError())


def test_the_shares_words_are_one_progress_of_work_that_is_left():
    seen = []
    told = _Told(4, lambda *it: seen.append(it))
    for number, done, total, failed in [(1, 5, 10, 1), (1, 7, 10, 1), (2, 0, 10, 0), (2, 10, 10, 2)]:
        told((0.0, {"number": number, "done": done, "total": total, "failed": failed}))
    # Of share 1 five were done before; shares that have said nothing are taken to be like the others.
    assert seen == [(0, 20, 1), (2, 20, 1), (2, 30, 1), (12, 30, 3)]


@pytest.mark.parametrize(
    ("words", "code", "match"),
    [
        (["--shares", "3"], 2, "--shares goes with --scheduler"),
        (
            ["--shard", "1/2", "--scheduler", "tcp://a:1"],
            2,
            "--scheduler has all shares done; leave --shard out",
        ),
        (
            ["--scheduler", "tcp://a:1"],
            1,
            "--scheduler needs a package that is not installed (distributed): ",
        ),
    ],
)
def test_options_that_do_not_go_together_and_a_missing_package_are_refused(
    tmp_path, monkeypatch, words, code, match
):
    monkeypatch.setitem(sys.modules, "distributed", None)
    write_crop(tmp_path / "crops/p/1.png", 1)
    output = call(data_prep, "pack", tmp_path / "crops", tmp_path / "out", *words, code=code).output
    assert match in output
    if code == 1:
        assert output.endswith(" -m pip install 'sphereface-plus[cluster]'\n")
        single = tmp_path / "one.tar"
        output = call(data_prep, "pack", tmp_path / "crops", single, *words, code=code).output
        assert "one.tar: is one file, and --scheduler is for a folder OUT that several fill" in output
    assert not (tmp_path / "out").exists()


@needs_dask
def test_shares_at_work_end_when_their_command_has_stopped(workers, tmp_path, monkeypatch):
    """Here by what the terminal's user does; a share that raises stops the command likewise."""
    import distributed

    def interrupted(*_, **__):
        until(tmp_path / "begun")
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "_take_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cluster.spread(workers, partial(wait, tmp_path), 9, "photos")
    with distributed.Client(
        workers, set_as_default=False
    ) as client:  # each worker has one thread, free again
        others = [client.submit(abs, -1, workers=[worker], pure=False) for worker in client.nthreads()]
        assert client.gather(others) == [1] * len(others)
    begun, ended = (sorted((tmp_path / name).read_text().splitlines()) for name in ("begun", "ended"))
    assert begun == ended


def until(file):
    while not file.exists():
        threading.Event().wait(0.01)


@needs_dask
def test_align_takes_a_folder_with_a_dot_in_its_name(scheduler, tmp_path):
    (tmp_path / "photos/p").mkdir(parents=True)
    words = ["align", tmp_path / "photos", tmp_path / "crops_v1.5", "--scheduler", scheduler]
    said = CliRunner().invoke(data_prep, list(map(str, words))).output
    assert "error" in said
    assert "is one file" not in said
