"""Plain pickles against Python's own picklers, 2.7's among them, and pickles that want more."""

from __future__ import annotations

import base64
import collections
import os
import pickle
import struct
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.plain_pickle import PickleError, load_plain

# By Python 2.7.18 (and numpy 1.16.6), pickle and cPickle, protocols 0, 1 and 2.
PYTHON_2 = {
    "pickle0": (
        "KChscDAKUydceGZmXHhkOFx4ZmZceGUwb25lXG5cJyJcXFx4MDAnCnAxCmFTJ1x4ODlQTkcgdHdvJwpwMgphZzEKYWcyCmEo"
        "bHAzCkkwMQphSTAwCmF0cDQKLg=="
    ),
    "cPickle1_bool": (
        "KF1xAShVDP/Y/+BvbmUKJyJcAHECVQiJUE5HIHR3b3EDaANoAmVdcQQoY251bXB5LmNvcmUubXVsdGlhcnJheQpzY2FsYXIK"
        "cQUoY251bXB5CmR0eXBlCnEGKFUCYjFLAEsBdFJxByhLA1UBfE5OTkr/////Sv////9LAHRiVQEBdFJxCGgFKGgHVQEAdFJx"
        "CWV0cQou"
    ),
    "cPickle2": ("gAJdcQEoVQz/2P/gb25lCiciXABxAlUIiVBORyB0d29xA2gCaANlXXEEKIiJZYYu"),
    "pickle0_numpy": (
        "KChscDAKY251bXB5LmNvcmUubXVsdGlhcnJheQpfcmVjb25zdHJ1Y3QKcDEKKGNudW1weQpuZGFycmF5CnAyCihJMAp0cDMK"
        "UydiJwpwNAp0cDUKUnA2CihJMQooSTEyCnRwNwpjbnVtcHkKZHR5cGUKcDgKKFMndTEnCnA5CkkwCkkxCnRwMTAKUnAxMQoo"
        "STMKUyd8JwpwMTIKTk5OSS0xCkktMQpJMAp0cDEzCmJJMDAKUydceGZmXHhkOFx4ZmZceGUwb25lXG5cJyJcXFx4MDAnCnAx"
        "NAp0cDE1CmJhZzEKKGcyCihJMAp0cDE2Cmc0CnRwMTcKUnAxOAooSTEKKEk4CnRwMTkKZzExCkkwMApTJ1x4ODlQTkcgdHdv"
        "JwpwMjAKdHAyMQpiYWcxCihnMgooSTAKdHAyMgpnNAp0cDIzClJwMjQKKEkxCihJOAp0cDI1CmcxMQpJMDAKUydceDg5UE5H"
        "IHR3bycKcDI2CnRwMjcKYmFnMQooZzIKKEkwCnRwMjgKZzQKdHAyOQpScDMwCihJMQooSTEyCnRwMzEKZzExCkkwMApTJ1x4"
        "ZmZceGQ4XHhmZlx4ZTBvbmVcblwnIlxcXHgwMCcKcDMyCnRwMzMKYmFnMQooZzIKKEkwCnRwMzQKZzQKdHAzNQpScDM2CihJ"
        "MQooSTIKdHAzNwpnOAooUydiMScKcDM4CkkwCkkxCnRwMzkKUnA0MAooSTMKUyd8JwpwNDEKTk5OSS0xCkktMQpJMAp0cDQy"
        "CmJJMDAKUydceDAxXHgwMCcKcDQzCnRwNDQKYnRwNDUKLg=="
    ),
    "cPickle2_numpy": (
        "gAJdcQEoY251bXB5LmNvcmUubXVsdGlhcnJheQpfcmVjb25zdHJ1Y3QKcQJjbnVtcHkKbmRhcnJheQpxA0sAhVUBYodScQQo"
        "SwFLDIVjbnVtcHkKZHR5cGUKcQVVAnUxSwBLAYdScQYoSwNVAXxOTk5K/////0r/////SwB0YolVDP/Y/+BvbmUKJyJcAHRi"
        "aAJoA0sAhVUBYodScQcoSwFLCIVoBolVCIlQTkcgdHdvdGJoAmgDSwCFVQFih1JxCChLAUsIhWgGiVUIiVBORyB0d290YmgC"
        "aANLAIVVAWKHUnEJKEsBSwyFaAaJVQz/2P/gb25lCiciXAB0YmVoAmgDSwCFVQFih1JxCihLAUsChWgFVQJiMUsASwGHUnEL"
        "KEsDVQF8Tk5OSv////9K/////0sAdGKJVQIBAHRihnEMLg=="
    ),
}
A, B = b"\xff\xd8\xff\xe0one\n'\"\\\x00", b"\x89PNG two"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def same(a, b) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("name", PYTHON_2)
def test_pickles_of_python_2_are_read_their_strings_as_bytes(name):
    images, genuine = load_plain(base64.b64decode(PYTHON_2[name]))
    assert [bytes(image) for image in images] == (
        [A, B, A, B] if name in ("pickle0", "cPickle2") else [A, B, B, A]
    )
    assert list(genuine) == [True, False]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        ([A, b"", B, A], [True, False]),
        ((), [], None, 0, 1, -1, 255, 65_536, -(2**31), 2**62, "text \u20ac\n", [[], ()]),
        [np.frombuffer(A, np.uint8), np.frombuffer(b"", np.uint8).reshape(0, 1)],
        [np.array([True, False]), np.arange(6, dtype=">i4").reshape(2, 3), np.ones((3, 2), order="F")],
    ],
)
def test_what_python_3_pickles_comes_back(protocol, value):
    assert same(load_plain(pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpys_scalars_come_back_as_pythons(protocol):
    value = [np.bool_(True), np.bool_(False), np.int64(-5), np.float32(0.5)]
    assert same(load_plain(pickle.dumps(value, protocol)), [True, False, -5, 0.5])


def test_a_value_that_is_used_again_is_the_same_object():
    first, second = load_plain(pickle.dumps([A, A]))
    assert first is second


class Calls:
    def __reduce__(self):
        return os.system, ("touch hacked",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value", [Calls(), [Calls()], collections.OrderedDict(a=1), {1: 2}, {1}, 1.5, print, object()]
)
def test_anything_but_plain_data_is_refused_and_not_called(protocol, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PickleError, match=r"byte \d+: (asks for|opcode)"):
        load_plain(pickle.dumps(value, protocol))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array", [np.array([Calls()]), np.zeros(2, dtype=[("a", "u1"), ("b", "f4")]), np.array(["a"])]
)
def test_arrays_of_anything_but_numbers_are_refused(protocol, array, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PickleError, match=r"asks for|array of|opcode"):
        load_plain(pickle.dumps(array, protocol))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "byte 0: 1 bytes are announced and 0 follow"),
        (b"<html>", "byte 0: opcode b'<' makes more than plain data"),
        (
            b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
            "byte 2: 4,611,686,018,427,387,904 bytes are announced",
        ),
        (b"T" + struct.pack("<i", -5) + b"x.", "byte 0: -5 bytes are announced"),
        (b"cos\nsystem\n(S'true'\ntR.", "byte 0: asks for os.system; only lists, bytes"),
        (b"\x8c\x02os\x8c\x06system\x93.", "byte 12: asks for os.system"),
        (b"c_codecs\nencode\n(S'a'\nS'utf7'\ntR.", "bytes are written as latin1"),
        (b"c__builtin__\nbytes\n(I99\ntR.", r"asks for bytes\(\) of something"),
        (b"t.", "byte 0: a mark is missing"),
        (b"(.", "byte 1"),
        (b"]].", "byte 2: is not a pickle, or a damaged one"),
        (b"h\x05.", "byte 0: is not a pickle, or a damaged one"),
        (b"I" + b"9" * 5000 + b"\n.", "a number of 5,000 digits is not taken"),
        (b"NNa.", "something is appended to what is not a list"),
        (b"NNb.", "gives a state to what has none"),
        (b"NN\x86R.", "a value is missing"),
        (b"(q\x00.", "a value is missing"),
        (b"c" + b"o" * 150 + b"\n\x1b[2J\nN.", r"byte 0: asks for o{100}; only lists"),
        (b"c\x1b[2J\rmo\ndel\nN.", r"byte 0: asks for \\x1b\[2J\\rmo\.del; only lists"),
        (b"(" + b"N" * 17 + b"tq\x000c_codecs\nencode\nh\x00R.", "a call with 17 arguments is not taken"),
        (b"P1\n.", "opcode b'P' makes more"),
        (b"\x82\x01.", "opcode b'.x82' makes more"),
    ],
)
def test_what_is_wrong_is_said_with_its_offset(data, message):
    with pytest.raises(PickleError, match=message):
        load_plain(data)


@pytest.mark.parametrize(
    ("end", "message"), [(b")R.", "calls what cannot be called"), (b"\x8c\x01a\x93.", "a name is not text")]
)
def test_a_tuple_whose_hash_would_overflow_the_stack_is_not_hashed(end, message):
    with pytest.raises(PickleError, match=message):
        load_plain(b")" + b"\x85" * 5 * 10**5 + end)


def test_arrays_must_have_as_many_values_as_their_shape_says():
    good = pickle.dumps(np.arange(4, dtype=np.uint8), 2)
    for shape in (b"K\x05\x85", b"J\xff\xff\xff\xff\x85", b"]"):
        with pytest.raises(PickleError, match="shape"):
            load_plain(good.replace(b"K\x04\x85", shape))


BOMBS = {
    "memo number": b"]r\xff\xff\xff\x7f.",
    "a text encoded again and again": b"X"
    + struct.pack("<I", 10**6)
    + b"a" * 10**6
    + b"q\x000]"
    + b"c_codecs\nencode\nq\x010("
    + b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R" * 10**4
    + b"e.",
    "an object named again and again": b"B"
    + struct.pack("<I", 10**6)
    + b"a" * 10**6
    + b"q\x000]("
    + b"h\x00" * 10**5
    + b"e.",
    "a type's byte order given again and again": b"X"
    + struct.pack("<I", 10**5)
    + b"<" * 10**5
    + b"q\x000(K\x03h\x00NNNK\x00K\x00K\x00tq\x010"
    + b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x85R"
    + b"h\x01b" * 10**4
    + b"0N.",
    "lists of lists": b"]q\x00"
    + b"".join(b"](" + b"h%ch%c" % (n, n) + b"eq%c" % (n + 1) for n in range(99))
    + b"\x85" * 99
    + b".",
    "one value remembered again and again": b"N" + b"\x94" * 87_400 + b".",  # the memo has just grown
    "empty lists": b"(" + b"]" * 10**5 + b"l.",
    "deep": b"]" * 10**5 + b"a" * (10**5 - 1) + b".",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_no_more_memory_than_some_files(name):
    tracemalloc.start()
    try:
        with suppress(PickleError):
            load_plain(BOMBS[name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 120 * len(BOMBS[name]) + 10**5


SEEDS = [pickle.dumps(([A, B, np.frombuffer(A, np.uint8)], [True, np.bool_(False)]), p) for p in PROTOCOLS]


@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_no_damage_gives_another_error(data):
    pickled = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(pickled) - 1))
        pickled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with suppress(PickleError):
        load_plain(bytes(pickled[: data.draw(st.sampled_from([9999, len(pickled) // 2]))]))
