"""Templates, and the search among enrolled people and distractors, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from eval.enrolled import Mates, Searched, search_enrolled, templates
from eval.errors import SearchError
from eval.megaface.challenge import measure
from eval.megaface.sets import DistractorSet
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


def test_templates_of_a_gallery_in_parts_are_those_of_the_whole(monkeypatch):
    embeddings, people = enrolment()
    whole = [templates(embeddings, people, kind) for kind in ("mean", "best")]
    monkeypatch.setattr("eval.enrolled.ROWS_AT_ONCE", 5)
    parts = [templates(embeddings, people, kind) for kind in ("mean", "best")]
    for one, other in zip(whole, parts, strict=True):
        assert (one[0] == other[0]).all()
        assert (one[1] == other[1]).all()
    embeddings[7, 3] = np.nan
    with pytest.raises(SearchError, match="embedding 7, counted from 0, is not finite"):
        templates(embeddings, people, "mean")


def leave_one_out(kind: Mates, num_distractors: int = 60) -> tuple[Searched, np.ndarray, np.ndarray]:
    """Searches of each enrolled image among the others and distractors, two of which are copies of mates."""
    photos, people = enrolment()
    distractors = np.random.default_rng(1).normal(size=(num_distractors, 8)).astype(np.float32)
    distractors[[11, 40]] = photos[[4, 10]]
    found = search_enrolled(
        photos, people, photos, people, distractors, [0, 12, 60], own=np.arange(12), mates=kind, count=3
    )
    return found, people, np.concatenate([photos, distractors])


def test_with_each_mate_in_turn_searches_are_those_of_a_double_loop():
    found, people, gallery = leave_one_out("each")
    owner = np.append(people, [-1] * 60)
    expected, place = [], 0
    for probe in range(12):
        scores = scores_of_pairs(gallery, np.full(72, probe), gallery, np.arange(72))
        mates = [row for row in range(12) if row != probe and people[row] == people[probe]]
        others = [row for row in range(72) if owner[row] != people[probe]]
        best = sorted(others, key=lambda row: (-scores[row], row))[:3]
        for mate in mates or [-1]:
            score = scores[mate] if mate >= 0 else -np.inf
            rivals = [[row for row in others if row < 12 + size] for size in (0, 12, 60)]
            above = [0 if mate < 0 else sum(scores[row] >= score for row in among) for among in rivals]
            expected.append((probe, mate, score, above))
            assert found.others[place].tolist() == best
            assert found.other_scores[place].tolist() == scores[best].tolist()
            place += 1
    columns = found.probe, found.mate, found.mate_score, found.above
    assert list(zip(*(each.tolist() for each in columns), strict=True)) == expected
    assert sum(mate < 0 for _, mate, *_ in expected) == 1  # whose person has one photo
    assert max(above[2] - above[1] for *_, above in expected) >= 1


def test_the_best_mates_search_is_the_one_of_each_mates_that_scores_highest():
    each, best = leave_one_out("each")[0], leave_one_out("best")[0]
    assert best.probe.tolist() == list(range(12))
    for probe in range(12):
        own = np.flatnonzero(each.probe == probe)
        highest = own[np.argmax(each.mate_score[own])]
        assert (best.mate[probe], best.mate_score[probe]) == (each.mate[highest], each.mate_score[highest])
        assert (best.above[probe] == each.above[highest]).all()
        assert (best.others[probe] == each.others[highest]).all()


def test_with_each_mate_in_turn_distractors_count_as_megaface_counts_them():
    found, people, gallery = leave_one_out("each")
    sets = [DistractorSet(1, np.arange(60), [12, 60], [12, 60])]
    megaface = measure(gallery[:12], people, gallery[12:], sets)
    mated = found.mate >= 0
    assert (found.probe[mated] == megaface.probe).all()
    assert (found.mate[mated] == megaface.mate).all()
    assert (found.mate_score[mated] == megaface.mate_score).all()
    # other people's photos are entries of the gallery here, and not there
    assert (found.above[mated, 1:] - found.above[mated, :1] == megaface.counts[0]).all()
    assert megaface.counts[0].max() > 0
