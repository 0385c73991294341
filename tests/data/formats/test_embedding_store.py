"""A store of embeddings is read as it was written, from the disk as needed; a damaged one is refused."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sphereface_plus import model_files
from sphereface_plus.data.formats.embedding_store import (
    BLOCK,
    INDEX,
    ROWS,
    Block,
    Index,
    digest,
    index_text,
    is_store,
    open_embeddings,
    store_key,
)
from sphereface_plus.data.formats.embedding_store_writing import finish, prepare, write_block
from sphereface_plus.data.formats.embeddings import EmbeddingsError, write_embeddings

META = {"kind": "onnx", "fingerprint": "abc", "flip": "none"}
KEYS = [f"Ann/{number:04d}" for number in range(BLOCK + 100)]
VALUES = np.random.default_rng(0).normal(size=(len(KEYS), 6)).astype(np.float32)


def hash_of(keys):
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def whole_index() -> bytes:
    blocks = [
        Block(start, count, digest(VALUES[start : start + count]), hash_of(KEYS[start : start + count]))
        for start, count in ((0, BLOCK), (BLOCK, 100))
    ]
    return index_text(Index(KEYS, META, [0], blocks, 6)).encode()


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    index = prepare(folder, KEYS, META, hash_of)
    for start, count in index.missing():
        names = KEYS[start : start + count]
        write_block(folder, index, start, VALUES[start : start + count], hash_of(names))
    finish(folder)
    return folder


def test_a_store_is_plain_json_and_plain_numbers(store):
    index = json.loads((store / INDEX).read_text())
    raw = np.fromfile(store / ROWS, "<f4").reshape(index["count"], index["numbers"])
    np.testing.assert_array_equal(raw, VALUES)
    assert (index["keys"], index["meta"], index["segments"]) == (KEYS, META, [0])
    assert [block[:2] for block in index["blocks"]] == [[0, BLOCK], [BLOCK, 100]]
    assert index["blocks"][1][2] == hashlib.sha256(VALUES[BLOCK:].tobytes()).hexdigest()
    assert sorted(path.name for path in store.iterdir()) == [INDEX, ROWS]
    assert (store / INDEX).read_bytes() == whole_index()


def test_rows_are_mapped_and_not_to_be_written_to(store):
    stored = open_embeddings(store, check=True)
    assert isinstance(stored.rows, np.memmap)
    assert (stored.keys, stored.meta, stored.rows.dtype) == (KEYS, META, np.float32)
    np.testing.assert_array_equal(stored.rows, VALUES)
    with pytest.raises(ValueError, match="read-only"):
        stored.rows[0, 0] = 1


def test_an_npz_opens_in_the_same_way(tmp_path):
    write_embeddings(tmp_path / "e.npz", KEYS, VALUES, META)
    stored = open_embeddings(tmp_path / "e.npz")
    assert (stored.keys, stored.meta, stored.index) == (KEYS, META, None)
    np.testing.assert_array_equal(stored.rows, VALUES)


def test_a_store_is_known_by_the_name_that_model_files_have_for_it(store, tmp_path):
    assert model_files.STORE == INDEX
    assert is_store(store)
    assert not is_store(tmp_path)
    assert model_files.model_kind_of(model_files.resolve(store)) == "embeddings"
    model_files.check_model(store, embeddings=True)
    with pytest.raises(model_files.CheckpointError, match="holds embeddings, which `python -m eval` takes"):
        model_files.check_model(store)


def test_one_bit_that_flipped_is_found_by_the_checksum(store):
    data = bytearray((store / ROWS).read_bytes())
    data[BLOCK * 6 * 4 + 17] ^= 1
    (store / ROWS).write_bytes(data)
    open_embeddings(store)  # nothing is read yet
    with pytest.raises(
        EmbeddingsError, match=r"rows\.f32: rows 512 to 611 are not those that were written; g"
    ):
        open_embeddings(store, check=True)


@pytest.mark.parametrize("kept", [0, 100])
def test_rows_that_were_cut_are_found_at_once(store, kept):
    with (store / ROWS).open("r+b") as file:
        file.truncate(kept)
    with pytest.raises(EmbeddingsError, match=rf"has {kept} bytes, 14,688 are expected; give the command"):
        open_embeddings(store)


def test_numbers_that_are_not_finite_are_refused_even_with_their_checksum(tmp_path):
    values = VALUES[:3].copy()
    values[1] = np.nan
    index = prepare(tmp_path / "s", KEYS[:3], META, hash_of)
    write_block(tmp_path / "s", index, 0, values, "")
    finish(tmp_path / "s")
    with pytest.raises(EmbeddingsError, match="not finite"):
        open_embeddings(tmp_path / "s", check=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "not of format 1"),
        ({"count": 5}, "it has 612 keys, and says 5"),
        ({"numbers": 0}, "numbers are 0"),
        ({"numbers": True}, "numbers are True"),
        ({"numbers": 2**40}, "numbers are 1099511627776"),
        ({"keys": 3}, "keys or meta are of another kind"),
        ({"keys": [1] * 612}, "keys or meta are of another kind"),
        ({"meta": None}, "keys or meta are of another kind"),
        ({"block": 0}, "block or segments are of another kind"),
        ({"segments": []}, "the segments do not divide the rows"),
        ({"segments": [0, 700]}, "the segments do not divide the rows"),
        ({"segments": [0, 9, 9]}, "the segments do not divide the rows"),
        ({"blocks": [[0, 500, "", ""]]}, "the blocks do not divide the rows"),
        ({"blocks": [[0, 512, "", ""], [0, 512, "", ""]]}, "the blocks do not divide the rows"),
        ({"blocks": [["0", 512, "", ""]]}, "a block is of another kind"),
        ({"blocks": [[0, 512]]}, "not enough values"),
        ({"keys": ["../../etc/passwd"] + ["a"] * 611}, "'../../etc/passwd' leads out of its folder"),
        ({"keys": ["/etc/passwd", *KEYS[1:]]}, "leads out of its folder"),
        ({"keys": ["C:\\x", *KEYS[1:]]}, "leads out of its folder"),
        ({"keys": ["", *KEYS[1:]]}, "or is empty"),
        ({"keys": ["a\0b", *KEYS[1:]]}, "leads out of its folder"),
        ({"keys": [KEYS[1], *KEYS[1:]]}, "the key 'Ann/0001' is there twice"),
    ],
)
def test_an_index_that_is_no_index_is_refused_in_a_sentence(store, change, reason):
    content = json.loads((store / INDEX).read_text())
    (store / INDEX).write_text(json.dumps({**content, **change}))
    with pytest.raises(EmbeddingsError, match=r"embeddings\.json: ") as found:
        open_embeddings(store)
    assert reason in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 10**5, '{"format": 1}', "\xff"])
def test_damaged_json_is_refused(store, text):
    (store / INDEX).write_text(text, encoding="latin-1")
    with pytest.raises(EmbeddingsError, match="is damaged or not an index of embeddings"):
        open_embeddings(store)


def test_a_folder_of_something_else_is_not_a_store(tmp_path):
    with pytest.raises(EmbeddingsError, match=r"is not a store of embeddings, it has no embeddings\.json"):
        open_embeddings(tmp_path)


@pytest.mark.parametrize(
    ("key", "held"),
    [
        ("Ann/1", "Ann/1"),
        ("/data/Ann/1", "data/Ann/1"),
        ("../crops/Ann/1", "crops/Ann/1"),
        ("./Ann/1", "Ann/1"),
        ("Ann/../../b", "b"),
        (".hidden/1", ".hidden/1"),
        ("J.Lo/J.Lo_0001", "J.Lo/J.Lo_0001"),
        ("a..b/1", "a..b/1"),
    ],
)
def test_a_key_leads_nowhere_else(key, held):
    assert store_key(key) == held


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_refused_or_changes_no_row(store, damage, data):
    """A flipped letter of a key, or of the model's name, no reader can know."""
    (store / INDEX).write_bytes(damage(data, whole_index()))
    with suppress(EmbeddingsError):
        np.testing.assert_array_equal(open_embeddings(store, check=True).rows, VALUES)
    with suppress(EmbeddingsError):
        prepare(store, KEYS, META, hash_of)
