"""Two reports on the same pairs, compared pair by pair."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from eval import rendering, report_files
from eval.compare import FEW, compare, markdown, shown_far, table
from eval.differences import cells, p_text
from eval.paired_difference import mcnemar, paired_difference
from eval.people import people_of
from sphereface_plus.data.formats.pairs import Pairs


@pytest.fixture(scope="module")
def three(lfw_lists, embeddings_file, run_eval, tmp_path_factory):
    """Folders of reports: a poor model, a good one, and the good one again."""
    outs = []
    for name, noise in (("poor", 1.3), ("good", 0.6), ("again", 0.6)):
        outs.append(tmp_path_factory.mktemp(name))
        model = embeddings_file(lfw_lists / "pairs.txt", name, noise, flip="concat")
        run_eval("lfw", "--model", model, "--data", lfw_lists, "--no-thumbnails", "--out", outs[-1])
    return outs


def test_difference_interval_and_test_are_of_the_pairs_in_the_reports(three, run_eval, tmp_path):
    run_eval("compare", *three, "--out", tmp_path / "compare")
    result = json.loads((tmp_path / "compare" / "compare.json").read_text())
    first, good, again = result["models"]
    assert first["against_first"] is None
    poor_right, good_right = (report_files.read(out)["per_pair"]["correct"] for out in three[:2])
    only_poor = sum(p > g for p, g in zip(poor_right, good_right, strict=True))
    only_good = sum(g > p for p, g in zip(poor_right, good_right, strict=True))
    against = good["against_first"]
    assert (against["only_base"], against["only_other"]) == (only_poor, only_good)
    assert against["mcnemar_p_value"] == mcnemar(only_poor, only_good)
    pairs = report_files.read(three[0])["per_pair"]
    genuine, fold = np.array(pairs["genuine"], dtype=bool), np.array(pairs["fold"])
    people = people_of(Pairs(pairs["first"], pairs["second"], genuine, fold))
    assert people.count == 70
    right = [np.array(each, dtype=bool) for each in (poor_right, good_right)]
    expected = paired_difference(right[0], right[1], fold, people)
    assert against["p_value"] == expected.p_value > against["mcnemar_p_value"]
    assert against["design_effect"] == expected.design_effect > 1
    assert against["interval"] == list(expected.interval)
    assert "The 70 people are known by the photos' folders." in result["test"]
    assert against["difference"] == pytest.approx(good["accuracy"] - first["accuracy"])
    assert against["interval"][0] < against["difference"] < against["interval"][1]
    assert again["against_first"] == against


def test_command_prints_a_table_and_writes_a_page_with_all_models(three, run_eval, tmp_path):
    output = run_eval("compare", *three, "--out", tmp_path / "compare").output
    page = (tmp_path / "compare" / "compare.html").read_text()
    for name in ("poor", "good", "again"):
        assert f"| {name} " in output
        assert f'<th scope="row"><bdi>{name}</bdi></th>' in page
    assert "McNemar" in output
    assert str(tmp_path / "compare" / "compare.html") in output.replace("\n", "")


def test_files_are_written_even_if_nobody_reads_what_is_printed(three, repository, tmp_path):
    command = [sys.executable, "-m", "eval", "compare", *three[:2], "--out", tmp_path / "compare"]
    reading, writing = os.pipe()
    os.close(reading)  # before a line is printed: `| head -1` in the worst case
    result = subprocess.run(command, cwd=repository, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, b"")
    assert sorted(path.name for path in (tmp_path / "compare").glob("[!.]*")) == [
        "compare.html",
        "compare.json",
    ]


def test_a_report_json_is_taken_as_well_as_its_folder(three, run_eval):
    by_file = run_eval("compare", *(out / "report.json" for out in three)).output
    assert by_file == run_eval("compare", *three).output


def test_different_pairs_are_refused(three, lfw_lists, embeddings_file, run_eval, tmp_path):
    model = embeddings_file(lfw_lists / "pairsDevTest.txt", "dev")
    run_eval("lfw", "--model", model, "--data", lfw_lists, "--view", 1, "--out", tmp_path / "view1")
    error = run_eval("compare", three[0], tmp_path / "view1", code=1).output
    assert error.startswith("error: ")
    assert "are on different pairs" in error
    assert "measure both models on it" in error


def test_models_of_one_name_are_told_apart_by_their_reports(three):
    contents = [report_files.read(three[0]), report_files.read(three[0])]
    labels = [model["label"] for model in compare(contents, ["runs/a", "runs/b"])["models"]]
    assert labels == ["poor (runs/a)", "poor (runs/b)"]


def test_different_protocols_are_compared_but_shown(three):
    contents = [report_files.read(out) for out in three[:2]]
    contents[1] = copy.deepcopy(contents[1])
    contents[1]["protocol"]["name"] = "cosine"
    comparison = compare(contents, ["a", "b"])
    assert comparison["protocols"] == ["cosine", "sphereface"]
    needed = {"p_text": p_text, "cells": cells, "shown_far": shown_far(comparison)}
    page = rendering.render("compare.html.j2", comparison=comparison, roc="", accuracies="", **needed)
    assert "The protocols differ" in page
    assert " cosine " in table(comparison)


def test_one_report_is_not_enough(three, run_eval):
    assert "two reports at least" in run_eval("compare", three[0], code=2).output


def test_against_names_the_one_that_the_others_are_compared_with(three, run_eval, tmp_path):
    poor, good, again = three
    output = run_eval("compare", poor, good / "report.json", "--against", good, "--out", tmp_path).output
    models = json.loads((tmp_path / "compare.json").read_text())["models"]
    assert [model["label"] for model in models] == ["good", "poor"]  # it comes first, and once
    assert models[0]["against_first"] is None
    assert models[1]["against_first"]["difference"] < 0
    assert output.index("| good ") < output.index("| poor ")
    not_listed = run_eval("compare", poor, again, "--against", good).output
    assert [line.split()[1] for line in not_listed.splitlines()[2:5]] == ["good", "poor", "again"]
    assert "two reports at least" in run_eval("compare", good, "--against", good, code=2).output


def test_few_deciding_pairs_are_said_with_which_to_believe(three, run_eval, tmp_path):
    contents = [report_files.read(three[1]), copy.deepcopy(report_files.read(three[1]))]
    lost = [k for k, right in enumerate(contents[0]["per_pair"]["correct"]) if right][:4]
    for k in lost:
        contents[1]["per_pair"]["correct"][k] = 0
    contents[1]["results"]["accuracy"] -= 4 / 120
    for name, report in zip("ab", contents, strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(report))
    output = run_eval("compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c").output
    assert "0 pairs gained and 4 lost against the first are few; believe p, not the interval." in output
    against = json.loads((tmp_path / "c" / "compare.json").read_text())["models"][1]["against_first"]
    assert against["few_pairs"]
    assert against["interval"][1] < 0 < 0.05 < against["mcnemar_p_value"] == 0.125
    assert against["p_value"] > 0.125  # people are in several pairs each
    assert "few pairs: believe p" in (tmp_path / "c" / "compare.html").read_text()
    many = copy.deepcopy(contents[0])
    many["per_pair"]["correct"] = [1 - right for right in many["per_pair"]["correct"]]
    many["results"]["accuracy"] = 1 - many["results"]["accuracy"]
    for other in (many, contents[0]):  # 120 deciding pairs, and none at all
        assert "are few" not in table(compare([contents[0], other], ["a", "b"]))


@pytest.mark.parametrize(("count", "few"), [(5, True), (60, False)])
def test_pairs_of_few_people_are_few_as_the_words_say(three, count, few):
    """40 deciding pairs: of 5 people they count as 40 / 2.0, of 60 as 40 / 1.04."""
    contents = [copy.deepcopy(report_files.read(three[1])) for _ in range(2)]
    for report, rest in zip(contents, (0, 1), strict=True):
        pairs = report["per_pair"]
        person = [k % count for k in range(120)]
        other = [p if same else (p + 1) % count for p, same in zip(person, pairs["genuine"], strict=True)]
        pairs["first"] = [f"P{p}/first{k}" for k, p in enumerate(person)]
        pairs["second"] = [f"P{p}/second{k}" for k, p in enumerate(other)]
        # each person gains as often as it loses, so that the pairs' differences have no design effect
        pairs["correct"] = [int(k >= 40 or k % 2 == rest) for k in range(120)]
        folds = np.array(pairs["fold"])
        means = [np.mean(np.array(pairs["correct"])[folds == fold]) for fold in np.unique(folds)]
        report["results"]["accuracy"] = float(np.mean(means))
    comparison = compare(contents, ["a", "b"])
    against = comparison["models"][1]["against_first"]
    assert f"The {count} people are known by the photos' folders." in comparison["test"]
    assert against["only_base"] + against["only_other"] == 40
    assert against["few_pairs"] is few
    assert ("are few; believe p" in table(comparison)) is few
    fewer = against["design_effect"] * (student.ppf(0.975, count - 1) / norm.ppf(0.975)) ** 2
    assert bool(40 / fewer < FEW) is few
    assert 40 / against["design_effect"] >= FEW


def damaged(report: dict, place: str, value: object) -> dict:
    report = copy.deepcopy(report)
    *parents, leaf = place.split(".")
    node = report
    for name in parents:
        node = node[name]
    if value is None:
        del node[leaf]
    else:
        node[leaf] = value
    return report


def test_a_wanted_far_has_its_row_and_is_compared_where_all_have_it(three, lfw_lists, run_eval, tmp_path):
    model = json.loads((three[1] / "report.json").read_text())["model"]["name"]
    arguments = ("--model", model, "--data", lfw_lists, "--no-thumbnails", "--far", 0.05, "--out", tmp_path)
    output = run_eval("lfw", *arguments).output
    points = report_files.read(tmp_path)["results"]["tar_at_far"]
    assert [point["far"] for point in points] == [0.1, 0.05, 0.01, 0.001, 0.0001]
    assert points[1]["false_accepts"] <= 0.05 * 60
    assert (
        f"TAR {100 * points[1]['tar']:.2f} % at FAR 0.05 (coarse): cosine {points[1]['threshold_cosine']:.4f}"
        in output
    )
    assert '<th scope="row">0.05</th>' in (tmp_path / "report.html").read_text()
    both = compare([report_files.read(three[0]), report_files.read(tmp_path)], ["a", "b"])
    assert all(len(model["tar_at_far"]) == 4 for model in both["models"])
    twice = compare([report_files.read(tmp_path)] * 2, ["a", "b"])
    assert all(len(model["tar_at_far"]) == 5 for model in twice["models"])


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("results", None, "results is missing"),
        ("title", None, "title is missing"),
        ("pairs.sha256", None, "pairs.sha256 is missing"),
        ("results.accuracy", "0.9", "results.accuracy: input should be a valid number, got '0.9'"),
        ("results.accuracy", 0.25, "per_pair.correct gives the accuracy 0."),
        ("results.accuracy_interval", [0.5], "results.accuracy_interval: list should have at least 2"),
        ("results.tar_at_far", [3], "results.tar_at_far.0: input should be"),
        ("results.tar_at_far", [], "have TAR at no FAR that is in both"),
        ("model.label", 7, "model.label: input should be a valid string, got 7"),
        ("per_pair", {}, "per_pair.genuine is missing, and 5 more"),
        ("per_pair.score", [0.5], "per_pair.score has 1 values for 120 pairs"),
        ("per_pair.score", [float("nan")] * 120, "per_pair.score.0: input should be a finite number"),
        ("per_pair.correct", [2] * 120, "per_pair.correct.0: input should be 0 or 1, got 2"),
        ("per_pair.genuine", [1] * 120, "counts of genuine and impostor pairs and per_pair.genuine"),
        ("per_pair.genuine", [1, 0] * 60, "not the same of them are genuine"),
        ("per_pair.fold", ["a"] * 120, "per_pair.fold.0: input should be a valid integer, got 'a'"),
    ],
)
def test_a_damaged_report_is_one_sentence(three, run_eval, tmp_path, place, value, message):
    (tmp_path / "report.json").write_text(json.dumps(damaged(report_files.read(three[1]), place, value)))
    output = run_eval("compare", three[0], tmp_path, code=1).output
    assert output.startswith(f"error: {tmp_path}")
    assert message in output
    assert len(output.splitlines()) == 1


def test_markdown_is_aligned_with_text_left_and_numbers_right():
    assert markdown([["model", "n"], ["a", "12"]]).splitlines() == [
        "| model |  n |",
        "|-------|---:|",
        "| a     | 12 |",
    ]


def test_pages_suit_a_dark_and_a_narrow_window(three, run_eval, tmp_path):
    run_eval("compare", *three[:2], "--out", tmp_path)
    for page in (tmp_path / "compare.html", three[0] / "report.html"):
        text = page.read_text()
        for part in ("prefers-color-scheme: dark", "max-width: 560px", "position: sticky"):
            assert part in text


def test_a_report_that_is_compared_with_itself_is_said_to_be_itself(three, run_eval, tmp_path):
    poor, good, again = three
    copied = tmp_path / "copied"
    shutil.copytree(good, copied)
    output = run_eval("compare", good, good, copied, again, poor, "--out", tmp_path / "c").output
    words = "again, or a copy: the same model with the same scores."
    assert f"{good}: is {good} {words}\n{copied}: is {good} {words}\n" in output
    assert output.count(words) == 3  # `again` was made of the same embeddings
    models = json.loads((tmp_path / "c" / "compare.json").read_text())["models"]
    assert [model["is_first"] for model in models] == [False, True, True, True, False]
    assert (tmp_path / "c" / "compare.html").read_text().count("the first report again, or a copy") == 3
