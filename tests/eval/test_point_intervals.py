"""Intervals of TAR, FAR and threshold: limits, and how often they cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from eval.intervals import wilson
from eval.people import People
from eval.point_intervals import point_intervals
from eval.statistics import roc, tar_at_far


def pairs_of(seed: int, people: int = 150, own: float = 0.0) -> tuple[np.ndarray, np.ndarray, People]:
    """600 genuine and 600 impostor pairs; `own`: how much the scores of a person's pairs go together."""
    generator = np.random.default_rng(seed)
    genuine = np.arange(1200) < 600
    first = generator.integers(0, people, 1200)
    second = np.where(genuine, first, (first + generator.integers(1, people, 1200)) % people)
    level = generator.normal(size=people) * own
    noise = generator.normal(size=1200) * np.sqrt(1 - own**2)
    scores = np.where(genuine, 2.5 + level[first], (level[first] + level[second]) / np.sqrt(2)) + noise
    return scores, genuine, People(first, second, people, True, "drawn")


def test_where_nobody_is_in_two_pairs_the_far_has_wilsons_interval_and_the_threshold_its_ends():
    scores, genuine, _ = pairs_of(0)
    alone = People(
        np.arange(1200), np.where(genuine, np.arange(1200), 1200 + np.arange(1200)), 2400, True, ""
    )
    curve = roc(scores, genuine)
    point = tar_at_far(curve, 0.05, 600)
    found = point_intervals(point, curve, scores, genuine, alone)
    assert found.far == pytest.approx(wilson(30 / 600, 600))
    assert found.tar[0] < point.tar < found.tar[1]
    low, high = found.threshold
    assert high is not None
    assert low < point.threshold < high
    for end, share in ((low, found.far[1]), (high, found.far[0])):
        assert np.mean(scores[~genuine] >= end) <= share
        assert np.mean(scores[~genuine] >= np.nextafter(end, -1)) <= share + 1 / 600


def test_without_a_false_accept_the_threshold_has_no_upper_end():
    scores, genuine, people = pairs_of(1)
    curve = roc(scores, genuine)
    point = tar_at_far(curve, 1e-4, 600)
    found = point_intervals(point, curve, scores, genuine, people)
    assert found.threshold[1] is None
    assert found.threshold[0] < point.threshold
    assert found.far[0] == 0


def test_an_impostor_on_top_leaves_nothing_accepted():
    scores, genuine, people = pairs_of(2)
    scores[700] = scores.max() + 1
    curve = roc(scores, genuine)
    point = tar_at_far(curve, 1e-4, 600)
    found = point_intervals(point, curve, scores, genuine, people)
    assert point.threshold is None
    assert found.tar[0] == 0 < found.tar[1]


@pytest.mark.parametrize("own", [0.0, 0.7])
def test_the_intervals_hold_the_true_threshold(own):
    truth = norm.ppf(0.9)  # impostor scores are normal, however people share in them
    held, draws = 0, 300
    for seed in range(draws):
        scores, genuine, people = pairs_of(seed, own=own)
        curve = roc(scores, genuine)
        low, high = point_intervals(tar_at_far(curve, 0.1, 600), curve, scores, genuine, people).threshold
        held += low <= truth <= (np.inf if high is None else high)
    assert held / draws >= 0.92
