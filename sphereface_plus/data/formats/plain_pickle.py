"""Pickles of plain data, read by a machine of our own that can call nothing.

It builds lists, tuples, bytes, text, whole numbers, booleans, None and numpy arrays of numbers; a file that
asks for anything else is refused. Python's own unpickler, restricted by `find_class`, would still take memory
for forged lengths and memo numbers. Here the file bounds what is built: a value that is used again is the
same object, and one byte of the file makes at most some 120, the dearest being a value remembered once more
(an empty list makes 72). Protocols 0 to 5 are read, Python 2's strings as bytes. This file is a format: it
imports nothing of ours.
"""

from __future__ import annotations

import codecs
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sphereface_plus.errors import UserError


class PickleError(UserError):
    """A damaged pickle, or one of more than plain data; the message begins with the byte offset."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A member of a module that a pickle names: only a word here."""

    module: str
    name: str


@dataclass(slots=True)
class _DType:
    """numpy's dtype as text, such as `<f4`; its byte order may come later, with its state."""

    text: str


@dataclass(slots=True)
class _Pending:
    """An array whose shape and values come later, with its state."""

    memo_numbers: list[int] = field(default_factory=list)


_MARK = object()
_NUMBERS = re.compile(r"[<>]?[biuf][1248]")
_ORDERS = ("<", ">", "|", "=")
_MAX_ARGUMENTS = 16
"""Of a call or a state: numpy writes nine at most, and a long tuple could be given again and again."""


def load_plain(data: bytes) -> Any:
    """The value that a pickle stands for. Raises PickleError."""
    machine = _Machine(data)
    try:
        return machine.run()
    except PickleError as error:
        raise PickleError(f"byte {machine.opcode_at}: {error}") from None
    except (ValueError, TypeError, LookupError, AttributeError):  # whatever an impossible programme runs into
        raise PickleError(f"byte {machine.opcode_at}: is not a pickle, or a damaged one") from None


class _Machine:
    """The stack machine that a pickle is a programme for; Python's pickletools documents the opcodes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.opcode_at = data, 0, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.to_encode = len(data)
        """Bytes that calls may still make of text; a text could be encoded again and again."""

    def run(self) -> Any:
        while True:
            self.opcode_at = self.at
            opcode = self.take(1)
            if opcode == b".":
                (value,) = self.pop(len(self.stack))
                return value
            if opcode not in _OPERATIONS:
                raise PickleError(f"opcode {opcode!r} makes more than plain data, which no file may ask for")
            _OPERATIONS[opcode](self)

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise PickleError(f"{count:,} bytes are announced and {len(self.data) - self.at:,} follow")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, kind: str) -> int:
        return struct.unpack(kind, self.take(struct.calcsize(kind)))[0]

    def line(self) -> bytes:
        line = self.take(self.data.index(b"\n", self.at) - self.at)
        self.at += 1
        return line

    def decimal(self) -> int:
        line = self.line().removesuffix(b"L")
        if len(line) > 20:
            raise PickleError(f"a number of {len(line):,} digits is not taken")
        return int(line)

    def since_mark(self) -> list[Any]:
        """Takes the topmost mark and what lies above it off the stack, and gives the latter."""
        at = len(self.stack) - 1
        while at >= 0 and self.stack[at] is not _MARK:
            at -= 1
        if at < 0:
            raise PickleError("a mark is missing")
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def pop(self, count: int) -> tuple[Any, ...]:
        """The topmost values, the lowest first."""
        if count > len(self.stack) or any(value is _MARK for value in self.stack[-count:]):
            raise PickleError("a value is missing")
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        return values

    def extend(self, values: list[Any] | tuple[Any, ...]) -> None:
        if type(self.stack[-1]) is not list:
            raise PickleError("something is appended to what is not a list")
        self.stack[-1].extend(values)

    def remember(self, number: int) -> None:
        (value,) = self.pop(1)
        self.stack.append(value)
        if isinstance(value, _Pending):
            value.memo_numbers.append(number)
        self.memo[number] = value

    def name(self, module: Any, name: Any) -> None:
        # A tuple in its place could be so deep, or hold itself so often, that its hash never ends.
        if not (type(module) is str and type(name) is str):
            raise PickleError("a name is not text")
        word = _Name(module, name)
        if word not in _CALLS and word != _NDARRAY:
            shown = repr(f"{module}.{name}"[:100])[1:-1]
            raise PickleError(f"asks for {shown}; only lists, bytes, booleans and arrays are taken")
        self.stack.append(word)

    def reduce(self) -> None:
        called, arguments = self.pop(2)
        if type(called) is not _Name or called not in _CALLS or type(arguments) is not tuple:
            raise PickleError("calls what cannot be called")
        if len(arguments) > _MAX_ARGUMENTS:
            raise PickleError(f"a call with {len(arguments):,} arguments is not taken")
        made = _CALLS[called](*arguments)
        self.to_encode -= len(made) if type(made) is bytes else 0
        if self.to_encode < 0:
            raise PickleError("makes more bytes than the file has")
        self.stack.append(made)

    def build(self) -> None:
        """Gives a dtype its byte order, or an array its shape and values."""
        target, state = self.pop(2)
        if type(target) in (_DType, _Pending) and not (type(state) is tuple and len(state) <= _MAX_ARGUMENTS):
            raise PickleError("gives a state that is none")
        if isinstance(target, _DType):
            _, order, *fields = state
            if any(part is not None for part in fields[:3]):
                raise PickleError("an array of records is not plain data")
            if _text(order) not in _ORDERS:  # a long text, given again and again, would grow the type
                raise PickleError("the byte order of an array is none")
            target.text = _text(order).strip("|=") + target.text.lstrip("<>|=")
        elif isinstance(target, _Pending):
            _, shape, dtype, fortran, values = state
            numbers, target = target.memo_numbers, _array(values, dtype, shape, "F" if fortran else "C")
            self.memo.update((number, target) for number in numbers)
        else:
            raise PickleError("gives a state to what has none")
        self.stack.append(target)


def _text(value: Any) -> str:
    return value.decode("ascii") if type(value) is bytes else value


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not (type(data) is bytes and isinstance(dtype, _DType) and _NUMBERS.fullmatch(dtype.text)):
        raise PickleError("an array of anything but numbers is not plain data")
    values = np.frombuffer(data, dtype.text)
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape[:5]):
        raise PickleError("the shape of an array is none")
    if len(shape) > 4 or math.prod(shape) != values.size:
        raise PickleError(f"an array of {values.size:,} values cannot have the shape {shape[:4]}")
    return values.reshape(shape, order="F" if _text(order) == "F" else "C")


def _encoded(text: str, encoding: Any) -> bytes:
    """Python 3's bytes in protocols 0 to 2."""
    if _text(encoding) != "latin1":
        raise PickleError("bytes are written as latin1")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    """Python 3's b"" in protocols 0 to 2."""
    if arguments:
        raise PickleError("asks for bytes() of something")
    return b""


_NDARRAY = _Name("numpy", "ndarray")  # an argument only
# What is called, by its exact name in Python 2 and 3 and in numpy 1 and 2 -> what takes its place.
_CALLS: dict[_Name, Callable[..., Any]] = {
    _Name("numpy", "dtype"): lambda text, *_: _DType(_text(text)),
    _Name("_codecs", "encode"): _encoded,
    _Name("__builtin__", "bytes"): _no_bytes,
    _Name("builtins", "bytes"): _no_bytes,
}
for _numpy in ("numpy.core", "numpy._core"):
    _CALLS[_Name(f"{_numpy}.multiarray", "_reconstruct")] = lambda *_: _Pending()
    _CALLS[_Name(f"{_numpy}.multiarray", "scalar")] = lambda dtype, data: _array(data, dtype, (), "C").item()
    _CALLS[_Name(f"{_numpy}.numeric", "_frombuffer")] = _array


def _push(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(value(machine))


def _counted(kind: str) -> Callable[[_Machine], bytes]:
    return lambda machine: machine.take(machine.number(kind))


def _counted_text(kind: str) -> Callable[[_Machine], str]:
    return lambda machine: machine.take(machine.number(kind)).decode("utf-8", "surrogatepass")


def _int(machine: _Machine) -> int | bool:
    line = machine.data[machine.at : machine.at + 3]
    number = machine.decimal()
    return {b"00\n": False, b"01\n": True}.get(line, number)


_OPERATIONS: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m.take(1),  # protocol
    b"\x95": lambda m: m.take(8),  # frame
    b"(": _push(lambda m: _MARK),
    b"0": lambda m: m.pop(1),
    b"1": lambda m: m.since_mark(),
    # numbers
    b"N": _push(lambda m: None),
    b"\x88": _push(lambda m: True),
    b"\x89": _push(lambda m: False),
    b"I": _push(_int),
    b"L": _push(lambda m: m.decimal()),
    b"J": _push(lambda m: m.number("<i")),
    b"K": _push(lambda m: m.number("<B")),
    b"M": _push(lambda m: m.number("<H")),
    b"\x8a": _push(lambda m: int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
    # bytes, Python 2's str among them, and text
    b"S": _push(lambda m: codecs.escape_decode(m.line().strip()[1:-1])[0]),
    b"T": _push(_counted("<i")),
    b"U": _push(_counted("<B")),
    b"C": _push(_counted("<B")),
    b"B": _push(_counted("<I")),
    b"\x8e": _push(_counted("<Q")),
    b"\x96": _push(_counted("<Q")),  # a bytearray
    b"V": _push(lambda m: m.line().decode("raw-unicode-escape")),
    b"\x8c": _push(_counted_text("<B")),
    b"X": _push(_counted_text("<I")),
    b"\x8d": _push(_counted_text("<Q")),
    # tuples and lists
    b")": _push(lambda m: ()),
    b"\x85": _push(lambda m: m.pop(1)),
    b"\x86": _push(lambda m: m.pop(2)),
    b"\x87": _push(lambda m: m.pop(3)),
    b"t": _push(lambda m: tuple(m.since_mark())),
    b"]": _push(lambda m: []),
    b"l": _push(lambda m: m.since_mark()),
    b"a": lambda m: m.extend(m.pop(1)),
    b"e": lambda m: m.extend(m.since_mark()),
    # memo
    b"p": lambda m: m.remember(m.decimal()),
    b"q": lambda m: m.remember(m.number("<B")),
    b"r": lambda m: m.remember(m.number("<I")),
    b"\x94": lambda m: m.remember(len(m.memo)),
    b"g": _push(lambda m: m.memo[m.decimal()]),
    b"h": _push(lambda m: m.memo[m.number("<B")]),
    b"j": _push(lambda m: m.memo[m.number("<I")]),
    # arrays
    b"c": lambda m: m.name(m.line().decode("ascii"), m.line().decode("ascii")),
    b"\x93": lambda m: m.name(*m.pop(2)),
    b"R": lambda m: m.reduce(),
    b"b": lambda m: m.build(),
}
