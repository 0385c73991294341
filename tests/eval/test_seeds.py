"""Mean, spread and paired difference over seeds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import ttest_rel

from eval.seeds import Group, paired, read_group

BASE, PLUS = {0: 0.80, 1: 0.83, 2: 0.79}, {0: 0.82, 1: 0.84, 2: 0.82}


@pytest.fixture
def group(tmp_path):
    """A function that writes reports of one group, one for each seed, and returns their pattern."""

    def write(name: str, accuracy: dict, pairs: str = "a" * 64, protocol: str = "sphereface") -> str:
        for seed, value in accuracy.items():
            folder = tmp_path / f"{name}_{seed}"
            folder.mkdir()
            report = {
                "format": 1,
                "pairs": {"sha256": pairs},
                "protocol": {"name": protocol},
                "model": {"provenance": {} if seed is None else {"seed": seed}},
                "results": {"accuracy": value},
                "per_pair": {},
            }
            (folder / "report.json").write_text(json.dumps(report))
        return f"{tmp_path}/{name}_*"

    return write


def test_paired_difference_has_scipys_t_interval():
    result = paired(Group("plus", PLUS), Group("base", BASE))
    expected = ttest_rel(list(PLUS.values()), list(BASE.values()))
    interval = expected.confidence_interval(0.95)
    assert (result.mean, result.low, result.high) == pytest.approx((0.02, interval.low, interval.high))


def test_table_shows_mean_sd_and_difference(group, run_eval):
    output = run_eval("seeds", "--against", group("base", BASE), group("plus", PLUS)).output
    base, plus = output.splitlines()[2:]
    assert base.split("|")[2:5] == [
        f" {'3':>5} ",
        f" {'80.67':>10} ",
        f" {np.std([80, 83, 79], ddof=1):.2f} ",
    ]
    assert "+2.00" in plus
    assert "-0.48 .. +4.48" in plus


def test_groups_are_found_from_the_working_folder(group, monkeypatch, tmp_path):
    group("base", BASE)
    monkeypatch.chdir(tmp_path)
    assert read_group("base_*")[0].accuracy == BASE
    assert read_group("base_*/report.json")[0].accuracy == BASE


def test_unusable_groups_are_refused_with_a_sentence(group, run_eval):
    base = group("base", BASE)
    one, other_seeds = group("one", {0: 0.5}), group("other", {0: 0.5, 7: 0.6})
    other_pairs = group("pairs", BASE, pairs="b" * 64)
    for pattern, message in (
        (one, "one report found; a group is two or more of the same pairs, which differ in the seed, named"),
        (base + "x", "no report found; a group is two or more of the same pairs"),
        (other_seeds, "has the seeds [0, 7]"),
        (other_pairs, "differ in pairs or protocol"),
        (group("none", {None: 0.5, 1: 0.6}), "does not say its seed"),
    ):
        output = run_eval("seeds", "--against", base, pattern, code=1).output
        assert output.startswith("error: ")
        assert message in output
