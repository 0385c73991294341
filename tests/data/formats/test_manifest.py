"""The manifest keeps what was written, and names file and row of what cannot be used."""

from __future__ import annotations

import dataclasses
import math
from contextlib import suppress
from pathlib import Path

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.manifest import (
    COLUMNS,
    LANDMARK_COLUMNS,
    METHODS,
    OPTIONAL_COLUMNS,
    ManifestError,
    ManifestRow,
    leads_outside,
    mixed_warps,
    read_manifest,
    write_manifest,
)

POINTS = (29.5, 50.25, 64.0, 51.0, 47.0, 70.125, 33.0, 91.0, 62.0, 91.5)


def row(path: str = "Ann/1.png", identity: str = "Ann", **changes) -> ManifestRow:
    start = ManifestRow(
        path,
        identity,
        "Ann/1.jpg",
        "detected",
        "sphereface_112x96",
        112,
        96,
        0.999,
        -3.5,
        4.0,
        80.0,
        110.0,
        *POINTS,
    )
    return dataclasses.replace(start, **changes)


@pytest.fixture
def write(tmp_path: Path):
    """Writes rows as a manifest, after a change of its text, and gives its path."""

    def write(*rows: ManifestRow, old: str = "", new: str = "") -> Path:
        path = tmp_path / "manifest.csv"
        write_manifest(path, rows)
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
        return path

    return write


def test_what_was_written_is_read_back(write):
    group = {"num_faces": 3, "runner_up_side": 61.5, "runner_up_score": 0.98, "residual": 2.5, "turned": 180}
    rows = [
        row(**group, warp="opencv 5.0.0"),
        row("Bob/2.png", "Bob", method="given", score=math.nan, box_left=math.nan),
    ]
    table = read_manifest(write(*rows))
    assert tuple(table.columns) == COLUMNS + OPTIONAL_COLUMNS
    for index, expected in enumerate(rows):
        for name in table.columns:
            value, wanted = table[name].iloc[index], getattr(expected, name)
            assert value == wanted or (math.isnan(value) and math.isnan(wanted)), name


def test_landmark_columns_are_the_five_points_in_order(write):
    table = read_manifest(write(row()))
    assert tuple(table[list(LANDMARK_COLUMNS)].iloc[0]) == POINTS
    assert LANDMARK_COLUMNS[0] == "left_eye_x"
    assert LANDMARK_COLUMNS[-1] == "right_mouth_y"


def test_plain_pandas_reads_it_and_sees_nan_where_nothing_was_detected(write):
    table = pandas.read_csv(write(row(score=math.nan)))
    assert tuple(table.columns) == COLUMNS + OPTIONAL_COLUMNS
    assert math.isnan(table["score"].iloc[0])


def without_optional_columns(path: Path) -> Path:
    """The manifest as it was written before there were any."""
    pandas.read_csv(path)[list(COLUMNS)].to_csv(path, index=False)
    return path


def test_a_manifest_without_the_optional_columns_is_read_as_before(write):
    table = read_manifest(without_optional_columns(write(row(), row("Ann/2.png"))))
    assert tuple(table.columns) == COLUMNS
    assert table["path"].tolist() == ["Ann/1.png", "Ann/2.png"]


def test_optional_columns_are_numbers_and_nan_where_empty_and_the_warp_is_text(write):
    table = read_manifest(write(row(num_faces=2, residual=1.5), row("Ann/2.png", warp="exact")))
    assert {str(table[name].dtype) for name in OPTIONAL_COLUMNS if name != "warp"} == {"float64"}
    assert table["warp"].tolist() == ["", "exact"]
    assert table["num_faces"].tolist()[0] == 2
    assert table["num_faces"].isna().tolist() == [False, True]
    assert b",2,,,1.5,,\n" in write(row(num_faces=2, residual=1.5)).read_bytes()


@pytest.mark.parametrize(
    "identity", ["0000045", "NA", "nan", "1e3", "Zoë Müller", '"Q", the', "山田 太郎", " x", "a\nb"]
)
def test_identities_come_back_letter_by_letter(write, identity):
    assert read_manifest(write(row(identity=identity)))["identity"].tolist() == [identity]


def test_a_further_column_is_kept_as_text_behind_ours(write):
    path = write(row(), old="path,", new="remark,path,")
    path.write_text(path.read_text().replace("\nAnn/1.png", "\n007,Ann/1.png"))
    table = read_manifest(path)
    assert tuple(table.columns) == (*COLUMNS, "remark", *OPTIONAL_COLUMNS)
    assert table["remark"].tolist() == ["007"]


def test_a_spreadsheets_byte_order_mark_and_line_ends_are_read(write):
    path = write(row())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_manifest(path)["path"].tolist() == ["Ann/1.png"]


def test_a_manifest_without_rows_is_a_table_without_rows(write):
    assert len(read_manifest(write())) == 0


def test_equal_rows_make_equal_bytes(write):
    assert write(row()).read_bytes() == write(row()).read_bytes()


def test_a_failed_write_leaves_the_old_manifest(write):
    path = write(row())
    before = path.read_bytes()

    def rows():
        yield row("Ann/2.png")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_manifest(path, rows())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("path", "outside"),
    [
        ("Ann/1.png", False),
        ("1.png", False),
        ("Ann/..png", False),
        ("a..b/1.png", False),
        ("/etc/1.png", True),
        ("../1.png", True),
        ("Ann/../../1.png", True),
        ("..", True),
        ("C:\\faces\\1.png", True),
        ("Ann\\..\\..\\1.png", True),
        ("\\\\host\\share\\1.png", True),
        ("Ann/1\0.png", True),
    ],
)
def test_paths_that_lead_out_of_a_folder_are_known_on_any_system(path, outside):
    assert leads_outside(path) is outside


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"old": "Ann/1.png", "new": "../1.png"}, r"row 1 \('\.\./1\.png'\): the path must stay inside"),
        ({"old": "Ann/1.png", "new": ""}, "row 1 .*: path is empty"),
        ({"old": ",Ann,", "new": ",,"}, "row 1 .*: identity is empty"),
        ({"old": "detected", "new": "guessed"}, f"row 1 .*: method must be one of {', '.join(METHODS)}"),
        ({"old": ",112,", "new": ",0,"}, "row 1 .*: height must be a positive count"),
        ({"old": ",96,", "new": ",96.5,"}, "row 1 .*: width must be a positive count"),
        ({"old": "29.5", "new": ""}, "row 1 .*: left_eye_x must be a finite number"),
        (
            {"old": "29.5", "new": "1" * 999 + "x"},
            "row 1 .*: left_eye_x must be a finite number, got '1{200}'$",
        ),
        ({"old": "29.5", "new": "inf"}, "row 1 .*: left_eye_x must be a finite number"),
        ({"old": "0.999", "new": "high"}, "row 1 .*: score must be a finite number"),
        ({"old": ",score", "new": ",confidence"}, "is not a manifest, it lacks the columns score"),
        ({"old": "nose_y,", "new": "nose_y,age,age,"}, "has the column 'age' twice"),
        ({"old": "identity,", "new": "identity,path,"}, "has the column 'path' twice"),
        ({"old": ",112,96,", "new": ",112,"}, r"row 1 \(.*\): expected 28 fields, got 27"),
        ({"old": "Ann/1.png", "new": '"Ann/1.png'}, "is not a CSV file"),
    ],
)
def test_a_bad_manifest_is_refused_with_file_and_row(write, change, message):
    path = write(row(), **change)
    with pytest.raises(ManifestError, match=message) as error:
        read_manifest(path)
    assert str(error.value).startswith(str(path))


def test_a_crop_listed_twice_is_refused_at_its_second_row(write):
    with pytest.raises(ManifestError, match=r"row 3 \('Ann/1\.png'\): the crop is listed a second time"):
        read_manifest(write(row(), row("Ann/2.png"), row()))


def test_a_missing_an_empty_and_a_binary_file_are_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"manifest\.csv: the manifest cannot be read \(No such file"):
        read_manifest(tmp_path / "manifest.csv")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ManifestError, match="not even its header"):
        read_manifest(tmp_path / "empty.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01" * 20)
    with pytest.raises(ManifestError, match="is not a CSV file"):
        read_manifest(tmp_path / "binary.csv")


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_damage_gives_another_error_than_a_manifest_error(tmp_path_factory, damage, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    write_manifest(path, [row(), row("Bob/1.png", "Bob", method="centre", score=math.nan)])
    with suppress(ManifestError):
        assert list(read_manifest(path, damage(data, path.read_bytes())).columns[: len(COLUMNS)]) == list(
            COLUMNS
        )


def test_crops_of_different_warps_are_told_with_their_numbers():
    assert mixed_warps({"opencv 5.0.0": 9}) == mixed_warps({}) == mixed_warps({"": 3}) == []
    (told,) = mixed_warps({"": 2, "opencv 4.10.0": 1000})
    assert told.startswith(
        "the crops come from different warps (1,000 by opencv 4.10.0, 2 by what is not known)"
    )


def test_a_line_without_end_is_refused_before_it_fills_the_memory(write):
    path = write(row(), row("Ann/2.png"), old="Ann/2.png", new="x" * 2**21)
    with pytest.raises(ManifestError, match=r"is not a CSV file \(a line of more than 1,048,576 letters\)"):
        read_manifest(path)
