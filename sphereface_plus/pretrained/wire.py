"""The wire format of protocol buffers, as far as a .caffemodel needs it: numbers, and lengths with bytes.

A message is a row of fields: a key (number << 3 | type) and a value. Nothing is allocated by what a length
claims: a length that goes beyond its message is refused before anything is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sphereface_plus.errors import UserError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # types 3 and 4, groups, are of a time before Caffe


class WireError(UserError):
    """Bytes that are not a message: what is wrong at which byte."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"byte {offset}: {what}")


class Field(NamedTuple):
    """One field of a message."""

    number: int
    type: int
    offset: int
    """Where the field begins."""
    value: int
    """The number of a VARINT field, 0 .. 2**64 - 1; 0 for the other types."""
    start: int
    end: int
    """The value's bytes, data[start:end]."""


def fields(data: memoryview, start: int, end: int) -> Iterator[Field]:
    """The fields of the message data[start:end]. Raises WireError."""
    position = start
    while position < end:
        offset = position
        key, position = varint(data, position, end)
        number, type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise WireError(offset, f"{number} is not a field number")
        value = 0
        if type == VARINT:
            value_start = position
            value, position = varint(data, position, end)
        elif type == BYTES:
            length, value_start = varint(data, position, end)
            if length > end - value_start:
                raise WireError(
                    offset,
                    f"field {number} has a length of {length} bytes where {end - value_start} are left",
                )
            position = value_start + length
        elif type in (FIXED64, FIXED32):
            value_start = position
            position += 8 if type == FIXED64 else 4
            if position > end:
                raise WireError(offset, f"field {number} ends behind its message")
        else:
            raise WireError(offset, f"field {number} is of the unknown type {type}")
        yield Field(number, type, offset, value, value_start, position)


def varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the position behind it. Raises WireError."""
    value = 0
    for count, byte in enumerate(data[position : min(position + 10, end)]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + count + 1
    raise WireError(position, "the bytes end within a number" if end - position < 10 else "no number ends")
