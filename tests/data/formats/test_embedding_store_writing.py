"""A store is written in blocks by any number of processes, and goes on after any stop with the same bytes."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sphereface_plus.data.formats.embedding_store import BLOCK, INDEX, ROWS, open_embeddings, read_index
from sphereface_plus.data.formats.embedding_store_writing import finish, prepare, prepare_share, write_block
from sphereface_plus.data.formats.embeddings import EmbeddingsError

META = {"fingerprint": "abc", "flip": "none", "input": {"mean": (1.5, 2.0)}}
FIRST = [f"Ann/{number:04d}" for number in range(2 * BLOCK + 7)]
MORE = [f"Bob/{number:04d}" for number in range(BLOCK + 3)]


def row_of(key: str) -> np.ndarray:
    seed = int.from_bytes(key.encode(errors="surrogateescape"), "big") % 2**63
    return np.random.default_rng(seed).normal(size=4).astype(np.float32)


def hash_of(keys):
    return f"crops {keys[0]} to {keys[-1]}"


def begin(folder, keys=FIRST, meta=META, crops=hash_of, **options):
    return prepare(folder, keys, meta, crops, **options)


def write(folder: Path, index, *, process: int = 0, blocks=None) -> list[int]:
    """Writes what is missing, or some of that, and returns where these blocks begin."""
    places = index.missing() if blocks is None else blocks
    for start, count in places:
        keys = index.keys[start : start + count]
        write_block(folder, index, start, np.stack(list(map(row_of, keys))), hash_of(keys), process=process)
    return [start for start, _ in places]


def make(folder: Path, keys=FIRST) -> Path:
    write(folder, begin(folder, keys))
    finish(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_what_was_stopped_goes_on_to_the_same_bytes(tmp_path, done):
    index = begin(tmp_path / "parts")
    write(tmp_path / "parts", index, blocks=index.missing()[:done])
    if done < 3:
        with pytest.raises(EmbeddingsError, match="parts: is not finished; give the command that"):
            open_embeddings(tmp_path / "parts")
    again = begin(tmp_path / "parts")
    assert write(tmp_path / "parts", again) == [0, BLOCK, 2 * BLOCK][done:]
    finish(tmp_path / "parts")
    assert contents(tmp_path / "parts") == contents(make(tmp_path / "whole"))
    np.testing.assert_array_equal(
        open_embeddings(tmp_path / "parts").rows, np.stack(list(map(row_of, FIRST)))
    )


def test_processes_write_their_blocks_in_any_order(tmp_path):
    index = begin(tmp_path / "s")
    places = index.missing()
    write(tmp_path / "s", index, process=2, blocks=places[2:])
    write(tmp_path / "s", index, process=0, blocks=places[:1])
    with pytest.raises(EmbeddingsError, match="lacks 1 block after all was done; the processes"):
        finish(tmp_path / "s")
    write(tmp_path / "s", index, process=1, blocks=places[1:2])
    finish(tmp_path / "s")
    assert contents(tmp_path / "s") == contents(make(tmp_path / "whole"))


def test_rows_of_finished_journals_reach_the_disk_before_the_index_names_all_of_them(tmp_path, monkeypatch):
    folder, sync, synced = tmp_path / "s", os.fsync, []
    write(folder, begin(folder))
    with (folder / ROWS).open("ab") as rows:
        rows.write(b"of a writing that was longer")

    def sync_of(descriptor):
        is_rows = os.path.samestat(os.fstat(descriptor), (folder / ROWS).stat())
        synced.append((is_rows, len(read_index(folder).missing()), (folder / "done.0.jsonl").exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_of)
    assert begin(folder).missing() == []
    assert (True, 3, True) in synced
    assert contents(folder) == contents(make(tmp_path / "whole"))
    assert open_embeddings(folder, check=True).keys == FIRST


def test_shares_that_begin_together_take_the_index_that_is_there_when_the_lock_is_theirs(tmp_path):
    folder, held = tmp_path / "s", []
    others = [FIRST, [*FIRST, *MORE[:5]]]  # what another share writes before this one has the lock

    @contextmanager
    def lock():
        held.append(True)
        if others:
            begin_share(others.pop(0), unlocked)
        yield

    @contextmanager
    def unlocked():
        yield

    def begin_share(keys, its):
        return prepare_share(folder, keys, META, its, add=True)

    index = begin_share([*FIRST, *MORE], lock)
    assert len(held) == 3
    assert (index.keys, index.segments) == ([*FIRST, *MORE], [0, len(FIRST), len(FIRST) + 5])
    assert read_index(folder) == index


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_a_power_cut_has_cut_does_not_count(tmp_path, cut):
    write(tmp_path / "s", begin(tmp_path / "s"))
    journal = tmp_path / "s" / "done.0.jsonl"
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert [start for start, _ in begin(tmp_path / "s").missing()] == ([] if cut == 1 else [2 * BLOCK])


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_blocks_are_made_again_and_only_those(tmp_path, finished, damage):
    folder = tmp_path / "s"
    write(folder, begin(folder))
    if finished:
        finish(folder)
    data = bytearray((folder / ROWS).read_bytes())
    data[BLOCK * 16 + 5] ^= 8
    data = {"flipped": data, "cut": data[: BLOCK * 16 + 100], "gone": b""}[damage]
    (folder / ROWS).write_bytes(data)
    expected = {"flipped": [BLOCK], "cut": [BLOCK, 2 * BLOCK], "gone": [0, BLOCK, 2 * BLOCK]}[damage]
    assert write(folder, begin(folder)) == expected
    finish(folder)
    assert contents(folder) == contents(make(tmp_path / "whole"))


def test_a_crop_that_has_changed_is_embedded_again_with_its_block(tmp_path):
    make(tmp_path / "s")
    changed = begin(tmp_path / "s", crops=lambda keys: hash_of(keys) + "!" * (FIRST[BLOCK] in keys))
    assert [start for start, _ in changed.missing()] == [BLOCK]


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({**META, "flip": "sum"}, "flip none, and these would be of flip sum"),
        (
            {**META, "fingerprint": "xyz", "flip": "sum", "input": {"mean": 0}},
            "another model, and those of two models cannot be compared",
        ),
        ({**META, "precision": "bf16"}, "precision not stated, and these would be of precision bf16"),
        (
            {**META, "input": {"mean": 0}},
            "input mean [1.5, 2.0], and these would be of input mean 0",
        ),
    ],
)
def test_what_does_not_go_together_is_not_mixed(tmp_path, meta, words):
    before = contents(make(tmp_path / "s"))
    for options in ({}, {"add": True}):
        with pytest.raises(EmbeddingsError) as found:
            begin(tmp_path / "s", meta=meta, **options)
        assert f"s: holds embeddings of {words}; name another folder" in str(found.value)
    assert contents(tmp_path / "s") == before
    assert begin(tmp_path / "s", meta=meta, replace=True).missing()[0] == (0, BLOCK)


def test_photos_that_are_new_are_added_behind_in_blocks_of_their_own(tmp_path):
    make(tmp_path / "s")
    before = (tmp_path / "s" / ROWS).read_bytes()
    index = begin(tmp_path / "s", [*MORE, *FIRST])
    assert (index.keys, index.segments) == ([*FIRST, *MORE], [0, len(FIRST)])
    assert write(tmp_path / "s", index) == [len(FIRST), len(FIRST) + BLOCK]
    finish(tmp_path / "s")
    rows = open_embeddings(tmp_path / "s", check=True).rows
    assert rows.tobytes().startswith(before)
    np.testing.assert_array_equal(rows[len(FIRST) :], np.stack(list(map(row_of, MORE))))


def test_other_photos_are_added_where_that_is_asked_for(tmp_path):
    make(tmp_path / "s")
    with pytest.raises(
        EmbeddingsError, match="1,031 photos that are not among these; name another folder, or"
    ):
        begin(tmp_path / "s", MORE)
    index = begin(tmp_path / "s", MORE, add=True)
    write(tmp_path / "s", index, blocks=index.missing()[:1])
    assert write(tmp_path / "s", begin(tmp_path / "s", MORE, add=True)) == [len(FIRST) + BLOCK]
    finish(tmp_path / "s")
    whole = make(tmp_path / "whole")
    write(whole, begin(whole, MORE, add=True))
    finish(whole)
    assert contents(tmp_path / "s") == contents(whole)


def test_other_photos_of_the_same_names_are_not_taken_for_these(tmp_path):
    make(tmp_path / "s", [*FIRST, *MORE])
    with pytest.raises(EmbeddingsError, match=r"other photos under the same keys \(Ann/0000\)"):
        begin(tmp_path / "s", FIRST, crops=lambda keys: "others", add=True)


def test_nothing_is_added_to_what_is_damaged_and_cannot_be_made_from_these(tmp_path):
    make(tmp_path / "s")
    (tmp_path / "s" / ROWS).write_bytes(b"")
    with pytest.raises(
        EmbeddingsError, match=r"lacks embeddings of photos that are not among these \(Ann/0000\)"
    ):
        begin(tmp_path / "s", MORE, add=True)


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(
        EmbeddingsError, match=r"holds thesis\.txt, and is not a store of embeddings; name an"
    ):
        begin(tmp_path, replace=True)
    assert contents(tmp_path) == {"thesis.txt": b"all of it"}


def test_embeddings_of_another_size_are_not_mixed_in(tmp_path):
    index = begin(tmp_path / "s")
    write(tmp_path / "s", index, blocks=index.missing()[:1])
    again = begin(tmp_path / "s")
    with pytest.raises(EmbeddingsError, match="holds embeddings of 4 numbers, got 5"):
        write_block(tmp_path / "s", again, BLOCK, np.zeros((BLOCK, 5), np.float32), "")


def test_no_photo_and_bad_names_are_refused_before_anything_is_written(tmp_path):
    for keys, words in (
        ([], "a photo at least"),
        (["a", "a"], "'a' is there twice"),
        (["../a"], "leads out"),
    ):
        with pytest.raises(EmbeddingsError, match=words):
            begin(tmp_path / "s", keys)
    assert not (tmp_path / "s").exists()


def test_names_that_are_not_utf_8_come_back(tmp_path):
    key = b"\xff/1".decode(errors="surrogateescape")
    make(tmp_path / "s", [key])
    assert open_embeddings(tmp_path / "s").keys == read_index(tmp_path / "s").keys == [key]
    json.loads((tmp_path / "s" / INDEX).read_text(encoding="ascii"))
