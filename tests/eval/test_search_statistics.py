"""Closed and open set against slow loops and known numbers."""

from __future__ import annotations

import numpy as np
import pytest

from eval import search_statistics as v
from eval.impostors import EDGES, Impostors
from eval.scores import scores_of_pairs
from eval.search import scan
from eval.statistics import area_under_curve, roc, tar_at_far


def test_leave_one_out_is_each_image_with_each_other_one_of_its_person():
    people = np.array([3, 1, 3, 7, 1, 3])
    probe, mate = v.leave_one_out(people)
    expected = [(i, j) for i in range(6) for j in range(6) if i != j and people[i] == people[j]]
    assert list(zip(probe, mate, strict=True)) == expected
    assert len(v.leave_one_out(np.arange(4))[0]) == 0


def test_cmc_is_the_share_whose_mate_is_among_the_best_k():
    counts = np.array([0, 0, 3, 1, 10])
    assert v.cmc(counts, [1, 2, 3, 4, 10, 11]).tolist() == [0.4, 0.6, 0.6, 0.8, 0.8, 1.0]


def open_set(seed: int, ties: bool) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    mate, highest = generator.normal(0.6, 0.2, 120), generator.normal(0.3, 0.1, 400)
    if ties:
        mate, highest = np.round(mate, 1), np.round(highest, 1)
    return mate, generator.integers(0, 3, 120), np.arange(120) % 30, highest, np.arange(400) % 50


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("rank", [None, 1, 2])
@pytest.mark.parametrize("fpir", [0.1, 0.07, 0.01, 0.0025])
def test_fnir_is_that_of_the_lowest_threshold_that_keeps_to_fpir(ties, rank, fpir):
    mate, above, people, highest, highest_people = open_set(0, ties)
    point = v.open_set_point(mate, above, people, highest, highest_people, fpir, rank)
    candidates = np.concatenate([mate, highest, np.nextafter(highest, np.inf)])
    keeps = [t for t in candidates if sum(score >= t for score in highest) <= round(fpir * 400)]
    assert point.threshold == min(t for t in keeps if t in np.nextafter(highest, np.inf))
    missed = [
        score < min(keeps) or (rank is not None and others >= rank)
        for score, others in zip(mate, above, strict=True)
    ]
    assert point.fnir == np.mean(missed)
    assert point.false_positives == sum(score >= point.threshold for score in highest)
    assert point.threshold_interval[0] <= point.threshold <= point.threshold_interval[1]
    assert point.fnir_interval[0] <= point.fnir <= point.fnir_interval[1]


def test_fpir_counts_searches_and_not_pairs():
    scores = np.random.default_rng(1).normal(0.2, 0.1, (500, 100))  # each search's with a hundred others
    highest = scores.max(axis=1)
    ones = np.arange(500)
    point = v.open_set_point(np.ones(500), np.zeros(500, int), ones, highest, ones, 0.01)
    assert point.false_positives == 5
    assert np.quantile(scores, 0.99) < point.threshold  # what all pairs would give


@pytest.mark.parametrize(
    ("fpir", "searches", "resolution"),
    [(1e-3, 500, "unresolved"), (1e-3, 5_000, "coarse"), (1e-3, 10_000, "resolved")],
)
def test_an_fpir_that_the_searches_cannot_show_is_marked(fpir, searches, resolution):
    highest = np.random.default_rng(2).normal(size=searches)
    ones = np.arange(searches)
    point = v.open_set_point(np.ones(9), np.zeros(9, int), np.arange(9), highest, ones, fpir)
    assert point.resolution == resolution
    if resolution == "unresolved":
        assert point.false_positives == 0
        assert point.threshold == np.nextafter(highest.max(), np.inf)


@pytest.mark.parametrize(
    ("subjects", "of_subject", "resolution"),
    [(200, 0.0, "resolved"), (200, 1.0, "coarse"), (20, 1.0, "unresolved")],
)
def test_searches_without_a_mate_that_depend_show_an_fpir_like_fewer(subjects, of_subject, resolution):
    normal = np.random.default_rng(2).normal
    people = np.arange(2000) % subjects
    highest = of_subject * normal(size=subjects)[people] + 0.05 * normal(size=2000)
    point = v.open_set_point(np.ones(9), np.zeros(9, int), np.arange(9), highest, people, 0.01)
    assert point.resolution == resolution


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("rank", [None, 1])
def test_det_has_every_number_of_false_positives_there_is(ties, rank):
    mate, above, _, highest, _ = open_set(3, ties)
    curve = v.det(mate, above, highest, rank)
    for threshold, fpir, fnir in zip(curve.threshold, curve.fpir, curve.fnir, strict=True):
        assert fpir == pytest.approx(np.mean(highest >= threshold), abs=1e-15)
        found = (mate >= threshold) & (True if rank is None else above < rank)
        assert fnir == pytest.approx(1 - found.mean(), abs=1e-15)
    assert (curve.fpir[0], curve.fpir[-1]) == (0, 1)
    assert len(curve.fpir) == len(np.unique(highest)) + 1


@pytest.fixture(scope="module")
def searched():
    generator = np.random.default_rng(5)
    probes, gallery = generator.normal(size=(40, 8)), generator.normal(size=(500, 8))
    left, right = np.divmod(np.arange(40 * 500), 500)
    genuine = np.clip(generator.normal(0.8, 0.15, 300), -1, 1)
    genuine[:5] = -0.9  # far below the impostors that are kept
    scores = scores_of_pairs(probes, left, gallery, right)
    exact = roc(np.concatenate([genuine, scores]), np.arange(len(genuine) + len(scores)) < len(genuine))

    def search(kept):
        impostors = Impostors(kept)
        scan(probes, gallery, [impostors])
        return impostors, v.roc_of(genuine, impostors)

    return search, genuine, scores, exact


def test_the_roc_of_a_search_is_exact_where_the_impostors_are_kept(searched):
    search, genuine, scores, exact = searched
    impostors, curve = search(2_001)  # of the last one's equals there may be more
    kept = curve.threshold > impostors.highest[-1]
    for threshold, far, tar in zip(curve.threshold[kept], curve.far[kept], curve.tar[kept], strict=True):
        assert far == np.mean(scores >= threshold)
        assert tar == pytest.approx(np.mean(genuine >= threshold), abs=1e-15)
    for far in (1e-1, 1e-2, 1e-3, 1e-4):
        mine, expected = (tar_at_far(each, far, len(scores)) for each in (curve, exact))
        assert mine == expected
    assert np.sum(~kept) > len(EDGES) / 4


def test_the_rest_of_the_roc_of_a_search_is_that_of_all_scores_to_within_a_cell(searched):
    search, *_, exact = searched
    _, curve = search(50)
    assert area_under_curve(curve) == pytest.approx(area_under_curve(exact), abs=1e-5)
    assert (np.diff(curve.threshold) < 0).all()
    assert (np.diff(curve.far) >= 0).all()
    assert (np.diff(curve.tar) >= 0).all()
    assert (curve.far[0], curve.tar[0], curve.far[-1], curve.tar[-1]) == (0, 0, 1, 1)


def test_the_upper_end_of_a_threshold_that_few_searches_show_is_the_largest_cosine():
    rng, covered = np.random.default_rng(0), 0
    truth = 0.1 * 2.3263  # of N(0, 0.1): one in a hundred is above
    for _ in range(200):
        highest = 0.1 * rng.standard_normal(100)
        point = v.open_set_point(np.ones(5), np.zeros(5, int), np.arange(5), highest, np.arange(100), 0.01)
        covered += point.threshold_interval[0] <= truth <= point.threshold_interval[1]
        assert point.threshold_interval[1] == 1.0
    assert covered >= 190


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("score", [1.0, 1 + 2e-8])
def test_a_threshold_above_copies_lies_in_its_own_interval(copies, score):
    highest = np.append(np.full(copies, score), np.linspace(0.1, 0.5, 50 - copies))
    mate = np.append(np.full(4, score), 0.8)
    for fpir in v.FPIRS:
        point = v.open_set_point(mate, np.zeros(5, int), np.arange(5), highest, np.arange(50), fpir)
        low, high = point.threshold_interval
        assert low <= point.threshold <= high
        assert fpir == 0.1 or high == point.threshold == np.nextafter(score, 2)
        assert point.fnir_interval[0] <= point.fnir <= point.fnir_interval[1]
