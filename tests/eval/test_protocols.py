"""Each protocol against a literal, slow transcription of what it stands for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import normalize

from eval.protocols import PROTOCOLS


@pytest.fixture
def drawn_pairs():
    """First and second embeddings (P, D), genuine, fold: 10 folds of 6 + 6, hard enough for errors."""

    def draw(seed: int, dimensions: int = 8):
        generator = np.random.default_rng(seed)
        genuine = np.tile(np.repeat([True, False], 6), 10)
        first = generator.normal(size=(120, dimensions)) + 0.5
        noise = generator.normal(size=(120, dimensions)) + 0.5
        second = np.where(genuine[:, None], first + 0.9 * noise, noise)
        return first, second, genuine, np.repeat(np.arange(10), 12)

    return draw


def sphereface_slowly(first, second, genuine, fold):
    accuracies, thresholds = [], []
    for i in range(10):
        members = [row for p in range(len(fold)) if fold[p] != i for row in (first[p], second[p])]
        mean = sum(members) / len(members)
        scores = []
        for a, b in zip(first, second, strict=True):
            a, b = a - mean, b - mean
            scores.append(np.dot(a / np.linalg.norm(a), b / np.linalg.norm(b)))
        of_genuine = np.array([s for s, g, f in zip(scores, genuine, fold, strict=True) if g and f != i])
        of_impostor = np.array([s for s, g, f in zip(scores, genuine, fold, strict=True) if not g and f != i])
        best, maximisers = -1, []
        for k in range(-10000, 10001):
            t = k / 10000
            right = np.sum(of_genuine > t) + np.sum(of_impostor < t)
            if right > best:
                best, maximisers = right, []
            if right == best:
                maximisers.append(t)
        t = np.mean(maximisers)
        test = np.flatnonzero(fold == i)
        accuracies.append(np.mean([scores[p] > t if genuine[p] else scores[p] < t for p in test]))
        thresholds.append(t)
    return accuracies, thresholds


def clcarwin_slowly(first, second, genuine, fold):
    scores = [
        a.dot(b) / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-5) for a, b in zip(first, second, strict=True)
    ]

    def accuracy(t, pairs):
        return np.mean([(1 if scores[p] > t else 0) == int(genuine[p]) for p in pairs])

    accuracies, thresholds = [], []
    for i in range(10):
        test, train = (
            np.arange(i * 12, (i + 1) * 12),
            [p for p in range(120) if not i * 12 <= p < (i + 1) * 12],
        )
        best, chosen = 0, None
        for t in np.arange(-1.0, 1.0, 0.005):
            if accuracy(t, train) >= best:
                best, chosen = accuracy(t, train), t
        accuracies.append(accuracy(chosen, test))
        thresholds.append(chosen)
    return accuracies, thresholds


def insightface_slowly(first, second, genuine, fold):
    first, second = normalize(first), normalize(second)
    distance = np.sum(np.square(first - second), axis=1)
    thresholds, accuracies, chosen = np.arange(0, 4, 0.01), [], []
    for train, test in KFold(n_splits=10, shuffle=False).split(np.arange(120)):
        of_train = [np.mean(np.less(distance[train], t) == genuine[train]) for t in thresholds]
        t = thresholds[np.argmax(of_train)]
        accuracies.append(np.mean(np.less(distance[test], t) == genuine[test]))
        chosen.append(1 - t / 2)
    return accuracies, chosen


def cosine_slowly(first, second, genuine, fold):
    scores = np.array(
        [a.dot(b) / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in zip(first, second, strict=True)]
    )
    accuracies, chosen = [], []
    for i in range(10):
        train, test = np.flatnonzero(fold != i), np.flatnonzero(fold == i)
        values = sorted(set(scores[train]))
        candidates = [values[0], *[(a + b) / 2 for a, b in pairwise(values)], values[-1]]
        right = [sum((scores[p] > t) == genuine[p] for p in train) for t in candidates]
        t = np.mean([t for t, r in zip(candidates, right, strict=True) if r == max(right)])
        accuracies.append(np.mean([(scores[p] > t) == genuine[p] for p in test]))
        chosen.append(t)
    return accuracies, chosen


SLOWLY = {
    "sphereface": sphereface_slowly,
    "cosine": cosine_slowly,
    "clcarwin": clcarwin_slowly,
    "insightface": insightface_slowly,
}


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("seed", [0, 1])
def test_protocol_agrees_with_its_slow_transcription(name, seed, drawn_pairs):
    pairs = drawn_pairs(seed)
    accuracies, thresholds = SLOWLY[name](*pairs)
    outcome = PROTOCOLS[name].evaluate(*pairs)
    np.testing.assert_allclose(outcome.per_fold, accuracies, rtol=0, atol=1e-15)
    np.testing.assert_allclose(outcome.thresholds, thresholds, rtol=0, atol=1e-12)
    assert 0.6 < np.mean(accuracies) < 1  # the comparison sees errors


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_pairs_correctness_follows_from_its_score_and_its_folds_threshold(name, drawn_pairs):
    first, second, genuine, fold = drawn_pairs(3)
    outcome = PROTOCOLS[name].evaluate(first, second, genuine, fold)
    above = outcome.scores > outcome.thresholds[fold]
    np.testing.assert_array_equal(outcome.correct, above == genuine)
    assert outcome.per_fold.mean() == pytest.approx(outcome.correct.mean())


def test_flip_fusions_are_those_of_the_sources():
    assert {name: protocol.flip for name, protocol in PROTOCOLS.items()} == {
        "sphereface": "concat",
        "cosine": "none",
        "clcarwin": "none",
        "insightface": "sum",
    }


def test_only_the_sphereface_protocol_ignores_a_common_offset(drawn_pairs):
    first, second, genuine, fold = drawn_pairs(4)
    for name, protocol in PROTOCOLS.items():
        here = protocol.evaluate(first, second, genuine, fold).scores
        moved = protocol.evaluate(first + 3, second + 3, genuine, fold).scores
        assert np.allclose(here, moved) == (name == "sphereface")


def test_a_score_on_the_threshold_is_wrong_for_both_kinds_under_sphereface():
    # Opposite directions around a zero mean: every score is -1 or 1, the best thresholds are all between,
    # mean 0. In fold 0 the two members are orthogonal: score 0, exactly on the threshold.
    east, north = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    first = np.array([east, east, east, -east, east, -east])
    second = np.array([north, north, east, -east, -east, east])
    genuine = np.array([True, False, True, True, False, False])
    fold = np.array([0, 0, 1, 1, 1, 1])
    outcome = PROTOCOLS["sphereface"].evaluate(first, second, genuine, fold)
    assert outcome.thresholds[0] == 0
    assert outcome.correct[:2].tolist() == [False, False]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_zero_embedding_scores_as_no_likeness(name, drawn_pairs):
    first, second, genuine, fold = drawn_pairs(5)
    first[7] = 0
    assert np.isfinite(PROTOCOLS[name].evaluate(first, second, genuine, fold).scores).all()
