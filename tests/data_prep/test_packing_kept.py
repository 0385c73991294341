"""Nothing is lost by packing: what stops it, is in its place, or would be overwritten."""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main
from data_prep.errors import PrepError
from data_prep.packing import encoded, make_bin, pack
from data_prep.unpacking import unpack
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.image_records import read_property
from sphereface_plus.data.formats.manifest import ManifestError
from tests.data_prep.small_crops import ORDER, files, write_crop


@pytest.mark.parametrize("text", ["2,12,12\n", "3,12,10\n", "rent = 3\n"])
def test_a_property_file_that_says_otherwise_is_refused_before_a_crop_is_read(plain, tmp_path, text):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "property").write_text(text)
    (tmp_path / "sets" / "b.rec").touch()
    before = files(tmp_path / "sets")
    with pytest.raises(PrepError, match=r"sets/property: .*; name another folder for a\.rec$"):
        pack(plain, tmp_path / "sets" / "a.rec", lambda *_: pytest.fail("has begun"))
    assert files(tmp_path / "sets") == before


def test_sets_of_one_size_share_a_folder_and_a_set_is_packed_again_with_more_people(plain, tmp_path):
    for name in ("a.rec", "b.rec"):
        pack(plain, tmp_path / "sets" / name)
    assert [FaceCrops.open(tmp_path / "sets" / name).size for name in ("a.rec", "b.rec")] == [(12, 10)] * 2
    pack(plain, tmp_path / "own" / "a.rec")
    write_crop(plain / "Bob" / "1.png", 9)
    pack(plain, tmp_path / "own" / "a.rec")
    assert read_property(tmp_path / "own" / "property") == (3, 12, 10)


def test_a_packing_that_is_killed_among_the_renames_leaves_no_wrong_names(plain, tmp_path, monkeypatch):
    """For each number of files that have taken their places: the new set, the old one, or a sentence."""
    packed, replace, refused = tmp_path / "packed" / "a.rec", Path.replace, 0
    for number, path in enumerate(ORDER):  # as many crops of as many people, others
        write_crop(tmp_path / "others" / path.replace("Zoë", "Eve").replace("Ann", "Bob"), 10 + number)
    whose = {
        data: name[:3] for folder in (plain, tmp_path / "others") for name, data in files(folder).items()
    }
    for stop in range(5):
        monkeypatch.setattr(Path, "replace", replace)
        pack(plain, packed)
        done = 0

        def replace_or_die(path, target, stop=stop):
            nonlocal done
            if done == stop:
                raise KeyboardInterrupt
            done += 1
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", replace_or_die)
        with suppress(KeyboardInterrupt):
            pack(tmp_path / "others", packed)
        try:
            crops = FaceCrops.open(packed)
        except ManifestError as error:
            assert "names other records than a.rec holds" in str(error)  # noqa: PT017
            refused += 1
            continue
        for crop, label in zip(crops.paths, crops.labels, strict=True):
            assert whose[encoded(crop)] == crops.identities[label]
    assert refused


@pytest.mark.parametrize("suffix", [".rec", ".tar"])
def test_a_packing_that_stops_leaves_the_file_that_was_there_with_its_names(plain, tmp_path, suffix):
    packed = tmp_path / "packed" / f"train{suffix}"
    pack(plain, packed)
    before = files(packed.parent)
    write_crop(plain / "Ann" / "9.png", 9)
    for stop in (KeyboardInterrupt, OSError):

        def progress(done, *_, stop=stop):
            assert files(packed.parent).items() >= before.items(), "is there until the new one is whole"
            if done == 6:
                raise stop("at the last crop")

        with pytest.raises(stop, match="at the last crop"):
            pack(plain, packed, progress)
        assert files(packed.parent) == before
    assert unpack(packed, tmp_path / "out") == 5


def test_a_crop_that_is_no_crop_or_of_another_size_stops_the_packing_and_nothing_is_left(plain, tmp_path):
    write_crop(plain / "Zoë" / "4.png", 9, size=(12, 12))
    for suffix in (".rec", ".tar"):
        with pytest.raises(PrepError, match=r"Zoë/4\.png: is 12x12, the set's crops are 12x10"):
            pack(plain, tmp_path / "out" / f"train{suffix}")
    (plain / "Zoë" / "4.png").write_bytes(b"<html>")
    with pytest.raises(PrepError, match=r"Zoë/4\.png: the crop is empty, cut short or no image"):
        pack(plain, tmp_path / "out" / "train.rec")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("a.zip", r"a packed set ends in \.rec or \.tar$"),
        ("a.bin", "make-bin makes one of pairs"),
        ("plain", "ends in"),
    ],
)
def test_what_is_no_packed_set_by_its_name_is_refused(plain, tmp_path, out, message):
    with pytest.raises(PrepError, match=message):
        pack(plain, tmp_path / out)
    with pytest.raises(PrepError, match=r"ends in \.rec, \.tar or \.bin"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    with pytest.raises(PrepError, match=r"ends in \.bin"):
        make_bin(plain, tmp_path / "pairs.txt", tmp_path / "a.rec")


def test_a_set_is_not_packed_over_itself_nor_unpacked_over_files(plain, tmp_path):
    pack(plain, tmp_path / "a.tar")
    with pytest.raises(PrepError, match="is the set itself"):
        pack(tmp_path / "a.tar", tmp_path / "a.tar")
    with pytest.raises(PrepError, match="plain: is there already; name a new folder"):
        unpack(tmp_path / "a.tar", plain)


@pytest.mark.parametrize("name", ["../out.jpg", "/tmp/out.jpg"])
def test_nothing_is_written_outside_of_the_new_folder(tmp_path, plain, name):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo(name)
        tar.addfile(info, io.BytesIO())
    pack(plain, tmp_path / "b.rec")
    lines = (tmp_path / "b.rec.csv").read_text().splitlines()
    lines[1] = f"{name},Ann"
    (tmp_path / "b.rec.csv").write_text("\n".join(lines))
    before = files(tmp_path)
    for packed in ("a.tar", "b.rec"):
        with pytest.raises(PrepError, match=r"leads out of the tar|expected a relative path"):
            unpack(tmp_path / packed, tmp_path / "out")
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "Ann/1.png/x/2.png"])
def test_a_name_that_the_file_system_does_not_take_ends_an_unpacking(tmp_path, plain, name):
    pack(plain, tmp_path / "b.rec")
    lines = (tmp_path / "b.rec.csv").read_text().splitlines()
    lines[1:3] = "Ann/1.png,Ann", f"{name},Ann"
    (tmp_path / "b.rec.csv").write_text("\n".join(lines))
    before = files(tmp_path)
    with pytest.raises(PrepError, match=r": cannot be written \((File name too long|Not a directory)\)"):
        unpack(tmp_path / "b.rec", tmp_path / "out")
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["a.rec.csv", "a.idx"])
def test_names_that_were_edited_and_files_of_others_are_not_packed_over(plain, tmp_path, name):
    def run():
        return CliRunner().invoke(main, ["pack", str(plain), str(tmp_path / "packed" / "a.rec")])

    file = tmp_path / "packed" / name
    file.parent.mkdir()
    file.write_bytes(b"mine")
    assert run().output == (
        f"error: {file}: is there already, and nothing says that this command made it; name another file, or "
        "move this one away\n"
    )
    assert files(file.parent) == {name: b"mine"}
    file.unlink()
    assert run().exit_code == run().exit_code == 0
    file.write_bytes(edited := file.read_bytes().replace(b"1", b"2"))
    assert run().output == (
        f"error: {file}: was changed since it was made, and would be lost; name another file, or move this "
        "one away\n"
    )
    assert file.read_bytes() == edited
