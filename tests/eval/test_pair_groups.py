"""Error rates of verification by group: counted pair by pair, those between groups, too."""

import json

import numpy as np
import pytest

from eval.errors import PhotosError
from eval.groups import Groups, read_groups
from eval.intervals import accuracy_interval, subject_interval
from eval.pair_groups import pair_groups
from eval.people import People

NAMES = ["Ann", "Bo", "Cy", "Di", "Ed"]
OF = {"Ann": ["f", "old"], "Bo": ["m", "old"], "Cy": ["m", "young"], "Di": ["f", ""], "Zoe": ["f", "old"]}


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 5, 400)
    second = np.where(rng.random(400) < 0.5, first, rng.integers(0, 5, 400))
    return first, second, first == second, rng.random(400) < 0.8


def found(pairs, tmp_path):
    first, second, genuine, correct = pairs
    names = ([NAMES[row] for row in first], [NAMES[row] for row in second])
    people = People(first, second, 5, True, "by hand")
    groups = Groups(tmp_path / "groups.csv", ["sex", "age"], OF)
    return pair_groups(names, people, genuine, correct, groups)


def test_rates_are_counted_pair_by_pair(pairs, tmp_path):
    report = found(pairs, tmp_path)
    assert report["people_elsewhere_are"] == "Zoe"
    assert (report["people_elsewhere"], report["people_without"]) == (1, 1)  # Ed
    for column, index in zip(report["columns"], (0, 1), strict=True):
        group_of = {name: OF[name][index] if name in OF else "" for name in NAMES}
        for row in column["groups"]:
            value = row["group"] or ""
            same = [c for a, _, g, c in zip(*pairs, strict=True) if g and group_of[NAMES[a]] == value]
            other = [
                c
                for a, b, g, c in zip(*pairs, strict=True)
                if not g and group_of[NAMES[a]] == group_of[NAMES[b]] == value
            ]
            assert (row["genuine"], row["impostor"]) == (len(same), len(other))
            assert row["fnmr"]["share"] == pytest.approx(1 - np.mean(same))
            assert (
                row["fmr"] is None if not other else row["fmr"]["share"] == pytest.approx(1 - np.mean(other))
            )
        crossing = [c for a, b, _, c in zip(*pairs, strict=True) if group_of[NAMES[a]] != group_of[NAMES[b]]]
        assert column["across"]["impostor"] == len(crossing)
        assert column["across"]["fmr"]["share"] == pytest.approx(1 - np.mean(crossing))
    assert [row["group"] for row in report["columns"][1]["groups"]] == ["old", "young", None]


def test_intervals_are_by_person(pairs, tmp_path):
    first, _, genuine, correct = pairs
    row = found(pairs, tmp_path)["columns"][0]["groups"][1]
    assert row["group"] == "m"
    of_group = genuine & np.isin(first, [1, 2])
    low, high = row["fnmr"]["interval"]
    assert (low, high) == subject_interval(~correct[of_group], first[of_group])
    assert low < row["fnmr"]["share"] < high
    low, high = row["fmr"]["interval"]
    others = int(row["impostor"])
    right = np.ones(others, dtype=bool)
    right[: round(row["fmr"]["share"] * others)] = False
    independent = accuracy_interval(right, np.zeros(others, dtype=int))
    assert high - low >= independent[1] - independent[0] - 1e-12  # two people alone are in all these pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,group\nAnn,f\n", "expected a header `identity,group`"),
        ("identity\nAnn\n", "expected a header `identity,group`"),
        ("identity,sex\nAnn\n", "line 2 has 1 of 2 columns"),
        ("identity,sex\nAnn,f\nAnn,m\n", "line 3 puts Ann in another group than a line before"),
    ],
)
def test_another_csv_is_refused(tmp_path, text, message):
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(PhotosError, match=message):
        read_groups(tmp_path / "groups.csv")


def test_verify_has_the_table_and_publishes_no_names(lfw_lists, embeddings_file, run_eval, tmp_path):
    model = embeddings_file(lfw_lists / "pairs.txt", flip="none")
    names = sorted({line.split("\t")[0] for line in (lfw_lists / "pairs.txt").read_text().splitlines()[1:]})
    lines = [f"{name},{'even' if number % 2 else 'odd'}" for number, name in enumerate(names)]
    (tmp_path / "groups.csv").write_text("\n".join(["identity,number", *lines, "Nobody_Here,even"]) + "\n")
    arguments = ("--pairs", lfw_lists / "pairs.txt", "--model", model, "--groups", tmp_path / "groups.csv")
    result = run_eval("verify", *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    column = json.loads((tmp_path / "out/report.json").read_text())["per_group"]["columns"][0]
    assert [row["group"] for row in column["groups"]][:2] == ["even", "odd"]
    assert "By group" in (tmp_path / "out/report.html").read_text()
    (low, high), share = column["groups"][0]["fnmr"]["interval"], column["groups"][0]["fnmr"]["share"]
    said = f"{100 * share:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
    assert "by number at the thresholds of all pairs, 95 % by person:" in result.output
    assert f"  even: {column['groups'][0]['people']} people; FNMR {said}" in result.output
    public = (tmp_path / "out/public/report.json").read_text()
    assert '"per_group"' in public
    assert "Nobody_Here" not in public
    assert str(tmp_path) not in public


def test_verify_refuses_groups_of_nobody_in_the_pairs(lfw_lists, embeddings_file, run_eval, tmp_path):
    pairs = lfw_lists / "pairs.txt"
    asked = "--pairs", pairs, "--model", embeddings_file(pairs), "--groups", tmp_path / "groups.csv"
    for text, message in (
        ("identity,sex\n", "groups.csv: has a header and names nobody; give it a line for each person"),
        (
            "identity,sex\nZoe,f\n",
            "groups.csv: has groups of 1 person, such as Zoe, and of nobody who is measured, such as Person_",
        ),
    ):
        (tmp_path / "groups.csv").write_text(text)
        assert message in run_eval("verify", *asked, "--out", tmp_path / "out", code=1).output
