"""Templates, and the search among enrolled people and distractors, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from eval.enrolled import search_enrolled, templates
from eval.errors import SearchError
from eval.scores import scores_of_pairs


def enrolment(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(12, 8)).astype(np.float32), np.array([4, 4, 0, 9, 0, 4, 9, 0, 0, 2, 9, 9])


def test_a_mean_template_has_the_direction_of_the_persons_unit_embeddings():
    embeddings, people = enrolment()
    rows, names = templates(embeddings, people, "mean")
    assert names.tolist() == [0, 2, 4, 9]
    for row, name in zip(rows, names, strict=True):
        units = [each / np.linalg.norm(each) for each in embeddings[people == name].astype(float)]
        assert row / np.linalg.norm(row) == pytest.approx(
            np.mean(units, axis=0) / np.linalg.norm(np.mean(units, axis=0)), abs=1e-6
        )


def test_the_best_template_is_of_the_highest_quality_or_the_longest():
    embeddings, people = enrolment()
    quality = np.array([1, 5, 2, 0, 2, 5, 3, 1, 0, 7, 3, 1.0])
    rows, names = templates(embeddings, people, "best", quality)
    assert names.tolist() == [0, 2, 4, 9]
    assert (rows == embeddings[[2, 9, 1, 6]]).all()
    longest, _ = templates(embeddings, people, "best")
    lengths = np.linalg.norm(embeddings, axis=1)
    for row, name in zip(longest, names, strict=True):
        assert (row == embeddings[np.where(people == name, lengths, 0).argmax()]).all()


def test_each_image_is_a_template_of_its_own():
    embeddings, people = enrolment()
    rows, names = templates(embeddings, people, "image")
    assert rows is embeddings
    assert names is people


def test_unit_embeddings_tell_no_best_face():
    embeddings, people = enrolment()
    with pytest.raises(SearchError, match="have one length, which tells no best face of a person; take mean"):
        templates(embeddings / np.linalg.norm(embeddings, axis=1)[:, None], people, "best")


@pytest.mark.parametrize("num_distractors", [0, 60])
def test_a_search_among_enrolled_people_and_distractors_is_that_of_a_loop(num_distractors):
    enrolled, enrolled_people = enrolment()
    generator = np.random.default_rng(1)
    probe_people = np.array([4, 9, 9, 2, 77, 0, 1])
    probes = generator.normal(size=(7, 8)).astype(np.float32)
    distractors = generator.normal(size=(num_distractors, 8)).astype(np.float32)
    if num_distractors:
        distractors[11] = enrolled[9]  # a distractor is a copy of an enrolled image: a tie, and a miss
    sizes = [0, 12, 60] if num_distractors else [0]
    found = search_enrolled(probes, probe_people, enrolled, enrolled_people, distractors, sizes, count=3)
    gallery, people = (
        np.concatenate([enrolled, distractors]),
        np.append(enrolled_people, [-1] * num_distractors),
    )
    for row, person in enumerate(probe_people):
        scores = scores_of_pairs(probes, np.full(len(gallery), row), gallery, np.arange(len(gallery)))
        own = np.flatnonzero(people == person)
        others = np.flatnonzero(people != person)
        best = others[np.argsort(-scores[others], kind="stable")][:3]
        assert found.others[row].tolist() == best.tolist()
        assert found.other_scores[row].tolist() == scores[best].tolist()
        if not len(own):
            assert (found.mate[row], found.mate_score[row]) == (-1, -np.inf)
            continue
        mate = own[np.argmax(scores[own])]
        assert (found.mate[row], found.mate_score[row]) == (mate, scores[mate])
        for column, size in enumerate(sizes):
            rivals = others[others < 12 + size]
            assert found.above[row, column] == np.sum(scores[rivals] >= scores[mate])
    if num_distractors:
        assert (found.mate[3], found.above[3, 1] - found.above[3, 0] >= 1) == (9, True)
