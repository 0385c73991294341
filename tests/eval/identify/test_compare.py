"""Several models on the same searches: differences by person, and reports that do not go together."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from eval.identify.fnir_difference import Scores, fnir_difference
from eval.intervals import difference_by_subject
from sphereface_plus.data.formats.embeddings import write_embeddings


@pytest.fixture
def reports(measured, tmp_path):
    """Reports of two models on the same photos, `base` noisier than `good`, and one on fewer, `other`."""
    return shutil.copytree(measured, tmp_path / "reports")


@pytest.fixture(scope="module")
def measured(tmp_path_factory, run_eval):
    folder = tmp_path_factory.mktemp("reports")
    for name, noise in (("base", 0.9), ("good", 0.35), ("other", 0.35)):
        random = np.random.default_rng(1)
        people = [f"p{person}" for person in range(30)]
        directions = random.normal(size=(40, 12))
        sets = {"gallery": (people[:20], 1), "probes": (people, 3 if name != "other" else 2)}
        options = []
        for role, (of, photos) in sets.items():
            keys = [f"{person}/{role}{photo}" for person in of for photo in range(photos)]
            rows = np.repeat(directions[: len(of)], photos, axis=0)
            rows = rows + noise * random.normal(size=rows.shape)
            write_embeddings(folder / f"{name}_{role}.npz", keys, rows.astype(np.float32), {})
            options += [f"--{role}", folder / f"{name}_{role}.npz"]
        run_eval("identify", *options, "--out", folder / name)
    return folder


def searches(folder) -> dict:
    return json.loads((folder / "report.json").read_text())["per_search"]


def test_differences_are_those_by_person(reports, run_eval):
    output = run_eval(
        "compare", reports / "good", "--against", reports / "base", "--out", reports / "both"
    ).output
    base, good = searches(reports / "base"), searches(reports / "good")
    mated = [place for place, above in enumerate(base["above"]) if above is not None]
    base_first, good_first = (np.array([of["above"][place] == 0 for place in mated]) for of in (base, good))
    people = np.array([base["person"][place] for place in mated])
    expected = difference_by_subject(base_first, good_first, people)
    comparison = json.loads((reports / "both" / "compare.json").read_text())
    found = comparison["models"][1]["rank1_against_first"]
    assert (found["difference"], tuple(found["interval"])) == (expected.difference, expected.interval)
    assert found["only_other"] - found["only_base"] == round(expected.difference * len(mated))
    assert comparison["models"][0]["rank1_against_first"] is None
    assert f"| {100 * expected.difference:+.2f} |" in " ".join(output.split())
    page = (reports / "both" / "compare.html").read_text()
    assert "2 models on the same searches" in page
    assert "base_gallery" in page


def test_fnir_is_tested_at_each_fpir_that_both_reports_have(reports, run_eval):
    output = run_eval("compare", reports / "base", reports / "good", "--out", reports / "both").output
    comparison = json.loads((reports / "both/compare.json").read_text())
    page = (reports / "both/compare.html").read_text()
    base, good = (searches(reports / name) for name in ("base", "good"))
    numbers = np.unique(base["person"], return_inverse=True)[1]
    mated = np.array([above is not None for above in base["above"]])

    def scores(of: dict) -> Scores:
        above, mate, other = (of[name] for name in ("above", "mate_score", "other_score"))
        found = [(score, count) for score, count in zip(mate, above, strict=True) if count is not None]
        highest = [score for score, count in zip(other, above, strict=True) if count is None]
        return Scores(*(np.array(values) for values in zip(*found, strict=True)), np.array(highest))

    for first, point in zip(*(model["points"] for model in comparison["models"]), strict=True):
        expected = fnir_difference(
            scores(base), scores(good), numbers[mated], numbers[~mated], point["fpir"], rank=1
        )
        found = point["against_first"]
        assert found["difference"] == pytest.approx(point["fnir"] - first["fnir"])
        assert (found["difference"], *found["interval"], found["p_value"]) == pytest.approx(
            (expected.difference, *expected.interval, expected.p_value)
        )
        assert found["only_other"] - found["only_base"] == round(found["difference"] * mated.sum())
        assert first["against_first"] is None
        assert f"FNIR % at {point['fpir']:g} |" in output
        assert f'<th scope="row">FNIR at FPIR {point["fpir"]:g}' in page
    assert page.count("<small><bdi>good_gallery</bdi></small>") == 4  # rank-1, and three FPIRs


def test_published_reports_are_compared_as_the_whole_ones(reports, run_eval):
    whole = run_eval("compare", reports / "base", reports / "good").output
    assert run_eval("compare", reports / "base" / "public", reports / "good" / "public").output == whole


def test_as_many_other_distractors_are_not_the_same_searches(reports, run_eval):
    random = np.random.default_rng(2)
    for name in ("x", "y"):
        keys = [f"{name}{number}" for number in range(50)]
        write_embeddings(reports / f"{name}.npz", keys, random.normal(size=(50, 12)).astype(np.float32), {})
        sets = [f"--{role}={reports / f'good_{role}.npz'}" for role in ("gallery", "probes")]
        run_eval(
            "identify", *sets, "--distractors", reports / f"{name}.npz", "--out", reports / f"among_{name}"
        )
    output = run_eval("compare", reports / "among_x", reports / "among_y", code=1).output
    assert "have other photos in the gallery or among the distractors; a paired test needs the same" in output


def test_reports_of_other_searches_are_refused(reports, run_eval):
    output = run_eval("compare", reports / "good", reports / "other", code=1).output
    assert "other and " in output
    assert "have other probes; a paired test needs the same searches in the same gallery" in output
    report = json.loads((reports / "good" / "report.json").read_text())
    report["per_search"]["above"].pop()
    (reports / "cut.json").write_text(json.dumps(report))
    message = "cut.json: is damaged, its lists per search differ in length; make it again"
    assert message in run_eval("compare", reports / "good", reports / "cut.json", code=1).output
    pairs = reports / "pairs.json"
    pairs.write_text(json.dumps({"format": 1, "per_pair": {}}))
    assert "no verification report of ours" in run_eval("compare", pairs, reports / "good", code=1).output
    message = "good: is an identification report, which `python -m eval who` and, beside others of its kind,"
    assert message in run_eval("compare", reports / "good", pairs, code=1).output
    assert (
        message in run_eval("same", "pixels", __file__, __file__, "--report", reports / "good", code=1).output
    )
    assert (
        "no: there is no such report" in run_eval("compare", reports / "good", reports / "no", code=1).output
    )


def test_a_rate_that_one_report_alone_has_is_shown_there_and_left_out_of_the_comparison(reports, run_eval):
    sets = [f"--{role}={reports / f'good_{role}.npz'}" for role in ("gallery", "probes")]
    output = run_eval("identify", *sets, "--fpir", 0.2, "--fpir", 0.5, "--out", reports / "more").output
    points = json.loads((reports / "more/report.json").read_text())["results"]["open_set"]["points"]
    assert [point["fpir"] for point in points] == [0.5, 0.2, 0.1, 0.01, 0.001]
    for point in points[:2]:
        assert f"at FPIR {point['fpir']:g}" in output
        assert f"unknown below a cosine of {point['threshold_cosine']:.4f}" in output
        assert point["false_positives"] <= round(point["fpir"] * 30)
    run_eval("compare", reports / "more", "--against", reports / "base", "--out", reports / "both")
    models = json.loads((reports / "both/compare.json").read_text())["models"]
    for model in models:
        assert [point["fpir"] for point in model["points"]] == [0.1, 0.01, 0.001]
    shown = [{name: at[name] for name in at if name != "against_first"} for at in models[1]["points"]]
    assert shown == points[2:]


@pytest.mark.parametrize("rate", ["0", "1", "-0.1", "many"])
def test_a_rate_that_is_none_is_refused(reports, run_eval, rate):
    sets = [f"--{role}={reports / f'good_{role}.npz'}" for role in ("gallery", "probes")]
    assert "--fpir" in run_eval("identify", *sets, "--fpir", rate, "--out", reports / "no", code=2).output


def test_reports_of_other_mates_are_refused(reports, run_eval):
    for kind in ("best", "each"):
        gallery = "--gallery", reports / "good_probes.npz", "--mates", kind
        run_eval("identify", *gallery, "--out", reports / kind)
    output = run_eval("compare", reports / "each", reports / "best", code=1).output
    assert "best has searches with --mates best, " in output
    assert "each with --mates each; measure both with one" in output
    shutil.copy(reports / "each" / "report.json", reports / "again.json")
    run_eval("compare", reports / "each", reports / "again.json", "--out", reports / "both")
    assert "with each mate in turn as the only one" in (reports / "both" / "compare.html").read_text()
    old = json.loads((reports / "best" / "report.json").read_text())
    del old["mates"]  # as reports were
    (reports / "old.json").write_text(json.dumps(old))
    run_eval("compare", reports / "best", reports / "old.json")
    assert "--mates best" in run_eval("compare", reports / "each", reports / "old.json", code=1).output
