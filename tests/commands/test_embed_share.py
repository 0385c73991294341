"""Crops embedded in shares, by processes of which some are killed: in the end the bytes of one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from sphereface_plus import shares
from sphereface_plus.__main__ import cli
from sphereface_plus.commands.embed_into import embed_into
from sphereface_plus.commands.embed_share import embed_share, left_by_shares
from sphereface_plus.data.formats import embedding_store, embedding_store_kept
from sphereface_plus.data.formats.embedding_store import JOURNAL, ROWS, open_embeddings
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.outputs import locked
from sphereface_plus.path_checks import BusyError, PlaceError
from sphereface_plus.shares import Share
from tests.commands.test_embed_into import contents, embedder, listed, write_crops

COUNT = 45


def nothing(*_: int) -> None:
    """A progress that nobody sees."""


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> Path:
    """identity/image folders of eleven blocks of four, and one."""
    return write_crops(tmp_path_factory.mktemp("crops"), COUNT)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(embedding_store.Index, "block", 4)
    monkeypatch.setattr(embedding_store.Index.__init__, "__defaults__", (None, 4))


@pytest.fixture
def whole(crops, tmp_path):
    embed_into(tmp_path / "whole", embedder(), *listed(crops))
    return contents(tmp_path / "whole")


def test_the_blocks_are_small(crops, whole, tmp_path):
    assert len(open_embeddings(tmp_path / "whole").index.blocks) == 12


@pytest.mark.parametrize("count", [1, 3, 20])
def test_shares_in_any_order_and_a_call_that_joins_them_write_what_one_call_does(
    crops, tmp_path, whole, count
):
    out, seen = tmp_path / "out", []
    done = [
        embed_share(out, embedder(), *listed(crops), "none", Share(number, count), progress=nothing)
        for number in range(count, 0, -1)
    ]
    assert sum(done) == COUNT
    with pytest.raises(EmbeddingsError, match="is not finished"):
        open_embeddings(out)
    assert left_by_shares(out) is None
    embed_into(out, embedder(stop_at=0), *listed(crops))  # nothing is left to be embedded
    assert contents(out) == whole
    share = partial(embed_share, out, embedder(stop_at=0), *listed(crops), "none", Share(1, count))
    share(progress=lambda *it: seen.append(it))
    assert [before for before, _ in seen] == [total for _, total in seen]
    assert contents(out) == whole


def test_a_share_goes_on_where_it_was_stopped_and_what_is_left_the_joining_call_names_and_does(
    crops, tmp_path, whole
):
    out, seen = tmp_path / "out", []
    with pytest.raises(KeyboardInterrupt):  # of the blocks 0, 3, 6 and 9 the third
        embed_share(out, embedder(9), *listed(crops), "none", Share(1, 3), progress=nothing)
    embed_share(out, embedder(), *listed(crops), "none", Share(3, 3), progress=nothing)
    assert left_by_shares(out) == (
        f"{out}: shares 1/3, 2/3 are missing or were stopped; their 24 crops are embedded now"
    )
    with pytest.raises(KeyboardInterrupt):
        embed_share(
            out, embedder(5), *listed(crops), "none", Share(1, 3), progress=lambda *it: seen.append(it)
        )
    assert seen[0] == (8, 16)
    embed_into(out, embedder(), *listed(crops))
    assert contents(out) == whole


def test_a_shares_journal_of_a_wrong_name_costs_no_time(crops, tmp_path):
    out, most = tmp_path / "out", 10**9 - 1
    embed_share(out, embedder(), *listed(crops), "none", Share(1, most), progress=nothing)
    assert left_by_shares(out) == (
        f"{out}: shares 2/{most}, 3/{most}, 4/{most}, 5/{most}, 6/{most}, ... are missing or were stopped; "
        "their 41 crops are embedded now"
    )


def test_many_shares_that_begin_at_once_each_read_the_index_while_others_have_the_lock(
    crops, tmp_path, whole, monkeypatch
):
    out, read, count = tmp_path / "out", embedding_store_kept.read_index, []
    embed_share(out, embedder(), *listed(crops), "none", Share(1, 2), progress=nothing)

    def read_while_locked(folder):
        count.append(folder)
        with locked(out):  # BusyError where the share that reads has it itself
            return read(folder)

    with monkeypatch.context() as patched:
        patched.setattr(embedding_store_kept, "read_index", read_while_locked)
        embed_share(out, embedder(), *listed(crops), "none", Share(2, 2), progress=nothing)
    assert count == [out]
    embed_into(out, embedder(stop_at=0), *listed(crops))
    assert contents(out) == whole


def test_a_share_does_not_begin_while_somebody_joins(crops, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(shares, "LONGEST_START", 0.0)
    embed_share(out, embedder(), *listed(crops), "none", Share(1, 2), progress=nothing)
    with locked(out), pytest.raises(BusyError, match="out: another process is writing there; wait for it"):
        embed_share(out, embedder(), *listed(crops), "none", Share(2, 2), progress=nothing)
    assert not (out / JOURNAL.format("2_of_2")).exists()


def test_rows_that_are_not_those_of_a_shares_journal_are_made_again(crops, tmp_path, whole):
    out = tmp_path / "out"
    for number in (1, 2):
        embed_share(out, embedder(), *listed(crops), "none", Share(number, 2), progress=nothing)
    with (out / ROWS).open("r+b") as rows:
        rows.seek(5000)
        rows.write(b"lost by a disk")
    embed_into(out, embedder(stop_at=4), *listed(crops))
    assert contents(out) == whole


def test_what_another_model_or_flip_or_set_of_crops_made_is_refused_in_a_sentence(crops, tmp_path):
    out, (keys, paths) = tmp_path / "out", listed(crops)
    embed_share(out, embedder(), keys, paths, "none", Share(1, 2), progress=nothing)
    before = contents(out)

    def refused(match, model=None, keys=keys, paths=paths, flip="none"):
        for call in (
            partial(embed_share, share=Share(2, 2), progress=nothing),
            embed_into,
        ):
            with pytest.raises(EmbeddingsError, match=match):
                call(out, model or embedder(), keys, paths, flip)
        assert contents(out) == before

    other = embedder()
    object.__setattr__(other, "fingerprint", "another")
    refused("out: holds embeddings of another model, and those of two models cannot be compared", other)
    refused("out: holds embeddings of flip none, and these would be of flip sum", flip="sum")
    refused("holds embeddings of 5 photos that are not among these", keys=keys[5:], paths=paths[5:])


def test_shares_add_photos_to_a_finished_store_which_is_unfinished_until_they_are_joined(crops, tmp_path):
    keys, paths = listed(crops)
    out, one = tmp_path / "out", tmp_path / "one"
    for store in (out, one):
        embed_into(store, embedder(), keys[:20], paths[:20])
    for number in (1, 2):
        embed_share(out, embedder(), keys, paths, "none", Share(number, 2), progress=nothing)
    with pytest.raises(EmbeddingsError, match="is not finished"):
        open_embeddings(out)
    for store in (out, one):
        embed_into(store, embedder(), keys, paths)
    assert contents(out) == contents(one)


def test_crops_of_a_finished_store_that_changed_are_for_the_call_without_a_share(crops, tmp_path, whole):
    out, (keys, paths) = tmp_path / "out", listed(crops)
    copies = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for path, copy in zip(paths, copies, strict=True):
        copy.write_bytes(Path(path).read_bytes())
    embed_into(out, embedder(), keys, copies)
    cv2.imwrite(str(copies[0]), np.zeros((8, 6, 3), np.uint8))
    os.utime(copies[0], ns=(1, 1))
    with pytest.raises(
        EmbeddingsError,
        match=r"is finished, and 4 embeddings damaged or of .* without --shard or --scheduler ",
    ):
        embed_share(out, embedder(), keys, copies, "none", Share(1, 2), progress=nothing)
    assert open_embeddings(out, check=True).rows[0].any()


def test_nobody_joins_while_a_share_is_at_work_nor_does_a_share_twice(crops, tmp_path):
    out = tmp_path / "out"
    call = ["embed", "pixels", str(crops), str(out), "--input", str(crops / "spec.yaml")]
    embed_share(out, embedder(), *listed(crops), "none", Share(2, 2), progress=nothing)
    with locked(out / JOURNAL.format("1_of_2"), file=True):
        for words in ([], ["--shard", "1/2"]):
            result = CliRunner().invoke(cli, call + words)
            assert result.exit_code == 1
            assert "done.1_of_2.jsonl: another process is writing there; wait for it" in result.output
        with pytest.raises(PlaceError, match=r"done\.1_of_2\.jsonl: another process is writing there"):
            embed_share(out, embedder(), *listed(crops), "none", Share(1, 2), progress=nothing)
        embed_share(out, embedder(), *listed(crops), "none", Share(2, 2), progress=nothing)


@pytest.mark.parametrize(
    ("name", "share", "variables", "match"),
    [
        ("out.npz", "1/2", {}, "is one file, and --shard is for a folder OUT that several processes fill"),
        ("out", "3/2", {}, "--shard 3/2: expected such as 2/8, the second of eight shares"),
        ("out", "1/2", {"WORLD_SIZE": "2"}, "--shard 1/2: under torchrun each process takes a share already"),
    ],
)
def test_a_share_that_makes_no_sense_is_refused(crops, tmp_path, monkeypatch, name, share, variables, match):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    call = ["embed", "pixels", crops, tmp_path / name, "--shard", share]
    result = CliRunner().invoke(cli, list(map(str, call)))
    assert result.exit_code == 1
    assert match in result.output
    assert not (tmp_path / name).exists()


STOPPED = """
import os, signal
from sphereface_plus.commands import embed_share
from sphereface_plus.data.formats import embedding_store

embedding_store.Index.__init__.__defaults__ = (None, 4)
write = embed_share.write_block

def write_and_stop(*what, **how):
    write(*what, **how)
    os.kill(os.getpid(), signal.SIGSTOP)

if {stops}:
    embed_share.write_block = write_and_stop
from sphereface_plus.__main__ import main
main()
"""
"""The command, which stops after its first block: where it is killed does not depend on how fast it is."""


@pytest.mark.slow
def test_the_command_in_processes_of_which_one_is_killed_ends_as_one_call_does(crops, tmp_path):
    call = ["embed", "pixels", crops, tmp_path / "out", "--input", crops / "spec.yaml"]

    def begin(share, stops):
        code = STOPPED.format(stops=stops)
        words = [sys.executable, "-c", code, *map(str, call), "--shard", share]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def alone(*call):
        result = CliRunner().invoke(cli, list(map(str, call)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result

    second, first = begin("2/2", stops=True), begin("1/2", stops=False)
    assert os.WIFSTOPPED(os.waitpid(second.pid, os.WUNTRACED)[1])
    said = first.communicate()[0]
    second.kill()
    second.communicate()
    assert (first.returncode, second.returncode) == (0, -signal.SIGKILL)
    assert "share 1/2: 24 embeddings\nnext: when all shares have ended, the same command" in said
    assert len((tmp_path / "out" / JOURNAL.format("2_of_2")).read_text().splitlines()) == 1
    joined = alone(*call)
    assert "share 2/2 is missing or was stopped; its 17 crops are embedded now" in joined.stderr
    assert "45 embeddings of 48 numbers" in joined.stdout
    call[3] = tmp_path / "fresh"
    alone(*call)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
