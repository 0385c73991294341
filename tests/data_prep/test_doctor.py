"""The doctor on sets with planted faults, and the dropping of what it proposes."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from data_prep.__main__ import main
from data_prep.doctor.drop import drop, read_proposals
from data_prep.doctor.examine import examine
from data_prep.doctor.page import write_report
from data_prep.doctor.pictures import look
from data_prep.errors import PrepError
from data_prep.packing import pack
from sphereface_plus.config import InputSpec
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.embedding import Embedder

SIZE = (24, 20)


def person(number: int, photo: int) -> np.ndarray:
    """A crop whose grey values are the person's, with noise of the photo."""
    face = np.random.default_rng(number).integers(40, 216, (*SIZE, 3))
    noise = np.random.default_rng((number, photo)).integers(-39, 40, (*SIZE, 3))
    return (face + noise).astype(np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


@pytest.fixture
def folder(tmp_path):
    """Thirty people with four crops each."""
    for number in range(30):
        for photo in range(4):
            write(tmp_path / "crops" / f"p{number:02d}" / f"{photo}.png", person(number, photo))
    return tmp_path / "crops"


@pytest.fixture(scope="module")
def embedder():
    """Embeddings are the grey values."""
    spec = InputSpec(height=SIZE[0], width=SIZE[1], std=(50.0, 50.0, 50.0))
    return Embedder("pixels", spec, "pixels", lambda crops: crops.mean(1).flatten(1), torch.device("cpu"))


def found(examined, kind):
    """The crops' names of each finding of a kind."""
    return [[examined.names[entry.crop] for entry in finding.entries] for finding in examined.of_kind(kind)]


def dropped(examined):
    return {
        examined.names[entry.crop] for finding in examined.findings for entry in finding.entries if entry.drop
    }


def test_a_sound_set_has_no_findings(folder, embedder):
    assert examine(folder, embedder=embedder).findings == []


def test_files_that_are_no_crops_are_found_and_dropped(folder):
    (folder / "p03" / "0.png").write_bytes(b"<html>")
    write(folder / "p04" / "0.png", person(4, 0)[:20])
    write(folder / "p05" / "0.png", np.full((*SIZE, 3), 127, np.uint8))
    examined = examine(folder)
    assert found(examined, "unreadable") == [["p03/0.png"]]
    assert found(examined, "size") == [["p04/0.png"]]
    assert found(examined, "tiny") == [["p05/0.png"]]
    assert dropped(examined) == {"p03/0.png", "p04/0.png"}


def test_equal_pictures_are_dropped_but_for_one_and_looked_at_where_identities_contradict(folder):
    (folder / "p00" / "copy.png").write_bytes((folder / "p00" / "1.png").read_bytes())
    write(folder / "p00" / "other_form.bmp", person(0, 1))
    (folder / "p02" / "0.png").write_bytes((folder / "p01" / "0.png").read_bytes())
    examined = examine(folder)
    assert found(examined, "duplicate") == [["p00/1.png", "p00/copy.png", "p00/other_form.bmp"]]
    assert found(examined, "contradiction") == [["p01/0.png", "p02/0.png"]]
    assert dropped(examined) == {"p00/copy.png", "p00/other_form.bmp"}
    assert found(examined, "near_duplicate") == []  # they are said once


def test_nearly_equal_pictures_are_found_by_hash_and_by_embedding(folder, embedder):
    write(folder / "p07" / "new.bmp", person(7, 0) // 2 * 2)
    for model in (None, embedder):
        examined = examine(folder, embedder=model)
        assert found(examined, "near_duplicate") == [["p07/0.png", "p07/new.bmp"]]
    assert re.search(r"hashes differ in \d+ of 256 bits, cosine up to 1\.00", examined.findings[0].words)


def test_identities_that_are_two_people_or_one_and_strangers_are_found(folder, embedder):
    for photo in range(3):  # p00 is also person 50
        write(folder / "p00" / f"x{photo}.png", person(50, photo))
    for photo in range(4, 7):  # person 1 again, under another name
        write(folder / "again" / f"{photo}.png", person(1, photo))
    write(folder / "p02" / "stranger.png", person(60, 0))
    examined = examine(folder, embedder=embedder)
    kinds = Counter(finding.kind for finding in examined.findings)
    assert kinds == {"two_people": 1, "stranger": 1, "one_person": 1}
    (finding,) = examined.of_kind("two_people")
    groups = {examined.names[entry.crop]: entry.group for entry in finding.entries}
    assert {name for name, group in groups.items() if group == 0} == {f"p00/{n}.png" for n in range(4)}
    assert {name for name, group in groups.items() if group == 1} == {f"p00/x{n}.png" for n in range(3)}
    assert found(examined, "stranger") == [["p02/stranger.png"]]
    assert {name.split("/")[0] for name in found(examined, "one_person")[0]} == {"p01", "again"}
    assert dropped(examined) == set()


def test_people_of_a_test_set_are_found_by_name_and_by_face(folder, embedder, tmp_path):
    for photo in range(4, 7):
        write(tmp_path / "test" / "P 05" / f"{photo}.png", person(70, photo))  # no name of the set
        write(tmp_path / "test" / "somebody" / f"{photo}.png", person(6, photo))  # the face only
    examined = examine(folder, against=tmp_path / "test", embedder=embedder)
    assert found(examined, "shared_name") == []
    assert found(examined, "shared_face") == [[f"p06/{photo}.png" for photo in range(4)]]
    (tmp_path / "test" / "P 05").rename(tmp_path / "test" / "P05")
    examined = examine(folder, against=tmp_path / "test")
    assert found(examined, "shared_name") == [[f"p05/{photo}.png" for photo in range(4)]]
    assert dropped(examined) == set(found(examined, "shared_name")[0])


def test_a_broken_crop_of_the_test_set_is_counted_and_the_others_are_compared(
    folder, embedder, tmp_path, monkeypatch
):
    for photo in range(4, 7):
        write(tmp_path / "test" / "somebody" / f"{photo}.png", person(6, photo))
    (tmp_path / "test" / "somebody" / "7.png").write_bytes(b"<html>")
    write(tmp_path / "test" / "somebody" / "8.png", person(6, 8)[:20])
    examined = examine(folder, against=tmp_path / "test", embedder=embedder)
    assert found(examined, "shared_face") == [[f"p06/{photo}.png" for photo in range(4)]]
    monkeypatch.setattr(Embedder, "load", lambda *_, **__: embedder)
    options = ["--against", str(tmp_path / "test"), "--model", "pixels"]
    result = CliRunner().invoke(main, ["doctor", str(folder), str(tmp_path / "out"), *options])
    assert "that are unreadable or of another size: 2, left out\n" in result.output


def test_a_model_that_fails_while_it_runs_ends_in_a_sentence(folder, embedder, tmp_path, monkeypatch):
    broken = replace(embedder, network=lambda crops: crops.flatten(1) * float("nan"), name="a.onnx")
    monkeypatch.setattr(Embedder, "load", lambda *_, **__: broken)
    result = CliRunner().invoke(main, ["doctor", str(folder), str(tmp_path / "out"), "--model", "pixels"])
    assert result.exit_code == 1
    assert result.output.startswith("error: a.onnx: its embedding of ")
    assert "is not finite" in result.output.splitlines()[-1]


def test_packed_sets_are_examined_too(folder, tmp_path):
    (folder / "p00" / "copy.png").write_bytes((folder / "p00" / "1.png").read_bytes())
    pack(folder, tmp_path / "a.rec")
    assert found(examine(tmp_path / "a.rec"), "duplicate") == [["p00/1.png", "p00/copy.png"]]
    with pytest.raises(PrepError, match=r"a\.rec: is packed; unpack it, drop, and pack again"):
        drop(tmp_path / "proposals.csv", tmp_path / "a.rec")


def test_the_page_holds_everything_itself_and_the_csv_every_crop_of_a_finding(folder, tmp_path):
    (folder / "p00" / "<b>copy.png").write_bytes((folder / "p00" / "1.png").read_bytes())
    write_report(examine(folder), tmp_path / "out", title="a set")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;b&gt;copy.png" in page
    assert set(re.findall(r'(?:src|href)="([^"#:]*)', page)) == {"data", ""}
    assert page.count("data:image/jpeg;base64,") == 2
    rows = list(csv.DictReader((tmp_path / "out" / "proposals.csv").read_text().splitlines()))
    assert {row["path"] for row in rows} == {"p00/1.png", "p00/<b>copy.png"}
    assert Counter(row["action"] for row in rows) == {"drop": 1, "look": 1}


def test_the_page_is_written_also_where_nothing_was_found_or_can_be_shown(folder, tmp_path):
    write_report(examine(folder), tmp_path / "sound", title="sound")
    (folder / "p00" / "0.png").write_bytes(b"")
    write_report(examine(folder), tmp_path / "empty", title="one is empty")
    assert '<span class="none">' in (tmp_path / "empty" / "report.html").read_text()


@pytest.fixture
def proposals(tmp_path):
    def make(*rows: str) -> Path:
        path = tmp_path / "proposals.csv"
        path.write_text("\n".join(["action,path,identity,kind,finding,group,why", *rows]) + "\n")
        return path

    return make


def test_files_are_moved_aside_not_deleted_and_a_stopped_drop_goes_on(folder, proposals):
    path = proposals("drop,p00/1.png,p00,x,1,0,", "look,p00/2.png,p00,x,1,0,", "drop,p29/0.png,p29,x,1,0,")
    before = (folder / "p00" / "1.png").read_bytes()
    aside = folder.with_name("crops.dropped")
    write(aside / "p29" / "0.png", person(29, 0))  # a first call came as far as this
    (folder / "p29" / "0.png").unlink()
    done = drop(path, folder)
    assert (done.num_dropped, done.num_left, done.where) == (1, 118, aside)
    assert (aside / "p00" / "1.png").read_bytes() == before
    assert len(FaceCrops.open(folder).paths) == 118
    with pytest.raises(PrepError, match="nothing is left to drop"):
        drop(path, folder)


def test_crops_whose_names_begin_like_a_formula_are_proposed_as_text_and_dropped(folder, tmp_path):
    for name in ("=cmd", "'=cmd", "-1"):
        write(folder / name / "@1.png", person(1, 0))
    write_report(examine(folder), tmp_path / "out", title="")
    path = tmp_path / "out/proposals.csv"
    text = path.read_text()
    assert re.search("^look,'=cmd/@1.png,'=cmd,contradiction", text, re.MULTILINE)
    assert re.search("^look,''=cmd/@1.png,''=cmd,contradiction", text, re.MULTILINE)
    assert not re.search("(^|,)[=+@-]", text, re.MULTILINE)
    # As saved where 0,5 is a half, with a byte order mark.
    path.write_text(text.replace("look,'", "Drop,'").replace(",", ";"), encoding="utf-8-sig")
    assert read_proposals(path) == {"=cmd/@1.png", "'=cmd/@1.png", "-1/@1.png"}
    assert drop(path, folder).num_dropped == 3


def test_a_manifest_loses_its_rows_and_the_files_stay(tmp_path, photos, proposals):
    from data_prep.align import align_folder

    align_folder(photos, tmp_path / "aligned", min_face=30, workers=1)
    aligned = tmp_path / "aligned"
    names = sorted(path.relative_to(aligned).as_posix() for path in aligned.glob("*/*.png"))
    manifest = (aligned / "manifest.csv").read_bytes()
    done = drop(proposals(f"drop,{names[0]},a,x,1,0,", f"keep,{names[1]},a,x,1,0,"), aligned)
    assert (done.num_dropped, done.num_left) == (1, len(names) - 1)
    assert (aligned / names[0]).is_file()
    left = [line for line in manifest.decode().splitlines() if not line.startswith(names[0])]
    assert (aligned / "manifest.csv").read_text().splitlines() == left
    assert done.rows == aligned / "manifest.csv.dropped"
    header, row = manifest.decode().splitlines()[:2]
    assert row.startswith(names[0])
    assert done.rows.read_text().splitlines() == [header, row]
    with pytest.raises(PrepError, match="nothing is left to drop, it was applied already"):
        drop(proposals(f"drop,{names[0]},a,x,1,0,"), aligned)
    assert drop(proposals(f"drop,{names[0]},a,x,1,0,", f"drop,{names[2]},a,x,1,0,"), aligned).num_dropped == 1
    assert [line.split(",")[0] for line in done.rows.read_text().splitlines()] == ["path", names[0], names[2]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["drop,p00/9.png,p00,x,1,0,"], r"of 1 crop to drop 1 not in .*, first p00/9"),
        (["look,p00/1.png,p00,x,1,0,"], "no row says `drop`"),
        (["delete,p00/1.png,p00,x,1,0,"], "row 1: expected drop, look or keep, and a path"),
        (["drop,../other/1.png,p00,x,1,0,"], "row 1: expected drop, look or keep, and a path"),
        (["drop"], "row 1: expected drop"),
        ([f"drop,{'a' * 300},p00,x,1,0,"], "of 1 crop to drop 1 not in"),  # no file system takes it
        (["drop,p00/1\0.png,p00,x,1,0,"], "row 1: expected drop"),
    ],
)
def test_wrong_proposals_change_nothing(folder, proposals, rows, message):
    before = sorted(folder.rglob("*"))
    with pytest.raises(PrepError, match=message):
        drop(proposals(*rows), folder)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"path,identity\na,b\n"])
def test_what_are_no_proposals_is_refused(folder, tmp_path, content):
    (tmp_path / "proposals.csv").write_bytes(content)
    with pytest.raises(PrepError, match=r"\.csv: (cannot be read|expected the doctor's columns)"):
        drop(tmp_path / "proposals.csv", folder)


def test_not_every_crop_is_dropped(folder, proposals):
    names = [path.relative_to(folder).as_posix() for path in folder.glob("*/*")]
    with pytest.raises(PrepError, match="would drop every crop"):
        drop(proposals(*(f"drop,{name},a,x,1,0," for name in names)), folder)


def test_the_commands_lead_from_one_to_the_next(folder, tmp_path):
    (folder / "p00" / "copy.png").write_bytes((folder / "p00" / "1.png").read_bytes())

    def run(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    result = run("doctor", folder, tmp_path / "out")
    assert result.exit_code == 0
    assert "The same picture again under one identity: 1" in result.output
    assert "proposals: 1 crop to drop" in result.output
    result = run("drop", tmp_path / "out" / "proposals.csv", folder)
    assert result.output == f"1 crop dropped, 120 left: {folder.with_name('crops.dropped')}\n"
    result = run("doctor", folder, tmp_path / "out", "--model", tmp_path / "none.onnx")
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)


def test_a_missing_file_is_a_problem_of_its_crop(tmp_path):
    assert look(tmp_path / "none.png").problem == "No such file or directory"
