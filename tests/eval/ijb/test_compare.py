"""Several models on one IJB-C: differences by subject, and reports that do not go together."""

from __future__ import annotations

import csv
import json
import shutil
from itertools import product

import numpy as np
import pytest

from eval.identify.fnir_difference import Scores, fnir_difference
from eval.ijb.templates import averaged
from eval.scores import scores_of_pairs
from eval.threshold_differences import AtThreshold, difference_at_thresholds
from eval.threshold_intervals import ListedPairs
from sphereface_plus.data.formats.ijb import read_faces


@pytest.fixture
def reports(measured, tmp_path):
    """Reports `a` and `b` on one kit, with groups; b's features are noisier."""
    return shutil.copytree(measured, tmp_path / "reports")


@pytest.fixture(scope="module")
def measured(write_kit, tmp_path_factory, run_eval):
    kit = write_kit(tmp_path_factory.mktemp("reports"))
    rows = np.load(kit / "features.npy")
    noise = np.random.default_rng(3).standard_normal(rows.shape) * np.linalg.norm(rows, axis=1).mean() * 0.15
    np.save(kit / "noisy.npy", (rows + noise).astype(np.float32))
    lines = [f"{subject},{'odd' if subject % 2 else 'even'}" for subject in range(1000, 1042)]
    (kit / "groups.csv").write_text("identity,number\n" + "\n".join(lines) + "\n")
    for name, features in (("a", "features"), ("b", "noisy")):
        run_eval("ijb", *options(kit, features), "--groups", kit / "groups.csv", "--out", kit / name)
    return kit


def options(kit, features="features"):
    return "--meta", kit / "meta", "--features", kit / f"{features}.npy"


def report_of(kit, name):
    return json.loads((kit / name / "report.json").read_text())


def subject_of_template(kit) -> dict[int, int]:
    found = {}
    for file in (kit / "meta").glob("ijbc_1N_*.csv"):
        for row in csv.DictReader(file.read_text().splitlines()):
            row = {name.strip().upper(): value for name, value in row.items()}
            found[int(row["TEMPLATE_ID"])] = int(row["SUBJECT_ID"])
    return found


def templates(kit, features):
    """Numbers of templates, their embeddings, and whose they are."""
    faces, whose = read_faces(kit / "meta/ijbc_face_tid_mid.txt"), subject_of_template(kit)
    numbers, units = averaged(np.load(kit / f"{features}.npy"), faces, "media")
    return numbers, units, np.array([whose[number] for number in numbers.tolist()]) - 1000


def tar_at(kit, features, point):
    """Pairs of each subject, and a TAR as all scores have it; point: its thresholds, of the report."""
    numbers, units, subject = templates(kit, features)
    pairs = np.loadtxt(kit / "meta/ijbc_template_pair_label.txt", dtype=int)
    first, second = (np.searchsorted(numbers, side) for side in pairs.T[:2])
    scores, genuine = scores_of_pairs(units, first, units, second), pairs[:, 2] == 1
    threshold, *ends = (
        np.inf if at is None else at
        for at in (point["threshold_cosine"], *point["threshold_cosine_interval"])
    )
    listed = ListedPairs(subject[first[~genuine]], subject[second[~genuine]], subject.max() + 1)
    owner, (lenient, strict) = (
        subject[first[genuine]],
        [float(np.mean(scores[genuine] >= end)) for end in ends],
    )
    accepted = np.bincount(owner, scores[genuine] >= threshold, subject.max() + 1)
    parts = -listed.accepted(scores[~genuine] >= threshold).parts
    return np.bincount(owner, minlength=subject.max() + 1), AtThreshold(accepted, (lenient, strict), parts)


def searches(kit, features, gallery):
    """Whose the searches with and without a mate are, and their scores."""
    numbers, units, subject = templates(kit, features)

    def listed(name):
        rows = csv.DictReader((kit / f"meta/ijbc_1N_{name}.csv").read_text().splitlines())
        return np.searchsorted(numbers, sorted({int(row["TEMPLATE_ID"]) for row in rows}))

    probes, enrolled = listed("probe_mixed"), listed(f"gallery_{gallery}")
    scores = np.array(
        [scores_of_pairs(units, np.full(len(enrolled), row), units, enrolled) for row in probes]
    )
    mates = subject[enrolled][None] == subject[probes][:, None]
    mated, other = mates.any(axis=1), np.where(mates, -np.inf, scores)
    mate = np.where(mates, scores, -np.inf).max(axis=1)
    found = Scores(mate[mated], np.sum(other >= mate[:, None], axis=1)[mated], other.max(axis=1)[~mated])
    return subject[probes][mated], subject[probes][~mated], found


def test_differences_of_pairs_are_those_by_subject(reports, run_eval):
    output = run_eval("compare", reports / "b", "--against", reports / "a", "--out", reports / "both").output
    comparison = json.loads((reports / "both/compare.json").read_text())
    tars = [measure for measure in comparison["measures"] if measure["what"].startswith("TAR")]
    points = zip(*(report_of(reports, name)["verification"]["tar_at_far"] for name in "ab"), strict=True)
    for measure, (of_a, of_b) in zip(tars, points, strict=True):
        (pairs, a), (_, b) = tar_at(reports, "features", of_a), tar_at(reports, "noisy", of_b)
        expected = difference_at_thresholds(a, b, pairs)
        found = measure["against_first"][1]
        assert found["difference"] == pytest.approx(expected.difference)
        assert found["interval"] == pytest.approx(expected.interval, abs=1e-3)
        assert found["p_value"] == pytest.approx(expected.p_value, abs=1e-3)
        assert found["difference"] == pytest.approx(of_b["tar"] - of_a["tar"])
    assert "TAR at FAR 1e-0" in output
    page = (reports / "both/compare.html").read_text()
    assert page.count("<svg") == 5  # ROC; CMC and DET of each gallery
    assert "2 models on the same templates" in page


def test_differences_of_searches_are_those_of_the_measures(reports, run_eval):
    run_eval("compare", reports / "a", reports / "b", "--out", reports / "both")
    comparison = json.loads((reports / "both/compare.json").read_text())
    by_name = {measure["what"]: measure for measure in comparison["measures"]}
    for what in ("Rank-1", "FNIR at FPIR 0.1"):
        names = [name for name in by_name if name.startswith(f"{what}, ")]
        mean, *both = (by_name[name] for name in names)
        assert names[0] == f"{what}, mean of both galleries"
        for measure in (mean, *both):
            first, second = measure["values"]
            found = measure["against_first"][1]
            assert measure["against_first"][0] is None
            assert found["difference"] == pytest.approx(second - first)
            low, high = found["interval"]
            assert low <= found["difference"] <= high
            better = found["other_better"] - found["base_better"]
            assert better == 0 or (better > 0) == ((second > first) == (what == "Rank-1"))
        assert mean["values"] == pytest.approx(np.mean([one["values"] for one in both], axis=0))


def test_differences_of_fnir_are_those_of_single_searches(reports, run_eval):
    run_eval("compare", reports / "a", reports / "b", "--out", reports / "both")
    measures = json.loads((reports / "both/compare.json").read_text())["measures"]
    for fpir, gallery in product((0.1, 0.01), ("G1", "G2")):
        found = next(
            measure["against_first"][1]
            for measure in measures
            if measure["what"].startswith(f"FNIR at FPIR {fpir:g}, ")
            and f"gallery_{gallery}" in measure["what"]
        )
        (mated, without, a), (_, _, b) = (searches(reports, name, gallery) for name in ("features", "noisy"))
        expected = fnir_difference(a, b, mated, without, fpir, 1)
        assert found["difference"] == pytest.approx(expected.difference)
        assert found["interval"] == pytest.approx(expected.interval)
        assert found["p_value"] == pytest.approx(expected.p_value)


def test_rates_that_were_asked_for_are_compared_where_both_reports_have_them(reports, run_eval):
    more = ("--far", "2.5e-4", "--fpir", "0.05", "--out", reports / "more")
    output = run_eval("ijb", *options(reports), "--groups", reports / "groups.csv", *more).output
    assert "TAR at FAR 2.5e-04" in output
    assert output.count("FNIR at FPIR 0.05") == 3  # each gallery, and the mean
    run_eval("compare", reports / "more", reports / "b", "--out", reports / "both")
    comparison = json.loads((reports / "both/compare.json").read_text())
    names = " ".join(measure["what"] for measure in comparison["measures"])
    assert "TAR at FAR 1e-04 TAR at FAR 1e-03" in names
    assert "FNIR at FPIR 0.05" not in names


def test_each_models_tar_is_marked_and_the_lowest_far_that_is_resolved_of_all_is_shown(reports, run_eval):
    whole = {name: report_of(reports, name) for name in "ab"}
    for name, lowest in (("a", 1), ("b", 3)):
        for place, point in enumerate(whole[name]["verification"]["tar_at_far"]):
            point["resolution"] = "resolved" if place >= lowest else "coarse"
        (reports / f"{name}.json").write_text(json.dumps(whole[name]))
    output = run_eval("compare", reports / "a.json", reports / "b.json", "--out", reports / "both").output
    assert output.count("TAR at FAR 1e-03") == 2
    measures = json.loads((reports / "both/compare.json").read_text())["measures"]
    assert [measure["resolutions"] for measure in measures[:4]] == [
        ["coarse", "coarse"],
        *[["resolved", "coarse"]] * 2,
        ["resolved", "resolved"],
    ]
    page = (reports / "both/compare.html").read_text()
    assert page.count("(coarse)") == 4 + sum(
        measure["resolutions"].count("coarse") for measure in measures if "TAR" not in measure["what"]
    )


def test_published_reports_are_compared_as_the_whole_ones(reports, run_eval):
    whole = run_eval("compare", reports / "a", reports / "b").output
    for name, public in (("a", "features"), ("b", "noisy")):
        assert report_of(reports, name)["model"]["label"] == public
    assert run_eval("compare", reports / "a/public", reports / "b/public").output == whole


def test_reports_of_other_lists_or_ranks_are_refused_by_name(reports, run_eval):
    def refused():
        run_eval("ijb", *options(reports), "--out", reports / "other")
        output = run_eval("compare", reports / "a", reports / "other", code=1).output
        for file in (reports / "other").rglob("*.*"):
            if file.is_file():
                file.unlink()
        return output

    pairs = reports / "meta/ijbc_template_pair_label.txt"
    whole = pairs.read_text()
    pairs.write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    assert f"{reports}/other and {reports}/a have other list of pairs; a paired test needs" in refused()
    pairs.write_text(whole)
    run_eval("ijb", *options(reports), "--rank", "5", "--out", reports / "ranked")
    output = run_eval("compare", reports / "a", reports / "ranked", code=1).output
    assert "have other ranks that count as found in FNIR" in output


def test_older_and_damaged_reports_are_refused(reports, run_eval):
    report = report_of(reports, "b")
    report["verification"]["by_subject"]["pairs"].pop()
    (reports / "cut.json").write_text(json.dumps(report))
    output = run_eval("compare", reports / "a", reports / "cut.json", code=1).output
    assert "cut.json: is damaged, its counts by subject differ in length; make it again" in output
    del report["identification"]["galleries"][0]["by_subject"]
    (reports / "old.json").write_text(json.dumps(report))
    output = run_eval("compare", reports / "a", reports / "old.json", code=1).output
    assert "old.json: is not a report of python -m eval ijb, or a damaged or older one" in output


def test_groups_of_subjects_and_the_training_are_on_the_page(measured):
    report, page = report_of(measured, "b"), (measured / "b/report.html").read_text()
    odd, even = sorted(report["verification"]["per_group"]["columns"][0]["groups"], key=lambda g: g["group"])[
        ::-1
    ]
    assert odd["pairs"] + even["pairs"] == report["verification"]["genuine"]
    for place, point in enumerate(report["verification"]["tar_at_far"]):
        both = sum(group["pairs"] * group["tar"][place]["share"] for group in (odd, even))
        assert both / report["verification"]["genuine"] == pytest.approx(point["tar"])
        assert all(
            g["tar"][place]["interval"][0] <= g["tar"][place]["share"] <= g["tar"][place]["interval"][1]
            for g in (odd, even)
        )
    assert {
        group["group"]
        for group in report["identification"]["galleries"][1]["per_group"]["columns"][0]["groups"]
    } == {"odd", "even"}
    assert "By group" in page
    assert "The model does not say what it was trained on" in page
    assert str(measured) not in (measured / "b/public/report.json").read_text()
