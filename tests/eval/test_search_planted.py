"""20,000 synthetic embeddings, in tiles as they are in earnest, with answers that were put in."""

from __future__ import annotations

import numpy as np
import pytest

from eval.enrolled import search_enrolled
from eval.impostors import Impostors
from eval.scores import scores_of_pairs
from eval.search import scan
from eval.search_statistics import cmc, open_set_point, roc_of
from eval.statistics import tar_at_far
from eval.tallies import Best, MateCounts

PROBES, ROWS, D, SIZES = 40, 20_000, 128, (10, 100, 1000, 10_000, 20_000)


def near(probes: np.ndarray, generator: np.random.Generator, cosine: float) -> np.ndarray:
    """Rows at this cosine from probes, which are axes; orthogonal to all of them otherwise."""
    other = generator.normal(size=(len(probes), D))
    other[:, :PROBES] = 0
    other /= np.linalg.norm(other, axis=1)[:, None]
    return cosine * probes + np.sqrt(1 - cosine**2) * other


@pytest.fixture(scope="module")
def planted():
    """Probes, mates of cosine .6, distractors, and where among them rivals of .7 and copies of mates lie."""
    generator = np.random.default_rng(0)
    probes = np.eye(PROBES, D)
    mates = near(probes, generator, 0.6).astype(np.float32)
    distractors = generator.normal(size=(ROWS, D)).astype(np.float32)
    distractors[:, :PROBES] = 0
    places = generator.permutation(ROWS)
    rivals = {}
    for probe in range(PROBES):
        own, places = places[: probe % 7], places[probe % 7 :]
        for place in own:
            distractors[place] = near(probes[[probe]], generator, 0.7)[0]
        if len(own):
            distractors[own[0]] = 3 * mates[probe]  # a tie, of another length
        rivals[probe] = own
    return probes.astype(np.float32), mates, distractors, rivals


def test_ranks_at_every_size_are_the_rivals_that_were_put_in(planted):
    probes, mates, distractors, rivals = planted
    probe = np.arange(PROBES)
    counts, best = MateCounts(probe, scores_of_pairs(probes, probe, mates, probe), SIZES), Best(7)
    scan(probes, distractors, [counts, best])
    for row in probe:
        assert counts.counts[row].tolist() == [int(np.sum(rivals[row] < size)) for size in SIZES]
        found = best.scores[row] > 0.5
        assert set(best.rows[row][found]) == set(rivals[row])
    expected = np.mean([len(rivals[row]) < 1 for row in probe])
    assert cmc(counts.counts[:, -1], [1, 2, 7]) == pytest.approx([expected, np.mean(probe % 7 < 2), 1])


def test_the_error_rates_are_those_that_were_put_in(planted):
    probes, mates, distractors, rivals = planted
    people = np.arange(PROBES)
    found = search_enrolled(probes, people, mates, people, distractors, [0, ROWS])
    assert (found.above[:, 0] == 0).all()
    assert found.above[:, 1].tolist() == [len(rivals[probe]) for probe in people]
    # Probes without a rival have nobody near; with one, a copy of the mate; with more, rivals of .7.
    highest = np.select([people % 7 == 0, people % 7 == 1], [0.0, 0.6], 0.7)
    assert found.other_scores[:, 0] == pytest.approx(highest, abs=1e-6)
    more = np.mean(people % 7 > 1)
    point = open_set_point(
        found.mate_score, found.above[:, 1], people, found.other_scores[:, 0], people, 0.72
    )
    assert point.false_positives == round(PROBES * more)
    assert point.threshold == np.nextafter(np.sort(found.other_scores[people % 7 == 1, 0])[-1], np.inf)


def test_the_verification_rate_at_a_far_is_the_one_that_was_put_in(planted):
    probes, mates, distractors, rivals = planted
    impostors, people = Impostors(200), np.arange(PROBES)
    scan(probes, distractors, [impostors])
    rivals_above, ties = (sum(len(own) > k for own in rivals.values()) for k in (1, 0))
    assert np.sum(impostors.highest > 0.65) == sum(len(own[1:]) for own in rivals.values())
    assert np.sum(np.abs(impostors.highest - 0.6) < 1e-6) == ties
    curve = roc_of(scores_of_pairs(probes, people, mates, people), impostors)
    pairs = PROBES * ROWS
    strict = np.sum(impostors.highest > 0.65) / pairs
    assert rivals_above < ties
    assert tar_at_far(curve, strict * 0.99, pairs).tar == 0
    # With the rivals accepted, only mates above all copies of mates are; with the copies, all mates are.
    assert tar_at_far(curve, strict, pairs).tar < 1
    assert tar_at_far(curve, strict + ties / pairs, pairs).tar == 1
