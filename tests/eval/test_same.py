"""Two photos against a report's thresholds: what is said, and which reports and photos are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.align import align_folder
from eval import report_files
from eval.same import crop_of, decisions
from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import read_crop


@pytest.fixture(scope="module")
def measured(make_crop_pairs, run_eval, tmp_path_factory):
    """A report of pixels on crops without a manifest, and the crops."""
    folder = tmp_path_factory.mktemp("measured")
    images, pairs = make_crop_pairs(folder)
    out = folder / "report"
    run_eval("verify", "--model", "pixels", "--images", images, "--pairs", pairs, "--out", out)
    return out, images


def changed(report: Path, change) -> Path:
    content = json.loads((report / "report.json").read_text())
    change(content)
    copy = report.with_name("changed.json")
    copy.write_text(json.dumps(content))
    return copy


def settings_of(photos: Path, crops: Path) -> dict:
    align_folder(photos, crops, template="sphereface_112x96", fallback="centre", workers=1)
    return json.loads((crops / "report.json").read_text())["settings"]


def test_the_score_is_the_reports_and_each_threshold_is_named(measured, run_eval):
    report, images = measured
    content = report_files.read(report)
    pair = content["per_pair"]["first"].index("p3/0")
    assert content["per_pair"]["second"][pair] == "p3/1"
    photos = (images / "p3" / "0.png", images / "p3" / "1.png")
    lines = run_eval("same", "pixels", *photos, "--report", report).output.splitlines()
    assert lines[0].startswith(f"score {content['per_pair']['score'][pair]:.4f} (cosine; L2 ")
    middle = np.mean(content["results"]["thresholds_cosine"])
    assert lines[1].startswith(f"same person at {middle:.4f}, the best accuracy (")
    assert lines[2].startswith("same person at ")
    assert ", FAR 10 % (" in lines[2]
    assert "coarse: 1 false accept" in lines[2]
    assert lines[3] == "left out: FAR 1 %, 0.1 %, 0.01 %, which 12 impostor pairs do not resolve"
    other = (images / "p3" / "0.png", images / "p4" / "1.png")
    lines = run_eval("same", "pixels", *other, "--report", report / "report.json").output.splitlines()
    assert lines[1].startswith(f"not the same at {middle:.4f}, the best accuracy")


def test_a_score_on_the_threshold_is_decided_as_the_report_decides():
    """Above the threshold of accuracy, at a FAR's and above: protocols.py and statistics.py."""
    point = {"far": 0.1, "tar": 0.9, "false_accepts": 12, "threshold_cosine": 0.5, "resolution": "resolved"}
    numbers = {"thresholds_cosine": [0.4, 0.6], "accuracy": 0.9, "tar_at_far": [point]}
    found, unresolved = decisions({"results": numbers}, 0.5)
    assert [(each.name, each.threshold, each.same) for each in found] == [
        ("the best accuracy", 0.5, False),
        ("FAR 10 %", 0.5, True),
    ]
    assert unresolved == []


def with_model(**values):
    return lambda content: content["model"].update(values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            with_model(sha256="f" * 64),
            "is of another model, raw pixels (sha256 ffffffffffff...), and raw pixels has pixels...; its",
        ),
        (with_model(flip="sum"), "does not state the flip fusion of its embeddings (sum)"),
        (
            with_model(flip="as in the file"),
            "does not state the flip fusion of its embeddings (as in the file)",
        ),
        (with_model(input={"template": "x"}), "is of crops of another input spec, {'template': 'x'}"),
        (
            lambda c: c["protocol"].update(name="sphereface"),
            "subtracts the mean of many photos; two photos have",
        ),
        (lambda c: c["protocol"].update(name="mine"), "is of the protocol mine, which is not known here"),
        (lambda c: c["results"].pop("thresholds_cosine"), "results.thresholds_cosine is missing"),
        (lambda c: c["model"].pop("sha256"), "model.sha256 is missing"),
    ],
)
def test_thresholds_of_another_model_flip_or_protocol_are_refused(measured, run_eval, change, words):
    report, images = measured
    photo = images / "p3" / "0.png"
    other = changed(report, change)
    output = run_eval("same", "pixels", photo, photo, "--report", other, code=1).output
    assert output.startswith(f"error: {other}: ")
    assert words in output
    assert output.count("\n") == 1


def test_a_photo_is_not_aligned_where_the_report_does_not_say_how(measured, run_eval, tmp_path):
    report, images = measured
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((200, 200, 3), np.uint8))
    photos = (images / "p3" / "0.png", tmp_path / "large.png")
    output = run_eval("same", "pixels", *photos, "--report", report, code=1).output
    assert "report: does not say that its crops were aligned at all, so that photos cannot be" in output
    by_hand = changed(report, lambda c: c["preparation"].update(settings={"landmarks_sha256": "0"}))
    output = run_eval("same", "pixels", *photos, "--report", by_hand, code=1).output
    assert "changed.json: does not say that its crops were aligned by a detector" in output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.jpg", "there is no such photo or crop"),
        ("text.jpg", "text.jpg: "),
        ("", "is a folder; give one photo or crop"),
    ],
)
def test_what_is_not_an_image_is_one_sentence(measured, run_eval, tmp_path, name, words):
    report, images = measured
    (tmp_path / "text.jpg").write_text("hello")
    photos = (images / "p3" / "0.png", tmp_path / name)
    output = run_eval("same", "pixels", *photos, "--report", report, code=1).output
    assert output.startswith("error: ")
    assert words in output
    assert output.count("\n") == 1


@pytest.mark.real_data
def test_a_photo_is_aligned_as_the_reports_photos_were(measured, shared_data, run_eval, tmp_path):
    """The same crop, bit for bit, and a photo of nobody or of two people is refused in a sentence."""
    report, _ = measured
    photos = tmp_path / "photos"
    names = ["Aaron_Peirsol/Aaron_Peirsol_0001.jpg", "Abel_Pacheco/Abel_Pacheco_0001.jpg"]
    for name in names:
        (photos / name).parent.mkdir(parents=True)
        (photos / name).write_bytes((shared_data / "lfw" / "images" / name).read_bytes())
    settings = settings_of(photos, tmp_path / "aligned")
    aligned = changed(report, lambda c: c["preparation"].update(settings=settings))
    for name in names:
        crop, notes = crop_of(photos / name, InputSpec(), settings, aligned, None)
        expected = read_crop(tmp_path / "aligned" / Path(name).with_suffix(".png"))
        np.testing.assert_array_equal(crop, expected)
        assert notes == []
    first, second = (photos / name for name in names)
    its_crop = tmp_path / "aligned" / Path(names[0]).with_suffix(".png")
    output = run_eval("same", "pixels", first, its_crop, "--report", aligned).output
    assert output.startswith("score 1.0000 (cosine; L2 0.0000)\nsame person at")

    both = tmp_path / "both.png"
    cv2.imwrite(str(both), np.hstack([cv2.imread(str(first)), cv2.imread(str(second))]))
    output = run_eval("same", "pixels", both, first, "--report", aligned, code=1).output
    assert re.search(r"both\.png: shows \d faces; say with --face which is meant: centre, largest or", output)
    output = run_eval("same", "pixels", both, first, "--report", aligned, "--face", "confident").output
    assert output.startswith("score ")
    wall = tmp_path / "wall.png"
    cv2.imwrite(str(wall), np.full((250, 250, 3), 128, np.uint8))
    output = run_eval("same", "pixels", wall, first, "--report", aligned, code=1).output
    assert "wall.png: no face found; give a photo with a face in it, or a crop of 112x96" in output

    def of(**values):
        return changed(report, lambda c: c["preparation"].update(settings={**settings, **values}))

    for values in ({"detector": {}}, {"template": "arcface_112x112"}, {"turning": None}):
        output = run_eval("same", "pixels", first, second, "--report", of(**values), code=1).output
        assert "by another detector, or to another template than sphereface_112x96; make the" in output
    output = run_eval("same", "pixels", first, second, "--report", of(min_face="x"), code=1).output
    assert "changed.json: is damaged (" in output
