"""Tars of crops against Python's tarfile in its three formats, GNU tar, and damaged and hostile files."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.tars import TarCrops, TarError, walk

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
FILES = {
    "Zoë/1.png": b"z",
    "Ann/2.jpg": b"a" * 512,
    "Ann/1.jpg": b"b" * 513,
    "Ann/notes.txt": b"no image",
    "manifest.csv": b"",
    f"{'long' * 20}/{'name' * 20}.jpg": b"c" * 1500,
}
IMAGES = sorted(name for name in FILES if name.endswith(("jpg", "png")))


def write_tar(path: Path, files: dict[str, bytes], format: int = tarfile.PAX_FORMAT, **changes) -> Path:
    with tarfile.open(path, "w", format=format) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in changes.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "crops.tar"


@pytest.mark.parametrize("format", FORMATS)
def test_images_come_back_sorted_and_other_files_are_passed_over(path, format):
    crops = TarCrops(write_tar(path, FILES, FORMATS[format]))
    assert [crops.name(number) for number in range(len(crops))] == IMAGES
    assert [crops.read(number) for number in range(len(crops))] == [FILES[name] for name in IMAGES]
    assert [crops.num_bytes(number) for number in range(len(crops))] == [len(FILES[name]) for name in IMAGES]
    assert crops.read_member(crops.files["Ann/notes.txt"]) == b"no image"


@pytest.mark.parametrize("format", FORMATS)
def test_members_are_where_tarfile_finds_them(path, format):
    lengths = range(0, 90 if format == "ustar" else 240, 7)
    files = {f"{length}/{'n' * length}.jpg": b"x" * length for length in lengths}
    write_tar(path, files, FORMATS[format])
    with tarfile.open(path) as tar:
        expected = [(member.name, member.offset_data, member.size) for member in tar]
    assert [(member.name, member.offset, member.num_bytes) for member in walk(path)] == expected


@pytest.mark.skipif(shutil.which("tar") is None, reason="GNU tar is not installed")
def test_a_folder_packed_by_gnu_tar_is_read_below_its_name_and_dots(tmp_path):
    for name, data in FILES.items():
        (tmp_path / "crops" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "crops" / name).write_bytes(data)
    for arguments, root in ((["-C", tmp_path, "crops"], "crops/"), (["-C", tmp_path / "crops", "."], "")):
        (tmp_path / "a.tar").unlink(missing_ok=True)
        subprocess.run(["tar", "-cf", tmp_path / "a.tar", *arguments], check=True)
        crops = TarCrops(tmp_path / "a.tar")
        assert [crops.name(number) for number in range(len(crops))] == [root + name for name in IMAGES]
        assert [crops.read(number) for number in range(len(crops))] == [FILES[name] for name in IMAGES]


def test_the_walk_is_kept_in_an_index_and_used_as_long_as_the_tar_is_the_same(path, monkeypatch):
    before = TarCrops(write_tar(path, FILES))
    index = path.with_name("crops.tar.index")
    assert index.is_file()
    monkeypatch.setattr("sphereface_plus.data.formats.tars.walk", lambda _: pytest.fail("walked again"))
    assert TarCrops(path).images == before.images
    monkeypatch.undo()
    write_tar(path, {"Ann/1.jpg": b"other"})
    assert TarCrops(path).read(0) == b"other"


@pytest.mark.parametrize(
    "line", ["0\t9999999999\tAnn/1.jpg", "0\t1\t../1.jpg", "0\t1", "x\t1\tAnn/1.jpg", "-9\t1\ta/b.jpg"]
)
def test_a_damaged_or_hostile_index_is_not_believed(path, line):
    before = TarCrops(write_tar(path, FILES))
    index = path.with_name("crops.tar.index")
    stamp = index.read_text().split("\n")[0]
    index.write_text(f"{stamp}\n{line}\n")
    assert TarCrops(path).images == before.images


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_without_the_right_to_write_an_index_the_tar_is_read_all_the_same(path):
    write_tar(path, FILES)
    path.parent.chmod(0o500)
    assert len(TarCrops(path)) == len(IMAGES)


def test_a_pickled_tar_reads_on(path):
    crops = TarCrops(write_tar(path, FILES))
    crops.read(0)
    assert pickle.loads(pickle.dumps(crops)).read(1) == FILES[IMAGES[1]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../out/1.jpg", r"crops\.tar, byte 0: the name '\.\./out/1\.jpg' leads out of the tar"),
        ("/etc/passwd.jpg", "leads out of the tar"),
        ("Ann/../../1.jpg", "leads out of the tar"),
        ("C:\\Ann\\1.jpg", "leads out of the tar"),
        ("Ann/a\nb.jpg", "or cannot be printed"),
    ],
)
def test_names_that_lead_out_of_the_tar_are_refused(path, name, message):
    with pytest.raises(TarError, match=message):
        TarCrops(write_tar(path, {name: b"x"}, tarfile.GNU_FORMAT))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE])
def test_links_and_devices_are_refused(path, kind):
    write_tar(path, {"Ann/1.jpg": b""}, type=kind, linkname="/etc/passwd")
    with pytest.raises(TarError, match=r"byte 0: 'Ann/1\.jpg' is a link or device"):
        TarCrops(path)


def test_a_tar_without_images_is_refused(path):
    with pytest.raises(TarError, match=r"crops\.tar: holds no image"):
        TarCrops(write_tar(path, {"manifest.csv": b"x"}))


def test_a_name_that_comes_twice_is_refused(path):
    write_tar(path, {"Ann/1.jpg": b"x"})
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("Ann/1.jpg"))
    with pytest.raises(TarError, match=r"byte 1024: 'Ann/1\.jpg' is in the tar a second time"):
        TarCrops(path)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_told_apart(path, mode):
    with tarfile.open(path, mode):
        pass
    with pytest.raises(TarError, match=r"byte 0: the tar is compressed, which cannot be read at random"):
        TarCrops(path)


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "holds no image"), (b"<html>", "checksum is wrong; no tar")]
)
def test_what_is_no_tar_is_refused(path, data, message):
    path.write_bytes(data)
    with pytest.raises(TarError, match=message):
        TarCrops(path)


def test_a_missing_or_truncated_tar_is_named(path):
    with pytest.raises(TarError, match=r"crops\.tar: cannot be read \(No such file or directory\)"):
        TarCrops(path)
    write_tar(path, {"Ann/1.jpg": b"x" * 5000})
    data = path.read_bytes()
    path.write_bytes(data[:2000])
    with pytest.raises(TarError, match="byte 0: 5,000 bytes are announced and 1,488 follow; "):
        TarCrops(path)
    path.write_bytes(data)
    crops = TarCrops(path)
    path.write_bytes(data[:2000])
    with pytest.raises(TarError, match="byte 512: the tar has become shorter than it was"):
        crops.read(0)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (b"\x80" + b"\0" * 4 + b"\x7f" + b"\xff" * 6, "36,028,797,018,963,967 bytes are announced"),
        (b"99999999999\0", "the size of the member is not a number"),
        (b"\xff" * 12, "the size of the member is not a number"),
    ],
)
def test_a_forged_size_takes_no_memory(path, field, message):
    write_tar(path, {"Ann/1.jpg": b"x"}, tarfile.USTAR_FORMAT)
    block = bytearray(path.read_bytes())
    block[124:136] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    path.write_bytes(block)
    with pytest.raises(TarError, match=rf"byte 0: {message}"):
        TarCrops(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"999999 path=x\n", "the pax header is damaged at its byte 0"),
        (b"9 path=x\nrubbish", "the pax header is damaged at its byte"),
        (b"12 size=-99\n", "the size of the member is not a number"),
        (b"19 path=../../x.jpg\n", "damaged|leads out of the tar"),
    ],
)
def test_a_forged_pax_header_is_refused(path, header, message):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(header)
    block = info.tobuf(tarfile.USTAR_FORMAT) + header.ljust(512, b"\0")
    path.write_bytes(block + tarfile.TarInfo("Ann/1.jpg").tobuf() + bytes(1024))
    with pytest.raises(TarError, match=message):
        TarCrops(path)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_damage_gives_another_error_than_a_tar_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.tar"
    write_tar(path, FILES, data.draw(st.sampled_from(list(FORMATS.values()))))
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        block = data.draw(st.integers(0, len(damaged) // 512 - 1)) * 512
        at = block + data.draw(st.sampled_from([0, 100, 124, 128, 148, 156, 257, 345, 511]))
        damaged[at : at + 3] = data.draw(st.binary(min_size=3, max_size=3))
        damaged[block + 148 : block + 156] = b" " * 8
        damaged[block + 148 : block + 156] = b"%06o\0 " % sum(damaged[block : block + 512])
    path.write_bytes(damaged[: data.draw(st.sampled_from([len(damaged), 1000, 3000]))])
    path.with_name("fuzzed.tar.index").unlink(missing_ok=True)
    with suppress(TarError):
        crops = TarCrops(path)
        assert sum(len(crops.read(number)) for number in range(len(crops))) <= len(damaged)
