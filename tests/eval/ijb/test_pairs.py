"""1:1 against literal counting over all pairs, at every FAR."""

import numpy as np
import pytest

from eval.ijb import pairs
from eval.ijb.pairs import FARS, verified
from eval.intervals import subject_interval
from eval.scores import scores_of_pairs
from eval.threshold_intervals import ListedPairs


@pytest.fixture
def drawn():
    """Templates (60, 6) of twelve subjects, all their pairs in a random order."""
    rng = np.random.default_rng(0)
    subject = rng.integers(0, 12, 60)
    centres = rng.standard_normal((12, 6))
    templates = (centres[subject] + 0.6 * rng.standard_normal((60, 6))).astype(np.float32)
    first, second = np.triu_indices(60, 1)
    order = rng.permutation(len(first))
    return templates, first[order], second[order], subject


def test_tar_at_far_is_that_of_counting_at_every_threshold(drawn, monkeypatch):
    monkeypatch.setattr(pairs, "PAIRS_AT_ONCE", 100)
    templates, first, second, subject = drawn
    genuine = subject[first] == subject[second]
    seen = []
    found = verified(templates, first, second, genuine, subject, lambda *done: seen.append(done))
    scores = scores_of_pairs(templates, first, templates, second)
    impostors = scores[~genuine]
    assert (found["genuine"], found["impostor"]) == (genuine.sum(), (~genuine).sum())
    assert [point["far"] for point in found["tar_at_far"]] == list(FARS)
    for point in found["tar_at_far"]:
        # The most lenient of all thresholds that keeps to the FAR.
        allowed = [t for t in scores if np.sum(impostors >= t) <= point["far"] * len(impostors)]
        tar = np.mean(scores[genuine] >= min(allowed)) if allowed else 0
        assert point["tar"] == pytest.approx(tar)
        assert point["false_accepts"] == sum(impostors >= min(allowed, default=np.inf))
        accepted = scores[genuine] >= min(allowed, default=np.inf)
        kept = subject_interval(accepted, subject[first[genuine]])
        assert point["interval"][0] <= kept[0] < kept[1] <= point["interval"][1]
        false = ListedPairs(subject[first[~genuine]], subject[second[~genuine]], subject.max() + 1)
        sure = false.accepted(impostors >= min(allowed, default=np.inf))
        assert point["far_interval"] == pytest.approx(list(sure.interval))
        expected = point["far"] * sure.independent
        wanted = "unresolved" if expected < 1 else "coarse" if expected < 10 else "resolved"
        assert point["resolution"] == wanted
    assert seen[-1] == (len(first), len(first))
    assert len(seen) == 18


def test_without_subjects_there_is_no_interval(drawn):
    templates, first, second, subject = drawn
    found = verified(templates, first, second, subject[first] == subject[second], None)
    assert [point["interval"] for point in found["tar_at_far"]] == [None] * 6


def test_the_curve_that_is_kept_holds_the_best_tar_of_each_far_at_its_ends(drawn):
    templates, first, second, subject = drawn
    genuine = subject[first] == subject[second]
    whole = verified(templates, first, second, genuine, None)["roc"]
    assert whole["far"] == sorted(set(whole["far"]))
    scores = scores_of_pairs(templates, first, templates, second)
    for far, tar in zip(whole["far"], whole["tar"], strict=True):
        beyond = np.sort(scores[~genuine])[::-1][round(far * np.sum(~genuine)) :]
        assert tar == pytest.approx(np.mean(scores[genuine] > max(beyond, default=-np.inf)))
    assert (whole["far"][0], whole["far"][-1]) == (0, 1)
