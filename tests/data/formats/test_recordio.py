"""RecordIO against files that mxnet 1.9.1 wrote, a literal reader of the format, and damaged files."""

from __future__ import annotations

import pickle
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.recordio import (
    MAGIC,
    RecordError,
    RecordFile,
    RecordWriter,
    read_index,
    split,
    walk,
)

MAGIC_BYTES = struct.pack("<I", MAGIC)
CONTENTS = [
    b"",
    b"a",
    b"four",
    b"abcd" + MAGIC_BYTES + b"xy",
    MAGIC_BYTES,
    MAGIC_BYTES * 2,
    b"abc" + MAGIC_BYTES + b"not at a multiple of 4",
    b"1234" + MAGIC_BYTES + b"5678" + MAGIC_BYTES + b"z",
]


def literal_records(data: bytes) -> dict[int, bytes]:
    """Offset -> content, by the words of the format."""
    records, at, start, content = {}, 0, 0, b""
    while at < len(data):
        magic, word = struct.unpack_from("<II", data, at)
        assert magic == MAGIC
        kind, length = word >> 29, word & (2**29 - 1)
        part = data[at + 8 : at + 8 + length]
        start, content = (at, part) if kind in (0, 1) else (start, content + MAGIC_BYTES + part)
        if kind in (0, 3):
            records[start] = content
        at += 8 + (length + 3) // 4 * 4
    return records


@pytest.fixture
def rec(tmp_path):
    """A .rec of CONTENTS with the keys 10, 9, 8, ..."""
    with RecordWriter(tmp_path / "a.rec") as writer:
        for number, content in enumerate(CONTENTS):
            writer.write(10 - number, content)
    return tmp_path / "a.rec"


def test_what_is_written_is_read_back_by_a_literal_reader(rec):
    assert list(literal_records(rec.read_bytes()).values()) == CONTENTS
    assert rec.stat().st_size % 4 == 0
    lines = rec.with_suffix(".idx").read_text().splitlines()
    assert lines[0] == "10\t0"
    assert [int(line.split("\t")[1]) for line in lines] == list(literal_records(rec.read_bytes()))


def test_records_are_read_at_random_in_the_order_of_their_keys(rec):
    records = RecordFile(rec)
    assert records.keys.tolist() == list(range(3, 11))
    for number in (5, 0, 7, 2, 5, 1, 3, 4, 6):
        assert records.read(number) == CONTENTS[::-1][number]


def test_without_an_index_the_file_is_walked_in_its_own_order(rec):
    rec.with_suffix(".idx").unlink()
    records = RecordFile(rec)
    assert not records.indexed
    assert [records.read(number) for number in range(len(records))] == CONTENTS
    assert walk(rec).tolist() == list(literal_records(rec.read_bytes()))


def test_a_pickled_file_reads_on(rec):
    records = RecordFile(rec)
    records.read(0)
    assert pickle.loads(pickle.dumps(records)).read(3) == CONTENTS[::-1][3]


def test_words_are_those_of_the_contents_first_parts(rec):
    records = RecordFile(rec)
    assert records.words(0)[CONTENTS[::-1].index(b"four")] == int.from_bytes(b"four", "little")
    assert records.words(0)[CONTENTS[::-1].index(b"a")] == 0
    expected = [content[4:8] if len(content) >= 8 else b"" for content in CONTENTS]
    for split_there in (3, 4, 5, 7):  # the first part ends before byte 8
        expected[split_there] = b""
    assert records.words(4).tolist() == [int.from_bytes(word, "little") for word in expected[::-1]]


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.just(MAGIC_BYTES), st.just(b"abcd")), max_size=6).map(
        b"".join
    )
)
@settings(max_examples=300, deadline=None)
def test_split_parts_joined_by_the_magic_are_the_content_and_hold_no_aligned_magic(content):
    parts = split(content)
    assert MAGIC_BYTES.join(parts) == content
    for part in parts:
        assert all(part[at : at + 4] != MAGIC_BYTES for at in range(0, len(part), 4))


def test_a_stopped_writer_leaves_nothing_and_the_old_files_as_they_were(rec):
    before = rec.read_bytes()
    with pytest.raises(TypeError, match="int"), RecordWriter(rec) as writer:  # noqa: PT012
        writer.write(0, b"other")
        writer.write(1, 5)  # as any other error, or Ctrl-C
    assert rec.read_bytes() == before
    assert sorted(path.name for path in rec.parent.iterdir()) == ["a.idx", "a.rec"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"none\.rec: cannot be read \(No such file or directory\)"):
        RecordFile(tmp_path / "none.rec")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.rec").touch()
    with pytest.raises(RecordError, match=r"a\.rec: holds no record"):
        RecordFile(tmp_path / "a.rec")


def damaged(rec, at: int, word: int) -> None:
    data = bytearray(rec.read_bytes())
    data[at : at + 4] = struct.pack("<I", word)
    rec.write_bytes(data)


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(
    ("at", "word", "message"),
    [
        (
            8,
            0,
            r"a\.rec, byte 8: expected a record's magic 0xced7230a, got 0x00000000; the file is not a \.rec",
        ),
        (
            12,
            2**29 - 1,
            r"a\.rec, byte 8: a part of 536,870,911 bytes is announced and 156 follow; .* cut short",
        ),
        (12, 3 << 29 | 1, r"a\.rec, byte 8: a part of kind 3 cannot stand at the begin of a record"),
        (12, 5 << 29 | 1, r"a\.rec, byte 8: a part of kind 5 cannot stand"),
    ],
)
def test_a_damaged_head_is_named_by_its_offset(rec, at, word, message, indexed):
    if not indexed:
        rec.with_suffix(".idx").unlink()
    damaged(rec, at, word)
    with pytest.raises(RecordError, match=message):
        RecordFile(rec)


def test_a_damaged_later_part_is_named_when_it_is_read(rec):
    (start,) = (at for at, content in literal_records(rec.read_bytes()).items() if content == CONTENTS[3])
    damaged(rec, start + 16, 2 << 29 | 2**20)
    records = RecordFile(rec)
    with pytest.raises(RecordError, match=rf"byte {start + 12}: a part of 1,048,576 bytes is announced"):
        records.read(CONTENTS[::-1].index(CONTENTS[3]))


def test_a_file_that_ends_within_a_record_is_refused(rec):
    data = rec.read_bytes()
    rec.write_bytes(data[:-16])
    with pytest.raises(RecordError, match=r"a\.rec, byte \d+: a part of 4 bytes is announced and 0 follow"):
        walk(rec)
    rec.write_bytes(data[:-12])
    with pytest.raises(RecordError, match="the file ends within a record of several parts"):
        walk(rec)
    rec.write_bytes(data[:-18])
    with pytest.raises(RecordError, match="the file ends within a record; it was cut short"):
        walk(rec)


def test_a_file_that_shrinks_while_it_is_open_is_an_error_not_a_crash(rec):
    records = RecordFile(rec)
    rec.write_bytes(rec.read_bytes()[:20])
    with pytest.raises(RecordError, match=r"the file ends within a record|has become shorter"):
        records.read(0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0\n", r"a\.idx, line 1: expected `key <tab> offset`, got '0 0'"),
        ("0\t0\nx\t4\n", r"a\.idx, line 2: expected"),
        ("0\t-4\n", "line 1: expected"),
        ("0\t" + "9" * 60 + "\n", "line 1: expected"),
        ("0\t" + "9" * 25 + "\n", r"holds a number above 2\^63"),
        ("0\t0\n0\t8\n", "holds a key twice; remove the .idx"),
        ("0\t2\n", r"key 0 is said to begin at byte 2, where a\.rec of \d+ bytes has none"),
        ("0\t999999999999\n", r"key 0 is said to begin at byte 999999999999"),
        ("0\t4\n", "byte 4: expected a record's magic"),
        ("", "holds no record"),
    ],
)
def test_a_wrong_index_is_refused(rec, text, message):
    rec.with_suffix(".idx").write_text(text)
    with pytest.raises(RecordError, match=message):
        RecordFile(rec)


def test_a_record_beyond_the_formats_length_is_refused(tmp_path):
    class Huge(bytes):
        def __len__(self):
            return 2**29

    writer = RecordWriter(tmp_path / "a.rec")
    with pytest.raises(RecordError, match=r"record 7 has 536,870,912 bytes, at most 536,870,911 fit"):
        writer.write(7, Huge())


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzzed")
    with RecordWriter(folder / "good.rec") as writer:
        for number, content in enumerate(CONTENTS):
            writer.write(number, content)
    return folder, (folder / "good.rec").read_bytes(), (folder / "good.idx").read_bytes()


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_no_damage_gives_another_error_or_more_bytes_than_there_are(fuzzed, data):
    folder, rec, idx = fuzzed
    rec, idx = bytearray(rec), bytearray(idx)
    for target in (rec, idx):
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(target) - 1))
            target[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    rec = rec[: data.draw(st.sampled_from([len(rec), len(rec), 0, 7, 100, 101]))]
    (folder / "a.rec").write_bytes(rec)
    (folder / "a.idx").unlink(missing_ok=True)
    if data.draw(st.booleans()):
        (folder / "a.idx").write_bytes(idx)
    with suppress(RecordError):
        records = RecordFile(folder / "a.rec")
        records.words(4)
        assert all(len(records.read(number)) <= len(rec) for number in range(len(records)))


def test_a_file_of_mxnet_is_read(mxnet_rec):
    records = RecordFile(mxnet_rec)
    assert records.keys.tolist() == list(range(10))
    assert records.read(3)[-4:] == MAGIC_BYTES
    literal = literal_records(mxnet_rec.read_bytes())
    assert [records.read(number) for number in range(10)] == [literal[int(at)] for at in records.offsets]
    keys, offsets = read_index(mxnet_rec.with_suffix(".idx"))
    assert np.array_equal(np.sort(offsets), walk(mxnet_rec))
    assert keys.tolist() == [4, 1, 6, 2, 5, 3, 0, 7, 8, 9]


def test_a_file_written_again_with_its_contents_is_mxnets_byte_for_byte(mxnet_rec, tmp_path):
    literal = literal_records(mxnet_rec.read_bytes())
    keys, _ = read_index(tmp_path / "mx.idx")
    with RecordWriter(tmp_path / "ours.rec") as writer:
        for key, content in zip(keys, literal.values(), strict=True):
            writer.write(int(key), content)
    for suffix in (".rec", ".idx"):
        assert (tmp_path / f"ours{suffix}").read_bytes() == (tmp_path / f"mx{suffix}").read_bytes()


@pytest.mark.parametrize("offset", [0, 12])
def test_an_index_that_names_a_record_again_or_a_part_of_it_is_refused(tmp_path, offset):
    inner = struct.pack("<II", MAGIC, 4) + b"abcd"  # a record within a record
    content = b"1234" + inner
    (tmp_path / "a.rec").write_bytes(struct.pack("<II", MAGIC, len(content)) + content)
    (tmp_path / "a.idx").write_text(f"0\t0\n1\t{offset}\n")
    with pytest.raises(RecordError, match=r"a\.idx: the records 0 and 1 share bytes of a\.rec; remove"):
        RecordFile(tmp_path / "a.rec")
