"""Several models on one MegaFace: differences by person, and reports that do not go together."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from eval.intervals import difference_by_subject
from eval.scores import scores_of_pairs
from eval.search_statistics import leave_one_out
from eval.threshold_differences import AtThreshold, difference_at_thresholds
from eval.threshold_intervals import crossed
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
    """Whose searches are, and whether mates are first, (sets, Q); whose pairs are, and their scores; whose
    probes are, and their scores (P, N) with the distractors of the first set."""
    content = json.loads((kit / "lists/facescrub_features_list.json").read_text())
    rows = np.array([read_feature(root / "probes" / f"{path}_m.bin") for path in content["path"]])
    people = np.unique(content["id"], return_inverse=True)[1]
    probe, mate = leave_one_out(people)
    score = scores_of_pairs(rows, probe, rows, mate)
    found, impostors = [], []
    for number in sets:
        paths = json.loads((kit / f"lists/megaface_features_list.json_100_{number}").read_text())["path"]
        others = np.array([read_feature(root / "distractors" / f"{path}_m.bin") for path in paths])
        of_set = np.array(
            [scores_of_pairs(rows, np.full(100, row), others, np.arange(100)) for row in range(len(rows))]
        )
        impostors.append(of_set)
        found.append(score > of_set.max(axis=1)[probe])
    once = probe < mate
    return people[probe], np.array(found), people[probe[once]], score[once], people, impostors[0]


def at_threshold(found, point):
    """A TAR as all scores have it; point: its thresholds, of the report."""
    _, _, owner, genuine, people, impostors = found
    threshold, *ends = (
        np.inf if at is None else at
        for at in (point["threshold_cosine"], *point["threshold_cosine_interval"])
    )
    probe, distractor = np.nonzero(impostors >= threshold)
    photos, number = np.bincount(people), impostors.shape[1]
    share = len(probe) / impostors.size
    lenient, strict = (float(np.mean(genuine >= end)) for end in ends)
    parts = -crossed(share, people[probe], distractor, photos, number).parts
    return AtThreshold(np.bincount(owner, genuine >= threshold), (lenient, strict), parts)


def test_differences_are_those_by_person_of_single_searches(reports, run_eval):
    output = run_eval("compare", reports / "b", "--against", reports / "a", "--out", reports / "both").output
    whole_a, whole_b = literal(reports, reports), literal(reports, reports / "noisy")
    owner, found_a, of_pair = whole_a[:3]
    found_b = whole_b[1]
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
        before, after = (
            at_threshold(found, each["results"]["raw"]["verification"][-1]["tar_at_far"][place])
            for found, each in ((whole_a, report_a), (whole_b, report_b))
        )
        expected = difference_at_thresholds(before, after, np.bincount(of_pair))
        assert point["against_first"]["difference"] == pytest.approx(expected.difference)
        assert point["against_first"]["interval"] == pytest.approx(expected.interval, abs=1e-3)
        assert point["against_first"]["p_value"] == pytest.approx(expected.p_value, abs=1e-3)
    assert first["rank_1"][-1]["against_first"] is None
    assert "raw: model" in output
    assert output.count(", first set") == 2  # raw and cleaned: their sets differ
    assert "cleaned: model" in output
    page = (reports / "both/compare.html").read_text()
    assert page.count("<svg") == 6  # rank-1, rank-10 and ROC, raw and cleaned
    assert "2 models on the same searches" in page
    assert "TAR at FAR 1e-02, first set" in page


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
    owner, found_a, *_ = literal(reports, reports, sets=[1])
    _, found_b, *_ = literal(reports, reports / "noisy", sets=[1])
    expected = difference_by_subject(found_a[0], found_b[0], owner)
    comparison = json.loads((reports / "both/compare.json").read_text())
    found = comparison["models"][1]["results"]["raw"]["rank_1"][-1]["against_first"]
    assert found["difference"] == pytest.approx(expected.difference)
    assert tuple(found["interval"]) == pytest.approx(expected.interval)
    assert found["p_value"] == pytest.approx(expected.p_value)


def test_a_far_that_was_asked_for_is_compared_where_both_reports_have_it(reports, run_eval):
    output = run_eval(
        "megaface", *options(reports, reports, "--far", "2.5e-4"), "--out", reports / "more"
    ).output
    assert output.count("TAR at FAR 2.5e-04") == 2  # raw and cleaned
    run_eval("compare", reports / "more", reports / "b", "--out", reports / "both")
    models = json.loads((reports / "both/compare.json").read_text())["models"]
    fars = [[at["far"] for at in model["results"]["raw"]["tar_at_far"]] for model in models]
    assert fars == [[1e-6, 1e-5, 1e-4, 1e-3, 1e-2]] * 2


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
