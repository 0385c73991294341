"""Crops into packed files and out again, byte for byte, and what is refused."""

from __future__ import annotations

import hashlib
import pickle
import re
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main
from data_prep.errors import PrepError
from data_prep.packing import about_set, make_bin, pack
from data_prep.unpacking import unpack
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.image_records import ImageRecords, read_property
from sphereface_plus.data.formats.recordio import RecordFile
from tests.data_prep.small_crops import files, write_crop


@pytest.mark.parametrize("suffix", [".rec", ".tar"])
@pytest.mark.parametrize("name", ["plain", "listed"])
def test_a_folder_comes_back_byte_for_byte(request, tmp_path, name, suffix):
    folder = request.getfixturevalue(name)
    packed = tmp_path / "packed" / f"train{suffix}"
    pack(folder, packed)
    assert unpack(packed, tmp_path / "out") == 5
    expected, found = files(folder), files(tmp_path / "out")
    for content in (expected, found):  # rows follow the records
        if "manifest.csv" in content:
            content["manifest.csv"] = b"\n".join(sorted(content["manifest.csv"].splitlines()))
    assert found == expected


@pytest.mark.parametrize("name", ["plain", "listed"])
def test_every_packed_form_trains_the_same_identities(request, tmp_path, name):
    expected = FaceCrops.open(request.getfixturevalue(name))
    source = request.getfixturevalue(name)
    for step, suffix in enumerate([".rec", ".tar", ".rec"]):  # each made of the one before
        pack(source, tmp_path / f"{step}" / f"train{suffix}")
        source = tmp_path / f"{step}" / f"train{suffix}"
        found = FaceCrops.open(source)
        assert (found.identities, found.template, found.size) == (
            expected.identities,
            expected.template,
            (12, 10),
        )
        assert dict(zip(found.keys, found.labels, strict=True)) == dict(
            zip(expected.keys, expected.labels, strict=True)
        )


def test_packing_says_who_has_no_crop_and_what_is_mixed(plain, listed, tmp_path):
    (plain / "Nobody").mkdir()
    result = CliRunner().invoke(main, ["pack", str(plain), str(tmp_path / "out.tar")])
    assert "\n  left out: Nobody (its folder holds no image)\n" in result.output
    manifest = listed / "manifest.csv"
    rows = manifest.read_text().splitlines()
    manifest.write_text("\n".join([*rows[:3], *(f"{row}opencv 4.10.0" for row in rows[3:])]) + "\n")
    result = CliRunner().invoke(main, ["pack", str(listed), str(tmp_path / "mixed.rec")])
    assert (
        "  note: the crops come from different warps (3 by opencv 4.10.0, 2 by what is not known)"
        in result.output
    )
    many = about_set({f"p{number}": "excluded" for number in range(9)}, [])
    assert many[-2:] == ["left out: p4 (excluded)", "left out: 4 more"]


def test_a_rec_is_laid_out_as_insightface_reads_it(plain, tmp_path):
    pack(plain, tmp_path / "train.rec")
    records = RecordFile(tmp_path / "train.rec")
    assert records.keys.tolist() == list(range(8))  # 0, five images, two identities
    assert ImageRecords(tmp_path / "train.rec").labels.tolist() == [0, 0, 1, 1, 1]
    assert read_property(tmp_path / "property") == (2, 12, 10)


def test_a_rec_without_names_is_unpacked_to_numbers(plain, tmp_path):
    pack(plain, tmp_path / "train.rec")
    (tmp_path / "train.rec.csv").unlink()
    unpack(tmp_path / "train.rec", tmp_path / "out")
    assert sorted(files(tmp_path / "out")) == [
        *("0000000/00000001.png", "0000000/00000002.jpg"),
        *("0000001/00000003.jpg", "0000001/00000004.png", "0000001/00000005.jpg"),
    ]


def test_the_same_crops_are_the_same_tar_and_tarfile_reads_it(plain, tmp_path):
    digests = set()
    for number in range(2):
        pack(plain, tmp_path / f"{number}.tar")
        digests.add(hashlib.sha256((tmp_path / f"{number}.tar").read_bytes()).digest())
    assert len(digests) == 1
    with tarfile.open(tmp_path / "0.tar") as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}
    assert {name: data for name, data in content.items() if name.endswith(("jpg", "png"))} == files(plain)


def test_plain_records_are_images_only_and_are_read_back_with_their_names(plain, listed, tmp_path):
    for folder in (plain, listed):
        packed = tmp_path / "packed" / folder.name / "train.rec"
        pack(folder, packed, plain=True)
        records = RecordFile(packed)
        images = ImageRecords(packed)
        assert records.keys.tolist() == list(range(5))
        assert len(images) == 5
        assert [images.header(number).flag for number in range(5)] == [0] * 5
        unpack(packed, packed.parent / "out")
        expected, found = files(folder), files(packed.parent / "out")
        expected.pop("manifest.csv", None), found.pop("manifest.csv", None)
        assert found == expected
    with pytest.raises(PrepError, match=r"a\.tar: --plain is of a \.rec"):
        pack(plain, tmp_path / "a.tar", plain=True)


SAMPLE = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
"""How webdataset 1.0.2 and datasets 5.2.0 cut a member's name into a sample's key and a field's name."""


def samples(path: Path) -> list[dict[str, bytes]]:
    """The samples of a tar as both of them read them: members that follow one another with the same key."""
    found: list[dict] = []
    with tarfile.open(path, "r|") as tar:
        for member in tar:
            content = tar.extractfile(member).read()
            if PurePosixPath(member.name).name.startswith((".", "__")) or re.match(
                r"__[^/]*__/", member.name
            ):
                continue
            match = SAMPLE.match(member.name)
            if match is None:
                continue
            if not found or found[-1]["key"] != match[1]:
                found.append({"key": match[1]})
            assert match[2] not in found[-1], "a field twice is an error for both"
            found[-1][match[2]] = content
    return found


def test_a_tar_is_a_sample_for_each_crop_with_its_label_whatever_the_names(tmp_path):
    names = ["J.Lo/J.Lo_0001.png", "J.Lo/J.Lo_0002.png", "Ann/1.png", "Ann/1.x.png", "Ann/1%2Ex.png"]
    names += ["Ann/1.jpg", "__init__/__main__.png", "Zoë/a b.png"]
    for number, name in enumerate(names):
        write_crop(tmp_path / "crops" / name, number)
    crops = pack(tmp_path / "crops", tmp_path / "a.tar")
    found = samples(tmp_path / "a.tar")
    assert [{*sample} for sample in found if "jpg" not in sample] == [{"key", "png", "cls"}] * 7
    content = files(tmp_path / "crops")
    images = {sample.get("png", sample.get("jpg")): int(sample["cls"]) for sample in found}
    assert images == {
        content[str(Path(str(path)).relative_to(tmp_path / "crops"))]: label
        for path, label in zip(crops.paths, crops.labels, strict=True)
    }
    assert [sample["key"] for sample in found if sample["key"].startswith("J.Lo")] == [
        *("J.Lo/J%2ELo_0001", "J.Lo/J%2ELo_0002")
    ]
    assert unpack(tmp_path / "a.tar", tmp_path / "out") == len(names)
    assert files(tmp_path / "out") == content


@pytest.mark.parametrize("name", ["plain", "listed"])
def test_a_tar_of_a_folder_as_it_is_is_read_too(request, tmp_path, name):
    folder = request.getfixturevalue(name)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(folder, arcname="crops")
    expected, found = FaceCrops.open(folder), FaceCrops.open(tmp_path / "a.tar")
    assert (found.keys, found.labels, found.identities) == (
        *(expected.keys, expected.labels, expected.identities),
    )
    unpack(tmp_path / "a.tar", tmp_path / "out")
    assert files(tmp_path / "out") == files(folder)


def test_pairs_of_crops_become_a_bin_and_come_out_of_it(plain, tmp_path):
    pairs = "Zoë/1 Zoë/2 1\nZoë/1.jpg Ann/1.png 0\nAnn/2 Ann/1 1\n"
    (tmp_path / "pairs.txt").write_text(pairs)
    assert make_bin(plain, tmp_path / "pairs.txt", tmp_path / "a.bin") == 3
    images, genuine = pickle.loads((tmp_path / "a.bin").read_bytes())
    crops = files(plain)
    names = ["Zoë/1.jpg", "Zoë/2.png", "Zoë/1.jpg", "Ann/1.png", "Ann/2.jpg", "Ann/1.png"]
    assert images == [crops[name] for name in names]
    assert genuine == [True, False, True]
    assert unpack(tmp_path / "a.bin", tmp_path / "out") == 4
    assert (tmp_path / "out" / "pairs.txt").read_text() == (
        "images/00000.jpg images/00001.png 1\nimages/00000.jpg images/00002.png 0\n"
        "images/00003.jpg images/00002.png 1\n"
    )
    assert files(tmp_path / "out")["images/00002.png"] == crops["Ann/1.png"]
    (tmp_path / "pairs.txt").write_text("Zoë/1 Zoë/9 1\n")
    with pytest.raises(PrepError, match=r"has no crop of 1 of the 2 photos of pairs\.txt, first Zoë/9"):
        make_bin(plain, tmp_path / "pairs.txt", tmp_path / "a.bin")


def test_the_kinds_of_pairs_alternate_within_each_fold_of_a_bin(plain, tmp_path):
    lines = [f"Zoë/1 Zoë/2 1 {fold}" for fold in (1, 1, 2, 2)] + [f"Zoë/1 Ann/{k} 0 {k}" for k in (1, 2)] * 2
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    make_bin(plain, tmp_path / "pairs.txt", tmp_path / "a.bin")
    assert pickle.loads((tmp_path / "a.bin").read_bytes())[1] == [True, False] * 4
    (tmp_path / "pairs.txt").write_text("Zoë/1 Zoë/2 1\n" * 60 + "Zoë/1 Ann/1 0\n" * 20)
    make_bin(plain, tmp_path / "pairs.txt", tmp_path / "a.bin")
    genuine = pickle.loads((tmp_path / "a.bin").read_bytes())[1]
    assert [sum(genuine[k : k + 8]) for k in range(0, 80, 8)] == [6] * 10


def test_the_commands_say_what_they_did_and_what_is_wrong_in_one_line(plain, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    result = run("pack", plain, tmp_path / "a.rec")
    assert result.output.startswith(f"5 crops of 2 identities packed: {tmp_path / 'a.rec'}\n")
    assert (
        run("unpack", tmp_path / "a.rec", tmp_path / "out").output
        == f"5 crops unpacked: {tmp_path / 'out'}\n"
    )
    (tmp_path / "pairs.txt").write_text("Ann/1 Ann/2 1\n")
    assert run("make-bin", plain, tmp_path / "pairs.txt", tmp_path / "a.bin").output.startswith("1 pair: ")
    result = run("unpack", tmp_path / "none.tar", tmp_path / "other")
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"error: {tmp_path / 'none.tar'}: there is no such packed set; ")
