"""`--rank`, R of FNIR(N, R, T): a double loop over probes and gallery, groups, and comparisons."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval.group_words import OF_SEARCHES, group_lines, unsure_words
from eval.scores import scores_of_pairs
from sphereface_plus.data.formats.embeddings import write_embeddings

PEOPLE, ENROLLED = 40, 30


@pytest.fixture
def drawn(tmp_path):
    """Noisy embeddings: a template each of 30 people, and two probes each of 40."""
    random = np.random.default_rng(3)
    directions = random.normal(size=(PEOPLE, 8))
    sets = {}
    for role, people in (("gallery", np.arange(ENROLLED)), ("probes", np.repeat(np.arange(PEOPLE), 2))):
        rows = (directions[people] + random.normal(size=(len(people), 8))).astype(np.float32)
        keys = [f"p{person:02d}/{role}{number}" for number, person in enumerate(people)]
        write_embeddings(tmp_path / f"{role}.npz", keys, rows, {})
        sets[role] = people, rows
    groups = ["identity,half", *(f"p{person:02d},{'ab'[person % 2]}" for person in range(PEOPLE))]
    (tmp_path / "groups.csv").write_text("\n".join(groups) + "\n")
    return tmp_path, sets


def identified(run_eval, folder, rank: str, out: str):
    sets = ("--gallery", folder / "gallery.npz", "--probes", folder / "probes.npz")
    more = ("--groups", folder / "groups.csv", "--rank", rank)
    output = run_eval("identify", *sets, *more, "--out", folder / out).output
    return output, json.loads((folder / out / "report.json").read_text())["results"]


def test_groups_are_on_the_terminal_ten_at_most(drawn, run_eval):
    folder, _ = drawn
    output, results = identified(run_eval, folder, "1", "out")
    at, (column,) = results["reference"], results["per_group"]["columns"]
    threshold = f"{at['threshold_cosine']:.4f}"
    fpir = f"FPIR {at['fpir']:g}{unsure_words(results['per_group'])}"
    assert f"by half at the threshold {threshold} of all searches ({fpir}), 95 % by" in output
    for group in column["groups"]:
        (low, high), share = group["rank1"]["interval"], group["rank1"]["share"]
        said = f"rank-1 {100 * share:.2f} % ({100 * low:.2f} to {100 * high:.2f}); FNIR "
        assert f"  {group['group']}: {group['people']} people; {said}" in output
    many = {**results["per_group"], "columns": [{"name": "x", "groups": column["groups"][:1] * 12}]}
    assert group_lines(many, OF_SEARCHES)[-1] == "  2 groups more on the page"


def literal_fnir(sets, threshold: float, rank: int | None, of=lambda person: True) -> float:
    """A mate is found if it scores T or higher, and fewer than R others score as high as it or higher."""
    (gallery_people, gallery), (probe_people, probes) = sets["gallery"], sets["probes"]
    missed, searches = 0, 0
    for person, probe in zip(probe_people, probes, strict=True):
        if person >= ENROLLED or not of(person):
            continue
        scores = {
            other: float(scores_of_pairs(probe[None], np.array([0]), row[None], np.array([0]))[0])
            for other, row in zip(gallery_people, gallery, strict=True)
        }
        mate = scores.pop(person)
        above = sum(score >= mate for score in scores.values())
        searches += 1
        missed += not (mate >= threshold and (rank is None or above < rank))
    return missed / searches


def test_fnir_of_any_rank_is_that_of_a_double_loop(drawn, run_eval):
    folder, sets = drawn
    fnirs = {}
    for name, rank in (("1", 1), ("2", 2), ("5", 5), ("all", None)):
        output, results = identified(run_eval, folder, name, f"rank_{name}")
        opened = results["open_set"]
        assert opened["rank"] == rank
        for point in opened["points"]:
            assert point["fnir"] == pytest.approx(literal_fnir(sets, point["threshold_cosine"], rank))
        half = results["per_group"]["columns"][0]["groups"][1]
        threshold = results["per_group"]["threshold_cosine"]
        assert half["fnir"]["share"] == pytest.approx(
            literal_fnir(sets, threshold, rank, of=lambda person: person % 2)
        )
        words = {1: "mates that come first", None: "mates of any rank"}.get(
            rank, f"mates among the best {rank}"
        )
        assert words in (folder / f"rank_{name}/report.html").read_text()
        assert (f"FNIR counts as found {words}" in output) == (rank != 1)
        fnirs[name] = opened["det"]["fnir"]
    assert (
        fnirs["1"][-1] > fnirs["2"][-1] > fnirs["5"][-1] > fnirs["all"][-1] == 0
    )  # where nothing is below T


def test_reports_of_other_ranks_are_not_compared(drawn, run_eval):
    folder, _ = drawn
    for rank in ("1", "all"):
        identified(run_eval, folder, rank, rank)
    output = run_eval("compare", folder / "1", folder / "all", code=1).output
    assert "all counts mates of any rank as found in its FNIR, " in output
    assert "1 mates that come first; measure both with one --rank" in output
    assert (
        "--rank"
        in run_eval("identify", "--gallery", folder, "--rank", "0", "--out", folder / "x", code=2).output
    )
