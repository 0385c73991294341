"""Shares on the workers of a Dask cluster, of which one is killed: in the end the bytes of one process.

Scheduler and workers are processes on this machine. SPHEREFACE_CLUSTER names a folder with `distributed`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from data_prep.__main__ import main as data_prep
from data_prep.align import align_folder
from data_prep.packing_tars import pack_tars
from data_prep.shares import journal_of
from eval.__main__ import main as evaluation
from sphereface_plus.__main__ import cli
from sphereface_plus.commands import cluster
from sphereface_plus.commands.cluster import ClusterError, _take, _Told
from sphereface_plus.data.formats.embedding_store import BLOCK, open_embeddings
from sphereface_plus.shares import Share
from tests.commands.waiting_work import wait
from tests.data_prep.aligning import tree
from tests.data_prep.conftest import draw
from tests.data_prep.small_crops import files, write_crop

CLUSTER = os.environ.get("SPHEREFACE_CLUSTER")
needs_dask = pytest.mark.skipif(
    CLUSTER is None, reason="SPHEREFACE_CLUSTER names no folder with Dask's distributed"
)

SCHEDULER = """
import asyncio
from distributed import Scheduler

async def main():
    async with Scheduler(host="127.0.0.1", port=0, dashboard_address=":0") as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(main())
"""
WORKER = """
import asyncio, os, signal, sys
from pkgutil import resolve_name
from distributed import Worker

address, *stops_after = sys.argv[1:]

async def main():
    if stops_after:
        holder, name = resolve_name(stops_after[0]), stops_after[1]
        function = getattr(holder, name)

        def call_and_stop(*words, **options):
            function(*words, **options)
            os.kill(os.getpid(), signal.SIGSTOP)

        setattr(holder, name, call_and_stop)
    async with Worker(address, nthreads=1) as worker:
        await worker.finished()

asyncio.run(main())
"""
"""With the names of a module or class and of its function it stops when that was called once: where it is
killed does not depend on how fast it is."""


@pytest.fixture(scope="module")
def start(repository):
    """Starts a process of a script that finds ours and Dask; all are killed at the end."""
    started = []

    def start(script, *words, **options):
        path = os.pathsep.join([str(repository), str(repository / str(CLUSTER))])
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", script, *words]
        started.append(subprocess.Popen(command, env=environment, cwd="/", **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def scheduler(start, repository):
    """Its address."""
    sys.path.append(str(repository / str(CLUSTER)))
    process = start(SCHEDULER, stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip()
    sys.path.remove(str(repository / str(CLUSTER)))


@pytest.fixture(scope="module")
def workers(start, scheduler):
    """The scheduler's address, and a worker that goes on with what is there and what is to come."""
    start(WORKER, scheduler)
    return scheduler


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


def call(main, *words, code=0):
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


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


def without_offsets(folder):
    return {name: data for name, data in files(folder).items() if not name.endswith(".index")}


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
