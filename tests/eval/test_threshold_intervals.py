"""How sure a rate is at a measured threshold: loops over pairs of pairs, limits, coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import binom, norm, t

from eval import threshold_intervals as v
from eval.intervals import design_effect, subject_interval, wilson
from eval.people import People
from eval.search_statistics import open_set_point
from eval.statistics import OperatingPoint, roc, tar_at_far


def accepted_of(seed: int, person: np.ndarray, num_distractors: int) -> np.ndarray:
    """(probes, distractors) bool: some people and some distractors are accepted more often."""
    rng = np.random.default_rng(seed)
    scores = 0.6 * rng.standard_normal(person.max() + 1)[person][:, None]
    scores = scores + 0.5 * rng.standard_normal(num_distractors)
    return scores + rng.standard_normal((len(person), num_distractors)) > 1


def student(freedom: float) -> float:
    return float(t.ppf(0.975, freedom) / norm.ppf(0.975)) ** 2


def test_the_far_of_probes_and_distractors_has_the_variance_of_pairs_that_share_one(monkeypatch):
    monkeypatch.setattr(v, "ADDED_TWOS", 0)
    photos = np.array([3, 1, 4, 2, 5])
    person, number = np.repeat(np.arange(5), photos), 12
    accepted = accepted_of(0, person, number)
    probe, distractor = np.nonzero(accepted)
    found = v.crossed(accepted.mean(), person[probe], distractor, photos, number)
    rest = (accepted - accepted.mean()) / accepted.size
    shrunk = (
        1 - 2 * photos / 15 + np.sum((photos / 15) ** 2)
    )  # of each person's mean, which is estimated, too
    places = [(i, j) for i in range(15) for j in range(number)]
    variance = 0.0
    for i, j in places:
        for k, m in places:
            product = rest[i, j] * rest[k, m]
            same_person, same_distractor = person[i] == person[k], j == m
            variance += product * (same_person / shrunk[person[i]] + same_distractor)
            variance -= product * (same_person and same_distractor)
    by_person = np.array([rest[person == each].sum() ** 2 / shrunk[each] for each in range(5)])
    by_distractor = sum(rest[:, j].sum() ** 2 for j in range(number))
    freedom = by_person.sum() ** 2 / np.sum(by_person**2) - 1
    freedom *= (1 + by_distractor / by_person.sum()) ** 2  # those of the distractors are not few
    share = accepted.mean()
    assert found.independent == pytest.approx(share * (1 - share) / variance)
    assert found.trials == pytest.approx(found.independent / student(freedom))
    error = np.array([rest[person == each].sum() for each in range(5)]) / np.sqrt(shrunk)
    np.testing.assert_allclose(found.parts, error / np.sqrt(variance))


def test_the_far_of_listed_pairs_has_the_design_effect_of_their_people(monkeypatch):
    monkeypatch.setattr(v, "ADDED_TWOS", 0)
    rng = np.random.default_rng(1)
    first = rng.integers(0, 30, 2000)
    second = (first + rng.integers(1, 30, 2000)) % 30
    level = rng.standard_normal(30)
    accepted = level[first] + level[second] + rng.standard_normal(2000) > 2
    found = v.ListedPairs(first, second, 30).accepted(accepted)
    error = np.zeros(30)
    for one, other, value in zip(first, second, accepted, strict=True):
        error[one] += value - accepted.mean()
        error[other] += value - accepted.mean()
    people = People(first, second, 30, True, "drawn")
    pairs = np.bincount(np.append(first, second), minlength=30)
    estimated = error**2 * (1 - 1 / pairs)  # without the products of a pair with itself
    freedom = np.sum(error**2) ** 2 / np.sum(estimated**2)
    freedom *= 1 - 1 / (np.sum(estimated) ** 2 / np.sum(estimated**2))  # and people are one less
    expected = 2000 / design_effect(accepted, np.zeros(2000, int), people) / student(freedom)
    assert found.trials == pytest.approx(expected)


def test_a_list_in_which_nobody_is_in_two_pairs_has_wilsons_interval_however_few_are_accepted():
    listed = v.ListedPairs(np.arange(1000), 1000 + np.arange(1000), 2000)
    for count in (1, 3, 40):
        found = listed.accepted(np.arange(1000) < count)
        assert found.trials == pytest.approx(1000, rel=1e-5)
        assert found.interval == pytest.approx(wilson(count / 1000, 1000), rel=1e-5)


def test_a_pair_of_one_person_is_one_of_the_persons_pairs():
    first, second = np.array([0, 0, 1, 2]), np.array([0, 1, 2, 3])
    accepted = np.array([True, False, False, True])
    rest = (accepted - 0.5) / 4
    variance = sum(
        rest[i] * rest[j] for i in range(4) for j in range(4) if {first[i], second[i]} & {first[j], second[j]}
    )
    found = v.ListedPairs(first, second, 4).accepted(accepted)
    parts = np.array([0, -1 / 4, 0, 1 / 8])
    np.testing.assert_allclose(found.parts, parts / np.sqrt(max(variance, 1 / 16)), atol=1e-12)


@dataclass(frozen=True)
class Listed:
    """250 genuine and 250 impostor pairs."""

    scores: np.ndarray
    genuine: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def at(self, far: float) -> tuple[OperatingPoint, v.ListedPoint]:
        curve = roc(self.scores, self.genuine)
        point = tar_at_far(curve, far, int(np.sum(~self.genuine)))
        (found,) = v.listed_points([point], curve, self.scores, self.genuine, self.first, self.second)
        return point, found


def list_of(seed: int, people: int | None, own: float = 0.0, mean: float = 3.0) -> Listed:
    """people: who are in them, None for others in each pair; own: how much of a score is the two people's."""
    rng, genuine, row = np.random.default_rng(seed), np.arange(500) < 250, np.arange(500)
    first, second, count = row, row + 500, 1000
    if people is not None:
        first, count = rng.integers(0, people, 500), people
        second = (first + rng.integers(1, people, 500)) % people
    second = np.where(genuine, first, second)
    level, noise = rng.standard_normal(count), np.sqrt(1 - own**2) * rng.standard_normal(500)
    impostor = own * (level[first] + level[second]) / np.sqrt(2) + noise
    return Listed(np.where(genuine, mean - own * level[first] + noise, impostor), genuine, first, second)


def test_the_tar_of_a_list_has_the_error_of_its_threshold_too():
    pairs = list_of(0, None)
    point, found = pairs.at(0.04)
    low, high = found.intervals.threshold
    assert found.intervals.far == pytest.approx(wilson(10 / 250, 250), rel=1e-5)
    fewest, most = binom.ppf([0.025, 0.975], 250, 0.04)
    false = np.sort(pairs.scores[~pairs.genuine])[::-1]
    assert np.sum(false >= low) == most
    assert np.sum(false >= high) == fewest - 1  # just above the score that so many reach
    for end, beyond in ((low, false[int(most)]), (high, false[int(fewest) - 1])):
        assert end == pairs.scores[pairs.scores > beyond].min()
    kept = subject_interval(pairs.scores[pairs.genuine] >= point.threshold, pairs.first[pairs.genuine])
    assert found.intervals.tar[0] < kept[0] < kept[1] < found.intervals.tar[1]


def test_without_a_false_accept_the_threshold_has_no_upper_end_and_the_tar_no_lower_one():
    point, found = list_of(1, 60).at(1e-3)
    assert point.false_accepts == 0
    assert found.intervals.threshold[1] is None
    assert found.intervals.threshold[0] < point.threshold
    assert found.intervals.tar[0] == found.intervals.far[0] == 0
    assert found.intervals.resolution == "unresolved"


def test_an_impostor_on_top_leaves_nothing_accepted():
    pairs = list_of(2, 60)
    pairs.scores[300] = pairs.scores.max() + 1
    point, found = pairs.at(1e-3)
    assert point.threshold is None
    assert not found.accepted.any()
    assert found.intervals.tar[0] == 0 < found.intervals.tar[1]


@pytest.mark.parametrize(("people", "own"), [(None, 0.0), (60, 0.0), (60, 0.7)])
def test_the_intervals_of_a_list_hold_the_true_tar_and_threshold(people, own):
    held, draws, truth = np.zeros(2), 200, -ndtri(0.1)
    for seed in range(draws):
        _, found = list_of(seed, people, own).at(0.1)
        low, high = found.intervals.threshold
        tar = found.intervals.tar
        held += [low <= truth <= (np.inf if high is None else high), tar[0] <= ndtr(3 - truth) <= tar[1]]
    assert (held / draws >= 0.92).all()


def test_copies_of_a_persons_photos_say_no_more_than_one():
    person = np.repeat(np.arange(40), 1)
    accepted = accepted_of(2, person, 300)
    one, ten = (
        v.crossed(accepted.mean(), person_of[probe], distractor, np.bincount(person_of), 300)
        for person_of, rows in ((person, accepted), (np.repeat(person, 10), np.repeat(accepted, 10, axis=0)))
        for probe, distractor in [np.nonzero(rows)]
    )
    assert ten.interval == pytest.approx(one.interval, rel=1e-6)


def test_without_a_false_accept_there_are_as_many_trials_as_twos_of_people():
    none = np.zeros(0, dtype=int)
    assert v.crossed(0.0, none, none, np.full(8, 5), 1000).trials == pytest.approx(8000)
    pairs = v.ListedPairs(np.repeat([0, 0, 1], 4), np.repeat([1, 2, 2], 4), 3)
    assert pairs.accepted(np.zeros(12, dtype=bool)).trials == pytest.approx(3)


def test_of_more_than_the_pairs_given_the_relative_error_is_theirs():
    person = np.repeat(np.arange(20), 4)
    probe, distractor = np.nonzero(accepted_of(3, person, 100))
    half = np.arange(len(probe)) % 2 == 0
    few = v.crossed(half.sum() / 8000, person[probe[half]], distractor[half], np.full(20, 4), 100)
    more = v.crossed(0.2, person[probe[half]], distractor[half], np.full(20, 4), 100)
    spread = [np.sqrt((1 - one.share) / one.share / one.trials) for one in (few, more)]
    assert spread[0] == pytest.approx(spread[1])


def test_errors_of_a_rate_and_its_threshold_add_as_they_correlate():
    kept = (0.77, 0.84)
    assert v.widened(0.8, kept, 0.8, 0.8, 0.5) == pytest.approx(kept)
    assert v.widened(0.8, (0.8, 0.8), 0.6, 0.9, 0.5) == pytest.approx((0.6, 0.9))
    assert v.widened(0.8, kept, 0.76, 0.83, 0.0) == pytest.approx((0.75, 0.85))
    assert v.widened(0.8, kept, 0.76, 0.83, 1.0) == pytest.approx((0.73, 0.87))
    assert v.widened(0.8, kept, 0.76, 0.83, -1.0) == v.widened(0.8, kept, 0.76, 0.83, 0.0)
    assert v.widened(0.8, kept, 0.0, 1.0, 1.0) == (0.0, 1.0)


def drawn(seed: int, far: float) -> tuple[v.TarIntervals, float, float]:
    """Intervals of all pairs of 40 people's photos with 200 distractors; the true TAR and threshold."""
    rng, mean = np.random.default_rng(seed), 3.0
    photos = rng.integers(2, 7, 40)
    person, level = np.repeat(np.arange(40), photos), rng.standard_normal(40)
    scores = 0.3 * level[person][:, None] + np.sqrt(1 - 0.09) * rng.standard_normal((len(person), 200))
    owner = np.repeat(np.arange(40), photos)
    genuine = mean - 0.5 * level[owner] + np.sqrt(0.75) * rng.standard_normal(len(owner))
    both = np.concatenate([genuine, scores.ravel()])
    curve = roc(both, np.arange(len(both)) < len(genuine))
    point = tar_at_far(curve, far, scores.size)
    probe, distractor = np.nonzero(scores >= point.threshold)
    false = v.crossed(point.false_accepts / scores.size, person[probe], distractor, photos, 200)
    accepted = genuine >= point.threshold
    return v.tar_intervals(point, curve, accepted, owner, false), float(ndtr(mean + ndtri(far))), -ndtri(far)


def test_the_intervals_hold_the_true_tar_and_threshold():
    held, draws = np.zeros(2), 200
    for seed in range(draws):
        sure, tar, threshold = drawn(seed, 1e-2)
        low, high = sure.threshold
        held += [sure.tar[0] <= tar <= sure.tar[1], low <= threshold <= (np.inf if high is None else high)]
    assert (held / draws >= 0.91).all()


def test_what_so_few_people_cannot_show_is_marked_and_has_no_end():
    sure, *_ = drawn(0, 1e-4)  # of 3 pairs or so
    assert sure.threshold[1] is None
    assert sure.tar[0] == 0
    assert sure.resolution != "resolved"
    record = v.intervals_record(sure)
    assert record["threshold_cosine_interval"][1] is record["threshold_l2_interval"][0] is None


def test_fnir_is_as_unsure_as_its_threshold_where_all_mates_are_alike():
    rng = np.random.default_rng(4)
    mates, highest = np.linspace(0, 1, 5000), rng.uniform(0, 1, 300)
    alone = np.arange(5000)
    point = open_set_point(mates, np.zeros(5000, int), alone, highest, 5000 + np.arange(300), 0.1)
    low, high = point.threshold_interval
    kept = subject_interval(mates < point.threshold, alone)
    assert point.fnir_interval[0] == pytest.approx(low, abs=0.004)
    assert point.fnir_interval[1] == pytest.approx(high, abs=0.004)
    assert point.fnir_interval[1] - point.fnir_interval[0] > 2 * (kept[1] - kept[0])
