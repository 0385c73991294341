"""Who is verified and by which pairs, against rules that are counted out here."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from data_prep.errors import PrepError
from data_prep.pair_choice import choose
from data_prep.pairing import genuine_pairs, impostor_pairs, matchings, quotas

SETS = {
    "ten people of five photos": [5] * 10,
    "forty of two": [2] * 40,
    "a hundred of one to nine": [number % 9 + 1 for number in range(100)],
    "many of two and some of many": [2] * 60 + [200] * 6,
    "two people with several": [1] * 50 + [9, 30],
    "three thousand": np.random.default_rng(0).integers(1, 40, 3000).tolist(),
}


@pytest.mark.parametrize("photos", SETS.values(), ids=SETS)
def test_pairs_are_balanced_right_and_none_comes_twice(photos):
    choice = choose(photos)
    per_fold = Counter((pair.fold, pair.genuine) for pair in choice.pairs)
    assert set(per_fold) == {(fold, kind) for fold in range(choice.num_folds) for kind in (True, False)}
    assert len(set(per_fold.values())) == 1
    assert sum(pair.genuine for pair in choice.pairs) >= 10
    for pair in choice.pairs:
        assert pair.first != pair.second
        assert pair.genuine == (pair.first[0] == pair.second[0])
        assert all(0 <= photo < photos[person] for person, photo in (pair.first, pair.second))
    assert len({frozenset((pair.first, pair.second)) for pair in choice.pairs}) == len(choice.pairs)


@pytest.mark.parametrize("photos", SETS.values(), ids=SETS)
def test_nobody_is_in_two_folds_where_there_are_two_people_for_each(photos):
    choice = choose(photos)
    folds_of: dict[int, set[int]] = {}
    for pair in choice.pairs:
        for person, _ in (pair.first, pair.second):
            folds_of.setdefault(person, set()).add(pair.fold)
    assert choice.disjoint == (len(choice.people) >= 2 * choice.num_folds)
    assert all(len(folds) == 1 for folds in folds_of.values()) == choice.disjoint
    assert sorted(folds_of) == choice.people  # everybody who is left out of the training is verified
    assert all(photos[person] > 1 for person in choice.people)
    assert len(photos) - len(choice.people) >= 2


@pytest.mark.parametrize("photos", SETS.values(), ids=SETS)
def test_nobody_gives_more_than_twice_an_even_share_of_the_genuine_pairs_of_a_fold(photos):
    choice = choose(photos)
    groups = choice.num_folds if choice.disjoint else 1
    people = [Counter() for _ in range(groups)]
    for pair in choice.pairs:
        if pair.genuine:
            people[pair.fold if choice.disjoint else 0][pair.first[0]] += 1
    for counts in people:
        assert max(counts.values()) <= max(1, 2 * counts.total() / len(counts))
    assert choice.most_of_a_person == max(count for counts in people for count in counts.values())


def test_the_same_seed_gives_the_same_pairs_and_another_one_others():
    photos = SETS["a hundred of one to nine"]
    assert choose(photos, seed=3) == choose(photos, seed=3)
    assert choose(photos, seed=3).people != choose(photos, seed=4).people


def test_share_folds_and_pairs_are_taken_as_they_are_asked_for():
    photos = [6] * 50
    choice = choose(photos, share=0.6, folds=5, pairs=7)
    assert (len(choice.people), choice.num_folds, len(choice.pairs)) == (30, 5, 5 * 2 * 7)
    several = choose(photos, share=0.12, folds=5, pairs=3)  # six people cannot have five folds of their own
    assert (len(several.people), several.disjoint, len(several.pairs)) == (6, False, 5 * 2 * 3)
    one = choose(photos, share=0.6, folds=2, pairs=5)  # so few pairs do not need all 30 people
    assert one.people == sorted(
        {pair.first[0] for pair in one.pairs} | {pair.second[0] for pair in one.pairs}
    )
    assert len(one.people) < 30
    every = choose([3] * 10, share=0.4, folds=2, pairs=6)  # all genuine pairs that there are
    assert every.most_of_a_person == 3


def test_a_photo_comes_again_only_when_all_others_had_their_turn():
    choice = choose([40] * 100)  # 20 people, 6 folds of 3 or 4: 300 pairs of each kind of 120 or 160 photos
    uses = Counter(photo for pair in choice.pairs for photo in (pair.first, pair.second))
    assert choice.most_of_a_photo == max(uses.values()) <= 2 * 4 + 2
    assert len(uses) == 20 * 40
    large = choose([500] * 100)
    assert large.most_of_a_photo == 1


def test_ten_thousand_people_of_many_photos_cost_no_more_than_their_pairs():
    choice = choose([1000] * 10_000)  # five billion genuine pairs
    assert (len(choice.people), len(choice.pairs), choice.disjoint) == (1000, 6000, True)


@pytest.mark.parametrize("number", range(1, 9))
def test_matchings_are_all_pairs_once_and_nobody_twice_in_one(number):
    pairs = list(matchings(number))
    assert sorted(map(sorted, pairs)) == sorted(map(list, itertools.combinations(range(number), 2)))
    size = number // 2
    for begin in range(0, len(pairs), size or 1):
        people = [person for pair in pairs[begin : begin + size] for person in pair]
        assert len(set(people)) == len(people) == 2 * size


@pytest.mark.parametrize("capacities", [[1, 1, 1], [3, 0, 5, 9], [1, 100], [4]])
def test_quotas_are_those_of_dealing_one_by_one(capacities):
    for total in range(1, sum(capacities) + 1):
        dealt = [0] * len(capacities)
        while sum(dealt) < total:
            for place, capacity in enumerate(capacities):
                if dealt[place] < capacity and sum(dealt) < total:
                    dealt[place] += 1
        assert quotas(capacities, total) == dealt


@pytest.mark.parametrize("numbers", [[2, 2], [1, 4], [3, 2, 4], [1, 1, 1, 1]])
def test_all_pairs_that_there_are_can_be_had(numbers):
    orders = {person: list(range(number)) for person, number in enumerate(numbers)}
    photos = [(person, photo) for person, order in orders.items() for photo in order]
    everything = [set(pair) for pair in itertools.combinations(photos, 2)]
    impostors = [pair for pair in everything if len({person for person, _ in pair}) == 2]
    found = impostor_pairs(orders, len(impostors))
    assert sorted(map(sorted, found)) == sorted(map(sorted, impostors))
    genuine = [pair for pair in everything if pair not in impostors]
    if genuine:
        assert sorted(map(sorted, genuine_pairs(orders, len(genuine)))) == sorted(map(sorted, genuine))


@pytest.mark.parametrize(
    ("photos", "asked", "message"),
    [
        (
            [4] * 3,
            {},
            "four people are needed, two of them with two photos or more to verify, and two to train",
        ),
        ([1] * 30, {}, "there are 30 people, 0 with two photos or more"),
        (
            [3] * 5,
            {},
            "the 2 people to verify have 6 pairs of each kind for 2 folds, 10 are needed; give more",
        ),
        (
            [5] * 10,
            {"share": 0.1},
            r"a share of 0\.1 of 10 people with two photos or more is 1; it must be 2 to",
        ),
        ([5] * 10, {"share": 0.9}, "is 9; it must be 2 to 8, so that there are people to verify, and two to"),
        (
            [5] * 10,
            {"pairs": 21},
            "21 pairs of each kind in each of 2 folds are more than .* at most 20; lower",
        ),
    ],
)
def test_too_little_is_refused_with_what_is_needed(photos, asked, message):
    with pytest.raises(PrepError, match=message):
        choose(photos, **asked)
