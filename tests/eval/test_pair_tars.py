"""TARs of two models on one list of pairs: the difference by people, with both thresholds' errors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval import report_files
from eval.intervals import difference_of_counts
from eval.pair_tars import against_first, at_fars
from eval.people import People, people_of
from eval.threshold_differences import AtThreshold, difference_at_thresholds
from eval.threshold_intervals import ListedPairs
from sphereface_plus.data.formats.pairs import Pairs


@pytest.fixture(scope="module")
def reports(lfw_lists, embeddings_file, run_eval, tmp_path_factory):
    """Folders of reports: a poor model and a good one, on 60 genuine and 60 impostor pairs of 70 people."""
    outs = []
    for name, noise in (("poor", 1.3), ("good", 0.6)):
        outs.append(tmp_path_factory.mktemp(name))
        model = embeddings_file(lfw_lists / "pairs.txt", name, noise)
        run_eval("lfw", "--model", model, "--data", lfw_lists, "--no-thumbnails", "--out", outs[-1])
    return outs


def test_the_difference_is_of_people_at_each_models_threshold(reports, run_eval, tmp_path):
    run_eval("compare", *reports, "--out", tmp_path)
    first, second = json.loads((tmp_path / "compare.json").read_text())["models"]
    contents = [report_files.read(out) for out in reports]
    pairs = contents[0]["per_pair"]
    genuine = np.array(pairs["genuine"], dtype=bool)
    people = people_of(Pairs(pairs["first"], pairs["second"], genuine, np.array(pairs["fold"])))
    owner, listed = (
        people.first[genuine],
        ListedPairs(people.first[~genuine], people.second[~genuine], people.count),
    )
    trials = [sum(owner == person) for person in range(people.count)]
    found = 0
    for place, (before, after) in enumerate(zip(first["tar_at_far"], second["tar_at_far"], strict=True)):
        rates = []
        for report in contents:
            point, scores = report["results"]["tar_at_far"][place], np.array(report["per_pair"]["score"])
            accepted = scores >= point["threshold_cosine"]
            counts = [sum(accepted[genuine][owner == person]) for person in range(people.count)]
            parts = -listed.accepted(accepted[~genuine]).parts
            rates.append(AtThreshold(np.array(counts), tuple(point["tar_at_threshold_interval"]), parts))
        expected = difference_at_thresholds(rates[0], rates[1], np.array(trials))
        against = after["against_first"]
        assert before["against_first"] is None
        assert against["difference"] == pytest.approx(after["tar"] - before["tar"])
        assert against["interval"] == pytest.approx(list(expected.interval))
        assert against["p_value"] == pytest.approx(expected.p_value)
        gain = rates[1].counts - rates[0].counts
        assert (against["base_better"], against["other_better"]) == (sum(gain < 0), sum(gain > 0))
        found += against["difference"] > 0
    assert found


def test_terminal_and_page_have_the_lowest_far_that_is_resolved_and_the_page_all(reports, run_eval, tmp_path):
    output = run_eval("compare", *reports, "--out", tmp_path).output
    second = json.loads((tmp_path / "compare.json").read_text())["models"][1]
    page = (tmp_path / "compare.html").read_text()
    for place, point in enumerate(second["tar_at_far"]):
        against = point["against_first"]
        low, high = (f"{100 * end:+.2f}" for end in against["interval"])
        shown = f"{100 * against['difference']:+.2f}"
        assert f"<small>{shown} ({low} .. {high})</small>" in page
        (heading,) = [line for line in output.splitlines() if "TAR % at FAR" in line]
        if f"FAR {point['far']:g} " in heading:
            (row,) = [line for line in output.splitlines() if line.startswith("| good") and low in line]
            assert [cell.strip() for cell in row.split("|")[3:5]] == [shown, f"{low} .. {high}"]
            assert place == 0  # so few pairs show no lower one
    assert "<caption>TAR at FAR 0.1</caption>" in page
    for text in (output, page):
        assert "Each FAR is a test of its own." in text


def test_the_first_model_again_differs_in_nothing():
    scores, genuine, people = drawn(np.random.default_rng(0), 200, 40)
    both = against_first([scores[0], scores[0]], genuine, people, (0.1, 0.01))
    assert both[0] == [None, None]
    for found in both[1]:
        assert found is not None
        assert (found["difference"], found["p_value"]) == (0, 1)
        assert found["interval"][0] < 0 < found["interval"][1]


def drawn(rng, count: int, number: int) -> tuple[list[np.ndarray], np.ndarray, People]:
    """Two models of one quality, nothing in common, on so many genuine and impostor pairs of people."""
    first = rng.integers(0, number, 2 * count)
    genuine = np.arange(2 * count) < count
    second = np.where(genuine, first, (first + rng.integers(1, number, 2 * count)) % number)
    scores = []
    for _ in range(2):
        level = 0.3 * rng.standard_normal(number)
        own = np.where(genuine, 2.5 + level[first], level[first] + level[second])
        scores.append(own + 0.9 * rng.standard_normal(2 * count))
    return scores, genuine, People(first, second, number, True, "by number")


def test_two_equal_models_on_a_list_differ_in_about_5_of_100_cases():
    rng, draws = np.random.default_rng(1), 200
    ours = given = 0
    for _ in range(draws):
        scores, genuine, people = drawn(rng, 500, 100)
        ((found,),) = against_first(scores, genuine, people, (0.02,))[1:]
        assert found is not None
        base, other = (at_fars(each, genuine, people, (0.02,))[0] for each in scores)
        pairs = np.bincount(people.first[genuine], minlength=people.count)
        kept = difference_of_counts((other.counts - base.counts)[pairs > 0], pairs[pairs > 0])
        ours += found["p_value"] < 0.05
        given += kept.p_value < 0.05
    assert ours / draws <= 0.06
    assert given / draws >= 0.2  # thresholds taken as given
