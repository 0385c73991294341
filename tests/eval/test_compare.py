"""Two reports on the same pairs, compared pair by pair."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys

import pytest

from eval import report as reports
from eval.compare import compare, markdown, p_text, table
from eval.verification import mcnemar


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
    poor_right, good_right = (reports.read(out)["per_pair"]["correct"] for out in three[:2])
    only_poor = sum(p > g for p, g in zip(poor_right, good_right, strict=True))
    only_good = sum(g > p for p, g in zip(poor_right, good_right, strict=True))
    against = good["against_first"]
    assert (against["only_base"], against["only_other"]) == (only_poor, only_good)
    assert against["p_value"] == mcnemar(only_poor, only_good)
    assert against["difference"] == pytest.approx(good["accuracy"] - first["accuracy"])
    assert against["interval"][0] < against["difference"] < against["interval"][1]
    assert again["against_first"] == against


def test_command_prints_a_table_and_writes_a_page_with_all_models(three, run_eval, tmp_path):
    output = run_eval("compare", *three, "--out", tmp_path / "compare").output
    page = (tmp_path / "compare" / "compare.html").read_text()
    for name in ("poor", "good", "again"):
        assert f"| {name} " in output
        assert f'<th scope="row">{name}</th>' in page
    assert "McNemar" in output
    assert str(tmp_path / "compare" / "compare.html") in output.replace("\n", "")


def test_files_are_written_even_if_nobody_reads_what_is_printed(three, repository, tmp_path):
    command = [sys.executable, "-m", "eval", "compare", *three[:2], "--out", tmp_path / "compare"]
    reading, writing = os.pipe()
    os.close(reading)  # before a line is printed: `| head -1` in the worst case
    result = subprocess.run(command, cwd=repository, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, b"")
    assert sorted(path.name for path in (tmp_path / "compare").iterdir()) == ["compare.html", "compare.json"]


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
    contents = [reports.read(three[0]), reports.read(three[0])]
    labels = [model["label"] for model in compare(contents, ["runs/a", "runs/b"])["models"]]
    assert labels == ["poor (runs/a)", "poor (runs/b)"]


def test_different_protocols_are_compared_but_shown(three):
    contents = [reports.read(out) for out in three[:2]]
    contents[1] = copy.deepcopy(contents[1])
    contents[1]["protocol"]["name"] = "cosine"
    comparison = compare(contents, ["a", "b"])
    assert comparison["protocols"] == ["cosine", "sphereface"]
    page = reports.render("compare.html.j2", comparison=comparison, p_text=p_text, roc="", accuracies="")
    assert "The protocols differ" in page
    assert " cosine " in table(comparison)


def test_one_report_is_not_enough(three, run_eval):
    assert "two reports at least" in run_eval("compare", three[0], code=2).output


@pytest.mark.parametrize(
    ("p", "text"), [(0.5, "0.50"), (0.04, "0.0400"), (0.00012, "0.0001"), (3e-9, "< 0.0001")]
)
def test_p_values_have_the_digits_that_mean_something(p, text):
    assert p_text(p) == text


def test_markdown_is_aligned_with_text_left_and_numbers_right():
    assert markdown([["model", "n"], ["a", "12"]]).splitlines() == [
        "| model |  n |",
        "|-------|---:|",
        "| a     | 12 |",
    ]
