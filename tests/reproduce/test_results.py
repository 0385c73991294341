"""Tables over seeds, against numbers worked out by hand and scipy."""

import json

import pytest
from scipy import stats

from sphereface_plus.reproduce.results import (
    STUDENT,
    cells_of,
    error_of,
    mean_and_deviation,
    paired_difference,
    write_results,
)
from sphereface_plus.reproduce.spec import Budget, Column, Table, jobs_of

TABLE = Table(
    title="Table 0",
    recipe="r.yaml",
    rows={"Baseline": (), "MHE": ("mhe.output.weight=1",)},
    columns={"All": Column(), "First": Column(of_class=0)},
    paper={"MHE": {"All": 6.0}},
    budgets={"small": Budget(seeds=2, says="It is small.")},
)


def write_log(folder, *lines):
    folder.mkdir(parents=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def folders(tmp_path):
    """Two seeds: errors 10 and 12 without, 9 and 10 with MHE; of class 0 40 and 40, 30 and 20."""
    accuracy = {
        ("Baseline", 0): (0.90, 0.6),
        ("Baseline", 1): (0.88, 0.6),
        ("MHE", 0): (0.91, 0.7),
        ("MHE", 1): (0.90, 0.8),
    }
    made = {}
    for job in jobs_of(TABLE, TABLE.budgets["small"], 2):
        made[job] = tmp_path / f"{job.row}{job.seed}"
        everything, first = accuracy[job.row, job.seed]
        last = {"step": 9, "test/accuracy": everything, "test/accuracy_of_0": first}
        write_log(made[job], {"step": 0, "test/accuracy": 0.99}, last)
    return made


def test_students_quantiles_are_scipys():
    assert pytest.approx([stats.t.ppf(0.975, k + 1) for k in range(len(STUDENT))], abs=5e-4) == list(STUDENT)


def test_the_error_is_the_last_steps_not_the_best(tmp_path):
    write_log(tmp_path / "run", {"step": 0, "test/accuracy": 0.9}, {"step": 9, "test/accuracy": 0.8})
    assert error_of(tmp_path / "run", None) == pytest.approx(20)


def test_cells_hold_errors_paired_differences_and_the_papers_number(folders):
    cells = cells_of(TABLE, TABLE.budgets["small"], 2, folders)
    found = {(cell.row, cell.column): cell for cell in cells}
    assert found["Baseline", "All"].errors == pytest.approx((10, 12))
    assert found["Baseline", "All"].differences == ()
    assert found["MHE", "All"].differences == pytest.approx((-1, -2))
    assert found["MHE", "First"].errors == pytest.approx((30, 20))
    assert (found["MHE", "All"].paper, found["MHE", "First"].paper) == (6.0, None)


def test_an_interval_is_students_and_a_single_seed_has_none():
    low, high = stats.t.interval(0.95, 2, loc=-1, scale=stats.sem([-1, -2, 0]))
    assert paired_difference([-1, -2, 0]) == f"-1.00 ({low:+.2f} .. {high:+.2f})"
    assert paired_difference([-1.5]) == "-1.50"
    assert paired_difference([]) == ""
    assert mean_and_deviation([1.0, 3.0]) == "2.00 ± 1.41"
    assert mean_and_deviation([1.0]) == "1.00"


def test_a_table_says_what_it_is_and_how_it_differs(folders, tmp_path):
    budget = TABLE.budgets["small"]
    text = write_results(cells_of(TABLE, budget, 2, folders), TABLE, budget, "Here.", tmp_path / "out")
    assert "| MHE | All | 9.50 ± 0.71 | -1.50 (-7.85 .. +4.85) | 6.00 |" in text
    assert text.endswith("It is small.\nHere.\n")
    assert (tmp_path / "out" / "table.md").read_text() == text
    lines = (tmp_path / "out" / "table.csv").read_text().splitlines()
    assert lines[0] == "row,column,seed,test_error_percent,difference,paper"
    assert "MHE,All,1,10.0000,-2.0000,6.0" in lines
