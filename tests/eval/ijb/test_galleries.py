"""1:N against literal loops over probes and gallery, and the interval of a mean against simulation."""

import numpy as np
import pytest

from eval.ijb.galleries import mean_of, mean_with_interval, searched
from eval.intervals import wilson
from eval.scores import scores_of_pairs
from sphereface_plus.data.formats.ijb import IjbError


@pytest.fixture
def drawn():
    """Probes (90, 5) of 25 subjects, and a gallery (16, 5) of 15 of them, one with two templates."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((25, 5))
    probe_subject, gallery_subject = rng.integers(0, 25, 90), np.append(np.arange(15), 3)
    probes = centres[probe_subject] + 0.5 * rng.standard_normal((90, 5))
    gallery = centres[gallery_subject] + 0.5 * rng.standard_normal((16, 5))
    return probes.astype(np.float32), probe_subject, gallery.astype(np.float32), gallery_subject


def literal(probes, probe_subject, gallery, gallery_subject):
    """Of each probe: its mate's score or None, how many others are as high or higher, the highest other."""
    for probe, subject in zip(probes, probe_subject, strict=True):
        left, rows = np.zeros(len(gallery), dtype=int), np.arange(len(gallery))
        scores = scores_of_pairs(probe[None], left, gallery, rows)
        own, others = scores[gallery_subject == subject], scores[gallery_subject != subject]
        mate = max(own) if len(own) else None
        yield mate, 0 if mate is None else int(np.sum(others >= mate)), max(others)


@pytest.mark.parametrize("most", [1, 3, None])
def test_ranks_and_fnir_are_those_of_a_double_loop(drawn, most):
    probes, probe_subject, gallery, gallery_subject = drawn
    found = searched(probes, probe_subject, gallery, gallery_subject, "G1.csv", most)
    searches = list(literal(*drawn))
    above = np.array([count for mate, count, _ in searches if mate is not None])
    mates = np.array([mate for mate, _, _ in searches if mate is not None])
    highest = np.array([other for mate, _, other in searches if mate is None])
    assert (found["mated"], found["open_set"]["nonmated"]) == (len(mates), len(highest))
    assert (found["templates"], found["subjects"]) == (16, 15)
    shares = {one["rank"]: one["share"] for one in found["ranks"]}
    for rank in (1, 5, 10):
        assert shares[rank] == pytest.approx(np.mean(above < rank))
    assert shares[1] < 1
    for point in found["open_set"]["points"][:2]:
        allowed = int(point["fpir"] * len(highest) + 1e-9)
        threshold = np.sort(highest)[::-1][allowed]  # what is above it is returned
        missed = (mates <= threshold) | (above >= (np.inf if most is None else most))
        assert point["false_positives"] == np.sum(highest > threshold) <= allowed
        assert point["fnir"] == pytest.approx(np.mean(missed))


def test_a_gallery_of_other_subjects_or_of_one_is_refused(drawn):
    probes, probe_subject, gallery, gallery_subject = drawn
    with pytest.raises(IjbError, match="G1: holds no subject of a probe; are these the lists of one set"):
        searched(probes, probe_subject, gallery, gallery_subject + 100, "G1")
    with pytest.raises(IjbError, match="G1: holds one subject"):
        searched(probes, probe_subject, gallery, np.full(16, 3), "G1")


def test_the_mean_of_two_galleries_is_theirs_and_as_unsure_as_the_less_sure_one(drawn):
    probes, probe_subject, gallery, gallery_subject = drawn
    one = searched(probes, probe_subject, gallery, gallery_subject, "G1")
    few = probe_subject >= 10
    two = searched(probes[few], probe_subject[few], gallery[10:15], gallery_subject[10:15], "G2")
    mean = mean_of([one, two])
    assert [point["rank"] for point in mean["ranks"]] == [1, 5]  # the second gallery has no tenth rank
    ranks = [side["ranks"][0]["share"] for side in (one, two)]
    assert mean["ranks"][0]["share"] == pytest.approx(np.mean(ranks))
    at = {point["fpir"]: point for point in mean["fnir"]}
    assert list(at) == [1e-1, 1e-2, 1e-3]
    for fpir in at:
        both = [p for side in (one, two) for p in side["open_set"]["points"] if p["fpir"] == fpir]
        assert at[fpir]["share"] == pytest.approx(np.mean([p["fnir"] for p in both]))
    assert at[1e-2]["resolution"] == "unresolved"


def test_an_end_that_cannot_be_told_in_both_galleries_cannot_be_told_of_their_mean():
    assert mean_with_interval([(0.0, (0.0, 1.0)), (0.0, (0.0, 1.0))]) == (0, (0, 1))
    assert mean_with_interval([(0.4, (0.0, 1.0)), (0.2, (0.1, 0.3))])[1] == pytest.approx((0.05, 0.65))
    assert mean_with_interval([(0.0, (-1.0, 1.0))] * 2)[1] == (-1, 1)  # of a difference
    assert mean_with_interval([(0.9, (0.88, 0.93))]) == (0.9, pytest.approx((0.88, 0.93)))


@pytest.mark.parametrize("together", [False, True])
def test_the_interval_of_a_mean_covers_it_at_least_as_often_as_it_says(together):
    rng, inside, true = np.random.default_rng(0), 0, (0.97, 0.9)
    for _ in range(2000):
        draws = rng.random((2, 300))
        drawn = [draws[0] if together else draw for draw in draws]
        shares = [float(np.mean(draw < one)) for draw, one in zip(drawn, true, strict=True)]
        _, (low, high) = mean_with_interval([(share, wilson(share, 300)) for share in shares])
        inside += low <= np.mean(true) <= high
    assert inside / 2000 == pytest.approx(0.968 if together else 0.996, abs=0.005)
