"""Crops packed into a folder of tars, in shares or not: the same bytes, and the set that one tar holds."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main
from data_prep.errors import PrepError
from data_prep.packing import pack
from data_prep.packing_tars import pack_tars
from data_prep.unpacking import unpack
from sphereface_plus.data.crops import CropsError
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.tar_sets import open_tar_set
from sphereface_plus.data.formats.tars import TarError
from sphereface_plus.outputs import locked
from sphereface_plus.path_checks import PlaceError
from sphereface_plus.shares import Share
from tests.data_prep.small_crops import files, write_crop


def packed(folder):
    """All that is to be the same; the offsets beside a tar name its time of change."""
    return {name: data for name, data in files(folder).items() if not name.endswith(".index")}


@pytest.fixture(params=["plain", "listed"])
def source(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def whole(source, tmp_path):
    pack_tars(source, tmp_path / "whole", per_tar=2)
    return packed(tmp_path / "whole")


def test_the_tars_together_are_the_set_that_one_tar_holds(source, whole, tmp_path):
    pack(source, tmp_path / "one.tar")
    one, many = FaceCrops.open(tmp_path / "one.tar"), FaceCrops.open(tmp_path / "whole")
    for name in ("keys", "labels", "identities", "template", "size", "left_out", "notes"):
        assert getattr(one, name) == getattr(many, name), name
    assert [crop.read() for crop in one.paths] == [crop.read() for crop in many.paths]
    assert one.content() == many.content()
    assert (one.marks() == many.marks()).all()
    assert unpack(tmp_path / "whole", tmp_path / "again") == 5
    unpack(tmp_path / "one.tar", tmp_path / "again_of_one")
    assert files(tmp_path / "again") == files(tmp_path / "again_of_one")


def test_each_tar_holds_samples_with_the_labels_of_the_whole_set(plain, tmp_path):
    pack_tars(plain, tmp_path / "out", per_tar=2)
    pack(plain, tmp_path / "one.tar")

    def samples(path):
        with tarfile.open(path) as tar:
            return [(each.name, tar.extractfile(each).read()) for each in tar if each.name[:2] != "__"]

    names = sorted(path.name for path in (tmp_path / "out").glob("*.tar"))
    assert names == ["000000.tar", "000001.tar", "000002.tar"]
    many = [sample for name in names for sample in samples(tmp_path / "out" / name)]
    assert many == samples(tmp_path / "one.tar")
    assert [content for name, content in many if name.endswith(".cls")] == [b"0", b"0", b"1", b"1", b"1"]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_shares_in_any_order_and_a_call_that_joins_them_write_what_one_call_does(
    source, whole, tmp_path, count
):
    out = tmp_path / "out"
    done = [pack_tars(source, out, per_tar=2, share=Share(number, count)) for number in range(count, 0, -1)]
    assert (sum(each.num_crops for each in done), sum(each.num_tars for each in done)) == (5, 3)
    with pytest.raises(TarError, match=r"is not finished; give the `python -m data_prep pack` that began it"):
        FaceCrops.open(out)
    assert pack_tars(source, out, per_tar=2).num_before == 3
    assert packed(out) == whole
    assert pack_tars(source, out, per_tar=2, share=Share(1, 2)).num_before == 2
    assert packed(out) == whole


def test_what_a_stopped_share_has_left_the_joining_call_packs(plain, tmp_path):
    def stop(done, total, failed):
        if done == 3:
            raise KeyboardInterrupt

    pack_tars(plain, tmp_path / "whole", per_tar=2)
    seen, out = [], tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        pack_tars(plain, out, stop, per_tar=2)
    assert sorted(packed(out)) == ["000000.tar", "packed.json"]
    (out / "000002.tar").write_bytes(b"cut off")
    pack_tars(plain, out, lambda *it: seen.append(it), per_tar=2)
    assert seen == [(2, 5, 0), (3, 5, 0), (4, 5, 0), (5, 5, 0)]
    assert packed(out) == packed(tmp_path / "whole")


def test_a_set_that_lacks_a_tar_or_has_another_is_refused_and_made_whole_by_the_same_call(plain, tmp_path):
    out = tmp_path / "out"
    pack_tars(plain, out, per_tar=2)
    before = packed(out)
    for change in (os.unlink, lambda path: path.write_bytes(before["000000.tar"] + bytes(512))):
        change(out / "000001.tar")
        with pytest.raises(TarError, match=r"000001\.tar: has [0-9,]+ bytes, and packed\.json says"):
            open_tar_set(out)
        pack_tars(plain, out, per_tar=2)
        assert packed(out) == before


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 1, "count": 5, "per_tar": 0, "of": "", "tars": null}']
    + [
        f'{{"format": 1, "count": 5, "per_tar": 2, "of": "", "tars": {tars}}}'
        for tars in (
            "[[5, 9]]",
            "[[2, 1], [2, 1]]",
            '[[2, 1], [2, 1], [1, "1"]]',
            "[[2, 1], [2, 1], [1, 1], [1, 1]]",
        )
    ]
    + ['{"format": 2, "count": 5, "per_tar": 2, "of": "", "tars": null}', "[" * 100_000],
)
def test_a_damaged_record_is_refused_in_a_sentence(plain, tmp_path, text):
    pack_tars(plain, tmp_path / "out", per_tar=2)
    (tmp_path / "out/packed.json").write_text(text)
    for call in (FaceCrops.open, lambda out: pack_tars(plain, out, per_tar=2)):
        with pytest.raises(
            (TarError, PrepError), match=r"packed\.json: is damaged, or no record of a packed set"
        ):
            call(tmp_path / "out")


def test_other_crops_another_size_of_tars_and_a_folder_of_something_else_are_refused(plain, tmp_path):
    out = tmp_path / "out"
    pack_tars(plain, out, per_tar=2, share=Share(1, 2))

    def refused(match, folder=out, per_tar=2):
        before = files(folder)
        for share in (None, Share(2, 2)):
            with pytest.raises(PrepError, match=match):
                pack_tars(plain, folder, per_tar=per_tar, share=share)
        assert files(folder) == before

    refused(r"holds tars of 2 crops each, and these would be of 3; give --per-tar 2, or name", per_tar=3)
    write_crop(plain / "Zoë/4.png", 9)
    refused("holds tars of other crops than .*plain has now; name another folder, or remove this one")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("my life")
    refused(r"holds thesis\.tex, and is not a packed set; name another folder", tmp_path / "mine")
    with pytest.raises(PrepError, match="is the set itself"):
        pack_tars(plain, plain)


def test_nobody_joins_while_a_share_is_at_work_nor_does_a_share_twice(plain, tmp_path):
    out = tmp_path / "out"
    pack_tars(plain, out, per_tar=2, share=Share(1, 2))
    with locked(out / "pack_1_of_2", file=True):
        for share in (None, Share(1, 2)):
            with pytest.raises(PlaceError, match=r"pack_1_of_2: another process is writing there"):
                pack_tars(plain, out, per_tar=2, share=share)
        pack_tars(plain, out, per_tar=2, share=Share(2, 2))


def test_a_crop_of_another_size_stops_the_packing_and_the_tars_before_it_stay(plain, tmp_path):
    write_crop(plain / "Zoë/4.png", 9, size=(12, 12))
    with pytest.raises(PrepError, match=r"Zoë/4\.png: is 12x12, the set's crops are 12x10"):
        pack_tars(plain, tmp_path / "out", per_tar=2)
    assert sorted(packed(tmp_path / "out")) == ["000000.tar", "000001.tar", "packed.json"]


def test_the_command_in_shares(plain, tmp_path):
    def run(*words, code=0):
        result = CliRunner().invoke(main, ["pack", str(plain), *map(str, words)])
        assert result.exit_code == code, result.output
        return result.output

    out = tmp_path / "out"
    assert run(out, "--per-tar", 2, "--shard", "2/2").startswith(
        "share 2/2: 2 crops in 1 tar\nnext: when all"
    )
    joined = run(out, "--per-tar", 2)
    assert f"5 crops of 2 identities packed: {out} (3 tars, 1 of them before)\n" in joined
    assert f"next: train with --set data.path={out}\n" in joined
    one = tmp_path / "one.tar"
    assert "one.tar: is one file, and --shard is for a folder OUT" in run(one, "--shard", "1/2", code=1)
    assert "--per-tar is for a folder OUT of tars; " in run(one, "--per-tar", 2, code=2)
    assert "--plain is of a .rec; " in run(tmp_path / "o", "--plain", code=2)
    assert "--per-tar 1: makes 501 tars" not in run(tmp_path / "o", "--per-tar", 1)


@pytest.mark.parametrize(
    ("out", "words"), [("tars", "continues where it stopped"), ("one.tar", "starts from the beginning")]
)
def test_ctrl_c_says_whether_the_same_command_goes_on(plain, tmp_path, monkeypatch, out, words):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("data_prep.packing_tars.pack_tars", stop)
    monkeypatch.setattr("data_prep.packing.pack", stop)
    result = CliRunner().invoke(main, ["pack", str(plain), str(tmp_path / out)])
    assert result.output == f"stopped: the same command {words}\n"
    assert result.exit_code == 130


def test_a_process_lets_itself_open_as_many_tars_as_the_set_has(plain, tmp_path, repository):
    pytest.importorskip("resource")
    for number in range(40):
        write_crop(plain / f"p{number}/1.png", number)
    pack_tars(plain, tmp_path / "out", per_tar=1)
    script = """
import resource, sys
from sphereface_plus.data.formats.tar_sets import open_tar_set
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))
packed = open_tar_set(sys.argv[1])
print(len([crop.read() for crop in packed.crops]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "out"], cwd=repository, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("45\n", "")


def test_more_tars_than_a_process_may_hold_open_are_refused(plain, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.packing_tars.MOST_TARS", 2)
    with pytest.raises(PrepError, match=r"--per-tar 2: makes 3 tars, .* open; take 3 or more"):
        pack_tars(plain, tmp_path / "out", per_tar=2)
    with pytest.raises(CropsError):
        FaceCrops.open(tmp_path / "out")
