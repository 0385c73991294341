"""The doctor on photos with several faces: what it proposes to drop, with a model and without."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import pytest

from data_prep.doctor.examine import examine
from data_prep.doctor.findings import Entry, Finding
from data_prep.doctor.groups import (
    Likenesses,
    doubtful_faces,
    photos_with_all_faces,
    rivals,
    rows_of,
    settled,
)
from sphereface_plus.data.formats import manifest
from sphereface_plus.data.formats.manifest import ManifestRow, read_manifest, write_manifest

ANN, BOB = np.eye(2, 4, dtype=np.float32)


def row(path: str, **changes) -> ManifestRow:
    box, landmarks = (0.0, 0.0, 80.0, 80.0), (30.0, 50.0, 64.0, 50.0, 47.0, 70.0, 33.0, 91.0, 62.0, 91.0)
    name = path.split("/")[0]
    start = ManifestRow(path, name, path, "detected", "sphereface_112x96", 112, 96, 0.9999, *box, *landmarks)
    return dataclasses.replace(start, **{"num_faces": 1, **changes})


def likenesses(labels: list[int], faces: list[np.ndarray]) -> Likenesses:
    return Likenesses(np.stack(faces), np.array(labels), 0.5)


def drops(findings: list[Finding]) -> list[list[bool]]:
    return [[entry.drop for entry in finding.entries] for finding in findings]


def equal(*crops: int) -> Finding:
    return Finding("contradiction", [Entry(crop) for crop in crops], "equal files")


def test_one_face_under_two_people_is_dropped_from_both_where_nothing_tells_whose_it_is():
    rows = [row("a/1.png", num_faces=2), row("b/1.png", num_faces=2)]
    (finding,) = settled([equal(0, 1)], rows, None)
    assert drops([finding]) == [[True, True]]
    assert finding.words == "equal files; the photo holds several faces, and at most one name is right"


def test_one_face_of_a_photo_of_one_is_looked_at_without_a_model():
    assert drops(settled([equal(0, 1)], [row("a/1.png"), row("b/1.png")], None)) == [[False, False]]
    assert drops(settled([equal(0, 1)], [None, None], None)) == [[False, False]]


@pytest.mark.parametrize(
    ("face", "expected"), [(ANN, [False, True]), (BOB, [True, False]), (-ANN, [True, True])]
)
def test_with_a_model_it_stays_with_the_person_whom_it_looks_like(face, expected):
    rows = [row("a/1.png", num_faces=2), row("b/1.png", num_faces=2), row("a/2.png"), row("b/2.png")]
    alike = likenesses([0, 1, 0, 1], [face, face, ANN, BOB])
    assert drops(settled([equal(0, 1)], rows, alike)) == [expected]


def test_of_all_faces_of_a_photo_the_most_alike_is_kept_and_without_a_model_the_largest():
    both = {"source": "a/1.jpg", "num_faces": 2}
    rows = [row("a/1_0.png", **both), row("a/1_1.png", box_right=99.0, **both), row("a/2.png")]
    assert drops(photos_with_all_faces(rows, None)) == [[True, False]]
    assert rivals([dataclasses.replace(one, runner_up_side=200.0) for one in rows[:2]], None) == []
    alike = likenesses([0, 0, 0], [ANN, BOB, ANN])
    assert drops(photos_with_all_faces(rows, alike)) == [[False, True]]


def test_beside_a_rival_a_crop_unlike_the_others_is_dropped_and_without_a_model_only_a_larger_one_is_shown():
    rows = [
        row("a/1.png", num_faces=2, runner_up_side=50.0),
        row("a/2.png", num_faces=2, runner_up_side=90.0),
        row("a/3.png", num_faces=2, runner_up_side=20.0),
        row("a/4.png"),
    ]
    without = rivals(rows, None)
    assert [[entry.crop for entry in finding.entries] for finding in without] == [[1]]
    assert drops(without) == [[False]]
    (finding,) = rivals(rows, likenesses([0] * 4, [BOB, ANN, ANN, ANN]))
    assert (finding.entries[0].crop, finding.entries[0].drop) == (0, True)
    assert finding.words == "another face of the photo is 62% as large; cosine to the others 0.00"


def test_unsure_crops_are_looked_at_and_those_without_a_face_dropped():
    rows = [row("a/1.png"), row("a/2.png", score=0.95), row("a/3.png", method="centre", score=math.nan), None]
    findings = doubtful_faces(rows)
    assert [(finding.entries[0].crop, finding.entries[0].drop) for finding in findings] == [
        (1, False),
        (2, True),
    ]


def test_rows_are_found_by_name_and_an_old_manifest_has_no_doubts(tmp_path):
    write_manifest(tmp_path / "manifest.csv", [row("a/1.png"), row("a/2.png", num_faces=3)])
    content = (tmp_path / "manifest.csv").read_bytes()
    rows = rows_of(["a/2.png", "x.png"], read_manifest(tmp_path / "manifest.csv"))
    assert rows[1] is None
    assert rows[0] is not None
    assert rows[0].num_faces == 3
    lines = [b",".join(line.split(b",")[:22]) for line in content.splitlines()]
    old = rows_of(["a/1.png"], read_manifest(tmp_path, b"\n".join(lines)))
    assert doubtful_faces(old) + rivals(old, None) + photos_with_all_faces(old, None) == []


def test_the_doctor_parses_a_manifest_as_often_as_packing_does(tmp_path, monkeypatch):
    """Once to open the set, once for the names and rows."""
    for number, name in enumerate(["a/1.png", "b/2.png"]):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 256, (112, 96, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "set" / name), pixels)
    write_manifest(tmp_path / "set" / "manifest.csv", [row("a/1.png", num_faces=3), row("b/2.png")])
    read, parsed = manifest._read_fast, []
    monkeypatch.setattr(manifest, "_read_fast", lambda *of: parsed.append(of) or read(*of))
    assert examine(tmp_path / "set").names == ["a/1.png", "b/2.png"]
    assert len(parsed) == 2


def test_the_doctor_reads_the_manifest_that_align_wrote(photos, tmp_path, write_photo):
    from data_prep.align import align_folder
    from data_prep.images import read_photo

    pair = np.hstack([read_photo(photos / "Ann_Õun/1.jpg"), read_photo(photos / "Bob/1.jpg")])
    for name in ("Ann_Õun", "Bob"):
        write_photo(photos / name / "both.png", pair)
    align_folder(photos, tmp_path / "out", min_face=50, workers=1)
    examined = examine(tmp_path / "out")
    (finding,) = examined.of_kind("contradiction")
    assert [(examined.names[entry.crop], entry.drop) for entry in finding.entries] == [
        ("Ann_Õun/both.png", True),
        ("Bob/both.png", True),
    ]
