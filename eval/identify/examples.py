"""Searches to look at: the hardest probes, unknown people of high scores, distractors like a mate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..example_photos import NUM_ABOVE, NUM_EXAMPLES, Example, example_photo
from ..scores import scores_of_pairs

if TYPE_CHECKING:
    from .measured import Measured


def hardest(measured: Measured) -> list[Example]:
    """Probes whose mate is not first, those first where it lags behind most: the probe, its mate (of several
    the one that lags most), and who is ranked above."""
    searches, searched = measured.searches, measured.searched
    missed = np.flatnonzero(searches.mated & (searches.above > 0))
    lag = searches.highest[missed] - searches.mate_score[missed]
    worst_first = missed[np.argsort(-lag, kind="stable")]
    each_once = np.sort(np.unique(searches.probe[worst_first], return_index=True)[1])
    examples = []
    for search in worst_first[each_once][:NUM_EXAMPLES]:
        mate_score = searches.mate_score[search]
        others = [
            _entry(measured, search, int(row), "above", float(score))
            for row, score in zip(
                searched.others[search, :NUM_ABOVE], searched.other_scores[search, :NUM_ABOVE], strict=True
            )
            if score >= mate_score
        ]
        mate = _entry(measured, search, int(searched.mate[search]), "mate", float(mate_score))
        examples.append(
            {
                "photos": [_probe(measured, search), mate, *others],
                "rank": int(searches.above[search]) + 1,
            }
        )
    return examples


def unknown(measured: Measured) -> list[Example]:
    """Searches without a mate that score highest, and with whom: false positives first."""
    searches, searched = measured.searches, measured.searched
    rest = np.flatnonzero(~searches.mated & np.isfinite(searches.highest))
    order = rest[np.argsort(-searches.highest[rest], kind="stable")][:NUM_EXAMPLES]
    return [
        {
            "photos": [
                _probe(measured, search),
                _entry(
                    measured,
                    search,
                    int(searched.others[search, 0]),
                    "above",
                    float(searches.highest[search]),
                ),
            ]
        }
        for search in order
    ]


def twins(measured: Measured) -> list[Example]:
    """Distractors that score highest with a mate, of those among the best of a search: each once."""
    searched, searches = measured.searched, measured.searches
    num_enrolled = len(measured.enrolled)
    of_mated = searched.others[searches.mated]
    search, column = np.nonzero(of_mated >= num_enrolled)
    if not len(search):
        return []
    mates = searched.mate[searches.mated][search]
    distractors = of_mated[search, column] - num_enrolled
    pairs = np.unique(np.stack([mates, distractors], axis=1), axis=0)
    needed, place = np.unique(pairs[:, 1], return_inverse=True)
    rows = measured.joined.rows[measured.joined.order[needed]]
    scores = scores_of_pairs(measured.enrolled, pairs[:, 0], rows, place)
    examples, shown = [], set()
    for index in np.argsort(-scores, kind="stable"):
        mate, distractor = (int(number) for number in pairs[index])
        if distractor in shown:
            continue
        shown.add(distractor)
        score = float(scores[index])
        entry = _of_distractor(measured, distractor, "distractor", score)
        like = rows[place[index]]
        examples.append({"photos": [_enrolled_photo(measured, mate, like, "mate", None), entry]})
        if len(examples) == NUM_EXAMPLES:
            break
    return examples


def _probe(measured: Measured, search: int) -> dict[str, Any]:
    row = measured.probe_rows[search]
    photos = measured.probes.photos
    return example_photo(photos.role, photos.keys[row], photos.people[row], "probe", None)


def _entry(measured: Measured, search: int, row: int, what: str, score: float) -> dict[str, Any]:
    """A row of the enrolled templates and then distractors, as the search saw it."""
    if row >= len(measured.enrolled):
        return _of_distractor(measured, row - len(measured.enrolled), what, score)
    like = measured.probes.rows[measured.probe_rows[search]]
    return _enrolled_photo(measured, row, like, what, score)


def _of_distractor(measured: Measured, number: int, what: str, score: float) -> dict[str, Any]:
    place, row = measured.distractor_rows[number]
    photos = measured.distractors[place].photos
    return example_photo(photos.role, photos.keys[row], photos.people[row], what, score)


def _enrolled_photo(
    measured: Measured, row: int, like: np.ndarray, what: str, score: float | None
) -> dict[str, Any]:
    """The photo that a template is; where it is made of several, the one that is most like an embedding
    (D,)."""
    photos, person = measured.gallery.photos, measured.enrolled_people[row]
    if measured.enrolled_rows is not None:
        photo = measured.enrolled_rows[row]
    else:
        of_person, begin = measured.photos_by_person
        rows = of_person[begin[person] : begin[person + 1]]
        own = measured.gallery.rows[rows]
        photo = rows[
            np.argmax(scores_of_pairs(like[None], np.zeros(len(rows), int), own, np.arange(len(rows))))
        ]
    return example_photo("gallery", photos.keys[photo], measured.names[person], what, score)
