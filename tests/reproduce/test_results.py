"""Tables over seeds, against numbers worked out by hand and scipy."""

import json
from pathlib import Path

import pytest
from scipy import stats

from sphereface_plus.config import ConfigError
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.reproduce import MOST_SEEDS
from sphereface_plus.reproduce.results import (
    STUDENT,
    Cell,
    cells_of,
    compared,
    errors_of,
    mean_and_deviation,
    number_text,
    paired_difference,
    provenance,
    write_results,
)
from sphereface_plus.reproduce.spec import Budget, Column, Table, config_of, jobs_of, load_table

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


def test_the_most_seeds_have_a_quantile():
    assert len(STUDENT) + 1 == MOST_SEEDS


def test_errors_are_in_the_order_of_the_steps(tmp_path):
    write_log(tmp_path / "run", {"step": 0, "test/accuracy": 0.9}, {"step": 9, "test/accuracy": 0.8})
    assert errors_of(tmp_path / "run", None) == pytest.approx([10, 20])


def test_cells_hold_errors_paired_differences_and_the_papers_number(folders):
    cells = cells_of(TABLE, TABLE.budgets["small"], 2, folders)
    found = {(cell.row, cell.column): cell for cell in cells}
    assert found["Baseline", "All"].numbers == pytest.approx((10, 12))
    assert found["Baseline", "All"].best == pytest.approx((1, 1))  # beside the last, not in its place
    assert found["Baseline", "All"].differences == ()
    assert found["MHE", "All"].differences == pytest.approx((-1, -2))
    assert found["MHE", "First"].numbers == pytest.approx((30, 20))
    assert (found["MHE", "All"].paper, found["MHE", "First"].paper) == (6.0, None)


def test_a_row_is_compared_with_the_one_that_the_table_names(tmp_path):
    numbers = {"A": (1.0, 2.0), "B": (3.0, 5.0), "C": (4.0, 8.0)}
    table = TABLE.model_copy(update={"against": {"C": "B"}})
    cells = compared([Cell(row, "score", of_row, best=of_row) for row, of_row in numbers.items()], table)
    assert [cell.differences for cell in cells] == [(), (2, 3), (1, 3)]
    budget = TABLE.budgets["small"]
    text = write_results(cells, table, budget, "", [], tmp_path, called=("score", "score"), says="How.")
    assert "| method | setting | score | minus baseline | best of evaluations | paper |\n" in text
    assert "| B | score | 4.00 ± 1.41 | +2.50 (-3.85 .. +8.85) | 4.00 ± 1.41 |  |\n" in text
    assert "| C | score | 6.00 ± 2.83 | +2.00 (-10.71 .. +14.71), minus B | 6.00 ± 2.83 |  |\n" in text
    assert "\nHow.\nIt is small.\n" in text
    assert (tmp_path / "table.csv").read_text().splitlines()[-1] == "C,score,1,8.0000,3.0000,8.0000,"


def test_an_interval_is_students_and_a_single_seed_has_none():
    low, high = stats.t.interval(0.95, 2, loc=-1, scale=stats.sem([-1, -2, 0]))
    assert paired_difference([-1, -2, 0]) == f"-1.00 ({low:+.2f} .. {high:+.2f})"
    assert paired_difference([-1.5]) == "-1.50"
    assert paired_difference([]) == ""
    assert mean_and_deviation([1.0, 3.0]) == "2.00 ± 1.41"
    assert mean_and_deviation([1.0]) == "1.00"


def test_a_class_that_no_test_tells_apart_is_one_sentence(tmp_path):
    write_log(tmp_path / "run", {"step": 9, "test/accuracy": 0.8, "test/accuracy_of_0": 0.5})
    with pytest.raises(ConfigError, match=r"of_class: class 10 was not tested in .*run; tests tell"):
        errors_of(tmp_path / "run", 10)


def test_a_failed_seed_is_left_out_of_means_and_paired_differences(folders, tmp_path):
    failed = folders[jobs_of(TABLE, TABLE.budgets["small"], 1)[0]]  # the baseline's seed 0
    failed.with_suffix(".json").write_text('{"failed": "error: not finite", "diverged": true}')
    budget = TABLE.budgets["small"]
    text = write_results(cells_of(TABLE, budget, 2, folders), TABLE, budget, "Here.", [], tmp_path / "out")
    assert "| Baseline | All | 12.00 (1 N/C) |  | 1.00 |  |" in text
    assert "| MHE | All | 9.50 ± 0.71 | -2.00 | 1.00 ± 0.00 | 6.00 |" in text
    assert (
        f"N/C, runs that did not converge, left out of means and differences: {tmp_path.name}/Baseline0.\n"
        in text
    )
    lines = (tmp_path / "out" / "table.csv").read_text().splitlines()
    assert "Baseline,All,0,,,," in lines
    assert "MHE,All,0,9.0000,,1.0000,6.0" in lines


def test_a_killed_run_is_unfinished_and_no_n_c(folders, tmp_path):
    killed = folders[jobs_of(TABLE, TABLE.budgets["small"], 1)[0]]
    killed.with_suffix(".json").write_text('{"failed": "ended by signal 9 (Killed)", "diverged": false}')
    budget = TABLE.budgets["small"]
    text = write_results(cells_of(TABLE, budget, 2, folders), TABLE, budget, "Here.", [], tmp_path / "out")
    assert "| Baseline | All | 12.00 (1 unfinished) |  | 1.00 |  |" in text
    assert (
        f"unfinished, runs that wait to be continued, left out of means and differences: {tmp_path.name}/"
        in text
    )
    assert "N/C" not in text


@pytest.mark.parametrize(
    ("words", "text"),
    [(["N/C", "N/C"], "N/C"), (["unfinished"], "unfinished"), (["N/C", "unfinished"], "N/C, unfinished")],
)
def test_a_cell_without_a_number_says_what_became_of_its_runs(words, text):
    failed = tuple((word, Path(str(seed))) for seed, word in enumerate(words))
    assert number_text(Cell("a", "b", (None,) * len(words), (), None, failed)) == text


def test_the_papers_null_is_n_c_and_what_it_does_not_have_is_empty(folders, tmp_path):
    table = TABLE.model_copy(update={"paper": {"Baseline": {"All": None}}})
    budget = TABLE.budgets["small"]
    text = write_results(cells_of(table, budget, 2, folders), table, budget, "", [], tmp_path / "out")
    assert "| Baseline | All | 11.00 ± 1.41 |  | 1.00 ± 0.00 | N/C |" in text
    assert "| Baseline | First | 40.00 ± 0.00 |  | 40.00 ± 0.00 |  |" in text
    assert text.count("N/C") == 1


def provenance_of(folder, **record):
    job = jobs_of(load_table("table01")[0], load_table("table01")[0].budgets["small"], 1)[0]
    config = config_of(job, recipes_folder() / "cifar" / "cnn9.yaml", {"cifar10": "a"}, ["train.steps=4000"])
    about = {"hardware": ["CPU"], "torch": ["2"], "date": ["today"], "at_once": [1], "threads": [2]}
    folder.with_suffix(".json").write_text(json.dumps(about | record))
    return provenance({folder: config})


def test_speed_is_that_of_all_parts_of_a_continued_run(tmp_path):
    said = provenance_of(tmp_path / "run", seconds=[10.0, 30.0], commit=["abc", "def"])
    assert "; CPU, one run at a time, 2 threads each, 40 s a run (median), 100.0 steps/s; " in said
    assert "commit abc and def, torch 2" in said


@pytest.mark.parametrize("record", [{"seconds": [10.0, None]}, {"seconds": [10.0], "failed": "words"}])
def test_a_run_that_was_not_timed_to_its_end_has_no_speed(tmp_path, record):
    assert "steps/s" not in provenance_of(tmp_path / "run", commit=["abc"], **record)


def test_a_table_says_what_set_changed_before_what_the_budget_says(folders, tmp_path):
    budget = TABLE.budgets["small"]
    cells = cells_of(TABLE, budget, 2, folders)
    text = write_results(cells, TABLE, budget, "Here.", ["train.steps=30", "seed=1"], tmp_path / "out")
    assert text.endswith(
        "Changed by --set, whatever the next lines say: train.steps=30, seed=1.\nIt is small.\nHere.\n"
    )


def test_a_table_says_what_it_is_and_how_it_differs(folders, tmp_path):
    budget = TABLE.budgets["small"]
    text = write_results(cells_of(TABLE, budget, 2, folders), TABLE, budget, "Here.", [], tmp_path / "out")
    assert "| MHE | All | 9.50 ± 0.71 | -1.50 (-7.85 .. +4.85) | 1.00 ± 0.00 | 6.00 |" in text
    assert text.endswith("It is small.\nHere.\n")
    assert (tmp_path / "out" / "table.md").read_text() == text
    lines = (tmp_path / "out" / "table.csv").read_text().splitlines()
    assert lines[0] == "row,column,seed,test_error_percent,difference,best,paper"
    assert "MHE,All,1,10.0000,-2.0000,1.0000,6.0" in lines
