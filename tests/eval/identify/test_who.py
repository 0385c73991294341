"""`python -m eval who`: the nearest people, unknown people, and reports that do not fit."""

from __future__ import annotations

import json
import re
import shutil

import cv2
import numpy as np
import pytest

from sphereface_plus.data.formats.embeddings import write_embeddings


def face(person: int) -> np.ndarray:
    return np.random.default_rng(person).integers(0, 256, (14, 12, 3))


def write(path, person: int, noise: int) -> None:
    noisy = np.clip(face(person) + np.random.default_rng(noise).normal(0, 30, (14, 12, 3)), 0, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(noisy.astype(np.uint8), (96, 112)))


@pytest.fixture
def places(tmp_path):
    """Crops: a gallery of five people, probes of them and of five unknown ones; photos of both kinds."""
    for person in range(5):
        for number in range(2):
            write(tmp_path / "gallery" / f"p{person}" / f"{number}.png", person, 10 * person + number)
    for person in range(10):
        for number in range(2):
            write(tmp_path / "probes" / f"p{person}" / f"{number}.png", person, 1000 + 10 * person + number)
    write(tmp_path / "known.png", 3, 5000)
    write(tmp_path / "unknown.png", 99, 5000)
    return tmp_path


@pytest.fixture
def measured(places, run_eval):
    """The same with a report of them."""
    sets = "--gallery", places / "gallery", "--probes", places / "probes"
    run_eval("identify", "--model", "pixels", *sets, "--no-thumbnails", "--out", places / "report")
    return places


def test_the_nearest_people_come_first_and_a_threshold_tells_the_unknown(measured, run_eval):
    asked = "--gallery", measured / "gallery", "--model", "pixels", "--report", measured / "report"
    output = run_eval("who", measured / "known.png", *asked, "--count", 2).output
    lines = output.splitlines()
    assert lines[0].startswith("p3  0.8")
    assert len(lines) == 3 + output.count("note:")
    assert lines[2].startswith("p3: 0.8")
    assert "is at or above the threshold 0." in lines[2]
    report = json.loads((measured / "report" / "report.json").read_text())
    threshold = report["results"]["open_set"]["points"][0]["threshold_cosine"]
    output = run_eval("who", measured / "unknown.png", *asked, "--fpir", 0.1).output
    assert "unknown person: the best score, 0." in output
    assert f"is below the threshold {threshold:.4f} (FPIR 0.1)" in output


def test_a_photo_that_the_gallery_holds_itself_is_told(measured, run_eval):
    asked = "--gallery", measured / "gallery", "--model", "pixels", "--report", measured / "report"
    told = "note: p3/0 of the gallery is this very photo, or a copy: that score says nothing about the person"
    assert told in run_eval("who", measured / "gallery" / "p3" / "0.png", *asked).output
    assert "is this very photo" not in run_eval("who", measured / "known.png", *asked).output


def test_without_a_report_there_is_no_verdict(places, run_eval):
    asked = "--gallery", places / "gallery", "--model", "pixels", "--template", "image"
    output = run_eval("who", places / "known.png", *asked).output
    assert output.split()[0] == "p3"
    assert sorted(line.split()[0] for line in output.splitlines()[:5]) == ["p0", "p1", "p2", "p3", "p4"]
    assert "no threshold: --report, of python -m eval identify, tells known from unknown people" in output


def test_pictures_lie_in_out_and_the_same_question_may_be_asked_again(measured, run_eval):
    asked = (
        *("who", measured / "known.png", "--gallery", measured / "gallery", "--model", "pixels"),
        *("--report", measured / "report", "--count", 3, "--out", measured / "answer"),
    )
    for _ in range(2):
        assert f"with pictures: {measured / 'answer' / 'who.html'}" in run_eval(*asked).output
    page = (measured / "answer" / "who.html").read_text()
    assert page.count("data:image/jpeg") == 4
    assert "<p>p3: 0.8" in page
    assert json.loads((measured / "answer" / "who.json").read_text())["person"] == "p3"


def test_embeddings_have_no_pictures_and_leave_no_places_for_them(places, run_eval):
    keys = [f"p_{person}/{number}" for person in range(3) for number in range(2)]
    rows = np.random.default_rng(0).normal(size=(6, 112 * 96)).astype(np.float32)
    write_embeddings(places / "g.npz", keys, rows, {})
    asked = "--gallery", places / "g.npz", "--model", "pixels", "--out", places / "answer"
    run_eval("who", places / "known.png", *asked)
    page = (places / "answer" / "who.html").read_text()
    assert page.count("<figure") == page.count("data:image/jpeg") == 1
    assert "p_<wbr>2" in page
    assert "Each person is shown by" not in page


def test_reports_that_do_not_fit_are_refused(measured, run_eval, tmp_path):
    asked = "who", measured / "known.png", "--gallery", measured / "gallery", "--model", "pixels", "--report"
    output = run_eval(*asked, measured / "report", "--fpir", 0.5, code=1).output
    message = "has no threshold for an FPIR of 0.5; it has one for 0.1, 0.01, 0.001. `python -m eval "
    assert message + "identify --fpir 0.5` measures one" in output
    report = json.loads((measured / "report" / "report.json").read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps(report | {"model": report["model"] | {"sha256": "f" * 64}}))
    message = "other.json: is of another model, raw pixels (sha256 ffffffffffff...), and raw pixels has"
    assert message in run_eval(*asked, other, code=1).output
    spec = report["model"]["input"] | {"height": 113}
    other.write_text(json.dumps(report | {"model": report["model"] | {"input": spec}}))
    message = "other.json: is of crops of another input spec, {'template': 'sphereface_112x96', "
    assert message in run_eval(*asked, other, code=1).output
    verified = json.dumps({"format": 1, "title": "a", "protocol": {}})
    other.write_text(verified)
    message = "other.json: is a verification report, which `python -m eval compare` and `same` take; here an"
    assert message in run_eval(*asked, other, code=1).output
    other.write_text(json.dumps({"format": 1, "kind": "megaface", "title": ""}))
    message = (
        "is a report of MegaFace's challenge, which `python -m eval compare` takes beside others of its "
        "kind; here an identification report is"
    )
    assert message in run_eval(*asked, other, code=1).output
    assert "is a folder without a report.json; an" in run_eval(*asked, measured / "gallery", code=1).output
    assert "none: there is no such report" in run_eval(*asked, measured / "none", code=1).output
    other.write_text(json.dumps({"format": 1, "per_pair": {}}))
    message = "other.json: is not a report of python -m eval identify, or a damaged or older one (kind: field"
    assert message in run_eval(*asked, other, code=1).output
    other.write_text("{")
    assert "other.json: is not JSON (" in run_eval(*asked, other, code=1).output


def test_what_the_threshold_was_not_measured_for_is_noted(measured, run_eval):
    shutil.copytree(measured / "probes", measured / "larger")
    asked = "--gallery", measured / "larger", "--model", "pixels", "--report", measured / "report"
    output = run_eval("who", measured / "known.png", *asked, "--template", "best", code=1).output
    assert (
        "report: is of templates mean and flip none, whose threshold says nothing about templates best"
        in output
    )
    output = run_eval("who", measured / "known.png", *asked).output
    assert "note: the threshold was measured among 5 templates and distractors, and the more there" in output


def test_a_threshold_that_is_hardly_known_says_so(measured, run_eval, tmp_path):
    report = json.loads((measured / "report" / "report.json").read_text())
    asked = "who", measured / "known.png", "--gallery", measured / "gallery", "--model", "pixels", "--report"
    for resolution, ends, words in (
        (
            "coarse",
            [0.25, 0.5],
            "show coarsely an FPIR of 0.1: its threshold may lie anywhere from 0.2500 to 0.5000",
        ),
        (
            "unresolved",
            [0.25, None],
            "cannot show an FPIR of 0.1: its threshold may lie anywhere from 0.2500 upwards",
        ),
        ("resolved", [0.25, 0.5], None),
    ):
        results = report["results"]
        reference = results["reference"] | {
            "fpir": 0.1,
            "resolution": resolution,
            "threshold_cosine_interval": ends,
        }
        other = tmp_path / "other.json"
        other.write_text(json.dumps(report | {"results": results | {"reference": reference}}))
        output = run_eval(*asked, other).output
        assert (words in output) if words else ("so few searches" not in output)


def test_what_neither_report_nor_gallery_says_is_noted(measured, run_eval, tmp_path):
    report = json.loads((measured / "report" / "report.json").read_text())
    unsaid = {"kind": "embeddings", "sha256": "0" * 64, "input": None, "provenance": {}}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(report | {"model": report["model"] | unsaid}))
    crops = sorted((measured / "gallery").rglob("*.png"))
    rows = np.stack([cv2.imread(str(crop), cv2.IMREAD_GRAYSCALE).ravel() for crop in crops])
    keys = [f"{crop.parent.name}/{crop.stem}" for crop in crops]
    write_embeddings(measured / "g.npz", keys, rows.astype(np.float32), {})
    asked = "--gallery", measured / "g.npz", "--model", "pixels", "--report", other
    output = run_eval("who", measured / "known.png", *asked).output
    assert (
        f"note: {other}: does not say which model its embeddings are of; its thresholds hold only" in output
    )
    assert "g.npz: does not say which model its embeddings are of; the scores mean something only" in output
    fingerprint = unsaid | {"provenance": {"from model": "f" * 64}}
    other.write_text(json.dumps(report | {"model": report["model"] | fingerprint}))
    output = run_eval("who", measured / "known.png", *asked, code=1).output
    assert "is of another model, raw pixels (sha256 ffffffffffff...)" in output


def test_what_is_not_a_photo_of_a_face_is_refused_by_the_name_that_was_given(places, run_eval):
    asked = "--gallery", places / "gallery", "--model", "pixels"
    (places / "note.jpg").write_text("no photo")
    cv2.imwrite(str(places / "grey.png"), np.full((60, 60, 3), 120, np.uint8))  # raw, so that it is aligned
    for name, words in (
        ("note.jpg", "is not an image that Pillow or OpenCV reads"),
        ("grey.png", "no face found; give a photo with a face in it, or a crop of 112x96"),
        ("gallery", "is a folder; give one photo or crop"),
        ("nothing.png", "there is no such photo or crop"),
    ):
        output = run_eval("who", places / name, *asked, "--out", places / "answer", code=1).output
        assert output.startswith(f"error: {places / name}: {words}")
        assert len(output.splitlines()) == 1


@pytest.mark.real_data
def test_of_several_faces_the_one_that_is_meant_must_be_said(places, shared_data, run_eval):
    names = ["Aaron_Peirsol/Aaron_Peirsol_0001.jpg", "Abel_Pacheco/Abel_Pacheco_0001.jpg"]
    both = np.hstack([cv2.imread(str(shared_data / "lfw" / "images" / name)) for name in names])
    cv2.imwrite(str(places / "both.png"), both)
    asked = "who", places / "both.png", "--gallery", places / "gallery", "--model", "pixels"
    output = run_eval(*asked, code=1).output
    message = (
        r"error: .*both\.png: shows 2 faces; say with --face which is meant: centre, largest or confident"
    )
    assert re.fullmatch(message, output.strip())
    assert len(run_eval(*asked, "--face", "largest").output.splitlines()) == 6


@pytest.mark.real_data
def test_a_photo_is_aligned_as_the_reports_or_refused(places, shared_data, run_eval):
    """Raw photos of two people; one photo in the gallery shows the two of them."""
    names = ["Aaron_Peirsol", "Abel_Pacheco"]
    photos = {(name, n): f"{name}/{name}_000{n}.jpg" for name in names for n in (1, 2)}
    read = {key: cv2.imread(str(shared_data / "lfw" / "images" / name)) for key, name in photos.items()}
    read[names[1], 1] = np.hstack([read[names[0], 1], read[names[1], 1], read[names[0], 2]])
    for (name, number), pixels in read.items():
        file = places / "photos" / ("known" if number == 1 else "new") / name / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), pixels)
    known, new = places / "photos" / "known", places / "photos" / "new"
    sets = "--gallery", known, "--probes", new, "--workers", 1
    output = run_eval("identify", "--model", "pixels", *sets, "--out", places / "report").output
    taken = "1 photo shows several faces, of which the one nearest to the photo's centre was taken"
    assert f"note: Gallery: {taken}. For example " in output
    photo = new / names[0] / "2.png"

    def ask(report, code=0):
        asked = "who", photo, "--gallery", known, "--model", "pixels", "--report", report
        return run_eval(*asked, code=code).output

    output = ask(places / "report")
    assert f"note: {known}: {taken} (Abel_Pacheco/1)\n" in output
    assert "does not say" not in output
    report = json.loads((places / "report" / "report.json").read_text())

    def changed(role, **values):
        sets = json.loads(json.dumps(report["sets"]))
        settings = next(each["preparation"] for each in sets if each["role"] == role)["settings"]
        settings.update(values) if values else settings.clear()
        (places / "changed.json").write_text(json.dumps(report | {"sets": sets}))
        return places / "changed.json"

    output = ask(changed("probes"))
    assert f"note: {places / 'changed.json'}: does not say how its crops were made; its threshold" in output
    output = ask(changed("probes", template="arcface_112x112"), code=1)
    assert "its photos were aligned to arcface_112x112 by another detector, or to another template" in output
    output = ask(changed("gallery", fit="forward"), code=1)
    assert f"its crops were aligned otherwise than those of {known} (fit differ), and" in output


@pytest.mark.browser
def test_its_page_opens_without_a_complaint(measured, run_eval, open_page):
    asked = "--gallery", measured / "gallery", "--model", "pixels", "--report", measured / "report"
    run_eval("who", measured / "known.png", *asked, "--out", measured / "answer")
    document, console = open_page(measured / "answer" / "who.html")
    assert console == []
    assert "p3" in document
    assert "</html>" in document
