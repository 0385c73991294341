"""`pairs` made again when the crops have changed: who changed sides is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main
from sphereface_plus.data.formats.names import read_names
from tests.data_prep.small_crops import write_crop

AGAIN = "  the crops have changed since this split was made; the older one was written over:"
REPORTS = "    reports made before are of the older pairs: do not compare them with new ones"


@pytest.fixture
def crops(tmp_path) -> Path:
    for number in range(60):
        write_crop(tmp_path / f"crops/p{number // 5:02}/{number % 5}.png", number, (112, 96))
    return tmp_path / "crops"


def said(crops: Path, out: Path) -> list[str]:
    result = CliRunner().invoke(main, ["pairs", str(crops), str(out)])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_a_first_split_and_the_same_again_say_nothing_of_changes(crops, tmp_path):
    first = said(crops, tmp_path / "mine")
    assert said(crops, tmp_path / "mine") == first
    assert AGAIN not in first


def test_people_who_change_sides_are_counted_and_the_models_of_before_are_warned_of(crops, tmp_path):
    said(crops, tmp_path / "mine")
    before = set(read_names(tmp_path / "mine/verified.txt"))
    gone = sorted(before)[0]
    shutil.rmtree(crops / gone)  # a person who is gone has no side
    lines = said(crops, tmp_path / "mine")
    after = set(read_names(tmp_path / "mine/verified.txt"))
    now, back = len(after - before), len(before - after - {gone})
    assert now > 0
    at = lines.index(AGAIN)
    assert lines[at + 1 : at + 4] == [
        f"    {now + back} {'person' if now + back == 1 else 'people'} changed sides: {now} to verify now, "
        f"{back} to train on now",
        "    models trained before were trained without the people of the older verified.txt, and maybe on "
        "those to verify now: train again before you verify",
        REPORTS,
    ]
    assert lines[at + 4] == "next: train on the others, and verify"


def test_other_pairs_of_the_same_people_make_other_reports(crops, tmp_path):
    said(crops, tmp_path / "mine")
    person = read_names(tmp_path / "mine/verified.txt")[0]
    (crops / person / "0.png").rename(crops / person / "5.png")
    lines = said(crops, tmp_path / "mine")
    at = lines.index(AGAIN)
    assert lines[at + 1 : at + 3] == ["    nobody changed sides, but the pairs are others", REPORTS]
