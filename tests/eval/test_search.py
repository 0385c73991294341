"""The search against a brute-force double loop, with duplicated images, in small tiles."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from eval import scores as scores_module
from eval import search, tallies
from eval.errors import SearchError
from eval.impostors import EDGES, Impostors
from eval.rows import Reordered
from eval.scores import Pairs, scores_of_pairs, unit_rows
from eval.search import scan
from eval.tallies import Best, MateCounts

P, N, D = 23, 300, 16


@pytest.fixture(
    params=[(4096, 448, 1, 100), (4096, 448, 1, 1), (7, 5, 1, 1), (64, 9, 3, 2)],
    ids=["one tile, compared", "one tile, sorted", "small tiles", "3 threads"],
)
def tiles(request, monkeypatch):
    chunk, slab, threads, sorted_from = request.param
    monkeypatch.setattr(tallies, "SORTED_FROM", sorted_from)
    monkeypatch.setattr(search, "CHUNK_ROWS", chunk)
    monkeypatch.setattr(search, "SLAB_ROWS", slab)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    yield
    torch.set_num_threads(before)


def embeddings(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probes (P, D) of people and a gallery (N, D), some of whose rows are there several times, far apart."""
    generator = np.random.default_rng(seed)
    people = generator.normal(size=(6, D))
    probes = people[np.arange(P) % 6] + 0.7 * generator.normal(size=(P, D))
    gallery = generator.normal(size=(N, D))
    gallery[::29] = people[np.arange(len(gallery[::29])) % 6] + 0.7 * generator.normal(
        size=(len(gallery[::29]), D)
    )
    probes, gallery = probes.astype(np.float32), gallery.astype(np.float32)
    gallery[[250, 131, 299]] = gallery[[29, 29, 58]]
    gallery[[5, 90, 270]] = probes[[0, 0, 7]]  # a probe's mate lies among the distractors, twice
    return probes, gallery


def exact_unit(row: np.ndarray) -> np.ndarray:
    length = np.float32(math.sqrt(math.fsum(row.astype(float) ** 2)))
    return (row / length).astype(float)


def slow_score(one: np.ndarray, other: np.ndarray) -> float:
    """The cosine of float32 unit rows, each product exact, their sum rounded once."""
    return math.fsum(exact_unit(one) * exact_unit(other))


@cache
def slow_scores() -> np.ndarray:
    """(P, N)."""
    probes, gallery = ([exact_unit(row) for row in rows] for rows in embeddings())
    return np.array([[math.fsum(probe * row) for row in gallery] for probe in probes])


def leave_one_out(num: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(i, j) for i in range(num) for j in range(num) if i != j and i % 6 == j % 6]
    probe, mate = np.array(pairs).T
    return probe, mate


def test_a_pairs_score_is_that_of_exact_arithmetic_and_the_same_in_any_company():
    probes, gallery = embeddings()
    left, right = np.divmod(np.arange(P * N), N)
    together = scores_of_pairs(probes, left, gallery, right)
    assert together == pytest.approx(slow_scores().ravel(), abs=4e-16)
    for pair in (0, 1, 700, P * N - 1):
        alone = scores_of_pairs(probes[left[[pair]]], np.array([0]), gallery[right[[pair]]], np.array([0]))
        assert alone[0] == together[pair]


def test_distractors_at_or_above_a_mate_are_those_of_a_double_loop_at_every_size(tiles):
    probes, gallery = embeddings()
    probe, mate = leave_one_out(P)
    score, sizes = scores_of_pairs(probes, probe, probes, mate), [10, 100, 131, N]
    counts = MateCounts(probe, score, sizes)
    scan(probes, gallery, [counts])
    slow = slow_scores()
    for pair, (i, j) in enumerate(zip(probe, mate, strict=True)):
        its = slow_score(probes[i], probes[j])
        near = np.abs(slow[i] - its) < 1e-14  # exact ties, as the next distractor is farther away
        expected = [np.sum((slow[i] > its)[:size] | near[:size]) for size in sizes]
        assert counts.counts[pair].tolist() == expected


def test_a_tie_with_a_distractor_is_lost_wherever_its_copies_lie(tiles):
    probes, gallery = embeddings()
    copies = np.tile(gallery[[40]], (50, 1))
    gallery = np.concatenate([gallery, copies])
    probe = np.arange(P)
    counts = MateCounts(probe, scores_of_pairs(probes, probe, gallery, np.full(P, 40)), [41, N, N + 50])
    scan(probes, gallery, [counts])
    higher = np.sum(slow_scores() > slow_scores()[:, [40]] + 1e-14, axis=1)
    assert (counts.counts[:, 2] == higher + 51).all()
    assert (counts.counts[:, 1] == higher + 1).all()


@pytest.mark.parametrize("count", [1, 5, 400])
def test_the_best_rows_are_those_of_a_sort_and_of_equal_ones_the_first(tiles, count):
    probes, gallery = embeddings()
    best = Best(count)
    scan(probes, gallery, [best])
    left, right = np.divmod(np.arange(P * N), N)
    scores = scores_of_pairs(probes, left, gallery, right).reshape(P, N)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    assert (best.rows[:, : order.shape[1]] == order).all()
    assert (best.scores[:, : order.shape[1]] == np.take_along_axis(scores, order, 1)).all()
    assert (best.rows[:, N:] == -1).all()
    assert (best.scores[:, N:] == -np.inf).all()


@pytest.mark.parametrize("most", [1, 40, 10_000])
def test_the_highest_impostor_scores_and_the_counts_on_the_grid(tiles, most):
    probes, gallery = embeddings()
    impostors = Impostors(most)
    scan(probes, gallery, [impostors])
    left, right = np.divmod(np.arange(P * N), N)
    scores = np.sort(scores_of_pairs(probes, left, gallery, right))
    assert (impostors.highest == scores[::-1][:most]).all()
    assert impostors.count == P * N
    fewest, highest = (P * N - np.searchsorted(scores, EDGES + sign * 2e-6) for sign in (1, -1))
    assert (fewest <= impostors.at_or_above_edges).all()
    assert (impostors.at_or_above_edges <= highest).all()


def test_every_score_is_counted_from_opposite_embeddings_to_copies(tiles):
    angle = np.concatenate([np.linspace(0, np.pi, 3_000), np.zeros(40), np.full(40, np.pi)])
    impostors = Impostors(5)
    scan(np.eye(1, 2), np.stack([np.cos(angle), np.sin(angle)], axis=1), [impostors])
    scores = np.sort(np.cos(angle))
    fewest, highest = (len(angle) - np.searchsorted(scores, EDGES + sign * 2e-6) for sign in (1, -1))
    assert impostors.at_or_above_edges[0] == len(angle)
    assert (fewest <= impostors.at_or_above_edges).all()
    assert (impostors.at_or_above_edges <= highest).all()
    assert (np.diff(EDGES)[1:] == 2**-14).all()
    assert EDGES[0] < -1 < EDGES[1] < -0.98
    assert 1 - 2**-14 < EDGES[-1] < 1


@pytest.mark.parametrize("count", [1, 5])
def test_copies_of_one_image_by_the_hundred_are_ties_and_leave_the_rest_exact(tiles, count):
    probes, gallery = embeddings()
    gallery = np.concatenate([gallery, np.tile(probes[[3]], (400, 1)), np.tile(gallery[[58]], (200, 1))])
    best, impostors = Best(count), Impostors(25)
    scan(probes, gallery, [best, impostors])
    left, right = np.divmod(np.arange(P * len(gallery)), len(gallery))
    scores = scores_of_pairs(probes, left, gallery, right).reshape(P, -1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    assert (best.rows == order).all()
    assert (best.scores == np.take_along_axis(scores, order, 1)).all()
    assert (impostors.highest == -np.sort(-scores.ravel())[:25]).all()


def test_pairs_are_scored_alike_when_their_tiles_are_gone(monkeypatch):
    monkeypatch.setattr(scores_module, "ROWS_AT_ONCE", 64)
    probes, gallery = embeddings()
    generator = np.random.default_rng(4)
    left, right = generator.integers(0, P, 500), generator.integers(0, N, 500)
    again = Pairs(unit_rows(probes), Reordered(gallery, np.arange(N)[::-1])).exact(left, N - 1 - right)
    assert (again == scores_of_pairs(probes, left, gallery, right)).all()


def test_pairs_of_one_person_are_left_out(tiles):
    probes, gallery = embeddings()
    people = np.random.default_rng(3).integers(0, 40, N)
    best, impostors = Best(3), Impostors(10_000)
    counts = MateCounts(np.arange(P), np.full(P, -2.0), [N])
    scan(probes, gallery, [best, impostors, counts], probe_people=np.arange(P) % 6, gallery_people=people)
    other = people[None] != (np.arange(P) % 6)[:, None]
    scores = np.where(other, slow_scores(), -np.inf)
    assert best.scores == pytest.approx(-np.sort(-scores, axis=1)[:, :3], abs=1e-15)
    assert impostors.count == len(impostors.highest) == other.sum()
    assert (counts.counts[:, 0] == other.sum(axis=1)).all()


def test_a_gallery_on_disk_in_another_order_is_that_gallery(tmp_path, tiles):
    probes, gallery = embeddings()
    np.save(tmp_path / "gallery.npy", gallery)
    order = np.random.default_rng(1).permutation(N)[:200]
    best, expected = Best(2), Best(2)
    scan(probes, Reordered(np.load(tmp_path / "gallery.npy", mmap_mode="r"), order), [best])
    scan(probes, gallery[order], [expected])
    assert (best.rows == expected.rows).all()
    assert (best.scores == expected.scores).all()


@pytest.mark.parametrize(
    ("row", "value", "words"),
    [
        (17, np.nan, "gallery embedding 17, counted from 0, is not finite; embed it again or leave it out"),
        (299, np.inf, "gallery embedding 299, counted from 0, is not finite"),
        (0, 0, "gallery embedding 0, counted from 0, has length 0"),
    ],
)
def test_a_row_without_a_direction_is_refused_by_its_number(tiles, row, value, words):
    probes, gallery = embeddings()
    gallery[row] = value
    with pytest.raises(SearchError, match=words):
        scan(probes, gallery, [Best()])


def test_what_cannot_be_searched_is_refused():
    probes, gallery = embeddings()
    with pytest.raises(SearchError, match=r"probes \(23, 15\) and gallery \(300, 16\) must be rows of one"):
        scan(probes[:, 1:], gallery, [Best()])
    with pytest.raises(SearchError, match="nothing to search: 23 probes in a gallery of 0"):
        scan(probes, gallery[:0], [Best()])
    probes[[2, 5]] = np.nan
    with pytest.raises(SearchError, match="probe 2, counted from 0, is not finite"):
        scan(probes, gallery, [Best()])


def test_a_large_search_of_a_collapsed_model_is_refused_and_a_small_one_ends(monkeypatch):
    generator = np.random.default_rng(0)
    gallery = 1 + 1e-4 * generator.normal(size=(900, D)).astype(np.float32)
    probes = gallery[:40].copy()
    best = Best()
    scan(probes, gallery, [best])
    left, right = np.divmod(np.arange(40 * 900), 900)
    each = scores_of_pairs(probes, left, gallery, right).reshape(40, 900)
    assert best.rows[:, 0].tolist() == each.argmax(axis=1).tolist()
    monkeypatch.setattr(search, "COLLAPSE_MATTERS_FROM", 1000)
    gallery[450:] = generator.normal(size=(450, D))  # half of them are all right
    scan(probes, gallery, [Best()])
    gallery[420:460] = 1
    words = (
        r"nearly all the same: of 10,240 pairs .* 5\d% have a cosine above 0.99999. The model has collapsed"
    )
    with pytest.raises(SearchError, match=words):
        scan(probes, gallery, [Best()])
    gallery[:] = np.nan
    with pytest.raises(SearchError, match="gallery embedding 0, counted from 0, is not finite"):
        scan(probes, gallery, [Best()])


def test_tiles_of_the_same_probes_are_given_one_after_the_other_and_a_border_waits_for_all(tiles):
    taken: dict[int, list[int]] = {}
    inside: set[int] = set()
    at_border = []

    class Watching:
        sizes = (100, 250)

        def start(self, pairs): ...

        def take(self, tile):
            assert tile.first_probe not in inside
            inside.add(tile.first_probe)
            taken.setdefault(tile.first_probe, []).append(len(tile.rows) * len(tile.probes) - tile.left_out)
            inside.discard(tile.first_probe)

        def reached(self, size):
            at_border.append((size, sum(sum(pairs) for pairs in taken.values())))

        def finish(self): ...

    scan(*embeddings(), [Watching()])
    assert at_border == [(100, 100 * P), (250, 250 * P)]
    assert sum(sum(pairs) for pairs in taken.values()) == N * P


def test_rows_of_one_direction_and_of_any_length_have_unit_length():
    rows = (
        np.random.default_rng(0).normal(size=(50, D)).astype(np.float32) * 10.0 ** np.arange(-25, 25)[:, None]
    )
    lengths = np.linalg.norm(unit_rows(rows).astype(float), axis=1)
    assert lengths == pytest.approx(1, abs=1e-7)


def test_progress_ends_with_all_rows(tiles):
    probes, gallery = embeddings()
    said: list[tuple[int, int]] = []
    scan(probes, gallery, [Best()], progress=lambda done, rows: said.append((done, rows)))
    assert said[-1] == (N, N)
    assert said == sorted(said)
