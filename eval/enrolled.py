"""Templates of enrolled people, and the search of probes among them and distractors.

Shapes: P probes, E enrolled templates, N distractors, D numbers in an embedding, S sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .errors import SearchError
from .rows import Joined, Rows
from .scores import ROWS_AT_ONCE, scores_of_pairs, unit_rows
from .search import scan
from .tallies import Best, MateCounts

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes

TemplateKind = Literal["mean", "best", "image"]
Mates = Literal["best", "each"]
"""Of several templates of a probe's person: one search with the best of them as the mate, or one with each as
the only mate."""


def templates(
    embeddings: np.ndarray, people: np.ndarray, kind: TemplateKind, quality: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (E, D) and people (E,) that are enrolled, of embeddings (M, D) of people (M,).

    `mean`: one a person, the mean of its unit embeddings. `best`: one a person, the embedding of the highest
    quality (M,), of equal ones the first; where none is given, the longest one, as networks give longer
    embeddings to clearer faces. `image`: all. Raises SearchError, where lengths tell no quality.
    """
    if kind == "image":
        return embeddings, people
    names, person = np.unique(people, return_inverse=True)
    if kind == "mean":
        sums = np.zeros((len(names), embeddings.shape[1]))
        for part in _parts(embeddings):
            np.add.at(sums, person[part], unit_rows(embeddings[part], first=part.start).astype(np.float64))
        return sums, names  # a direction: the length does not matter
    if quality is None:
        quality = _lengths(embeddings)
    order = np.lexsort((-quality, person))
    first = order[np.searchsorted(person[order], np.arange(len(names)))]
    return embeddings[first], names


def _parts(embeddings: np.ndarray) -> Iterator[slice]:
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)


def _lengths(embeddings: np.ndarray) -> np.ndarray:
    lengths = np.empty(len(embeddings))
    for part in _parts(embeddings):
        lengths[part] = np.linalg.norm(embeddings[part].astype(np.float64), axis=1)
    if len(lengths) > 1 and np.ptp(lengths) <= 1e-4 * lengths.max():
        raise SearchError(
            "the embeddings have one length, which tells no best face of a person; take mean or image, or "
            "the embeddings as the network gives them"
        )
    return lengths


@dataclass(frozen=True)
class Searched:
    """What came of searching each probe among the enrolled and the distractors: Q searches."""

    probe: np.ndarray
    """(Q,) ascending: the probe that is searched for; each once, or with mates `each` once a mate."""
    mate: np.ndarray
    """(Q,): the row of the mate's template, -1 where the probe's person is not enrolled."""
    mate_score: np.ndarray
    """(Q,); -inf likewise."""
    above: np.ndarray
    """(Q, S): others that score as high or higher, among the enrolled and the first `sizes` distractors;
    templates of the probe's person are none."""
    others: np.ndarray
    """(Q, count): the best rows of other people; distractor n is row E + n."""
    other_scores: np.ndarray
    """(Q, count) descending. The first is the highest score of the search without a mate."""


def search_enrolled(
    probes: np.ndarray,
    probe_people: np.ndarray,
    enrolled: np.ndarray,
    enrolled_people: np.ndarray,
    distractors: Rows,
    sizes: Sequence[int],
    *,
    own: np.ndarray | None = None,
    mates: Mates = "best",
    count: int = 1,
    processes: Processes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Searched:
    """Searches probes (P, D) among enrolled templates (E, D) and distractors (N, D), in one pass.

    People are numbers from 0, distractors nobody. sizes: numbers of distractors to count at, 0 among them.
    own: (P,) which of the enrolled is the probe's own image, which is not its mate, or -1; None if none is.
    mates: `each` makes a search of a probe and each template of its person, as MegaFace does.
    """
    of_person = np.argsort(enrolled_people, kind="stable")
    first, end = (
        np.searchsorted(enrolled_people[of_person], probe_people, side=side) for side in ("left", "right")
    )
    number = end - first
    probe = np.repeat(np.arange(len(probes)), number)
    mate = of_person[np.arange(len(probe)) - np.repeat(np.cumsum(number) - number, number) + first[probe]]
    if own is not None:
        probe, mate = probe[mate != own[probe]], mate[mate != own[probe]]
    score = scores_of_pairs(probes, probe, enrolled, mate)
    if mates == "best":
        by_score = np.lexsort((mate, -score, probe))
        best_of = by_score[np.unique(probe[by_score], return_index=True)[1]]
        probe, mate, score = probe[best_of], mate[best_of], score[best_of]
    tally, best = MateCounts(probe, score, [len(enrolled) + size for size in sizes]), Best(count)
    scan(
        probes,
        Joined(enrolled, distractors),
        [tally, best],
        probe_people=probe_people,
        gallery_people=np.append(enrolled_people, np.full(distractors.shape[0], -1)),
        processes=processes,
        progress=progress,
    )
    without = np.setdiff1d(np.arange(len(probes)), probe)
    order = np.argsort(np.append(probe, without), kind="stable")
    searched = np.append(probe, without)[order]
    return Searched(
        searched,
        np.append(mate, np.full(len(without), -1))[order],
        np.append(score, np.full(len(without), -np.inf))[order],
        np.append(tally.counts, np.zeros((len(without), len(sizes)), dtype=np.int64), axis=0)[order],
        best.rows[searched],
        best.scores[searched],
    )
