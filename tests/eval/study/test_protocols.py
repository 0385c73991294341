"""Other reports of the same runs, against sums that are written out."""

from __future__ import annotations

import numpy as np
import pytest

from eval.study.kept import MADE_WITH, Kept, Row
from eval.study.page import text_of
from eval.study.protocols import protocols, table_rows, weights_of_one_arm
from eval.study.spec import Study

ARMS = {
    "control": {},
    "little": {"ratio": 0.1},
    "much": {"ratio": 2},
    "placebo": {"set": ("mhe.form=random_push",), "ratio": 0.1},
    "other form": {"set": ("mhe.form=class_balanced",), "ratio": 0.1},
    "no decay": {"set": ("optimizer.decay_prototypes=false",)},
}
STUDY = Study.model_validate(
    {"title": "A study", "start": "a.yaml", "arm": "b.yaml", "arms": ARMS, "seeds": 3}
    | {"start_measured": True}
)
SUBJECTS = {
    "pairs": np.stack([np.arange(40) % 10, np.arange(40), 40 + np.arange(40)], axis=1),
    "searches": np.arange(60)[:, None] // 3,
}
WORDS = [
    "as it was designed: little, paired by seed",
    "the best of 2 weights, chosen on the test itself",
    "the best of 2 weights, chosen on half of the people and measured on the other",
    "the best of all 3 arms with an energy, chosen on the test itself",
    "single runs: little, and the control of another seed",
    "the control, trained those steps longer, minus its start",
    "no control: little minus its start",
    "all at once: the best of 2 weights on the test, minus another seed's start",
]


@pytest.fixture
def kept(tmp_path):
    """Rows of chance: no arm is better than another."""
    random, found = np.random.default_rng(5), Kept(tmp_path, subjects=dict(SUBJECTS))
    for seed in range(3):
        for name in STUDY.rows:
            right = {kind: random.random(len(of)) < 0.5 for kind, of in SUBJECTS.items()}
            numbers = {"accuracy": 100 * right["pairs"].mean(), "rank_1": 100 * right["searches"].mean()}
            found.rows.append(Row(name, seed, dict.fromkeys(MADE_WITH, "1"), numbers, right))
    return found


def test_each_report_is_the_difference_that_its_words_say(kept):
    rank = {(row.arm, row.seed): row.numbers["rank_1"] for row in kept.rows}
    hits = {(row.arm, row.seed): row.right["searches"] for row in kept.rows}
    found = protocols(STUDY, kept, "rank_1", "searches")
    assert [each.words for each in found] == WORDS
    each = (each.differences for each in found)
    designed, best, honest, of_all, single, longer, without, at_once = each
    seeds, others = range(3), [(i, j) for i in range(3) for j in range(3) if i != j]
    assert designed == [rank["little", i] - rank["control", i] for i in seeds]
    assert best == [max(rank["little", i], rank["much", i]) - rank["control", i] for i in seeds]
    assert of_all == [
        max(rank[name, i] for name in ("little", "much", "other form")) - rank["control", i] for i in seeds
    ]
    assert single == [rank["little", i] - rank["control", j] for i, j in others]
    assert longer == [rank["control", i] - rank["start", i] for i in seeds]
    assert without == [rank["little", i] - rank["start", i] for i in seeds]
    assert at_once == [max(rank["little", i], rank["much", i]) - rank["start", j] for i, j in others]
    expected = []
    for i in seeds:
        for chosen_on in (1, 0):  # people of odd numbers first
            share = {
                (name, half): 100
                * np.mean([hits[name, i][q] for q in range(60) if SUBJECTS["searches"][q, 0] % 2 == half])
                for name in ("little", "much", "control")
                for half in (0, 1)
            }
            winner = "little" if share["little", chosen_on] >= share["much", chosen_on] else "much"
            expected.append(share[winner, 1 - chosen_on] - share["control", 1 - chosen_on])
    assert honest == pytest.approx(expected)


def test_choosing_on_the_test_is_never_worse_than_what_was_fixed_before(kept):
    designed, best, _, of_all, *_ = protocols(STUDY, kept, "accuracy", "pairs")
    pairs = zip(designed.differences, best.differences, of_all.differences, strict=True)
    assert all(first <= second <= third for first, second, third in pairs)


def test_a_study_without_measured_starts_says_nothing_of_them(kept):
    kept.rows = [row for row in kept.rows if row.arm != "start"]
    assert [each.words for each in protocols(STUDY, kept, "rank_1", "searches")] == WORDS[:5]


def test_pairs_have_no_halves_as_their_folds_share_people(kept):
    found = protocols(STUDY, kept, "accuracy", "pairs")
    assert found[2].differences == []
    assert table_rows({"pairs": found})[3] == [WORDS[2], "0", "", "", ""]


def test_a_report_is_of_the_seeds_that_have_what_it_needs(kept):
    kept.rows = [row for row in kept.rows if (row.arm, row.seed) != ("much", 0)]
    counts = {each.words: len(each.differences) for each in protocols(STUDY, kept, "rank_1", "searches")}
    assert [counts[words] for words in WORDS] == [3, 2, 4, 2, 6, 3, 3, 2]
    kept.rows = [row for row in kept.rows if (row.arm, row.seed) != ("much", 1)]
    found = [each.words for each in protocols(STUDY, kept, "rank_1", "searches")]
    assert found == [WORDS[0], *WORDS[4:7]]  # one seed is no spread


def test_rows_of_two_starts_are_not_compared(kept):
    for row in kept.rows:
        if row.arm == "control" and row.seed == 0:
            row.made_with["start"] = "another"
    assert len(protocols(STUDY, kept, "rank_1", "searches")[0].differences) == 2


def test_a_study_of_one_weight_has_nothing_to_choose(kept):
    arms = {name: arm for name, arm in STUDY.arms.items() if name in ("control", "little", "placebo")}
    one = STUDY.model_copy(update={"arms": arms})
    assert weights_of_one_arm(STUDY) == ["little", "much"]  # a placebo's weight is no weight of it
    assert weights_of_one_arm(one) == []
    found = [each.words for each in protocols(one, kept, "rank_1", "searches")]
    assert found[0] == WORDS[0]
    assert found[2:] == WORDS[4:7]


def test_the_page_has_both_measures_beside_each_other(kept):
    text = text_of(STUDY, kept)
    assert "## What other reports of these runs would say" in text
    assert "| start " in text  # among the rows that are described
    rows = table_rows({"rank-1 %": protocols(STUDY, kept, "rank_1", "searches")})
    assert rows[0] == ["a report of", "comparisons", "rank-1, points", "from .. to", "above 0"]
    differences = protocols(STUDY, kept, "rank_1", "searches")[0].differences
    above = sum(difference > 0 for difference in differences)
    assert rows[1] == [
        *(WORDS[0], "3", f"{np.mean(differences):+.2f}"),
        *(f"{min(differences):+.2f} .. {max(differences):+.2f}", f"{above} of 3"),
    ]
