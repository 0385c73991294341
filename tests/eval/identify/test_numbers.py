"""Rank-1 by the number of distractors against a search of each order, groups, and operating points."""

from __future__ import annotations

import numpy as np
import pytest

from eval.enrolled import search_enrolled
from eval.errors import PhotosError
from eval.group_words import OF_SEARCHES, group_lines
from eval.groups import read_groups
from eval.identify.groups import per_group
from eval.identify.numbers import (
    Searches,
    by_distractors,
    closed_set,
    nonmated_of,
    open_set,
    per_identity,
    reference,
    sizes_of,
)
from eval.identify.words import stand_ins_words
from eval.intervals import subject_interval
from eval.rows import Reordered
from sphereface_plus.data.streams import DISTRACTOR_ORDER, generator


def test_sizes_are_powers_of_ten_and_all():
    assert sizes_of(0) == [0]
    assert sizes_of(7) == [0, 7]
    assert sizes_of(100) == [0, 10, 100]
    assert sizes_of(2500) == [0, 10, 100, 1000, 2500]


@pytest.mark.parametrize(("alone", "mates"), [(False, "best"), (True, "best"), (True, "each")])
def test_rank_1_by_distractors_is_that_of_searching_every_order_whole(alone, mates):
    random = np.random.default_rng(5)
    people = np.repeat(np.arange(12), 3)
    directions = random.normal(size=(12, 8))
    enrolled = (directions[people] + random.normal(size=(36, 8))).astype(np.float32)
    probes = enrolled if alone else (directions[people] + random.normal(size=(36, 8))).astype(np.float32)
    own = np.arange(36) if alone else None
    rows = random.normal(size=(140, 8)).astype(np.float32)
    kept = np.flatnonzero(np.arange(140) % 7)
    distractors = Reordered(rows, kept)
    searched = search_enrolled(
        probes, people, enrolled, people, distractors, [0, len(kept)], own=own, mates=mates
    )
    found = by_distractors(
        probes, people, enrolled, people, distractors, searched, own, mates, orders=3, seed=4
    )
    sizes = [0, 10, 100, 120]
    assert [row["distractors"] for row in found] == sizes
    won = np.empty((3, len(probes) * (2 if mates == "each" else 1), len(sizes)), dtype=bool)
    for order in range(3):
        shuffled = kept[generator(4, DISTRACTOR_ORDER, order).permutation(len(kept))]
        whole = search_enrolled(probes, people, enrolled, people, rows[shuffled], sizes, own=own, mates=mates)
        won[order] = whole.above == 0
    shares = won.mean(axis=1)
    assert [row["mean"] for row in found] == pytest.approx(shares.mean(axis=0))
    spread = shares.std(axis=0, ddof=1)
    assert [found[0]["std"], found[-1]["std"]] == [None, None]  # none of the distractors, and all: no order
    assert [row["std"] for row in found[1:-1]] == pytest.approx(spread[1:-1])
    assert found[1]["interval"] == pytest.approx(
        subject_interval(won[:, :, 1].mean(axis=0), people[searched.probe])
    )
    assert found[0]["mean"] > found[-1]["mean"]


def searches_of(mate, above, highest, people) -> Searches:
    mate = [-np.inf if score is None else score for score in mate]
    return Searches(
        np.array(people), np.array(mate), np.array(above), np.array(highest), np.arange(len(mate))
    )


SEARCHES = searches_of(
    mate=[0.9, 0.8, 0.3, 0.7, None, None],
    above=[0, 0, 2, 1, 0, 0],
    highest=[0.1, 0.2, 0.4, 0.75, 0.5, 0.2],
    people=[0, 0, 1, 1, 2, 3],
)


def test_closed_and_open_set_by_hand():
    closed = closed_set(SEARCHES, entries=6)
    assert [(each["rank"], each["share"]) for each in closed["ranks"]] == [(1, 0.5), (2, 0.75), (5, 1.0)]
    assert closed["cmc"]["share"] == [0.5, 0.75, 1, 1, 1, 1]
    assert closed["not_first"] == 2
    opened = open_set(SEARCHES)
    assert (opened["nonmated"], opened["nonmated_people"], opened["nonmated_are"]) == (2, 2, "given")
    strict = opened["points"][0]
    assert strict["threshold_cosine"] == np.nextafter(0.5, 1)
    assert (strict["fnir"], strict["resolution"]) == (0.5, "unresolved")  # 0.7 is high enough, and second
    assert reference(opened["points"])["fpir"] == 0.1


def test_groups_are_rated_at_one_threshold(tmp_path):
    (tmp_path / "groups.csv").write_text(
        "identity,age,side\nAnn,old,\nBen,young,left\nDora,old,left\nZed,,\n"
    )
    groups = read_groups(tmp_path / "groups.csv")
    point = {"fpir": 0.1, "threshold_cosine": 0.45, "resolution": "resolved"}
    found = per_group(SEARCHES, ["Ann", "Ben", "Cat", "Dora"], groups, point)
    assert (found["people_elsewhere"], found["people_elsewhere_are"], found["people_without"]) == (
        1,
        "Zed",
        1,
    )
    age = {row["group"]: row for row in found["columns"][0]["groups"]}
    assert list(age) == ["old", "young", None]
    assert (age["old"]["people"], age["old"]["mated"], age["old"]["nonmated"]) == (2, 2, 1)
    assert (age["old"]["rank1"]["share"], age["old"]["fnir"]["share"], age["old"]["fpir"]["share"]) == (
        1,
        0,
        0,
    )
    assert (age["young"]["rank1"]["share"], age["young"]["fpir"]) == (0, None)
    assert age["young"]["fnir"]["interval"] == subject_interval(np.array([True, True]), np.array([1, 1]))
    assert (age[None]["rank1"], age[None]["fpir"]["share"]) == (None, 1)


def test_without_an_unknown_the_fpir_of_groups_is_of_the_searches_that_of_all_is_of(tmp_path):
    (tmp_path / "groups.csv").write_text("identity,age\nAnn,old\nBen,young\n")
    everyone_known = SEARCHES.only(SEARCHES.mated)
    opened = open_set(everyone_known)
    assert (opened["nonmated"], opened["nonmated_are"]) == (4, "mated")
    for threshold, shares in ((0.3, (0, 1)), (0.15, (0.5, 1)), (0.5, (0, 0.5))):
        point = {"fpir": 0.1, "threshold_cosine": threshold, "resolution": "resolved"}
        found = per_group(everyone_known, ["Ann", "Ben"], read_groups(tmp_path / "groups.csv"), point)
        both = found["columns"][0]["groups"]
        assert [(group["mated"], group["nonmated"]) for group in both] == [(2, 2), (2, 2)]
        assert tuple(group["fpir"]["share"] for group in both) == shares
        assert np.mean(shares) == np.mean(everyone_known.highest >= threshold)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "identity;age\n",
            "expected a header `identity,group`, divided by commas, with one name or more after identity, "
            "no two alike, got 'identity;age'",
        ),
        ("name,age\nAnn,old\n", "got 'name,age'"),
        ("identity,age,age\n", "got 'identity,age,age'"),
        ("identity,age\nAnn\n", "line 2 has 1 of 2 columns, or names nobody"),
        ("identity,age\nAnn,old\n\nAnn,young\n", "line 4 puts Ann in another group than a line before"),
    ],
)
def test_a_file_of_groups_that_cannot_be_read_is_named(text, message, tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text(text)
    with pytest.raises(PhotosError) as raised:
        read_groups(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_table_of_people_is_that_of_a_loop_over_them():
    random = np.random.default_rng(0)
    people, mate = random.integers(0, 9, 60), random.normal(size=60)
    mate[::7] = -np.inf
    mate[people == 3] = -np.inf  # nobody to be found
    searches = Searches(people, mate, random.integers(0, 3, 60), random.normal(size=60), np.arange(60))
    found = {row["person"]: row for row in per_identity(searches, "abcdefghi")}
    assert set(found) == set("abcefghi")
    for number, name in enumerate("abcdefghi"):
        own = searches.only((people == number) & np.isfinite(mate))
        if name in found:
            assert found[name] == {
                "person": name,
                "searches": len(own.people),
                "first": int(np.sum(own.above == 0)),
                "lowest_mate_score": own.mate_score.min(),
                "highest_other_score": own.highest.max(),
            }
    assert per_identity(searches.only(~searches.mated), "abcdefghi") == []


def test_a_few_unknown_people_who_cannot_show_an_fpir_are_said_to_stand_before_many_who_could():
    random = np.random.default_rng(0)
    people = np.arange(2005)
    mate = np.where(people < 2000, 0.9, -np.inf)
    searches = Searches(people, mate, np.zeros(2005, int), random.normal(0, 0.1, 2005), people)
    opened = open_set(searches)
    assert [point["resolution"] for point in opened["points"]] == ["unresolved"] * 3
    assert opened["stand_ins_show"] == [0.1, 0.01, 0.001]
    words = stand_ins_words(opened)
    assert words is not None
    assert words.startswith("FPIR 0.1 and 0.01 and 0.001: the probes with a mate, searched without their own")
    alone = open_set(searches.only(searches.mated))
    assert [point["resolution"] for point in alone["points"]] == ["resolved", "resolved", "coarse"]
    assert (alone["stand_ins_show"], stand_ins_words(alone)) == ([], None)


def test_groups_are_compared_at_a_threshold_that_says_whether_it_is_resolved(tmp_path):
    (tmp_path / "groups.csv").write_text("identity,age\nAnn,old\nBen,young\n")
    point = reference(open_set(SEARCHES)["points"])
    assert (point["fpir"], point["resolution"]) == (0.1, "unresolved")
    found = per_group(SEARCHES, ["Ann", "Ben", *"cdefgh"], read_groups(tmp_path / "groups.csv"), point)
    lines = group_lines(found, OF_SEARCHES)
    assert "(FPIR 0.1, which so few searches cannot show)" in lines[0]
    assert "(FPIR 0.1)" in group_lines(found | {"resolution": "resolved"}, OF_SEARCHES)[0]
    (tmp_path / "groups.csv").write_text("identity,age\nAnn,old\nBenn,young\n")
    misspelt = per_group(SEARCHES, ["Ann", "Ben", *"cdefgh"], read_groups(tmp_path / "groups.csv"), point)
    words = "groups.csv names 1 person who is not here, such as Benn; is a name misspelt?"
    assert group_lines(misspelt, OF_SEARCHES)[-1].endswith(words)


def test_a_probe_of_several_mates_is_one_search_of_an_unknown_person():
    one = SEARCHES.only(SEARCHES.mated)
    several = one.only(np.repeat(np.arange(4), [3, 1, 2, 5]))
    assert several.only(nonmated_of(several)).highest.tolist() == one.highest.tolist()
    opened, expected = open_set(several), open_set(one)
    assert (opened["nonmated"], opened["nonmated_are"]) == (4, "mated")
    for name in ("threshold_cosine", "threshold_cosine_interval", "false_positives", "resolution"):
        assert opened["points"][0][name] == expected["points"][0][name]
    # of 11 searches two of the third probe's and five of the fourth's are lost
    assert opened["points"][0]["fnir"] == pytest.approx(7 / 11)
    assert closed_set(several, entries=6)["ranks"][0]["share"] == 4 / 11
