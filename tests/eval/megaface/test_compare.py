"""Several models on one MegaFace: differences by person, and reports that do not go together."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from eval.intervals import difference_by_subject
from eval.scores import scores_of_pairs
from eval.search_statistics import leave_one_out
from sphereface_plus.data.formats.megaface_features import read_feature, write_feature


@pytest.fixture
def reports(measured, tmp_path):
    """Reports `a` and `b` on one kit; b's features are noisier."""
    return shutil.copytree(measured, tmp_path / "reports")


@pytest.fixture(scope="module")
def measured(whole_kit, tmp_path_factory, run_eval):
    kit = shutil.copytree(whole_kit, tmp_path_factory.mktemp("reports") / "kit")
    random = np.random.default_rng(5)
    for file in [*kit.glob("probes/**/*.bin"), *kit.glob("distractors/**/*.bin")]:
        noisy = read_feature(file) + 1.5 * random.standard_normal(16)
        write_feature(kit / "noisy" / file.relative_to(kit), noisy)
    for name, root in (("a", kit), ("b", kit / "noisy")):
        run_eval("megaface", *options(kit, root), "--out", kit / name)
    return kit


def options(kit, root, *more):
    noise = ("--probe-noise", kit / "probe_noise.txt")
    sides = ("--probes", root / "probes", "--distractors", root / "distractors")
    return (*sides, "--lists", kit / "lists", *noise, *more)


def literal(kit, root, sets=(1, 2)):
    """Whose searches are, and whether mates are first, (sets, Q); whose pairs are, and their scores."""
    content = json.loads((kit / "lists/facescrub_features_list.json").read_text())
    rows = np.array([read_feature(root / "probes" / f"{path}_m.bin") for path in content["path"]])
    people = np.unique(content["id"], return_inverse=True)[1]
    probe, mate = leave_one_out(people)
    score = scores_of_pairs(rows, probe, rows, mate)
    found = []
    for number in sets:
        paths = json.loads((kit / f"lists/megaface_features_list.json_100_{number}").read_text())["path"]
        others = np.array([read_feature(root / "distractors" / f"{path}_m.bin") for path in paths])
        near = [
            scores_of_pairs(rows, np.full(100, row), others, np.arange(100)).max() for row in range(len(rows))
        ]
        found.append(score > np.array(near)[probe])
    once = probe < mate
    return people[probe], np.array(found), people[probe[once]], score[once]


def test_differences_are_those_by_person_of_single_searches(reports, run_eval):
    output = run_eval("compare", reports / "b", "--against", reports / "a", "--out", reports / "both").output
    owner, found_a, of_pair, score_a = literal(reports, reports)
    _, found_b, _, score_b = literal(reports, reports / "noisy")
    comparison = json.loads((reports / "both/compare.json").read_text())
    first, second = (model["results"]["raw"] for model in comparison["models"])
    gains = np.bincount(owner, found_b.mean(axis=0) - found_a.mean(axis=0)) / np.bincount(owner)
    shares = np.bincount(owner) / len(owner)
    found = second["rank_1"][-1]["against_first"]
    assert found["difference"] == pytest.approx(np.sum(shares * gains))
    assert found["difference"] == pytest.approx(second["rank_1"][-1]["rate"] - first["rank_1"][-1]["rate"])
    assert (found["other_better"], found["base_better"]) == (np.sum(gains > 0), np.sum(gains < 0))
    report_a, report_b = (json.loads((reports / n / "report.json").read_text()) for n in "ab")
    for place, point in enumerate(second["tar_at_far"]):
        at = [
            each["results"]["raw"]["verification"][-1]["tar_at_far"][place]["threshold_cosine"]
            for each in (report_a, report_b)
        ]
        accepted = [
            scores >= (np.inf if t is None else t) for scores, t in zip((score_a, score_b), at, strict=True)
        ]
        expected = difference_by_subject(accepted[0], accepted[1], of_pair)
        assert point["against_first"]["difference"] == pytest.approx(expected.difference)
        assert point["against_first"]["interval"] is None  # thresholds are not sure, either
        assert point["against_first"]["p_value"] is None
    assert first["rank_1"][-1]["against_first"] is None
    assert "raw: model" in output
    assert "cleaned: model" in output
    page = (reports / "both/compare.html").read_text()
    assert page.count("<svg") == 6  # rank-1, rank-10 and ROC, raw and cleaned
    assert "2 models on the same searches" in page


def test_a_tar_that_is_not_resolved_of_one_model_is_marked_and_the_lowest_far_of_both_is_shown(
    reports, run_eval
):
    for name, words in (
        ("a", ["resolved"] * 5),
        ("b", ["unresolved", "coarse", "coarse", *["resolved"] * 2]),
    ):
        file = reports / name / "report.json"
        report = json.loads(file.read_text())
        for numbers in report["results"].values():
            for point, word in zip(numbers["verification"][-1]["tar_at_far"], words, strict=True):
                point["resolution"] = word
        file.write_text(json.dumps(report))
    output = run_eval("compare", reports / "a", reports / "b", "--out", reports / "both").output
    assert output.count("TAR % at FAR 1e-03") == 2  # raw and cleaned
    models = json.loads((reports / "both/compare.json").read_text())["models"]
    assert [model["results"]["raw"]["tar_at_far"][0]["resolution"] for model in models] == [
        "resolved",
        "unresolved",
    ]
    page = (reports / "both/compare.html").read_text()
    assert page.count("(coarse)") == 4  # at two FARs, raw and cleaned
    assert page.count("(not resolved)") == 2


def test_one_set_gives_the_interval_of_the_searches(reports, run_eval):
    for file in reports.glob("lists/*_2"):
        file.unlink()
    for name, root in (("a1", reports), ("b1", reports / "noisy")):
        run_eval("megaface", *options(reports, root), "--out", reports / name)
    run_eval("compare", reports / "a1", reports / "b1", "--out", reports / "both")
    owner, found_a, _, _ = literal(reports, reports, sets=[1])
    _, found_b, _, _ = literal(reports, reports / "noisy", sets=[1])
    expected = difference_by_subject(found_a[0], found_b[0], owner)
    comparison = json.loads((reports / "both/compare.json").read_text())
    found = comparison["models"][1]["results"]["raw"]["rank_1"][-1]["against_first"]
    assert found["difference"] == pytest.approx(expected.difference)
    assert tuple(found["interval"]) == pytest.approx(expected.interval)
    assert found["p_value"] == pytest.approx(expected.p_value)


def test_published_reports_are_compared_as_the_whole_ones(reports, run_eval):
    found = []
    for folder in ("", "public"):
        run_eval(
            "compare", reports / "a" / folder, reports / "b" / folder, "--out", reports / f"both{folder}"
        )
        comparison = json.loads((reports / f"both{folder}/compare.json").read_text())
        found.append([model["results"] for model in comparison["models"]])
    assert found[0] == found[1]


def test_reports_of_other_probes_distractors_or_noise_are_refused_by_name(reports, run_eval):
    def refused(name):
        return run_eval("compare", reports / "a", reports / name, code=1).output

    listed = reports / "lists/facescrub_features_list.json"
    content = json.loads(listed.read_text())
    listed.write_text(json.dumps({name: values[1:] for name, values in content.items()}))
    run_eval("megaface", *options(reports, reports), "--out", reports / "probes_less")
    assert f"{reports}/probes_less and {reports}/a have other probes, or people" in refused("probes_less")
    listed.write_text(json.dumps(content | {"id": ["Zoe", *content["id"][1:]]}))
    run_eval("megaface", *options(reports, reports), "--out", reports / "renamed")
    assert "have other probes, or people of the probes; a paired test needs" in refused("renamed")
    listed.write_text(json.dumps(content))
    noise = ("--distractor-noise", reports / "distractor_noise.txt")
    run_eval("megaface", *options(reports, reports), *noise, "--out", reports / "cleaner")
    assert "have other noise lists of the distractors" in refused("cleaner")
    first = next((reports / "distractors/000").rglob("*.bin"))
    first.unlink()
    run_eval("megaface", *options(reports, reports), "--out", reports / "fewer")
    assert "have other distractors, or sets of them" in refused("fewer")


def test_older_and_damaged_reports_and_those_of_other_kinds_are_refused(reports, run_eval):
    report = json.loads((reports / "b/report.json").read_text())
    del report["results"]["raw"]["by_person"]
    (reports / "old.json").write_text(json.dumps(report))
    output = run_eval("compare", reports / "a", reports / "old.json", code=1).output
    assert "old.json: is not a report of python -m eval megaface, or a damaged or older one" in output
    assert "results.raw.by_person" in output
    report = json.loads((reports / "b/report.json").read_text())
    report["results"]["raw"]["by_person"]["first"][0][0].pop()
    (reports / "cut.json").write_text(json.dumps(report))
    output = run_eval("compare", reports / "a", reports / "cut.json", code=1).output
    assert "cut.json: is damaged, its counts by person differ in length; make it again" in output
    shutil.copytree(reports / "a", reports / "other")
    report = json.loads((reports / "other/report.json").read_text()) | {"kind": "identification"}
    (reports / "other/report.json").write_text(json.dumps(report))
    output = run_eval("compare", reports / "a", reports / "other", code=1).output
    assert "error: compare takes reports of one kind; here are " in output
    assert "a of megaface, " in output
    assert "other of identification" in output
