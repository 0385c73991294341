"""Face sets in RecordIO: insightface's layout, im2rec's, and records that are neither."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.image_records import (
    ImageRecords,
    check_property,
    pack_record,
    parse_record,
    read_property,
    write_image_records,
)
from sphereface_plus.data.formats.recordio import MAGIC, RecordError, RecordFile, RecordWriter

MAGIC_BYTES = struct.pack("<I", MAGIC)
IMAGES = [(0, b"one"), (0, b"two"), (1, b"abcd" + MAGIC_BYTES), (2, b"four"), (2, b"five5"), (2, b"s")]


@pytest.fixture
def rec(tmp_path):
    write_image_records(tmp_path / "train.rec", IMAGES, size=(112, 96))
    return tmp_path / "train.rec"


def write_records(path, contents):
    with RecordWriter(path) as writer:
        for key, content in contents:
            writer.write(key, content)
    return path


def test_images_and_labels_come_back(rec):
    images = ImageRecords(rec)
    assert images.identity_labels().tolist() == [label for label, _ in IMAGES]
    assert [images.read(number) for number in range(len(images))] == [image for _, image in IMAGES]
    assert images.name(2) == "record 3"
    assert images.header(2).id == 3


def test_without_the_index_the_same_images_come_back(rec):
    rec.with_suffix(".idx").unlink()
    images = ImageRecords(rec)
    assert [(int(label), images.read(number)) for number, label in enumerate(images.labels)] == IMAGES


def test_insightfaces_reader_finds_each_identitys_range(rec):
    # As insightface's image_iter.py reads: record 0, the identity records, the images of their ranges.
    records = RecordFile(rec)
    read = {int(key): records.read(number) for number, key in enumerate(records.keys)}

    def labels(key):
        flag, _, id, _ = struct.unpack_from("<IfQQ", read[key])
        assert (flag, id) == (2, key)
        return [int(label) for label in struct.unpack_from("<2f", read[key], 24)]

    first, end = labels(0)
    assert (first, end) == (7, 10)
    assert [labels(identity) for identity in range(first, end)] == [[1, 3], [3, 4], [4, 7]]
    for key, (label, image) in enumerate(IMAGES, start=1):
        assert struct.unpack_from("<IfQQ", read[key]) == (0, float(label), key, 0)
        assert read[key][24:] == image
    assert (rec.parent / "property").read_text() == "3,112,96\n"
    assert read_property(rec.parent / "property") == (3, 112, 96)


@pytest.mark.parametrize("plain", [False, True])
def test_insightfaces_training_set_takes_the_images_of_both_layouts(tmp_path, plain):
    # As MXFaceDataset of its arcface_torch: labels after record 0's header mean that the images are the
    # records 1 to the first label - 1; without any, each key of the .idx is an image.
    write_image_records(tmp_path / "train.rec", IMAGES, plain=plain)
    index = [line.split("\t") for line in (tmp_path / "train.idx").read_text().splitlines()]
    offsets = {int(key): int(offset) for key, offset in index}
    records = RecordFile(tmp_path / "train.rec")

    def unpacked(key):
        content = records.read(records.offsets.tolist().index(offsets[key]))
        flag, label, _, _ = struct.unpack_from("<IfQQ", content)
        labels = struct.unpack_from(f"<{flag}f", content, 24) if flag else (label,)
        return flag, labels, content[24 + 4 * flag :]

    flag, labels, _ = unpacked(0)
    keys = range(1, int(labels[0])) if flag > 0 else offsets
    assert [(int(unpacked(key)[1][0]), unpacked(key)[2]) for key in keys] == IMAGES


def test_a_set_that_mxnet_wrote_is_read_images_in_parts_and_second_labels_included(mxnet_rec):
    for _ in range(2):
        images = ImageRecords(mxnet_rec)
        found = {
            (int(label), images.read(number), images.header(number).id)
            for number, label in enumerate(images.labels)
        }
        assert found == {
            (0, b"first", 1),
            (0, b"abcd" + MAGIC_BYTES + b"xy", 2),
            (1, MAGIC_BYTES, 3),
            (1, MAGIC_BYTES * 2 + b"z", 4),
            (2, b"abc" + MAGIC_BYTES + b"not at a multiple of 4", 5),
            (2, b"1234" + MAGIC_BYTES + b"5678" + MAGIC_BYTES, 6),
        }
        mxnet_rec.with_suffix(".idx").unlink(missing_ok=True)  # and once more without


def test_im2recs_files_have_images_only(tmp_path):
    write_records(tmp_path / "a.rec", [(0, pack_record(4.0, 0, b"x")), (1, pack_record(0.0, 1, b"y"))])
    images = ImageRecords(tmp_path / "a.rec")
    assert images.labels.tolist() == [4, 0]


@pytest.mark.parametrize("labels", [3.0, (3.0, 1.0), (3.0,) * 7, (0.5, -1.0)])
def test_a_record_is_parsed_as_it_was_packed(labels):
    header, image = parse_record(pack_record(labels, 9, b"image"))
    assert header.labels == (labels if isinstance(labels, tuple) else (labels,))
    assert header.flag == (len(labels) if isinstance(labels, tuple) else 0)
    assert (header.id, image) == (9, b"image")


def test_a_header_that_holds_the_magic_is_read_although_it_is_in_parts(tmp_path):
    write_records(
        tmp_path / "a.rec", [(0, pack_record((2.0, 1.0), MAGIC, b"x")), (1, pack_record(1.0, 1, b"y"))]
    )
    images = ImageRecords(tmp_path / "a.rec")
    assert images.labels.tolist() == [2, 1]
    assert [images.read(0), images.read(1)] == [b"x", b"y"]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([(0, b"short")], r"a\.rec, byte 0: a header has 24 bytes, the record has 5"),
        (
            [(0, struct.pack("<IfQQ", 2**31, 0, 0, 0) + b"x")],
            r"byte 0: 2,147,483,648 labels are announced in a record of 25 bytes",
        ),
        (
            [(0, pack_record((2.0, 3.0), 0)), (1, pack_record((1.0, 2.0), 1))],
            "holds no image, 2 records without one",
        ),
        (
            [(0, pack_record((3.0, 4.0), 0)), (1, pack_record(0.0, 1, b"x"))],
            "images end with record 2, and the last",
        ),
        (
            [(0, pack_record((np.nan, 4.0), 0)), (1, pack_record(0.0, 1, b"x"))],
            "record 0 has no image, and is no",
        ),
        ([(0, pack_record(0.0, 0)), (1, pack_record(0.0, 1, b"x"))], "record 0 has no image, and is no"),
    ],
)
def test_records_that_are_no_face_set_are_named(tmp_path, contents, message):
    write_records(tmp_path / "a.rec", contents)
    with pytest.raises(RecordError, match=message):
        ImageRecords(tmp_path / "a.rec")


@pytest.mark.parametrize("label", [0.5, -1.0, np.nan, np.inf, 2.0**30])
def test_a_label_that_is_no_identitys_is_named_with_its_record(tmp_path, label):
    write_records(tmp_path / "a.rec", [(1, pack_record(0.0, 1, b"x")), (2, pack_record(label, 2, b"y"))])
    with pytest.raises(
        RecordError, match=r"byte 36: record 2 has the label .*; an identity's is 0, 1, 2, \.\.\."
    ):
        ImageRecords(tmp_path / "a.rec").identity_labels()


@pytest.mark.parametrize("labels", [[1], [0, 2], [0, 1, 0]])
def test_images_that_do_not_go_identity_by_identity_are_not_written(tmp_path, labels):
    with pytest.raises(RecordError, match="images go identity by identity, 0, 1, 2"):
        write_image_records(tmp_path / "a.rec", [(label, b"x") for label in labels])
    assert list(tmp_path.iterdir()) == []


def test_no_images_are_not_written(tmp_path):
    with pytest.raises(RecordError, match="there is no image to write"):
        write_image_records(tmp_path / "a.rec", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "3,112", "3 112 96", "a,112,96", "3,112,96,1", "9" * 50 + ",1,1"])
def test_a_wrong_property_file_is_refused(tmp_path, text):
    (tmp_path / "property").write_text(text)
    with pytest.raises(RecordError, match="expected `num_classes,height,width`, got"):
        read_property(tmp_path / "property")


@pytest.mark.parametrize("parts", [False, True])
def test_a_label_that_is_a_signalling_nan_is_refused_as_any_other(tmp_path, parts):
    content = bytearray(pack_record(7.0, 1, MAGIC_BYTES + b"more" if parts else b"image"))
    content[4:8] = bytes.fromhex("0000817f")  # 0x7f810000
    rec = write_records(tmp_path / "a.rec", [(0, bytes(content))])
    with pytest.raises(RecordError, match="has the label nan; an identity's is 0, 1, 2"):
        ImageRecords(rec).identity_labels()


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_damage_gives_another_error_than_a_record_error(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "fuzzed_images"
    folder.mkdir(exist_ok=True)
    write_image_records(folder / "a.rec", IMAGES)
    rec = bytearray((folder / "a.rec").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(rec) - 1))
        rec[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    (folder / "a.rec").write_bytes(rec[: data.draw(st.sampled_from([len(rec), 36, 100]))])
    with suppress(RecordError):
        images = ImageRecords(folder / "a.rec")
        images.identity_labels()
        assert all(len(images.read(number)) <= len(rec) for number in range(len(images)))


def test_a_record_in_parts_that_an_index_names_again_and_again_is_not_read_each_time(tmp_path):
    content = pack_record(0.0, 0, b"1234" + MAGIC_BYTES + bytes(4000))
    rec = write_records(tmp_path / "a.rec", [(0, content)])
    rec.with_suffix(".idx").write_text("".join(f"{key}\t0\n" for key in range(1000)))
    with pytest.raises(RecordError, match=r"a\.idx: the records 0 and 1 share bytes of a\.rec"):
        ImageRecords(rec)


def test_parts_that_lie_in_one_another_are_not_read_for_each_record(tmp_path):
    # Each record: its header, then a part that reaches over the records behind it, then a long one for all.
    count, head = 10, struct.pack("<IfQQ", 0, 0, 0, 0)
    data = b""
    for number in range(count):
        over = 40 * (count - 1 - number)
        data += (
            struct.pack("<II", MAGIC, 1 << 29 | len(head)) + head + struct.pack("<II", MAGIC, 2 << 29 | over)
        )
    (tmp_path / "a.rec").write_bytes(data + struct.pack("<II", MAGIC, 3 << 29 | 4000) + bytes(4000))
    (tmp_path / "a.idx").write_text("".join(f"{number}\t{40 * number}\n" for number in range(count)))
    with pytest.raises(RecordError, match=r"a\.rec: its records lie in one another"):
        ImageRecords(tmp_path / "a.rec")


def test_a_property_file_that_says_the_same_stays_and_another_sets_is_not_replaced(tmp_path):
    file, rec = tmp_path / "property", tmp_path / "a.rec"
    assert check_property(rec, 3, (112, 96))
    file.write_text("3, 112, 96")
    assert not check_property(rec, 3, (112, 96))
    for replaced in (False, True):
        (tmp_path / "b.rec").touch()
        with pytest.raises(
            RecordError,
            match=r"property: says 3 identities and 112x96, as another set in this folder has, and a\.rec "
            r"would have 2 and 112x112; name another folder for a\.rec",
        ):
            write_image_records(rec, [(0, b"x"), (1, b"y")], size=(112, 112))
        assert rec.exists() == replaced
        (tmp_path / "b.rec").unlink()
        rec.touch()
    assert check_property(rec, 2, (112, 112)), "the folder's only .rec is replaced, and its own property"
    file.write_text("rent = 3\n")
    with pytest.raises(
        RecordError, match=r"property: is there already and is not a face set's; name another fol"
    ):
        check_property(rec, 2, (112, 112))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rec", "property"]
