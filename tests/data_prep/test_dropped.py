"""What a person took out of a set stays out, until it is fetched back."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main
from data_prep.align import align_folder
from data_prep.dropped import dropped_before, move_rows
from data_prep.errors import PrepError

FAST: dict[str, Any] = {"min_face": 50, "workers": 1}


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def align(photos: Path, out: Path) -> str:
    return run("align", photos, out, "--min-face", 50, "--workers", 1)


def paths(file: Path) -> list[str]:
    with file.open(encoding="utf-8", newline="") as text:
        return [row["path"] for row in csv.DictReader(text)]


@pytest.fixture
def drop(tmp_path):
    def drop(folder: Path, *names: str) -> str:
        proposals = tmp_path / "proposals.csv"
        lines = ["action,path,identity,kind,finding,group,why", *(f"drop,{name},a,x,1,0," for name in names)]
        proposals.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return run("drop", proposals, folder)

    return drop


def test_align_leaves_out_what_was_dropped_and_says_how_it_comes_back(photos, tmp_path, drop):
    out = tmp_path / "out"
    align(photos, out)
    whole = {name: (out / name).read_bytes() for name in ("manifest.csv", "contact_sheet.html")}
    assert drop(out, "Bob/2.png") == (
        f"1 crop dropped, 8 left: {out / 'manifest.csv'}\ntheir rows: {out / 'manifest.csv.dropped'}\n"
    )
    said = align(photos, out)
    assert "8 crops of 3 identities from 9 photos in " in said
    assert "  photos without a crop: dropped 1\n" in said
    assert (
        "note: 1 crop stays dropped, as manifest.csv.dropped says; to have all of them back, delete "
        "manifest.csv.dropped and manifest.csv, and align again\n"
    ) in said
    assert "Bob/2.png" not in paths(out / "manifest.csv")
    drop(out, "Zoë/1.png", "Zoë/2.png", "Zoë/3.png")
    said = align(photos, out)
    assert "note: 4 crops stay dropped" in said
    assert "  people without a crop: 1: Zoë (dropped in 3 of 3)\n" in said
    assert paths(out / "manifest.csv.dropped") == ["Bob/2.png", "Zoë/1.png", "Zoë/2.png", "Zoë/3.png"]
    for name in ("manifest.csv", "manifest.csv.dropped"):
        (out / name).unlink()
    assert "dropped" not in align(photos, out)
    assert {name: (out / name).read_bytes() for name in whole} == whole


def test_an_alignment_that_is_stopped_remembers_what_was_dropped(photos, tmp_path, drop):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    drop(out, "Bob/2.png")
    photos.joinpath("Bob/4.jpg").write_bytes(photos.joinpath("Bob/1.jpg").read_bytes())

    def stop(done: int, total: int, failed: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align_folder(photos, out, progress=stop, **FAST)
    assert not (out / "manifest.csv").exists()
    assert align_folder(photos, out, **FAST).problems == {"dropped": 1}
    assert [path for path in paths(out / "manifest.csv") if path.startswith("Bob")] == [
        "Bob/1.png", "Bob/3.png", "Bob/4.png"
    ]  # fmt: skip


def test_rows_that_were_taken_out_by_hand_or_put_back_are_believed(photos, tmp_path, drop):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    manifest, record = out / "manifest.csv", out / "manifest.csv.dropped"
    whole = manifest.read_bytes()
    manifest.write_bytes(re.sub(rb"Bob/2\.png.*\n", b"", whole))
    align_folder(photos, out, **FAST)
    assert "Bob/2.png" not in paths(manifest)
    assert paths(record) == ["Bob/2.png"]
    drop(out, "Bob/3.png")
    row = next(line for line in whole.decode().splitlines() if line.startswith("Bob/2.png"))
    manifest.write_text(manifest.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    align_folder(photos, out, **FAST)
    assert paths(record) == ["Bob/3.png"]
    manifest.write_bytes(whole)
    align_folder(photos, out, **FAST)
    assert manifest.read_bytes() == whole
    assert not record.exists()


def test_a_person_renamed_in_the_manifest_is_not_renamed_back(photos, tmp_path):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    manifest = out / "manifest.csv"
    manifest.write_bytes(manifest.read_bytes().replace(b"Bob/2.png,Bob", b"Bob/2.png,Rob"))
    changed = manifest.read_bytes()
    with pytest.raises(PrepError) as refusal:
        align_folder(photos, out, **FAST)
    assert str(refusal.value) == (
        f"{manifest}: says Rob of Bob/2.png, and the photos say Bob; align would undo that: give the changed "
        "manifest another name, under which training takes it, too"
    )
    assert manifest.read_bytes() == changed


def test_a_damaged_manifest_is_written_anew_and_a_damaged_record_is_refused(photos, tmp_path, drop):
    out = tmp_path / "out"
    align_folder(photos, out, **FAST)
    drop(out, "Bob/2.png")
    (out / "manifest.csv").write_bytes(b"path,iden")
    assert align_folder(photos, out, **FAST).num_crops == 8
    (out / "manifest.csv.dropped").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(
        PrepError, match=r"dropped: cannot be read as the rows that were dropped \(.*move it away"
    ):
        align_folder(photos, out, **FAST)


def test_rows_of_other_columns_lie_together(tmp_path):
    manifest = tmp_path / "m.csv"
    for content in (b"path,identity\na,A\nb,B\n", b"path,identity,more\nb,B,1\nc,C,2\n"):
        manifest.write_bytes(content)
        move_rows(manifest, content, {"a", "c"})
    assert manifest.read_text() == "path,identity,more\nb,B,1\n"
    assert (tmp_path / "m.csv.dropped").read_text() == "path,identity,more\na,A,\nc,C,2\n"
    assert dropped_before(manifest) == {"a", "c"}
