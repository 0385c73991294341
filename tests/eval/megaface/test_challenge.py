"""MegaFace's challenge 1 against double loops over all pairs."""

import math

import numpy as np
import pytest

from eval.intervals import subject_interval
from eval.megaface.challenge import RANKS, measure, noise_among
from eval.megaface.sets import DistractorSet, drawn_sets
from eval.scores import scores_of_pairs
from sphereface_plus.data.formats.megaface_lists import MegaFaceError, NoiseList


@pytest.fixture(scope="module")
def faces():
    """Probes (14, 8) of five people, one of them with a single photo, and distractors (300, 8)."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(5), [4, 2, 5, 2, 1])
    centres = rng.standard_normal((5, 8))
    probes = centres[people] + 0.7 * rng.standard_normal((14, 8))
    return probes.astype(np.float32), people, rng.standard_normal((300, 8)).astype(np.float32)


def score(a, b):
    return float(scores_of_pairs(a[None], np.array([0]), b[None], np.array([0]))[0])


def literal_ranks(probes, people, distractors):
    """Of each probe and each other photo of its person: 1 + the distractors that score as high or higher."""
    return [
        1 + sum(score(probe, other) >= score(probe, probes[j]) for other in distractors)
        for i, probe in enumerate(probes)
        for j in range(len(probes))
        if i != j and people[i] == people[j]
    ]


def test_rank_k_is_that_of_a_double_loop_at_each_number_of_distractors_and_in_each_set(faces):
    probes, people, distractors = faces
    sets = drawn_sets(len(distractors), 2, seed=3)
    numbers = measure(probes, people, distractors, sets).numbers
    assert (numbers["probes"], numbers["people"], numbers["searches"]) == (14, 5, 36)
    assert [of_size["size"] for of_size in numbers["sizes"]] == [10, 100, 300]
    for of_size in numbers["sizes"]:
        ranks = [literal_ranks(probes, people, distractors[one.order[: of_size["size"]]]) for one in sets]
        for rank, found in zip(RANKS, of_size["ranks"], strict=True):
            expected = [np.mean(np.array(of_set) <= rank) for of_set in ranks]
            assert found["per_set"] == pytest.approx(expected)
            assert found["rate"] == pytest.approx(np.mean(expected))
            # both orders end with the same distractors, all of them
            deviation = None if of_size["size"] == 300 else pytest.approx(np.std(expected, ddof=1))
            assert found["deviation"] == deviation
        won = np.mean(np.array(ranks) == 1, axis=0)  # in which share of the sets each search is
        owner = [people[i] for i in range(14) for j in range(14) if i != j and people[i] == people[j]]
        assert of_size["rank_1_interval"] == pytest.approx(subject_interval(won, np.array(owner)))
    whole = literal_ranks(probes, people, distractors)
    curve = numbers["cmc"]
    assert curve["rate"] == pytest.approx([np.mean(np.array(whole) <= rank) for rank in curve["rank"]])
    assert curve["rank"][0] == 1
    assert curve["rate"][-1] == 1


def test_verification_counts_pairs_of_a_probe_and_a_distractor_as_impostors(faces):
    probes, people, distractors = faces
    verification = measure(probes, people, distractors, drawn_sets(300, 1, seed=0)).numbers["verification"][
        -1
    ]
    genuine = [score(probes[i], probes[j]) for i in range(14) for j in range(i) if people[i] == people[j]]
    impostor = np.sort([score(probe, other) for probe in probes for other in distractors])[::-1]
    assert (verification["genuine"], verification["impostor"]) == (18, 4200)
    for point in verification["tar_at_far"]:
        allowed = math.floor(point["far"] * 4200)
        threshold = impostor[allowed]  # this one is not accepted any more
        assert point["tar"] == pytest.approx(np.mean(np.array(genuine) > threshold))
        assert point["resolution"] == {0.01: "resolved", 1e-3: "coarse"}.get(point["far"], "unresolved")


def test_the_tar_over_sets_is_the_mean_of_each_measured_alone(faces):
    probes, people, distractors = faces
    near = np.argsort([max(score(probe, other) for probe in probes) for other in distractors])
    sets = [
        DistractorSet(number, rows, [9], [len(rows)]) for number, rows in ((1, near[:200]), (2, near[200:]))
    ]
    numbers = measure(probes, people, distractors, sets).numbers
    alone = [measure(probes, people, distractors, [one]).numbers["verification"][-1] for one in sets]
    assert [one["impostor"] for one in alone] == [2800, 1400]
    for place, at in enumerate(numbers["tar_over_sets"]):
        tars = [one["tar_at_far"][place]["tar"] for one in alone]
        assert at["per_set"] == tars
        assert at["mean"] == pytest.approx(np.mean(tars))
        assert at["deviation"] == pytest.approx(np.std(tars, ddof=1))
    assert any(at["deviation"] > 0 for at in numbers["tar_over_sets"])
    (one,) = drawn_sets(300, 1, 0)
    assert measure(probes, people, distractors, [one]).numbers["tar_over_sets"][0]["deviation"] is None


def test_the_curve_of_each_set_at_each_size_is_that_of_these_distractors_alone(faces):
    probes, people, distractors = faces
    sets = drawn_sets(300, 2, 0)
    for one, curves in zip(sets, measure(probes, people, distractors, sets).curves, strict=True):
        for size, end, curve in zip(one.sizes, one.ends, curves, strict=True):
            first = DistractorSet(1, one.order[:end], [size], [end])
            alone = measure(probes, people, distractors, [first]).numbers["verification"][0]["roc"]
            assert (curve.far.tolist(), curve.tar.tolist()) == (alone["far"], alone["tar"])


def test_a_far_is_that_of_all_pairs_where_more_are_tied_than_are_kept(faces, monkeypatch):
    monkeypatch.setattr("eval.megaface.challenge.MOST_IMPOSTORS", 20)
    probes, people, distractors = faces
    distractors = np.concatenate(
        [distractors, np.tile(probes[[0]], (25, 1))]
    )  # one that is a probe, 25 times
    verification = measure(probes, people, distractors, drawn_sets(325, 1, 0)).numbers["verification"][-1]
    impostor = np.sort([score(probe, other) for probe in probes for other in distractors])[::-1]
    for point in verification["tar_at_far"]:
        threshold = point["threshold_cosine"]
        accepted = 0 if threshold is None else np.sum(impostor >= threshold - 1e-12)
        assert accepted == point["false_accepts"] <= math.floor(point["far"] * len(impostor))


def test_a_size_that_has_no_distractor_left_is_refused_before_the_search(faces):
    probes, people, distractors = faces
    of_set = DistractorSet(4, np.arange(300), [10, 300], [0, 300])
    with pytest.raises(MegaFaceError, match="of the 10 distractors in a list of set 4 none is there"):
        measure(probes, people, distractors, [of_set])


def test_a_second_roc_is_that_of_fewer_distractors(faces, monkeypatch):
    probes, people, distractors = faces
    monkeypatch.setattr("eval.megaface.challenge.ROC_SIZE", 100)
    (one,) = drawn_sets(300, 1, 0)
    smaller, whole = measure(probes, people, distractors, [one]).numbers["verification"]
    assert (smaller["size"], whole["size"]) == (100, 300)
    first = DistractorSet(1, one.order[:100], [100], [100])
    assert measure(probes, people, distractors, [first]).numbers["verification"] == [smaller]


def test_a_copy_of_the_mate_among_the_distractors_is_above_it(faces):
    probes, people, distractors = faces
    before = measure(probes, people, distractors, drawn_sets(300, 1, 0))
    after = measure(probes, people, np.concatenate([distractors, probes[1:2]]), drawn_sets(301, 1, 0))
    copied = before.mate == 1
    np.testing.assert_array_equal(after.above[copied], before.above[copied] + 1)
    assert after.distractor(1) == 300
    assert after.nearest_score[1, 0] == pytest.approx(1, abs=1e-6)


def test_without_is_a_measurement_of_the_others(faces):
    probes, people, distractors = faces
    noise = np.zeros(300, dtype=bool)
    noise[[0, 5, 17, 200]] = True
    whole = DistractorSet(1, np.arange(300), [10, 100, 300], [10, 100, 300])
    clean = whole.without(noise)
    assert clean.ends == [8, 97, 296]
    found = measure(probes, people, distractors, [clean]).numbers
    others = np.delete(distractors, [0, 5, 17, 200], axis=0)
    assert found["sizes"][2]["ranks"][0]["rate"] == np.mean(
        np.array(literal_ranks(probes, people, others)) <= 1
    )
    assert found["sizes"][1]["ranks"][0]["rate"] == np.mean(
        np.array(literal_ranks(probes, people, others[:97])) <= 1
    )


def test_people_with_one_photo_each_have_nobody_to_find(faces):
    probes, _, distractors = faces
    with pytest.raises(MegaFaceError, match="no person has two probes"):
        measure(probes, np.arange(14), distractors, drawn_sets(300, 1, 0))


def test_noise_is_counted_by_the_lists_names(tmp_path):
    noise = NoiseList(tmp_path / "noise.txt", "0" * 64, frozenset({"a_1", "b_1", "c_1"}))
    mask, about = noise_among(["a/a_1", "a/a_2", "x/a_1", "b/b_1"], noise)
    assert mask.tolist() == [True, False, True, True]
    assert about is not None
    assert (about["entries"], about["of_people"], about["matched"]) == (3, 2, 2)
    assert noise_among(["a/a_1"], None)[1] is None


def test_a_copy_is_closest_in_the_set_that_holds_it(faces):
    probes, people, distractors = faces
    both = np.concatenate([distractors, probes[3:4]])
    sets = [
        DistractorSet(1, np.arange(100), [100], [100]),
        DistractorSet(2, np.arange(201, 301), [100], [100]),
    ]
    found = measure(probes, people, both, sets)
    assert [round(float(scores[3]), 6) == 1 for _, scores in found.closest] == [False, True]
    assert found.closest[1][0][3] == 300
