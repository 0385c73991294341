"""The page of MegaFace: pictures, people, groups, and whether the model was trained on the probes."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from eval.megaface import sides
from sphereface_plus.data.trained_on import TrainedOn


@pytest.fixture
def crops(tmp_path):
    """Crops of three people, three each, and of 40 strangers, of whom one is p2 again, lightly changed."""
    random = np.random.default_rng(0)

    def write(path, face, noise=40.0):
        noisy = np.clip(face + random.normal(0, noise, face.shape), 0, 255).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.resize(noisy, (96, 112)))

    faces = random.integers(0, 256, (40, 14, 12, 3))
    for person in range(3):
        for number in range(3):
            write(tmp_path / "probes" / f"p{person}" / f"{number}.png", faces[person])
    for stranger in range(2, 40):
        write(tmp_path / "distractors" / f"{stranger:03d}.png", faces[stranger], 20)
    return tmp_path


@pytest.fixture
def run(crops, run_eval):
    def run_it(*more, out="out", code=0):
        asked = ("--model", "pixels", "--probes", crops / "probes", "--distractors", crops / "distractors")
        return run_eval("megaface", *asked, *more, "--out", crops / out, code=code)

    return run_it


def report_of(crops, out="out"):
    return json.loads((crops / out / "report.json").read_text())


def test_the_page_shows_pictures_of_a_twin_and_tables_of_people_and_groups(run, crops):
    (crops / "groups.csv").write_text("identity,side\np0,left\np1,left\np2,right\nzoe,right\n")
    run("--groups", crops / "groups.csv")
    report, page = report_of(crops), (crops / "out/report.html").read_text()
    assert [photo["key"] for photo in report["examples"]["twins"][0]["photos"]][1] == "002"
    assert report["examples"]["hardest"][0]["photos"][0]["person"] == "p2"
    assert page.count("data:image/jpeg") == sum(
        len(example["photos"]) for examples in report["examples"].values() for example in examples
    )
    numbers = report["results"]["raw"]
    left, right = numbers["per_group"]["columns"][0]["groups"]
    assert (left["people"], left["mated"], left["nonmated"], left["rank1"]["share"]) == (2, 12, 6, 1)
    assert (right["people"], right["mated"], right["nonmated"]) == (1, 6, 3)
    assert numbers["per_group"]["people_elsewhere_are"] == "zoe"
    threshold = numbers["reference"]["threshold_cosine"]
    assert right["rank1"]["share"] < 1
    assert numbers["per_group"]["fpir"] == numbers["reference"]["fpir"]
    assert threshold == numbers["per_group"]["threshold_cosine"]
    assert next(row["person"] for row in numbers["per_identity"]) == "p2"
    for words in (
        "Distractors that look like a mate",
        "Hardest probes",
        "By group",
        "By person",
        "not known",
    ):
        assert words in page
    public = (crops / "out/public/report.html").read_text() + (crops / "out/public/report.json").read_text()
    assert "data:image" not in public
    for name in ("p0", "p1", "p2", "zoe", str(crops)):
        assert f'"{name}' not in public
        assert f">{name}<" not in public
    assert "0003" in public


def test_groups_of_nobody_who_is_a_probe_are_refused(run, crops):
    (crops / "groups.csv").write_text("identity,side\nann,left\n")
    output = run("--groups", crops / "groups.csv", code=1).output
    assert "has groups of 1 person, such as ann, and of nobody who is measured, such as p0" in output
    assert not (crops / "out/probes").exists()


def test_probes_that_were_trained_on_are_told_of_everywhere(run, crops, monkeypatch):
    embed = sides.embed_photos

    def trained(*arguments):
        known = TrainedOn(("p1", "p9"), np.zeros(0, np.int64), complete=True)
        return replace(embed(*arguments), trained_on=known)

    monkeypatch.setattr(sides, "embed_photos", trained)
    output = run().output
    words = "3 of 9 photos hold what the model was trained on: 1 of 3 people trained on, by their names."
    assert f"warning: {words}" in output
    assert report_of(crops)["training"]["people_in_training"] == ["p1"]
    assert f"<strong>Not a test.</strong> {words}" in (crops / "out/report.html").read_text()
    public = json.loads((crops / "out/public/report.json").read_text())["training"]
    assert (public["people_in_training"], public["words"][:40]) == ([], words[:40])


def test_embeddings_without_direction_are_counted_and_named(run, monkeypatch):
    embed = sides.embed_photos

    def with_zeros(*arguments):
        found = embed(*arguments)
        rows = found.rows.copy()
        rows[[1, 4]] = 0
        return replace(found, rows=rows)

    monkeypatch.setattr(sides, "embed_photos", with_zeros)
    output = run(code=1).output
    assert "2 of the 9 embeddings of probes have no direction, they are zero or not finite (p0/1" in output


@pytest.mark.browser
def test_it_opens_without_a_complaint(run, crops, open_page):
    run()
    document, console = open_page(crops / "out" / "report.html")
    assert console == []
    for words in ("Rank-1 by the number of distractors", "How this was measured", "</html>"):
        assert words in document
