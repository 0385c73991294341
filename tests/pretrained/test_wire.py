import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphereface_plus.pretrained.wire import BYTES, FIXED32, FIXED64, VARINT, WireError, fields, varint


def read(data: bytes):
    return [
        (f.number, f.type, f.value, data[f.start : f.end]) for f in fields(memoryview(data), 0, len(data))
    ]


def test_the_examples_of_the_protobuf_documentation_are_read():
    assert read(b"\x08\x96\x01") == [(1, VARINT, 150, b"\x96\x01")]
    assert read(b"\x12\x07testing") == [(2, BYTES, 0, b"testing")]
    assert read(b"\x32\x06\x03\x8e\x02\x9e\xa7\x05") == [(6, BYTES, 0, b"\x03\x8e\x02\x9e\xa7\x05")]


def test_fixed_numbers_and_field_numbers_above_15_are_read():
    assert read(b"\x0d\x01\x02\x03\x04\xa2\x06\x00") == [
        (1, FIXED32, 0, b"\x01\x02\x03\x04"),
        (100, BYTES, 0, b""),
    ]
    assert read(b"\x09" + bytes(8)) == [(1, FIXED64, 0, bytes(8))]


@given(st.integers(0, 2**64 - 1))
def test_every_number_is_read_as_it_was_written(value):
    data, rest = bytearray(), value
    while rest > 127:
        data.append(rest & 127 | 128)
        rest >>= 7
    data.append(rest)
    assert varint(memoryview(bytes(data)), 0, len(data)) == (value, len(data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x12\xff\xff\xff\xff\x0fab", "byte 0: field 2 has a length of 4294967295 bytes where 2 are left"),
        (b"\x08\x01\x12\x05abc", "byte 2: field 2 has a length of 5 bytes where 3 are left"),
        (b"\x08\x96", "byte 1: the bytes end within a number"),
        (b"\x08" + b"\xff" * 12, "byte 1: no number ends"),
        (b"\x0d\x01\x02", "byte 0: field 1 ends behind its message"),
        (b"\x0b", "byte 0: field 1 is of the unknown type 3"),
        (b"\x02\x00", "byte 0: 0 is not a field number"),
    ],
)
def test_what_is_no_message_is_refused_with_its_byte(data, message):
    with pytest.raises(WireError) as refused:
        read(data)
    assert str(refused.value) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_read_within_their_bounds_or_refused(data):
    try:
        found = read(data)
    except WireError:
        return
    assert sum(len(value) for *_, value in found) <= len(data)
