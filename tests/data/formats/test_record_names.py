"""Names are tied to the records that they were written with."""

from __future__ import annotations

import hashlib
import struct

import pytest

from sphereface_plus.data.formats.image_records import ImageRecords, write_image_records
from sphereface_plus.data.formats.manifest import ManifestError
from sphereface_plus.data.formats.packed_faces import open_pack
from sphereface_plus.data.formats.record_names import names_of_rec, tied, untied

IMAGES = [(0, b"\xff\xd8\xff one"), (0, b"\xff\xd8\xff the second"), (1, b"\xff\xd8\xff x")]
NAMES = b"path,identity\nAnn/1.jpg,Ann\nAnn/2.jpg,Ann\nBob/1.jpg,Bob\n"


@pytest.fixture
def rec(tmp_path):
    write_image_records(tmp_path / "a.rec", IMAGES, names=NAMES)
    return tmp_path / "a.rec"


def test_the_last_line_is_a_hash_over_length_offsets_and_labels(rec):
    data = rec.read_bytes()
    offsets = [data.index(image) - 32 for _, image in IMAGES]
    expected = b"%d\n" % len(data) + struct.pack("<3q3f", *offsets, 0, 0, 1)
    last = f"# records {hashlib.sha256(expected).hexdigest()}\n".encode()
    assert names_of_rec(rec).read_bytes() == NAMES + last
    rec.with_suffix(".idx").unlink()
    assert ImageRecords(rec).digest() == hashlib.sha256(expected).hexdigest(), "nor does it need the .idx"


@pytest.mark.parametrize(
    "others",
    [
        [(0, b"\xff\xd8\xff the second"), (0, b"\xff\xd8\xff one"), (1, b"\xff\xd8\xff x")],
        [(0, b"\xff\xd8\xff one"), (1, b"\xff\xd8\xff the second"), (1, b"\xff\xd8\xff x")],
        [*IMAGES[:2], (1, b"\xff\xd8\xff longer")],
    ],
)
def test_names_of_other_records_are_refused(rec, others):
    names = names_of_rec(rec).read_bytes()
    write_image_records(rec, others, names=NAMES)
    names_of_rec(rec).write_bytes(names)
    with pytest.raises(
        ManifestError,
        match=r"a\.rec\.csv: its last line says that it names other records than a\.rec holds, as after a "
        r"packing that was stopped; pack again, or remove it",
    ):
        open_pack(rec)


@pytest.mark.parametrize("end", ["", "\n", ",\n", ",,,\r\n"])
def test_names_may_be_edited_and_those_of_old_have_no_such_line(rec, end):
    names, records = untied(names_of_rec(rec).read_bytes())
    assert records is not None
    assert (names, records) == (NAMES, ImageRecords(rec).digest())
    edited = tied(NAMES.replace(b"Bob", b"Zo\xc3\xab"), records).rstrip() + end.encode()
    for content in (edited, untied(edited)[0]):
        names_of_rec(rec).write_bytes(content)
        assert open_pack(rec).identities == ["Ann", "Ann", "Zoë"]
        assert open_pack(rec).names[-1] == "Zoë/1.jpg"


def test_a_name_that_looks_like_the_last_line_stays_a_name():
    line = "# records " + "0" * 64
    for names in (f"path,identity\n{line},Ann\n", f'path,identity\na,"b\n{line}"\n'):
        assert untied(names.encode()) == (names.encode(), None)
