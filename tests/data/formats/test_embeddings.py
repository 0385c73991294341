import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.embeddings import EmbeddingsError, read_embeddings, write_embeddings

KEYS = ["Ann/Ann_0001", "Bjørk/Bjørk_0002", "Cem/Cem_0003"]
META = {"flip": "concat", "input": {"template": "sphereface_112x96", "mean": [127.5, 127.5, 127.5]}}


@pytest.fixture
def embeddings():
    return np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def test_what_was_written_is_read_back(tmp_path, embeddings):
    write_embeddings(tmp_path / "e.npz", KEYS, embeddings, META)
    keys, again, meta = read_embeddings(tmp_path / "e.npz")
    assert keys == KEYS
    assert np.array_equal(again, embeddings)
    assert again.dtype == np.float32
    assert meta == META
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


def test_the_folder_of_the_file_is_made(tmp_path, embeddings):
    write_embeddings(tmp_path / "new" / "er" / "e.npz", KEYS, embeddings, META)
    assert read_embeddings(tmp_path / "new" / "er" / "e.npz")[0] == KEYS


def test_a_file_of_another_program_needs_keys_and_embeddings_only(tmp_path, embeddings):
    np.savez_compressed(tmp_path / "e.npz", keys=np.array(KEYS), embeddings=embeddings)
    keys, again, meta = read_embeddings(tmp_path / "e.npz")
    assert (keys, meta) == (KEYS, {})
    assert np.array_equal(again, embeddings)


def test_a_failed_write_keeps_the_old_file(tmp_path, embeddings):
    write_embeddings(tmp_path / "e.npz", KEYS, embeddings, META)
    with pytest.raises(TypeError):
        write_embeddings(tmp_path / "e.npz", KEYS, embeddings + 1, {"meta": object()})
    assert np.array_equal(read_embeddings(tmp_path / "e.npz")[1], embeddings)
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


@pytest.mark.parametrize(
    ("keys", "shape", "message"),
    [
        (KEYS, (2, 4), r"3 keys need embeddings \(3, D\), got \(2, 4\)"),
        (KEYS, (3,), r"3 keys need embeddings \(3, D\), got \(3,\)"),
        (["a", "b", "a"], (3, 4), "keys must differ, 1 of them are repeated \\(a\\)"),
    ],
)
def test_keys_and_embeddings_that_do_not_match_are_refused_by_writer_and_reader(
    tmp_path, keys, shape, message
):
    with pytest.raises(EmbeddingsError, match=message):
        write_embeddings(tmp_path / "e.npz", keys, np.zeros(shape), {})
    np.savez(tmp_path / "e.npz", keys=np.array(keys), embeddings=np.zeros(shape))
    with pytest.raises(EmbeddingsError, match=message):
        read_embeddings(tmp_path / "e.npz")


@pytest.mark.parametrize("value", [np.full((3, 4), np.nan), np.zeros((3, 4), dtype=int)])
def test_embeddings_that_are_no_finite_numbers_are_refused(tmp_path, value):
    with pytest.raises(EmbeddingsError, match="embeddings must be finite floating-point numbers"):
        write_embeddings(tmp_path / "e.npz", KEYS, value, {})


def test_an_npz_of_something_else_is_refused_with_what_it_has(tmp_path):
    np.savez(tmp_path / "e.npz", features=np.zeros((3, 4)))
    with pytest.raises(EmbeddingsError, match=r"needs arrays `keys` and `embeddings` and has \['features'\]"):
        read_embeddings(tmp_path / "e.npz")


def test_pickled_objects_are_never_loaded(tmp_path, embeddings):
    np.savez(tmp_path / "e.npz", keys=np.array([*KEYS], dtype=object), embeddings=embeddings)
    with pytest.raises(EmbeddingsError, match="Object arrays cannot be loaded"):
        read_embeddings(tmp_path / "e.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"keys": np.array("abc")}, r"its keys are <U3 \(\), not texts \(N,\)"),
        ({"keys": np.array([["a"], ["b"], ["c"]])}, r"its keys are <U1 \(3, 1\), not texts"),
        ({"meta": np.array("[1, 2]")}, "its meta is a list, not a JSON object"),
        ({"meta": np.array("[" * 100_000)}, "recursion"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, embeddings, arrays, message):
    np.savez(tmp_path / "e.npz", **{"keys": np.array(KEYS), "embeddings": embeddings} | arrays)
    with pytest.raises(EmbeddingsError, match=rf"e\.npz: cannot be read as an \.npz .*{message}"):
        read_embeddings(tmp_path / "e.npz")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<U3', 'fortran_order': False, 'shape': (9999999999999,), }",  # MemoryError
        "{'descr': '<U0', 'fortran_order': False, 'shape': (9999999999999,), }",  # takes no bytes
        "{'descr': '<U3', 'fortran_order': False, 'shape': (2,",  # SyntaxError, or tokenize's
        "",
    ],
)
def test_a_forged_header_is_refused_and_takes_no_memory(tmp_path, embeddings, header):
    np.savez(tmp_path / "good.npz", keys=np.array(KEYS), embeddings=embeddings)
    for version in (1, 2, 3):
        length = len(header).to_bytes(2 if version == 1 else 4, "little")
        with zipfile.ZipFile(tmp_path / "good.npz") as good, zipfile.ZipFile(tmp_path / "e.npz", "w") as bad:
            bad.writestr("embeddings.npy", good.read("embeddings.npy"))
            bad.writestr("keys.npy", b"\x93NUMPY" + bytes([version, 0]) + length + header.encode())
        with pytest.raises(EmbeddingsError, match=r"e\.npz: cannot be read"):
            read_embeddings(tmp_path / "e.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_missing_cut_or_foreign_file_is_refused(tmp_path, embeddings, content):
    write_embeddings(tmp_path / "e.npz", KEYS, embeddings, META)
    whole = (tmp_path / "e.npz").read_bytes()
    (tmp_path / "bad.npz").write_bytes(whole[: len(whole) // 2] if content is None else content)
    for name in ("bad.npz", "missing.npz"):
        with pytest.raises(
            EmbeddingsError, match=rf"{name}: cannot be read as an \.npz of embeddings \("
        ) as error:
            read_embeddings(tmp_path / name)
        assert (name == "bad.npz") == (
            "was cut off or is damaged; copy it or make it again" in str(error.value)
        )


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_damage_gives_another_error_than_an_embeddings_error(tmp_path_factory, damage, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    write_embeddings(path, KEYS, np.ones((3, 4), np.float32), META)
    if data.draw(st.booleans()):
        path.write_bytes(damage(data, path.read_bytes()))
    else:  # with the checksums put right
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = data.draw(st.sampled_from(sorted(members)))
        with zipfile.ZipFile(path, "w") as archive:
            for other, content in members.items():
                archive.writestr(other, damage(data, content) if other == name else content)
    with suppress(EmbeddingsError):
        keys, embeddings, _ = read_embeddings(path)
        assert len(keys) == len(embeddings)


def test_a_small_file_of_many_zeros_is_refused_before_it_is_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "e.npz", keys=np.array(["a"]), embeddings=np.zeros((1, 2**24), np.float32))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(EmbeddingsError, match=r"\(it claims 67,109,\d{3} bytes in a file of \d\d,\d{3}\)"):
        read_embeddings(tmp_path / "e.npz")


def test_short_memory_is_no_damage(tmp_path, embeddings, monkeypatch):
    write_embeddings(tmp_path / "e.npz", KEYS, embeddings, META)

    def short(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np, "load", short)
    with pytest.raises(
        EmbeddingsError, match=r"memory is short for these embeddings, which may be good ones"
    ):
        read_embeddings(tmp_path / "e.npz")


def test_embeddings_of_which_no_cosine_is_finite_are_refused(tmp_path):
    with pytest.raises(EmbeddingsError, match="embeddings must be in float32's range"):
        write_embeddings(tmp_path / "e.npz", ["a"], np.full((1, 4), -1e300), {})
